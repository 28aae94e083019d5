//! Sends a marked test event the way a member's alarm goes, and follows it hop by hop to SES's message id.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::live;
use crate::observe::undelivered;
use crate::plan::billing::{Present, plan};
use crate::plan::test_alert::{Hop, HopStatus, Journey};
use crate::plan::undelivered::{NOT_RENDERED, QueueContents, Undelivered};
use crate::resource::{self, ExecutionName, MAIL_EXECUTION_PREFIX, Naming, Resource, TEST_DETAIL_TYPE, TEST_SOURCE};
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::eventbridge::NewEvent;
use billctl_core::service::sfn::{Execution, ExecutionStatus, GET_EXECUTION_HISTORY, HistoryEvent};
use billctl_core::service::{Kind, OrAbsent, Services, all_pages};

mod from_member;

pub use from_member::from_member;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an event may take to start an execution: EventBridge usually takes about half a second.
const START_PATIENCE: Duration = Duration::from_secs(45);
/// How long the notifier may take: its retries of throttled reads are minutes apart at worst.
const RUN_PATIENCE: Duration = Duration::from_secs(300);
/// How far other clocks may be from ours.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);
/// How many executions are looked into for an event: those of the last moments, newest first.
const MOST_INPUTS: usize = 20;
/// How long to look for SES's report of a mail that failed at once (a rendering failure, a reject).
const REPORT_PATIENCE: Duration = Duration::from_secs(10);

/// Sends a test event about `account` and follows it. Its mail goes to the account's owner, or only to `to`. `see` gets each hop as soon as it is known.
///
/// # Errors
/// The event couldn't be sent, or a look at how it goes failed. A hop that failed is an answer, not an error.
pub async fn run(
    services: &Services,
    naming: &Naming<'_>,
    account: AccountId,
    to: Option<&str>,
    see: &mut (dyn FnMut(&Hop) + Send),
) -> Result<Journey> {
    let mut follow = Follow::new(services, naming, see).await?;
    if account == naming.facts.management_account && !follow.own_way_is_there().await? {
        return Ok(follow.journey);
    }
    let sent = services.clock.now();
    let event_id = services
        .eventbridge
        .put_event(&event(naming, account, to))
        .await
        .map_err(|error| {
            let is_gone = error.kind == Kind::NotFound;
            let error = Error::from(error).while_trying("send the test event");
            if is_gone { error.remedy(REPAIR) } else { error }
        })?;
    follow.journey.event_id = Some(event_id.clone());
    let bus = format!("event bus {}", naming.config.names.event_bus);
    follow.passed(&bus, format!("took the event {event_id}"));
    follow.follow_to_the_end(&event_id, sent).await?;
    Ok(follow.journey)
}

/// The event: the notifier takes `detail.account` for the account of a test and `detail.to` for its reader, and only from
/// the billing account, which the bus's policy alone lets send this source.
fn event(naming: &Naming, account: AccountId, to: Option<&str>) -> NewEvent {
    let mut detail = json!({
        "account": account,
        "alarmName": naming.config.alarm.name,
        "state": {"value": "ALARM"},
    });
    if let (Some(to), Some(fields)) = (to, detail.as_object_mut()) {
        fields.insert("to".to_owned(), json!(to));
    }
    NewEvent {
        bus: naming.config.names.event_bus.clone(),
        source: TEST_SOURCE.to_owned(),
        detail_type: TEST_DETAIL_TYPE.to_owned(),
        detail,
        resources: Vec::new(),
    }
}

async fn queue(services: &Services, naming: &Naming<'_>) -> Result<QueueContents> {
    let queue = undelivered::read(services, naming).await;
    Ok(queue.while_trying("look into the queue")?.unwrap_or_default())
}

struct Follow<'a> {
    services: &'a Services,
    naming: &'a Naming<'a>,
    waiting_before: u64,
    see: &'a mut (dyn FnMut(&Hop) + Send),
    journey: Journey,
}

impl<'a> Follow<'a> {
    async fn new(
        services: &'a Services,
        naming: &'a Naming<'a>,
        see: &'a mut (dyn FnMut(&Hop) + Send),
    ) -> Result<Self> {
        Ok(Self {
            services,
            naming,
            waiting_before: queue(services, naming).await?.waiting,
            see,
            journey: Journey::default(),
        })
    }

    fn hop(&mut self, hop: Hop) {
        (self.see)(&hop);
        self.journey.hops.push(hop);
    }

    /// The event got past this hop.
    fn passed(&mut self, name: &str, detail: impl Into<String>) {
        self.hop(Hop {
            name: name.to_owned(),
            status: HopStatus::Ok,
            detail: detail.into(),
        });
    }

    /// The way ended at this hop, and this is what to do about it.
    fn failed(&mut self, name: &str, detail: impl Into<String>, remedy: impl Into<String>) {
        self.hop(Hop {
            name: name.to_owned(),
            status: HopStatus::Failed,
            detail: detail.into(),
        });
        self.journey.remedy = Some(remedy.into());
    }

    /// The management account's own alarm comes by a rule on another bus than a test does: both are looked at, before
    /// anything is sent.
    async fn own_way_is_there(&mut self) -> Result<bool> {
        let (names, alarm) = (&self.naming.config.names, &self.naming.config.alarm.name);
        let own = |thing: &Resource| match thing {
            Resource::Alarm(_) => thing.name() == *alarm,
            Resource::Rule(rule) => rule.rule.name == names.own_rule,
            _ => false,
        };
        for wanted in resource::desired(self.naming).into_iter().filter(own) {
            let id = wanted.id();
            let there = live::read(self.services, &wanted).await;
            let there = there.while_trying(format!("look at the {id}"))?;
            let is_there = there.is_some();
            let mut present = Present::default();
            present.extend(there);
            let plan = plan(vec![wanted], &present);
            let fields = plan.steps.into_iter().flat_map(|step| step.fields);
            let fields: Vec<String> = fields.map(|field| field.path).collect();
            let fault = match (is_there, fields.is_empty()) {
                (true, true) => {
                    self.passed(&id.to_string(), "is there, as it should be");
                    continue;
                }
                (true, false) => format!("isn't as bootstrap makes it: {}", fields.join(", ")),
                (false, _) => "is not there".to_owned(),
            };
            self.failed(&id.to_string(), fault, REPAIR);
            return Ok(false);
        }
        Ok(true)
    }

    fn deadline(&self, patience: Duration) -> Timestamp {
        self.services.clock.now() + patience
    }

    /// The first thing that can be seen of the event is the execution that is named after it (docs/notifier.md): how
    /// EventBridge names the one that it starts isn't documented (docs/aws-facts.md, "Step Functions: executions").
    async fn follow_to_the_end(&mut self, event_id: &str, sent: Timestamp) -> Result<()> {
        let name = format!("{MAIL_EXECUTION_PREFIX}{event_id}");
        let deadline = self.deadline(START_PATIENCE);
        loop {
            if let Some(mailing) = self.named(&name).await? {
                self.passed("notifier", format!("took the event: {name}"));
                let mailing = self.ended(mailing).await?;
                self.history(&mailing).await?;
                return self.conclude(&mailing).await;
            }
            if self.services.clock.now() >= deadline {
                return self.not_handed_on(event_id, sent, &name).await;
            }
            self.services.clock.sleep(PAUSE).await;
        }
    }

    /// There is no execution of the event's name: either nothing took the event, or what took it went no further.
    async fn not_handed_on(&mut self, event_id: &str, sent: Timestamp, name: &str) -> Result<()> {
        let arrived = self.arrived(sent, |input| text(input, "id") == event_id).await?;
        let Some(delivered) = arrived else {
            return self.not_started(event_id).await;
        };
        let output = delivered.output.clone().unwrap_or(Value::Null);
        if text(&output, "result") == "handed-on" {
            self.failed("notifier", format!("{name} never started"), REPAIR);
            return Ok(());
        }
        self.history(&delivered).await?;
        self.conclude(&delivered).await
    }

    /// The notifier's execution of this name as it is now, if there is one.
    async fn named(&self, name: &str) -> Result<Option<Execution>> {
        let found = self
            .services
            .sfn
            .describe_execution(&self.naming.execution_arn(name))
            .await;
        found.or_absent().while_trying("look for the notifier's execution")
    }

    /// The execution that EventBridge started with an event, known by its input, of those begun since `since`.
    async fn arrived(&self, since: Timestamp, ours: impl Fn(&Value) -> bool + Send) -> Result<Option<Execution>> {
        let machine = self.naming.notifier_arn();
        let page = self.services.sfn.list_executions(&machine, None, None).await;
        let page = page.or_absent().while_trying("list the notifier's executions")?;
        let candidates = page
            .into_iter()
            .flat_map(|page| page.items)
            .filter(|execution| execution.started >= since - CLOCKS)
            .filter(|execution| ExecutionName::parse(&execution.name) == ExecutionName::Event)
            .take(MOST_INPUTS);
        for execution in candidates {
            let described = self.described(&execution).await?;
            if described.input.as_ref().is_some_and(&ours) {
                return Ok(Some(described));
            }
        }
        Ok(None)
    }

    async fn described(&self, execution: &Execution) -> Result<Execution> {
        let described = self.services.sfn.describe_execution(&execution.arn).await;
        described.while_trying("look at the execution")
    }

    async fn events(&self, execution: &Execution) -> Result<Vec<HistoryEvent>> {
        let sfn = &self.services.sfn;
        let pages = all_pages(GET_EXECUTION_HISTORY, |token| {
            sfn.get_execution_history(&execution.arn, token)
        });
        pages.await.while_trying("read the execution's history")
    }

    /// The execution when it is over, or as it is when patience is.
    async fn ended(&self, execution: Execution) -> Result<Execution> {
        let deadline = self.deadline(RUN_PATIENCE);
        loop {
            let described = self.described(&execution).await?;
            if described.status != ExecutionStatus::Running || self.services.clock.now() >= deadline {
                return Ok(described);
            }
            self.services.clock.sleep(PAUSE).await;
        }
    }

    /// Nothing started: which of the two things before it failed?
    async fn not_started(&mut self, event_id: &str) -> Result<()> {
        let rule = format!("rule {}", self.naming.config.names.member_rule);
        let fault = self.rule_fault(|message| message.event_id == event_id).await?;
        let (what, remedy) = fault.unwrap_or_else(|| {
            (
                "did not start the notifier, and nothing came to the queue: it did not match".to_owned(),
                "`billctl bootstrap --plan` shows how its pattern or target differs, `billctl bootstrap` repairs it",
            )
        });
        self.failed(&rule, what, remedy);
        Ok(())
    }

    /// What can be seen to be wrong with the rule on the bus, and its remedy. `ours` knows the event in the queue.
    async fn rule_fault(&self, ours: impl Fn(&Undelivered) -> bool + Send) -> Result<Option<(String, &'static str)>> {
        let names = &self.naming.config.names;
        let eventbridge = &self.services.eventbridge;
        let rule = eventbridge.describe_rule(&names.event_bus, &names.member_rule).await;
        let rule = rule.or_absent().while_trying("look at the rule")?;
        let queue = queue(self.services, self.naming).await?;
        let returned = queue.messages.iter().find(|message| ours(message));
        Ok(match rule {
            None => Some(("is not there".to_owned(), REPAIR)),
            Some(rule) if !rule.enabled => Some(("is disabled".to_owned(), REPAIR)),
            // The queue shows ten messages at a time: with more in it, the event need not be among them.
            Some(_) if returned.is_some() || queue.waiting > self.waiting_before => Some((
                format!(
                    "matched, but could not start the notifier: the event went to the queue. {}",
                    returned.map_or("", |message| &message.why)
                ),
                "the rule's role or the notifier is wrong: `billctl bootstrap --plan` shows how it differs, \
                 `billctl bootstrap` repairs it",
            )),
            Some(_) => None,
        })
    }

    /// What the notifier asked, call by call.
    async fn history(&mut self, execution: &Execution) -> Result<()> {
        for hop in calls(&self.events(execution).await?) {
            self.hop(hop);
        }
        Ok(())
    }

    async fn conclude(&mut self, execution: &Execution) -> Result<()> {
        let output = execution.output.clone().unwrap_or(Value::Null);
        match execution.status {
            ExecutionStatus::Running => {
                let remedy = format!("look at execution {} in the Step Functions console", execution.name);
                self.failed("notifier", "is still running", remedy);
            }
            ExecutionStatus::Succeeded if text(&output, "result") == "sent" => {
                let message = text(&output, "messageId").to_owned();
                let recipients: Vec<String> = match output.get("recipients") {
                    Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                    Some(Value::String(one)) => vec![one.clone()],
                    _ => Vec::new(),
                };
                self.passed("SES", format!("took mail {message} to {}", recipients.join(", ")));
                self.journey.message_id = Some(message);
                self.journey.recipients = recipients;
                if text(&output, "missing").contains(PLAIN_MAIL) {
                    let what = "is missing or unusable: the facts went out as plain text";
                    self.failed("mail template", what, REPAIR);
                }
                self.reports().await?;
                self.chat(&output);
            }
            ExecutionStatus::Succeeded => {
                let result = text(&output, "result");
                let reason = text(&output, "reason");
                self.failed("notifier", format!("sent no mail: {result} {reason}"), REPAIR);
            }
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
                let error = execution.error.clone().unwrap_or_default();
                let cause = execution.cause.clone().unwrap_or_default();
                let remedy = remedy(&error, &cause, self.naming);
                self.failed("notifier", format!("{error}: {cause}"), remedy);
                if error.contains("MessageRejected") || cause.contains("MessageRejected") {
                    self.journey.remedy = Some(self.why_rejected().await?);
                }
            }
        }
        Ok(())
    }

    /// What became of the message for a chat, where there is a topic for this account.
    fn chat(&mut self, output: &Value) {
        let topic = text(output, "topic");
        if topic.is_empty() {
            return;
        }
        let name = format!("chat topic {}", topic.rsplit(':').next().unwrap_or(topic));
        let failure = text(output, "chatFailure");
        if failure.is_empty() {
            let id = text(output, "chatMessageId").to_owned();
            let detail = format!("took message {id}; a channel shows it if it listens to the topic");
            self.passed(&name, detail);
            self.journey.chat_message_id = Some(id);
            return;
        }
        let role = self.naming.notifier_role_arn();
        let remedy = if failure.contains("NotFound") {
            format!("there is no topic {topic}: make it, or name another under [[chat]] and run `billctl bootstrap`")
        } else if failure.to_ascii_lowercase().contains("kms") {
            format!("let {role} call kms:GenerateDataKey* and kms:Decrypt in the policy of the topic's key")
        } else if failure.contains("AuthorizationError") || failure.contains("AccessDenied") {
            format!("run `billctl bootstrap`; another account's topic has to let {role} call sns:Publish in its policy")
        } else {
            "look at the execution in the Step Functions console".to_owned()
        };
        self.failed(&name, failure, remedy);
    }

    /// SES has one error for a sender and for a recipient that it doesn't know: it is asked which it was.
    async fn why_rejected(&self) -> Result<String> {
        let mail = &self.naming.config.mail;
        let sesv2 = &self.services.sesv2;
        if mail.identity_arn.is_none() {
            let identity = sesv2.get_email_identity(&mail.identity).await;
            let identity = identity.or_absent().while_trying("ask SES about the identity")?;
            if !identity.is_some_and(|identity| identity.verified) {
                return Ok(format!(
                    "the sender's identity {} isn't verified: `billctl bootstrap` prints what to do, \
                     `billctl bootstrap --wait-verified` waits for it",
                    mail.identity
                ));
            }
        }
        let account = sesv2.get_account().await.while_trying("ask SES about the account")?;
        Ok(if account.production_access {
            "SES says above why; its rules are in the SES developer guide under MessageRejected".to_owned()
        } else {
            "SES holds this account in its sandbox, where only verified addresses get mail: ask for production access \
             (SES console, Account dashboard), or verify the recipient's address for now"
                .to_owned()
        })
    }

    /// A template that doesn't render is accepted and reported a moment later (docs/aws-facts.md, "SES: templates"), as
    /// is an address that bounces at once.
    async fn reports(&mut self) -> Result<()> {
        let deadline = self.deadline(REPORT_PATIENCE);
        while self.services.clock.now() < deadline {
            self.services.clock.sleep(PAUSE).await;
            let queue = queue(self.services, self.naming).await?;
            let report = queue
                .messages
                .iter()
                .find(|message| message.message_id.is_some() && message.message_id == self.journey.message_id);
            if let Some(report) = report {
                let what = format!("{}: {}", report.what, report.why);
                let remedy = match report.what.starts_with(NOT_RENDERED) {
                    true => REPAIR,
                    false => {
                        "correct the recipient's address: the account's owner tag, its mail address, or `fallback` in [mail]"
                    }
                };
                self.failed("SES", what, remedy);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The state that asks for the billing contact, and what it hears where it goes on without.
const CONTACT: &str = "Ask for the billing contact";
const NO_CONTACT: [&str; 2] = ["Account.ResourceNotFoundException", "Account.AccessDeniedException"];

/// What the notifier calls missing when it sent a plain mail instead.
const PLAIN_MAIL: &str = "the mail template";

/// The remedy of what isn't as bootstrap makes it.
const REPAIR: &str = "run `billctl bootstrap`: it repairs what differs";

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The calls of an execution, each with how it went; retries are left out unless the last one failed too.
fn calls(events: &[HistoryEvent]) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    let mut state = String::new();
    for event in events {
        if let Some(name) = &event.state {
            state.clone_from(name);
        }
        let asked = event.error.as_ref().filter(|_| state == CONTACT);
        let status = match event.kind.as_str() {
            "TaskSucceeded" => HopStatus::Ok,
            // That there is none is an answer, and so is that nobody may ask.
            "TaskFailed" if asked.is_some_and(|(error, _)| NO_CONTACT.contains(&error.as_str())) => HopStatus::Ok,
            "TaskFailed" | "TaskSubmitFailed" | "TaskTimedOut" | "TaskStartFailed" => HopStatus::Missing,
            _ => continue,
        };
        let detail = match (&event.error, &event.resource) {
            (Some((error, cause)), _) => format!("{error}: {cause}"),
            (None, Some(resource)) => format!("{resource} answered"),
            (None, None) => "answered".to_owned(),
        };
        let name = format!("notifier: {state}");
        // A retry replaces what it retries.
        hops.retain(|hop| hop.name != name || hop.status == HopStatus::Ok);
        hops.push(Hop { name, status, detail });
    }
    hops
}

/// What to do about an execution that failed, from the error's name and, where the notifier wraps SES's answer,
/// from the error names in its cause. Words are looked for only where a name may be missing: a remedy is a guess.
fn remedy(error: &str, cause: &str, naming: &Naming) -> String {
    let mail = &naming.config.mail;
    let has = |name: &str| error.contains(name) || cause.contains(name);
    if has("MailFromDomainNotVerified") {
        "the MAIL FROM domain isn't verified: `billctl bootstrap` prints its DNS records".to_owned()
    } else if cause.contains("permissions boundary") {
        "a permissions boundary on the notifier's role doesn't let it: take it off the role in the IAM console, or widen \
         it; `billctl status` names one that the config doesn't"
            .to_owned()
    } else if has("AccessDenied") || has("not authorized") {
        "the notifier's role may not do this: `billctl bootstrap` repairs the role; with identity-arn, the core \
         account has to attach the identity policy that bootstrap prints; in the SES sandbox, SES also checks \
         permissions on the recipient's identity"
            .to_owned()
    } else if has("SendingPaused") || has("AccountSuspended") {
        "SES has switched off sending for this account: see the SES console's Account dashboard".to_owned()
    } else if has("NotFoundException") {
        "the template or the configuration set is gone: run `billctl bootstrap`".to_owned()
    } else if has("LimitExceeded") || has("TooManyRequests") {
        "the SES quota is used up: ask for a higher one, or wait a day".to_owned()
    } else {
        match error {
            "Billctl.UnknownAccount" => "name an account of this organisation".to_owned(),
            "Billctl.NoRecipient" => format!(
                "give the account the tag `{}` with its owner's address, or set `fallback` in [mail]",
                mail.owner_tag
            ),
            "Billctl.EventRefused" => REPAIR.to_owned(),
            _ => "look at the execution in the Step Functions console".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, state: Option<&str>, error: Option<&str>) -> HistoryEvent {
        HistoryEvent {
            kind: kind.into(),
            at: Timestamp::UNIX_EPOCH,
            state: state.map(str::to_owned),
            resource: Some("sendEmail".into()),
            output: None,
            error: error.map(|error| (error.to_owned(), "why".to_owned())),
        }
    }

    #[test]
    fn a_call_that_was_retried_is_shown_once_as_it_ended() {
        let hops = calls(&[
            event("TaskStateEntered", Some("Send the mail"), None),
            event("TaskFailed", None, Some("SesV2.TooManyRequestsException")),
            event("TaskSucceeded", None, None),
            event("TaskStateExited", Some("Send the mail"), None),
        ]);
        assert_eq!(hops.len(), 1, "{hops:?}");
        assert_eq!(hops[0].status, HopStatus::Ok);
        assert_eq!(hops[0].name, "notifier: Send the mail");
    }
}

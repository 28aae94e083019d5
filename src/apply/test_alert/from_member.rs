//! The whole way, from the alarm in the member on: the one part that an event put on the billing account's bus can't
//! show.

use super::*;
use crate::observe::probe;
use crate::plan::above::READ;
use crate::plan::probe::{make_again, way_in_remedy};
use crate::resource::stack_set::MEMBER_RULE;
use crate::resource::{day_execution, day_of, watch_execution};
use billctl_core::service::cloudwatch::{AlarmState, AlarmStatus};
use billctl_core::service::{Kind, Member, ServiceError};

/// How long the event may take from the member to the notifier: two buses and a rule on each.
const WAY_PATIENCE: Duration = Duration::from_secs(90);

/// Puts the alarm of a member into ALARM, and follows what comes of it. `see` gets each hop as soon as it is known.
///
/// # Errors
/// A look at how it goes failed. A hop that failed is an answer, not an error.
pub async fn from_member(
    services: &Services,
    naming: &Naming<'_>,
    account: AccountId,
    see: &mut (dyn FnMut(&Hop) + Send),
) -> Result<Journey> {
    let mut follow = Follow::new(services, naming, see).await?;
    follow.begin_in_member(account).await?;
    Ok(follow.journey)
}

/// An alarm's state that was set, to know its event by.
struct Set {
    at: Timestamp,
    reason: String,
    /// The names that the event's watch can have: the hour may have changed meanwhile.
    names: Vec<String>,
    /// Those that were there before.
    before: Vec<String>,
}

impl Follow<'_> {
    async fn begin_in_member(&mut self, account: AccountId) -> Result<()> {
        let Some(member) = self.enter(account).await? else {
            return Ok(());
        };
        let Some(alarm) = self.alarm_there(&*member, account).await? else {
            return Ok(());
        };
        if !self.rule_there(&*member, account).await? {
            return Ok(());
        }
        let Some(set) = self.set(&*member, account, &alarm).await? else {
            return Ok(());
        };
        self.journey.notes.push(
            "CloudWatch puts the alarm's state back by itself at its next evaluation, within minutes; there is nothing to \
             undo"
                .to_owned(),
        );
        match self.watch(account, &set).await? {
            Some(watch) => self.judged(account, watch).await,
            None => self.nothing_came().await,
        }
    }

    async fn enter(&mut self, account: AccountId) -> Result<Option<std::sync::Arc<dyn Member>>> {
        let config = self.naming.config;
        let role = &config.members.role;
        let name = format!("role {role}");
        let way = probe::way_in(config, account, true);
        match self.services.members.enter(&way).await {
            Ok(member) => {
                let detail = format!(
                    "assumed in account {account}; the session may look at the alarm and its rule, and set the alarm's \
                     state"
                );
                self.passed(&name, detail);
                Ok(Some(member))
            }
            Err(error) if error.kind == Kind::Denied => {
                let remedy = way_in_remedy(&error, role).replace("policy status", "policy operator");
                self.failed(&name, error.to_string(), remedy);
                Ok(None)
            }
            Err(error) => Err(error).while_trying("assume the role in the member"),
        }
    }

    /// What a member refuses is a hop that failed; other answers are errors.
    fn refused(&mut self, hop: &str, error: ServiceError) -> Result<()> {
        if error.kind != Kind::Denied {
            return Err(error).while_trying(format!("ask for the {hop} in the member"));
        }
        let action = error.operation.iam_action();
        let remedy = format!(
            "a service control policy, a permissions boundary, or the role's own policy refuses {action} in this \
             account (AWS says above which, where it does): allow it for the role {}",
            self.naming.config.members.role
        );
        self.failed(hop, error.to_string(), remedy);
        Ok(())
    }

    async fn alarm_there(&mut self, member: &dyn Member, account: AccountId) -> Result<Option<AlarmStatus>> {
        let alarm = &self.naming.config.alarm.name;
        let name = format!("alarm {alarm}");
        match member.describe_alarm(alarm).await {
            Ok(Some(found)) => {
                let threshold = Usd::from_f64(found.alarm.threshold);
                let threshold = threshold.map_or_else(|| "?".to_owned(), |usd| usd.to_string());
                let detail = format!("is there: above {threshold}, now {}", word(found.state));
                self.passed(&name, detail);
                Ok(Some(found))
            }
            Ok(None) => {
                self.not_as_made(&name, "isn't in the account", account);
                Ok(None)
            }
            Err(error) => self.refused(&name, error).map(|()| None),
        }
    }

    /// Looked at before anything is set: a way that can't lead anywhere isn't begun.
    async fn rule_there(&mut self, member: &dyn Member, account: AccountId) -> Result<bool> {
        let name = format!("the member's rule {MEMBER_RULE}");
        let bus = self.naming.bus_arn();
        let fault = match probe::rule(member).await {
            Ok(Some(rule)) if !rule.enabled => "is disabled".to_owned(),
            Ok(Some(rule)) if !rule.targets.contains(&bus) => format!("doesn't send to {bus}"),
            Ok(Some(_)) => {
                self.passed(&name, format!("is enabled and sends to {bus}"));
                return Ok(true);
            }
            Ok(None) => "isn't in the account".to_owned(),
            Err(error) => return self.refused(&name, error).map(|()| false),
        };
        self.not_as_made(&name, &fault, account);
        Ok(false)
    }

    fn not_as_made(&mut self, hop: &str, fault: &str, account: AccountId) {
        let remedy = format!("{} makes its stack again", make_again([account]));
        self.failed(hop, fault, remedy);
    }

    async fn set(&mut self, member: &dyn Member, account: AccountId, alarm: &AlarmStatus) -> Result<Option<Set>> {
        let name = format!("alarm {}", alarm.alarm.name);
        let at = self.services.clock.now();
        let mut names: Vec<String> = [at - CLOCKS, at, at + CLOCKS]
            .into_iter()
            .map(|at| watch_execution(account, at))
            .collect();
        names.dedup();
        let mut before = Vec::new();
        for name in &names {
            before.extend(self.named(name).await?.map(|_| name.clone()));
        }
        let payer = self.naming.facts.management_account;
        let reason = format!(
            "A test: set by billctl test-alert from {payer} at {at}. It says nothing about spend; CloudWatch sets the \
             state back at its next evaluation."
        );
        // Events go out on changes only (docs/aws-facts.md, "Alarms on charges"), and the rule doesn't forward this
        // one.
        let first = (alarm.state == AlarmState::Alarm).then_some(AlarmState::InsufficientData);
        for state in first.into_iter().chain([AlarmState::Alarm]) {
            if let Err(error) = member.set_alarm_state(&alarm.alarm.name, state, &reason).await {
                return self.refused(&name, error).map(|()| None);
            }
        }
        self.passed(&name, format!("was set to ALARM at {at:.0}"));
        Ok(Some(Set {
            at,
            reason,
            names,
            before,
        }))
    }

    /// The watch that the event began, or the one that took it for a duplicate: one an hour.
    async fn watch(&mut self, account: AccountId, set: &Set) -> Result<Option<Execution>> {
        let deadline = self.deadline(WAY_PATIENCE);
        let account = account.to_string();
        let way = format!(
            "bus {} and rule {}",
            self.naming.config.names.event_bus, self.naming.config.names.member_rule
        );
        loop {
            for name in &set.names {
                if set.before.contains(name) {
                    continue;
                }
                if let Some(watch) = self.named(name).await? {
                    self.passed(&way, format!("the event came through: {name} began"));
                    return Ok(Some(watch));
                }
            }
            if let Some(name) = set.before.last() {
                let ours = |input: &Value| {
                    text(input, "account") == account
                        && input.pointer("/detail/state/reason").and_then(Value::as_str) == Some(set.reason.as_str())
                };
                if self.arrived(set.at, ours).await?.is_some()
                    && let Some(watch) = self.named(name).await?
                {
                    let detail = format!("the event came through; this hour's watch was there: {name}");
                    self.passed(&way, detail);
                    return Ok(Some(watch));
                }
            }
            if self.services.clock.now() >= deadline {
                return Ok(None);
            }
            self.services.clock.sleep(PAUSE).await;
        }
    }

    /// The event didn't reach the notifier: what can be seen of why.
    async fn nothing_came(&mut self) -> Result<()> {
        let names = &self.naming.config.names;
        if let Some((what, remedy)) = self.rule_fault(|_| false).await? {
            self.failed(&format!("rule {}", names.member_rule), what, remedy);
            return Ok(());
        }
        let bus = format!("event bus {}", names.event_bus);
        let remedy = "the bus's policy has to let the organisation in, and the rule there has to match: `billctl bootstrap \
                      --plan` shows how they differ. In the member, the rule's role has to be there and no service control \
                      policy may forbid it events:PutEvents: `billctl status --drift` compares them";
        self.failed(&bus, "there is no sign that the notifier took an event", remedy);
        Ok(())
    }

    /// What the notifier makes of it: it judges by the billing account's figures, so for an account below its limit the
    /// way ends well here.
    async fn judged(&mut self, account: AccountId, watch: Execution) -> Result<()> {
        let deadline = self.deadline(RUN_PATIENCE);
        let name = watch.name.clone();
        loop {
            let watch = self.described(&watch).await?;
            let output = watch.output.clone().unwrap_or(Value::Null);
            match watch.status {
                ExecutionStatus::Running => {
                    let events = self.events(&watch).await?;
                    // It waits after it has judged, and only where the account isn't above its limit.
                    if waits(&events) {
                        let figures = events.iter().rev().filter_map(|event| event.output.as_ref());
                        self.not_above(account, figures.filter_map(figures_of).next());
                        return Ok(());
                    }
                }
                ExecutionStatus::Succeeded => {
                    match text(&output, "result") {
                        "handed-on" | "duplicate" => return self.day(account, &output).await,
                        _ => self.not_above(account, figures_of(&output)),
                    }
                    return Ok(());
                }
                _ => return self.conclude(&watch).await,
            }
            if self.services.clock.now() >= deadline {
                let remedy = format!("look at execution {name} in the Step Functions console");
                self.failed("notifier", format!("{name} hasn't judged yet"), remedy);
                return Ok(());
            }
            self.services.clock.sleep(PAUSE).await;
        }
    }

    fn not_above(&mut self, account: AccountId, figures: Option<(Usd, Usd)>) {
        let why = figures.map_or_else(
            || "the account is not above its limit".to_owned(),
            |(amount, limit)| format!("{amount} is not above {limit}"),
        );
        let detail = format!(
            "the alarm reached the notifier, which judges by the billing account's figures: {why}, so nobody is written to"
        );
        self.passed("notifier", detail);
        self.journey.notes.push(format!(
            "`billctl test-alert --account {account}` shows the rest of the way, to the mail"
        ));
    }

    /// The account is above its limit: its day's execution writes to the owner, or has written already.
    async fn day(&mut self, account: AccountId, output: &Value) -> Result<()> {
        let name = match text(output, "execution") {
            "" => day_execution(account, day_of(self.services.clock.now()), 1),
            name => name.to_owned(),
        };
        let detail = format!("the account is above its limit by the billing account's figures: {name} tells its owner");
        self.passed("notifier", detail);
        let deadline = self.deadline(RUN_PATIENCE);
        while self.services.clock.now() < deadline {
            if let Some(day) = self.named(&name).await? {
                let events = self.events(&day).await?;
                let mailed = calls(&events)
                    .into_iter()
                    .any(|hop| hop.status == HopStatus::Ok && hop.detail.starts_with("sendEmail"));
                if mailed {
                    self.passed("SES", format!("took the mail of {name}, which isn't a test"));
                    return Ok(());
                }
                match day.status {
                    ExecutionStatus::Running if waits(&events) => {
                        let detail = format!("{name} waits: no mail of it is due now, for its owner was told before");
                        self.passed("notifier", detail);
                        return Ok(());
                    }
                    ExecutionStatus::Running => {}
                    ExecutionStatus::Succeeded => {
                        let output = day.output.unwrap_or(Value::Null);
                        let result = text(&output, "result");
                        self.passed("notifier", format!("{name} ended without a mail: {result}"));
                        return Ok(());
                    }
                    _ => return self.conclude(&day).await,
                }
            }
            self.services.clock.sleep(PAUSE).await;
        }
        let remedy = format!("look at execution {name} in the Step Functions console");
        self.failed("notifier", format!("{name} hasn't sent its mail yet"), remedy);
        Ok(())
    }
}

/// Whether an execution has read the figures, and waits since then without having been refused a mail.
fn waits(events: &[HistoryEvent]) -> bool {
    let is_call = |event: &HistoryEvent, call: &str| event.resource.as_deref() == Some(call);
    let read = events
        .iter()
        .rposition(|event| event.kind == "TaskSucceeded" && is_call(event, READ));
    let since = read.map_or(&[][..], |read| events.get(read..).unwrap_or_default());
    let refused = |event: &HistoryEvent| event.error.is_some();
    since.iter().any(|event| event.kind == "WaitStateEntered") && !since.iter().any(refused)
}

/// Amount and limit, where a state of the notifier says them.
fn figures_of(output: &Value) -> Option<(Usd, Usd)> {
    let figure = |key: &str| Usd::from_f64(output.get(key)?.as_f64()?);
    Some((figure("amount")?, figure("limit")?))
}

const fn word(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}

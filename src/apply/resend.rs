//! Sends again what ended undelivered: events in the dead-letter queue, and executions that failed. The claims by
//! name are the notifier's own, so that nobody is told twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use futures::try_join;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::tell;
use crate::observe;
use crate::observe::told::ended;
use crate::plan::resend::{Item, ResendOutcome, Source, Step, wake};
use crate::plan::tell::{TellOutcome, ToTell};
use crate::plan::undelivered::Undelivered;
use crate::resource::{EVENT_REFUSED, ExecutionName, Naming, UNKNOWN_ACCOUNT, day_of, watch_execution};
use crate::spend::Charges;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{AccountId, Organization, Usd};
use billctl_core::service::sfn::{Execution, ExecutionStatus, LIST_EXECUTIONS};
use billctl_core::service::sqs::Received;
use billctl_core::service::{self, Kind, OrAbsent, PARALLEL, Services, Tokens};

/// How far back failed executions are looked for: as long as the queue keeps a message.
const LOOK_BACK: Duration = Duration::from_secs(14 * 86_400);
/// For how long nobody else sees a message that is worked on.
const HIDDEN: u16 = 300;
/// Messages that are taken up in one run at most.
const MOST_MESSAGES: usize = 1_000;
/// Pages of each listing, and executions looked into, at most.
const MOST_PAGES: usize = 10;
const MOST_DESCRIBED: usize = 200;
/// How long a watch judges.
const HALF_A_DAY: i64 = 12 * 3_600;

/// What is known of everybody.
pub struct Known<'a> {
    /// Names and ARNs.
    pub naming: &'a Naming<'a>,
    /// The organisation.
    pub organization: &'a Organization,
    /// The accounts that config has watched, with their limits.
    pub limits: &'a BTreeMap<AccountId, Usd>,
    /// Now.
    pub now: Timestamp,
}

/// What ended undelivered.
#[derive(Default)]
pub struct Undone {
    /// Each, those of the queue first.
    pub items: Vec<Item>,
    /// What wasn't looked at.
    pub notes: Vec<String>,
    queue: Option<String>,
}

/// Looks for everything. Messages are hidden from others until [`release`].
///
/// # Errors
/// AWS's answer to any of the reads.
pub async fn look(services: &Services, known: &Known<'_>) -> Result<Undone> {
    let (mut undone, (described, running, more)) = try_join!(queue(services, known), failures(services, known))?;
    if more {
        let note = "there are more failed executions than one run looks at: run it again";
        undone.notes.push(note.to_owned());
    }
    let accounts: BTreeSet<AccountId> = described
        .iter()
        .filter_map(|execution| ExecutionName::parse(&execution.name).account())
        .filter(|account| known.organization.account(*account).is_some())
        .collect();
    let measure = known.naming.config.alarm.measure;
    let charges = match accounts.is_empty() {
        true => BTreeMap::new(),
        false => observe::charges::of(services, accounts, measure, known.now).await?,
    };
    let mut seen = BTreeSet::new();
    for execution in &described {
        let name = ExecutionName::parse(&execution.name);
        // The newest of an account stands for the others.
        if let Some(account) = name.account()
            && !seen.insert((account, matches!(name, ExecutionName::Day { .. })))
        {
            continue;
        }
        let step = step(known, execution, name, &charges, &running);
        undone.items.push(Item {
            source: Source::Execution,
            name: execution.name.clone(),
            account: name.account(),
            at: Some(execution.started),
            what: ended(execution),
            why: execution.cause.clone().unwrap_or_default(),
            step,
            outcome: None,
            receipt: None,
        });
    }
    Ok(undone)
}

/// What can be done about an execution that ended badly.
fn step(
    known: &Known<'_>,
    execution: &Execution,
    name: ExecutionName,
    charges: &BTreeMap<AccountId, Charges>,
    running: &BTreeMap<AccountId, String>,
) -> Step {
    let settled = |because: String| Step::Settled { because };
    let leave = |remedy: &str| Step::Leave {
        remedy: remedy.to_owned(),
    };
    let error = execution.error.as_deref().unwrap_or_default();
    if error == EVENT_REFUSED {
        return leave("nothing is missing: no mail comes of this event");
    }
    if error == UNKNOWN_ACCOUNT {
        return leave("the account isn't in the organisation");
    }
    let above = |account: AccountId| {
        let limit = *known.limits.get(&account)?;
        let measure = known.naming.config.alarm.measure;
        let charges = charges.get(&account)?;
        charges.above(limit, measure, known.now).map(|_| limit)
    };
    if let Some(other) = name.account().and_then(|account| running.get(&account)) {
        return settled(format!("{other} is already on it"));
    }
    match name {
        ExecutionName::Digest => leave("a digest: run `billctl digest` again"),
        ExecutionName::Chat { .. } => {
            leave("the mail went out; `billctl doctor` says what is wrong with the chat's topic")
        }
        ExecutionName::Mail => leave("a test: run `billctl test-alert --account ACCOUNT` again"),
        ExecutionName::Event => match &execution.input {
            Some(event) => event_step(known, event),
            None => leave("its event isn't known any more"),
        },
        ExecutionName::Day { account, .. } => match above(account) {
            Some(limit) => Step::Day { limit },
            None if known.limits.contains_key(&account) => settled("the account isn't above its limit now".to_owned()),
            None => settled("config doesn't have the account watched".to_owned()),
        },
        ExecutionName::Watch { account, hour } => {
            let over = known.now.as_second() - hour > HALF_A_DAY;
            if over && above(account).is_none() {
                return settled("it had its twelve hours, and the account isn't above its limit".into());
            }
            let mut input = execution.input.clone().unwrap_or_else(|| json!({}));
            if let Some(fields) = input.as_object_mut() {
                fields.insert("billctl".to_owned(), json!("watch"));
                fields.insert("account".to_owned(), json!(account));
            }
            Step::Watch {
                execution: watch_execution(account, known.now),
                input,
            }
        }
    }
}

fn event_step(known: &Known<'_>, event: &Value) -> Step {
    match wake(event, known.naming) {
        Ok((account, _)) if known.organization.account(account).is_none() => Step::Leave {
            remedy: "the account isn't in the organisation".to_owned(),
        },
        Ok((_, step)) => step,
        Err(why) => Step::Leave { remedy: why.to_owned() },
    }
}

/// Everything in the queue.
async fn queue(services: &Services, known: &Known<'_>) -> Result<Undone> {
    let trying = "look into the dead-letter queue";
    let mut undone = Undone::default();
    let name = &known.naming.config.names.queue;
    let url = services.sqs.get_queue_url(name).await.or_absent();
    let Some(url) = url.while_trying(trying)? else {
        return Ok(undone);
    };
    loop {
        let received = services.sqs.receive_messages(&url, HIDDEN).await;
        let received = received.while_trying(trying)?;
        if received.is_empty() {
            break;
        }
        let items = received.into_iter().map(|received| message(known, received));
        undone.items.extend(items);
        if undone.items.len() >= MOST_MESSAGES {
            let note = "there are more messages in the queue: run it again";
            undone.notes.push(note.to_owned());
            break;
        }
    }
    undone.queue = Some(url);
    Ok(undone)
}

fn message(known: &Known<'_>, received: Received) -> Item {
    let undelivered = Undelivered::of(&received.message);
    let event: Value = serde_json::from_str(&received.message.body).unwrap_or_default();
    let report = event.pointer("/source").and_then(Value::as_str) == Some("aws.ses");
    let step = match report {
        true => Step::Leave {
            remedy: report_remedy(&event).to_owned(),
        },
        false => event_step(known, &event),
    };
    let account = event.pointer("/account").filter(|_| !report);
    Item {
        source: Source::Queue,
        name: undelivered.event_id.clone(),
        account: account
            .or_else(|| event.pointer("/detail/mail/tags/billctl-account/0"))
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok()),
        at: undelivered.at,
        step,
        what: undelivered.what,
        why: undelivered.why,
        outcome: None,
        receipt: Some(received.receipt),
    }
}

/// What to do about a mail that failed (SES developer guide, "Monitoring using EventBridge").
fn report_remedy(event: &Value) -> &'static str {
    let kind = event.pointer("/detail-type").and_then(Value::as_str);
    match kind.unwrap_or_default() {
        "Email Bounced" => "correct the account's owner tag or mail address; --drop deletes the report",
        "Email Complaint Received" => "ask the owner who else should get the mails; --drop deletes the report",
        "Email Rejected" => "see what SES says about the mail; --drop deletes the report",
        "Email Rendering Failed" => "run `billctl bootstrap`; --drop deletes the report",
        _ => "--drop deletes the report",
    }
}

type Failures = (Vec<Execution>, BTreeMap<AccountId, String>, bool);

/// Executions that ended badly, described, newest first; and which are under way, by account.
async fn failures(services: &Services, known: &Known<'_>) -> Result<Failures> {
    let (failed, timed_out, aborted, running) = try_join!(
        list(services, known, ExecutionStatus::Failed),
        list(services, known, ExecutionStatus::TimedOut),
        list(services, known, ExecutionStatus::Aborted),
        list(services, known, ExecutionStatus::Running),
    )
    .while_trying("list the notifier's executions")?;
    let mut more = failed.1 || timed_out.1 || aborted.1;
    let mut all: Vec<Execution> = [failed.0, timed_out.0, aborted.0].concat();
    all.sort_by_key(|execution| std::cmp::Reverse(execution.started));
    more |= all.len() > MOST_DESCRIBED;
    all.truncate(MOST_DESCRIBED);
    let described: Vec<Option<Execution>> = stream::iter(&all)
        .map(async |execution| services.sfn.describe_execution(&execution.arn).await.or_absent())
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("look into failed executions")?;
    let running = running.0.into_iter().filter_map(|execution| {
        let account = ExecutionName::parse(&execution.name).account()?;
        Some((account, execution.name))
    });
    Ok((described.into_iter().flatten().collect(), running.collect(), more))
}

async fn list(
    services: &Services,
    known: &Known<'_>,
    status: ExecutionStatus,
) -> service::Result<(Vec<Execution>, bool)> {
    let machine = known.naming.notifier_arn();
    let since = known.now - LOOK_BACK;
    let mut found = Vec::new();
    let mut tokens = Tokens::new(LIST_EXECUTIONS);
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = services.sfn.list_executions(&machine, Some(status), token).await?;
        // Newest first.
        let over = page.items.iter().any(|one| one.started < since);
        found.extend(page.items.into_iter().filter(|one| one.started >= since));
        token = tokens.next(page.next)?;
        if over || token.is_none() {
            return Ok((found, false));
        }
    }
    Ok((found, true))
}

/// Shows the messages to others again that are still there.
///
/// # Errors
/// AWS's answer.
pub async fn release(services: &Services, undone: &Undone) -> Result<()> {
    let Some(url) = &undone.queue else {
        return Ok(());
    };
    let receipts = undone.items.iter().filter_map(|item| item.receipt.as_ref());
    stream::iter(receipts)
        .map(|receipt| services.sqs.change_message_visibility(url, receipt, 0))
        .buffer_unordered(PARALLEL)
        .try_for_each(|()| std::future::ready(Ok(())))
        .await
        .while_trying("leave the messages in the queue")
}

/// Sends again what can be, and with `drop` deletes the messages of what can't.
///
/// # Errors
/// A message couldn't be deleted. What can't be sent is an outcome.
pub async fn run(services: &Services, known: &Known<'_>, undone: &mut Undone, drop: bool) -> Result<()> {
    let url = undone.queue.clone();
    for item in &mut undone.items {
        let outcome = match &item.step {
            Step::Watch { execution, input } => watch(services, known.naming, execution, input).await,
            Step::Day { limit } => day(services, known, item.account, *limit).await?,
            Step::Settled { .. } | Step::Leave { .. } if drop && item.receipt.is_some() => ResendOutcome::Dropped,
            Step::Settled { .. } | Step::Leave { .. } => ResendOutcome::Left,
        };
        let done = matches!(
            outcome,
            ResendOutcome::Sent { .. } | ResendOutcome::Already { .. } | ResendOutcome::Dropped
        );
        item.outcome = Some(outcome);
        if let (true, Some(url), Some(receipt)) = (done, &url, item.receipt.take_if(|_| done)) {
            services
                .sqs
                .delete_message(url, &receipt)
                .await
                .while_trying("delete a message from the queue")?;
        }
    }
    release(services, undone).await
}

async fn watch(services: &Services, naming: &Naming<'_>, name: &str, input: &Value) -> ResendOutcome {
    let execution = name.to_owned();
    match services.sfn.start_execution(&naming.notifier_arn(), name, input).await {
        Ok(_) => ResendOutcome::Sent { execution },
        Err(error) if error.kind == Kind::Exists => {
            let found = services.sfn.describe_execution(&naming.execution_arn(name)).await;
            match found.map(|execution| execution.status) {
                Ok(ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted) => {
                    ResendOutcome::Failed {
                        error: format!("{name} failed too, and its name is taken: run this again in an hour"),
                    }
                }
                _ => ResendOutcome::Already { execution },
            }
        }
        Err(error) => ResendOutcome::Failed {
            error: error.to_string(),
        },
    }
}

async fn day(services: &Services, known: &Known<'_>, account: Option<AccountId>, limit: Usd) -> Result<ResendOutcome> {
    let account = account.ok_or_else(|| Error::failed("a day without an account"))?;
    let above = ToTell { account, limit };
    let today = day_of(known.now);
    let told = tell::start(services, known.naming, above, today, "resend").await;
    Ok(match told.while_trying("see who was told")? {
        TellOutcome::Started { execution } => ResendOutcome::Sent { execution },
        TellOutcome::AlreadyTold { execution } | TellOutcome::UnderWay { execution } => {
            ResendOutcome::Already { execution }
        }
        TellOutcome::Failed { error } => ResendOutcome::Failed { error },
    })
}

//! How the billing side does: what waits in the queue, which executions failed, which alarms are on.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use futures::{FutureExt, try_join};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::told::ended;
use super::{chat, operations, undelivered};
use crate::plan::above::Recent;
use crate::plan::billing_health::{AlarmOn, BillingHealth, FailedExecution};
use crate::plan::operations::Hearing;
use crate::resource::{Alarm, CHAT_NOT_TOLD, EVENT_REFUSED, ExecutionName, Naming, Thing, UNKNOWN_ACCOUNT};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::AccountId;
use billctl_core::service::cloudwatch::AlarmState;
use billctl_core::service::sfn::{Execution, ExecutionStatus, LIST_EXECUTIONS};
use billctl_core::service::{self, OrAbsent, Services, Tokens};

/// How far back executions are counted.
const LOOK_BACK: Duration = Duration::from_secs(7 * 86_400);
/// How many failed executions are looked into for their cause: a refused event is told from a mail not sent by it.
const MOST_CAUSES: usize = 40;
/// How many of those are told.
const MOST_TOLD: usize = 5;
/// How many pages of executions are read at most: 1,000 executions in a week are more than anyone reads about.
const MOST_PAGES: usize = 10;
/// How many tests are asked whether a chat took them.
const MOST_TESTS: usize = 10;
/// How far back an execution has to do with what is above its limit now.
const RECENT: Duration = Duration::from_secs(2 * 86_400);

/// Reads it, all at once.
///
/// # Errors
/// AWS's answer to any of the reads; what isn't there counts as nothing.
pub async fn read(services: &Services, naming: &Naming<'_>) -> Result<BillingHealth> {
    let (queue, executions, alarms, ses, hearing, chat) = try_join!(
        undelivered::read(services, naming),
        executions(services, naming),
        alarms(services, naming),
        services.sesv2.get_account(),
        hearing(services, naming).map(Ok),
        chat::read(services, naming.config, naming.facts.management_account).map(Ok),
    )
    .while_trying("read the state of the billing side")?;
    Ok(BillingHealth {
        queue,
        alarms,
        hearing,
        chat,
        sent_last_24_hours: ses.sent_last_24_hours,
        daily_quota: (ses.max_24_hour_send >= 0.0).then_some(ses.max_24_hour_send),
        in_ses_sandbox: !ses.production_access,
        ..executions
    })
}

/// A policy printed by an older billctl doesn't let SNS be read: that is no reason to show nothing.
async fn hearing(services: &Services, naming: &Naming<'_>) -> Option<Box<Hearing>> {
    let account = naming.facts.management_account;
    let hearing = operations::read(services, naming.config, account).await;
    hearing.ok().map(Box::new)
}

/// What the names and ends of executions tell (docs/notifier.md): a day is there only where an account was above its
/// limit, and has told its owner unless it failed; a `mail_` is a test's. Nothing else is filled in.
async fn executions(services: &Services, naming: &Naming<'_>) -> service::Result<BillingHealth> {
    let machine = naming.notifier_arn();
    let now = services.clock.now();
    let (since, recently) = (now - LOOK_BACK, now - RECENT);
    let mut found = BillingHealth::default();
    let mut days: BTreeSet<(AccountId, Date)> = BTreeSet::new();
    let mut failed: Vec<Execution> = Vec::new();
    let mut tokens = Tokens::new(LIST_EXECUTIONS);
    let (mut told, mut chat): (Option<Timestamp>, Option<Execution>) = (None, None);
    let mut tests: Vec<Execution> = Vec::new();
    let mut token = None;
    for page_number in 1..=MOST_PAGES {
        let page = services.sfn.list_executions(&machine, None, token).await;
        let Some(page) = page.or_absent()? else {
            return Ok(found);
        };
        // Newest first.
        let reached_the_end = page.items.iter().any(|execution| execution.started < since);
        for execution in page.items {
            if execution.started < since {
                continue;
            }
            let name = ExecutionName::parse(&execution.name);
            if execution.started >= recently {
                found.recent.push(Recent {
                    name,
                    status: execution.status,
                    started: execution.started,
                });
            }
            // A day is there only where somebody had to be told, and succeeds only if they were.
            if let (ExecutionName::Mail | ExecutionName::Day { .. }, ExecutionStatus::Succeeded) =
                (name, execution.status)
            {
                told = told.max(Some(execution.started));
            }
            match (name, execution.status) {
                // The owner was told, which is what the others are about.
                (ExecutionName::Chat { .. }, ExecutionStatus::Failed) => {
                    found.chats_failed += 1;
                    if found.chats_failed == 1 {
                        chat = Some(execution);
                    }
                }
                (_, ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted) => {
                    failed.push(execution);
                }
                (ExecutionName::Mail, ExecutionStatus::Succeeded) => {
                    found.sent += 1;
                    // Newest first: those before the first chat that failed say nothing of it.
                    if chat.is_none() {
                        tests.push(execution);
                    }
                }
                (ExecutionName::Day { account, day, .. }, _) => {
                    found.days += usize::from(days.insert((account, day)));
                }
                (_, ExecutionStatus::Running | ExecutionStatus::Succeeded) => {}
            }
        }
        token = tokens.next(page.next)?;
        if reached_the_end || token.is_none() {
            break;
        }
        found.more = page_number == MOST_PAGES;
    }
    let latest = failed.iter().take(MOST_CAUSES);
    let causes = try_join_all(latest.map(|execution| cause(services, execution))).await?;
    let since_told = failed.iter().filter(|execution| Some(execution.started) > told).count();
    let (refused, failures): (Vec<_>, Vec<_>) = causes.into_iter().partition(|failed| failed.error == EVENT_REFUSED);
    found.refused = refused.len();
    found.failed = failed.len() - found.refused;
    // An account that has left is told nothing any more.
    let lacks_none = refused
        .iter()
        .chain(failures.iter().filter(|failed| failed.error == UNKNOWN_ACCOUNT));
    let lacks_none = lacks_none.filter(|failed| Some(failed.started) > told).count();
    found.failed_since_told = since_told - lacks_none;
    found.failures = failures;
    found.failures.truncate(MOST_TOLD);
    // Why, by the latest.
    if let Some(chat) = chat {
        let said = cause(services, &chat).await?;
        if !heard_since(services, naming, &chat, &tests).await? {
            found.chats_lost = found.chats_failed;
        }
        found
            .failures
            .extend(Some(said).filter(|said| said.error == CHAT_NOT_TOLD));
    }
    Ok(found)
}

/// Whether the topic that didn't take a message is no longer config's, or took one of these `tests` since.
async fn heard_since(
    services: &Services,
    naming: &Naming<'_>,
    chat: &Execution,
    tests: &[Execution],
) -> service::Result<bool> {
    let described = services.sfn.describe_execution(&chat.arn).await.or_absent()?;
    let topic = |fields: Option<&Value>| Some(fields?.get("topic")?.as_str()?.to_owned());
    let Some(lost) = described.and_then(|chat| topic(chat.input.as_ref())) else {
        return Ok(false);
    };
    if !naming.config.chat.iter().any(|rule| rule.topic.as_str() == lost) {
        return Ok(true);
    }
    for test in tests.iter().take(MOST_TESTS) {
        let test = services.sfn.describe_execution(&test.arn).await.or_absent()?;
        let output = test.and_then(|test| test.output).unwrap_or_default();
        let took = output.get("chatMessageId").and_then(Value::as_str);
        if topic(Some(&output)).as_ref() == Some(&lost) && took.is_some_and(|id| !id.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn cause(services: &Services, execution: &Execution) -> service::Result<FailedExecution> {
    let described = services.sfn.describe_execution(&execution.arn).await.or_absent()?;
    let described = described.as_ref().unwrap_or(execution);
    Ok(FailedExecution {
        name: execution.name.clone(),
        started: execution.started,
        error: ended(described),
        cause: described.cause.clone().unwrap_or_default(),
    })
}

async fn alarms(services: &Services, naming: &Naming<'_>) -> service::Result<Vec<AlarmOn>> {
    let names: Vec<String> = Alarm::desired(naming).iter().map(Thing::name).collect();
    let alarms = services.cloudwatch.describe_alarms(&names).await?;
    Ok(alarms
        .into_iter()
        .filter(|status| status.state == AlarmState::Alarm)
        .map(|status| AlarmOn {
            name: status.alarm.name,
            reason: status.reason,
            since: status.since,
        })
        .collect())
}

//! Whether an account's owner was told: by the day's execution, and where there is none by the day before's, which
//! may still be going on or leave its count of days behind.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::plan::above::{Above, READ, Refused, SEND, Told};
use crate::resource::{Naming, day_execution, day_of};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::AccountId;
use billctl_core::service::sfn::{Execution, ExecutionStatus, GET_EXECUTION_HISTORY, HistoryEvent};
use billctl_core::service::{self, OrAbsent, PARALLEL, Services, Tokens};

/// Accounts looked at without being asked to: AWS lets a few hundred executions be described at once.
pub const LOOKED_AT_WITHOUT_ASKING: usize = 200;

/// Tries of a day at most: one an hour, if each fails.
pub const MOST_ATTEMPTS: u32 = 24;
/// Pages of a history that are read at most: a day has a few thousand events.
const MOST_PAGES: usize = 10;

/// An account's day as its executions show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// What became of it.
    pub told: Told,
    /// Which try of today's comes next; `None` while none is due.
    pub next: Option<u32>,
    /// What yesterday's day left for today's: since when, the last mail, and so on.
    pub chain: Map<String, Value>,
}

/// One day's executions, the last of them.
struct Tries {
    last: Option<Execution>,
    told: Told,
    /// The number of the next one.
    next: u32,
}

/// Whether the owners of these accounts were told today, or are told about since an earlier day.
///
/// # Errors
/// AWS's answer to any of the reads.
pub async fn owners(
    services: &Services,
    naming: &Naming<'_>,
    above: &[Above],
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Told>> {
    stream::iter(above)
        .map(|above| async move {
            let day = look(services, naming, above.account, day_of(now)).await?;
            service::Result::Ok((above.account, day.told))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("see who was told")
}

/// Looks whether an account was told today.
///
/// # Errors
/// AWS's answer to any of the reads.
pub async fn look(services: &Services, naming: &Naming<'_>, account: AccountId, today: Date) -> service::Result<Day> {
    let of_today = tries(services, naming, account, today).await?;
    let mut day = Day {
        next: may_start(&of_today).then_some(of_today.next),
        told: of_today.told,
        chain: Map::new(),
    };
    // What failed today goes on from yesterday too.
    let Some(before) = today.yesterday().ok().filter(|_| day.next.is_some()) else {
        return Ok(day);
    };
    let before = tries(services, naming, account, before).await?;
    let Some(last) = &before.last else {
        return Ok(day);
    };
    if last.status == ExecutionStatus::Running {
        // Past midnight it is about to start today's itself.
        day.told = before.told;
        day.next = None;
        return Ok(day);
    }
    day.chain = chain(last);
    let since = text(&day.chain, "since");
    if matches!(day.told, Told::No) {
        day.told = match (since, before.told) {
            (Some(since), _) => Told::Yes {
                execution: last.name.clone(),
                since: Some(since),
            },
            (None, failed @ Told::Failed { .. }) => failed,
            (None, _) => Told::No,
        };
    }
    Ok(day)
}

/// Nothing stands in the way of another try: none was made, or each ended badly without a mail.
fn may_start(tries: &Tries) -> bool {
    matches!(tries.told, Told::No | Told::Failed { .. })
}

/// Follows the names of a day's tries to the last.
async fn tries(services: &Services, naming: &Naming<'_>, account: AccountId, day: Date) -> service::Result<Tries> {
    let mut found = Tries {
        last: None,
        told: Told::No,
        next: 1,
    };
    while found.next <= MOST_ATTEMPTS {
        let arn = naming.execution_arn(&day_execution(account, day, found.next));
        let described = services.sfn.describe_execution(&arn).await.or_absent()?;
        let Some(execution) = described else {
            break;
        };
        found.told = told(services, &execution).await?;
        found.next += 1;
        found.last = Some(execution);
        if !matches!(found.told, Told::Failed { .. }) {
            break;
        }
    }
    Ok(found)
}

/// What an execution of a day did.
async fn told(services: &Services, execution: &Execution) -> service::Result<Told> {
    let name = || execution.name.clone();
    let yes = |since: Option<String>| Told::Yes {
        execution: execution.name.clone(),
        since,
    };
    let output = execution.output.as_ref().and_then(Value::as_object);
    match execution.status {
        ExecutionStatus::Succeeded => {
            let output = output.cloned().unwrap_or_default();
            let mails = output.get("mails").and_then(Value::as_i64).unwrap_or(0);
            let told = output.get("told").and_then(Value::as_bool) == Some(true);
            return Ok(if mails > 0 || told {
                yes(text(&output, "since"))
            } else {
                Told::NotBorneOut { execution: name() }
            });
        }
        ExecutionStatus::Running => {
            // An earlier day told them, and this one goes on.
            if let Some(since) = begun(execution) {
                return Ok(yes(Some(since)));
            }
        }
        ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {}
    }
    let sent = history(services, execution).await?;
    Ok(match (sent, execution.status) {
        (Sent::Yes, _) => yes(begun(execution)),
        (Sent::No { refused }, ExecutionStatus::Running) => Told::Trying {
            execution: name(),
            since: execution.started,
            refused,
        },
        (Sent::No { .. }, _) => Told::Failed {
            execution: name(),
            error: ended(execution),
            cause: execution.cause.clone().unwrap_or_default(),
        },
    })
}

/// The error's name; what ended in another way has none.
pub fn ended(execution: &Execution) -> String {
    let otherwise = match execution.status {
        ExecutionStatus::TimedOut => "States.Timeout",
        ExecutionStatus::Aborted => "aborted",
        _ => "unknown",
    };
    let error = execution.error.clone();
    error.unwrap_or_else(|| otherwise.to_owned())
}

/// Since which day an account was told about when this execution began.
fn begun(execution: &Execution) -> Option<String> {
    text(execution.input.as_ref()?.as_object()?, "since")
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a day that is over left for the next: only where it was over because config's limit ended with it, or handed
/// on to a day that isn't there. A recovery leaves nothing.
fn chain(execution: &Execution) -> Map<String, Value> {
    let output = execution.output.as_ref().and_then(Value::as_object);
    let left = output.filter(|output| {
        let result = output.get("result").and_then(Value::as_str);
        matches!(result, Some("day over" | "handed-on"))
    });
    let chain = left.and_then(|output| output.get("chain")?.as_object());
    chain.cloned().unwrap_or_default()
}

enum Sent {
    Yes,
    No { refused: Option<Refused> },
}

/// Whether a mail is out, by the execution's history.
async fn history(services: &Services, execution: &Execution) -> service::Result<Sent> {
    let mut refused = None;
    let mut tokens = Tokens::new(GET_EXECUTION_HISTORY);
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = services
            .sfn
            .get_execution_history(&execution.arn, token)
            .await
            .or_absent()?;
        let Some(page) = page else {
            break;
        };
        for event in &page.items {
            match event.kind.as_str() {
                "TaskSucceeded" if is_call(event, SEND) => return Ok(Sent::Yes),
                // The figures are readable again.
                "TaskSucceeded" if is_call(event, READ) => {
                    refused.take_if(|refused: &mut Refused| refused.call == READ);
                }
                "TaskFailed" if refused.is_none() => {
                    let failed = [SEND, READ].into_iter().find(|call| is_call(event, call));
                    let error = event.error.as_ref().map(|(error, _)| error.clone());
                    refused = failed.map(|call| Refused {
                        call: call.to_owned(),
                        since: event.at,
                        error: error.unwrap_or_default(),
                    });
                }
                _ => {}
            }
        }
        token = tokens.next(page.next)?;
        if token.is_none() {
            break;
        }
    }
    Ok(Sent::No { refused })
}

fn is_call(event: &HistoryEvent, call: &str) -> bool {
    let resource = event.resource.as_deref().unwrap_or_default();
    resource.rsplit(':').next() == Some(call)
}

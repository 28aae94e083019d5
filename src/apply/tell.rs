//! Starts the day's execution for accounts that are above their limit and weren't told (docs/notifier.md): the names
//! see to it that nobody is told twice, however often this is done.

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::observe::told::{self, MOST_ATTEMPTS};
use crate::plan::above::Told;
use crate::plan::tell::{TellOutcome, Telling, Tellings, ToTell};
use crate::resource::{Naming, day_execution};
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::service::{self, Kind, OrAbsent, PARALLEL, Services};

/// That there is a notifier to start.
///
/// # Errors
/// There is none, or it can't be looked at.
pub async fn notifier(services: &Services, naming: &Naming<'_>) -> Result<()> {
    let machine = naming.notifier_arn();
    let described = services.sfn.describe_state_machine(&machine).await;
    let found = described.or_absent().while_trying("look for the notifier")?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::failed(format!(
            "there is no state machine {} in account {}, which mails",
            naming.config.names.notifier, naming.facts.management_account
        ))
        .remedy("run `billctl bootstrap`")),
    }
}

/// Tells the owners of these accounts, each at most once a day.
///
/// # Errors
/// It couldn't be seen whether somebody was told. An execution that can't be started is an answer.
pub async fn tell(
    services: &Services,
    naming: &Naming<'_>,
    above: Vec<ToTell>,
    today: Date,
    from: &str,
) -> Result<Tellings> {
    let told: Vec<Telling> = stream::iter(above)
        .map(async |ToTell { account, limit }| {
            let outcome = start(services, naming, ToTell { account, limit }, today, from).await?;
            service::Result::Ok(Telling {
                account,
                limit,
                outcome,
            })
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("see who was told")?;
    Ok(Tellings::of(told))
}

/// Starts an account's day, unless its owner was told today or is about to be.
///
/// # Errors
/// It couldn't be seen whether they were.
pub async fn start(
    services: &Services,
    naming: &Naming<'_>,
    above: ToTell,
    today: Date,
    from: &str,
) -> service::Result<TellOutcome> {
    let machine = naming.notifier_arn();
    let mut name = String::new();
    // Somebody else may take the name between the look and the start: then it is looked at once more.
    for _ in 0..2 {
        let day = told::look(services, naming, above.account, today).await?;
        let Some(attempt) = day.next else {
            return Ok(match day.told {
                Told::Yes { execution, .. } | Told::NotBorneOut { execution } => TellOutcome::AlreadyTold { execution },
                Told::Trying { execution, .. } | Told::Failed { execution, .. } => TellOutcome::UnderWay { execution },
                Told::No => TellOutcome::UnderWay {
                    execution: String::new(),
                },
            });
        };
        if attempt > MOST_ATTEMPTS {
            let why = match day.told {
                Told::Failed { error, cause, .. } => format!("{error}: {cause}"),
                _ => String::new(),
            };
            return Ok(TellOutcome::Failed {
                error: format!("{MOST_ATTEMPTS} tries failed today; the last: {why}"),
            });
        }
        name = day_execution(above.account, today, attempt);
        let input = input(above, today, from, day.chain);
        match services.sfn.start_execution(&machine, &name, &input).await {
            Ok(_) => return Ok(TellOutcome::Started { execution: name }),
            Err(error) if error.kind == Kind::Exists => {}
            Err(error) => {
                return Ok(TellOutcome::Failed {
                    error: error.to_string(),
                });
            }
        }
    }
    // Taken, and not to be seen yet: DescribeExecution is eventually consistent
    // (docs/aws-facts.md, "Step Functions: executions").
    Ok(TellOutcome::UnderWay { execution: name })
}

/// A day's input. Yesterday's count goes on where it left one, so that reminders come when they are due.
fn input(above: ToTell, today: Date, from: &str, chain: Map<String, Value>) -> Value {
    let mut input = chain;
    for (name, value) in [
        ("billctl", json!("day")),
        ("account", json!(above.account)),
        ("day", json!(today.to_string())),
        ("from", json!(from)),
        ("limit", json!(above.limit)),
    ] {
        input.insert(name.to_owned(), value);
    }
    Value::Object(input)
}

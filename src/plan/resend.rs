//! What ended undelivered, and what can be done about it: pure.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::resource::{ALARM_DETAIL_TYPE, ALARM_SOURCE, Naming, alarm_arn, watch_execution};
use billctl_core::model::{AccountId, Time, Usd};

/// An event's id, as the notifier takes one.
const MOST_ID: usize = 64;

/// Something that ended undelivered.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Item {
    /// Where it lies.
    pub source: Source,
    /// The event's id, or the execution's name.
    pub name: String,
    /// The account that it is about, where it names one.
    pub account: Option<AccountId>,
    /// When it happened.
    #[schemars(with = "Option<Time>")]
    pub at: Option<Timestamp>,
    /// What became of it.
    pub what: String,
    /// Why.
    pub why: String,
    /// What can be done.
    #[serde(flatten)]
    pub step: Step,
    /// What was done; None in a plan.
    pub outcome: Option<ResendOutcome>,
    /// With what its message is deleted or shown again.
    #[serde(skip)]
    pub receipt: Option<String>,
}

/// Where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the dead-letter queue.
    Queue,
    /// Among the notifier's executions.
    Execution,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Step {
    /// The account is judged, as if the event had just come.
    Watch {
        /// The execution's name.
        execution: String,
        /// Its input.
        #[serde(skip)]
        input: Value,
    },
    /// The account is above its limit: its day is started again.
    Day {
        /// The limit.
        limit: Usd,
    },
    /// Nothing any more.
    Settled {
        /// Why.
        because: String,
    },
    /// It can't be sent again.
    Leave {
        /// What to do about it.
        remedy: String,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ResendOutcome {
    /// It was sent again, by this execution.
    Sent {
        /// Which.
        execution: String,
    },
    /// That was done before, by this execution.
    Already {
        /// Which.
        execution: String,
    },
    /// Nothing: it stays.
    Left,
    /// Its message was deleted.
    Dropped,
    /// It couldn't be sent.
    Failed {
        /// Why.
        error: String,
    },
}

/// Reads an alarm's event with the notifier's care: only our alarm's change to ALARM, from the account that its ARN
/// names. Answers whose it is, and the watch that it asks for.
///
/// # Errors
/// What it is instead.
pub fn wake(event: &Value, naming: &Naming) -> Result<(AccountId, Step), &'static str> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/source") != ALARM_SOURCE || text("/detail-type") != ALARM_DETAIL_TYPE {
        return Err("it isn't an alarm's change of state");
    }
    let account: AccountId = text("/account").parse().map_err(|_| "it names no account")?;
    if text("/resources/0") != alarm_arn(naming.config, account).as_str() {
        return Err("it isn't of the sender's own spend alarm");
    }
    if text("/detail/state/value") != "ALARM" {
        return Err("it isn't a change to ALARM: the figures tell when it is over");
    }
    let id = text("/id");
    let sound = |id: &str| {
        (1..=MOST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (true, Ok(at)) = (sound(id), text("/time").parse::<Timestamp>()) else {
        return Err("it has no usable id and time");
    };
    let input = json!({
        "billctl": "watch",
        "account": account,
        "eventId": id,
        "at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        "reported": reported(text("/detail/state/reasonData")),
    });
    let execution = watch_execution(account, at);
    Ok((account, Step::Watch { execution, input }))
}

/// The limit that the alarm says it has: a plain number, or none.
fn reported(reason_data: &str) -> f64 {
    let data: Value = serde_json::from_str(reason_data).unwrap_or_default();
    let threshold = data.get("threshold").and_then(Value::as_f64);
    threshold.filter(|number| (0.0..1e9).contains(number)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tests::{config, facts};

    fn woken(event: &Value) -> Result<(AccountId, Step), &'static str> {
        let (config, facts) = (&config(), &facts());
        wake(event, &Naming { config, facts })
    }

    fn event() -> Value {
        json!({
            "id": "e-1", "source": ALARM_SOURCE, "detail-type": ALARM_DETAIL_TYPE,
            "account": "123456789012", "time": "2026-11-23T07:20:00Z",
            "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:billctl-daily-spend"],
            "detail": {"state": {"value": "ALARM", "reasonData": "{\"threshold\":50.0}"}},
        })
    }

    fn with(path: &str, value: Value) -> Value {
        let mut event = event();
        *event.pointer_mut(path).unwrap() = value;
        event
    }

    #[test]
    fn our_alarms_event_starts_the_watch_of_its_hour() {
        let mut event = event();
        let name = config().alarm.name;
        event["resources"][0] = json!(format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"));
        let Step::Watch { execution, input } = woken(&event).unwrap().1 else {
            panic!("no watch");
        };
        assert_eq!(execution, "watch_123456789012_2026-11-23T07");
        assert_eq!(input["at"], "2026-11-23T07:20:00.000Z");
        assert_eq!(input["reported"], 50.0);
    }

    #[test]
    fn whatever_else_comes_starts_nothing() {
        let other = json!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:other");
        for event in [
            Value::Null,
            with("/source", json!("aws.ses")),
            with("/account", json!("999999999999")),
            with("/account", json!(5)),
            with("/resources/0", other),
        ] {
            assert!(woken(&event).is_err(), "{event}");
        }
    }
}

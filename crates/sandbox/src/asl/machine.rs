//! A state machine and its executions, as those who start them and the engine exchange them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::query::QUERY_ERROR;
use billctl_core::model::Arn;
use billctl_core::service::sfn::{ExecutionStatus, HistoryEvent};

/// The state machine that runs.
pub(crate) struct Machine {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) role: Arn,
    pub(crate) definition: Arc<Value>,
}

/// What starts.
pub(crate) struct Start {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    pub(crate) input: Value,
}

/// An execution that waits at a state of its outermost level: all that it needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pause {
    /// When it goes on.
    pub(crate) until: Timestamp,
    pub(super) state: String,
    pub(super) input: Value,
    pub(super) variables: BTreeMap<String, Value>,
    /// How often each retrier of the state has tried again; `None` at a Wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<Vec<u32>>,
    /// By `TimeoutSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<Timestamp>,
    /// How many events its history has.
    pub(super) events: usize,
}

/// How far it ran.
pub(crate) struct Ran {
    pub(crate) at: Timestamp,
    /// The events since it was started or went on.
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) stand: Stand,
}

/// How an execution stands.
pub(crate) enum Stand {
    Paused(Pause),
    Ended {
        status: ExecutionStatus,
        output: Option<Value>,
        error: Option<(String, String)>,
    },
}

/// An error of Step Functions: a name that retriers and catchers know, and a cause.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) cause: String,
}

impl Failure {
    pub(super) fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            cause: cause.into(),
        }
    }

    pub(super) fn query(cause: String) -> Self {
        Self::new(QUERY_ERROR, cause)
    }
}

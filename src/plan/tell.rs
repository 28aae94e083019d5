//! Whom `spend --tell` tells, and how that went.

use serde::Serialize;

use billctl_core::model::{AccountId, Usd};

/// An account to tell about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToTell {
    /// Which.
    pub account: AccountId,
    /// Its limit by config.
    pub limit: Usd,
}

/// What happened with one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Telling {
    /// Which.
    pub account: AccountId,
    /// The limit that it is above.
    pub limit: Usd,
    /// What happened.
    #[serde(flatten)]
    pub outcome: TellOutcome,
}

/// How telling went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum TellOutcome {
    /// The day's execution was started; it mails.
    Started {
        /// Its name.
        execution: String,
    },
    /// The owner was told already.
    AlreadyTold {
        /// By this execution.
        execution: String,
    },
    /// An execution is at it and has sent nothing yet.
    UnderWay {
        /// This one.
        execution: String,
    },
    /// Today's execution couldn't be started.
    Failed {
        /// Why.
        error: String,
    },
}

/// What `spend --tell` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Tellings {
    /// How many executions were started.
    pub started: usize,
    /// How many owners were told already.
    pub already_told: usize,
    /// How many executions are at it.
    pub under_way: usize,
    /// How many couldn't be started.
    pub failed: usize,
    /// Each account that is above its limit.
    pub accounts: Vec<Telling>,
}

impl Tellings {
    /// These, counted.
    pub fn of(accounts: Vec<Telling>) -> Self {
        let mut counted = Self::default();
        for telling in &accounts {
            *match telling.outcome {
                TellOutcome::Started { .. } => &mut counted.started,
                TellOutcome::AlreadyTold { .. } => &mut counted.already_told,
                TellOutcome::UnderWay { .. } => &mut counted.under_way,
                TellOutcome::Failed { .. } => &mut counted.failed,
            } += 1;
        }
        Self { accounts, ..counted }
    }
}

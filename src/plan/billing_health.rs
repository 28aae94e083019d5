//! How the billing side does, as far as was read.

use jiff::Timestamp;
use serde::Serialize;

use super::above::Recent;
use super::chat::Channel;
use super::operations::Hearing;
use super::undelivered::QueueContents;

/// How the billing side does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct BillingHealth {
    /// What lies in the queue: events that reached nobody, SES's reports of failed mails. None where there is no
    /// queue.
    pub queue: Option<QueueContents>,
    /// Test mails that SES took in the last seven days.
    pub sent: usize,
    /// Accounts' days above their limit in the last seven days that the notifier took up without failing. How many
    /// mails a day held isn't counted: each would have to be asked.
    pub days: usize,
    /// Executions that failed in the last seven days.
    pub failed: usize,
    /// Of those, the ones that began after the last execution that told somebody.
    pub failed_since_told: usize,
    /// Events that were refused in the last seven days: malformed, forged, or of another alarm. No mail is lacking.
    pub refused: usize,
    /// Whether there were more executions than were read, so that the counts are low.
    pub more: bool,
    /// The latest failed executions, newest first.
    pub failures: Vec<FailedExecution>,
    /// The executions of the last two days, newest first.
    #[serde(skip)]
    pub recent: Vec<Recent>,
    /// billctl's alarms in this account that are in ALARM.
    pub alarms: Vec<AlarmOn>,
    /// Who hears when the notifier itself fails; None where that couldn't be read.
    #[serde(rename = "operations")]
    pub hearing: Option<Box<Hearing>>,
    /// The topics that chat messages go to.
    pub chat: Vec<Channel>,
    /// Executions of the last seven days that say that a chat wasn't told: the mails went out.
    pub chats_failed: usize,
    /// Of those, the ones since a chat last took a test's message.
    pub chats_lost: usize,
    /// Mails in the last 24 hours, of all senders of the account.
    pub sent_last_24_hours: f64,
    /// How many there may be; None where unlimited.
    pub daily_quota: Option<f64>,
    /// Whether SES still holds the account in its sandbox.
    pub in_ses_sandbox: bool,
}

/// An execution of the notifier that failed.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FailedExecution {
    /// Its name.
    pub name: String,
    /// When it began.
    #[schemars(with = "billctl_core::model::Time")]
    pub started: Timestamp,
    /// The error's name.
    pub error: String,
    /// Its cause, in the notifier's or AWS's words.
    pub cause: String,
}

/// An alarm in ALARM.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AlarmOn {
    /// Its name.
    pub name: String,
    /// Why, in CloudWatch's words.
    pub reason: String,
    /// Since when.
    #[schemars(with = "Option<billctl_core::model::Time>")]
    pub since: Option<Timestamp>,
}

impl BillingHealth {
    /// How many messages lie in the queue.
    pub fn waiting(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.waiting)
    }
}

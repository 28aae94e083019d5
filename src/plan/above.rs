//! Accounts above their limits, and whether anybody was told: pure.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::coverage::{AccountStatus, Coverage};
use crate::resource::{ExecutionName, day_of};
use crate::spend::Standing;
use billctl_core::model::{AccountId, Time, Usd};
use billctl_core::service::sfn::ExecutionStatus;

/// The call that mails, as a history names it.
pub const SEND: &str = "sendEmail";
/// The call that reads the figures.
pub const READ: &str = "getMetricData";
/// A day that only began is no reason to worry.
const PATIENCE: i64 = 15 * 60;
/// How far back a watch has to do with what is above now.
const WATCHES: i64 = 36 * 3_600;

/// What became of telling an account's owner on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Told {
    /// They were: that day, or since then with the reminders of the table.
    Yes {
        /// The execution that did.
        execution: String,
        /// Since which day the account is told about, where that is known.
        since: Option<String>,
    },
    /// The day is under way without a mail.
    Trying {
        /// The execution.
        execution: String,
        /// Since when it tries.
        #[schemars(with = "Time")]
        since: Timestamp,
        /// What stands in the way, and since when.
        refused: Option<Refused>,
    },
    /// The day's last try ended badly, without a mail.
    Failed {
        /// The execution.
        execution: String,
        /// The error's name.
        error: String,
        /// Its cause, in the notifier's or AWS's words.
        cause: String,
    },
    /// The day ended without a mail, because its figures didn't show it.
    NotBorneOut {
        /// The execution.
        execution: String,
    },
    /// Nobody tried.
    No,
}

/// A mail that SES didn't take, or figures that couldn't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Refused {
    /// Which call failed: `sendEmail`, or `getMetricData`.
    pub call: String,
    /// When first.
    #[schemars(with = "Time")]
    pub since: Timestamp,
    /// The error's name.
    pub error: String,
}

/// An account above its limit.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Above {
    /// Which.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The path of its OU.
    pub ou: String,
    /// What it spent in the time that the limit is about.
    pub amount: Usd,
    /// The limit, by config.
    pub limit: Usd,
    /// Whether the alarm is known to have the same.
    pub limit_is_the_alarms: bool,
    /// How sure it is: `certain` or `likely`.
    pub verdict: &'static str,
    /// On how many UTC days in a row.
    pub days: usize,
    /// Whether it may be more of them, because no more were read and no mail tells since when.
    pub or_more: bool,
    /// The first of them.
    pub since: String,
    /// Whether somebody was told; None where that wasn't looked at.
    pub told: Option<Told>,
    /// Whether nobody was told who should have been.
    pub finding: bool,
    /// The likely cause.
    pub cause: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// An execution of the last days, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// Which.
    pub name: ExecutionName,
    /// How it stands.
    pub status: ExecutionStatus,
    /// When it began.
    pub started: Timestamp,
}

/// What else may say why nobody was told.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Now.
    pub now: Timestamp,
    /// Executions of the last days, newest first.
    pub recent: &'a [Recent],
    /// Messages in the dead-letter queue.
    pub waiting: u64,
    /// Executions that failed lately.
    pub failed: usize,
}

impl Above {
    /// An account as the payer's figures show it; whether it was told comes later.
    pub fn new(status: &AccountStatus, limit: Usd, standing: Standing, now: Timestamp) -> Self {
        let days = i64::try_from(standing.days).unwrap_or(1);
        let since = day_of(now).saturating_sub((days - 1).days());
        Self {
            account: status.account,
            name: status.name.clone(),
            ou: status.ou.clone(),
            amount: standing.amount,
            limit,
            limit_is_the_alarms: status.effective == Some(limit),
            verdict: standing.verdict.name(),
            days: standing.days,
            or_more: standing.or_more,
            since: since.to_string(),
            told: None,
            finding: standing.due,
            cause: None,
            remedy: None,
        }
    }

    /// By how much.
    pub fn excess(&self) -> Usd {
        self.amount - self.limit
    }

    /// Takes what was found out, and says what it is likely due to that nobody was told.
    pub fn explain(&mut self, told: Told, coverage: Coverage, circumstances: &Circumstances) {
        let now = circumstances.now;
        let fresh = matches!(&told, Told::Trying { since, refused: None, .. }
            if now.as_second() - since.as_second() < PATIENCE);
        self.finding &= !fresh && !matches!(told, Told::Yes { .. });
        // What was read doesn't go back to its beginning: the mails do.
        if let (true, Told::Yes { since: Some(since), .. }) = (self.or_more, &told)
            && let (Ok(first), today) = (since.parse::<Date>(), day_of(now))
            && let Ok(days) = usize::try_from(today.duration_since(first).as_hours() / 24 + 1)
            && days >= self.days
        {
            self.days = days;
            self.since = first.to_string();
            self.or_more = false;
        }
        if self.finding {
            let (cause, remedy) = self.cause(&told, coverage, circumstances);
            self.cause = Some(cause);
            self.remedy = Some(remedy.replace("ACCOUNT", &self.account.to_string()));
        }
        self.told = Some(told);
    }

    fn cause(&self, told: &Told, coverage: Coverage, circumstances: &Circumstances) -> (String, &'static str) {
        match told {
            Told::Failed {
                execution,
                error,
                cause,
            } => (
                format!("{execution} failed: {error}: {cause}"),
                "fix that, then `billctl resend`",
            ),
            Told::Trying {
                refused: Some(refused), ..
            } => Self::refused(refused),
            Told::Trying { execution, since, .. } => (
                format!(
                    "{execution} has run since {} and sent nothing: the limit that it reads may be a higher one",
                    minute(*since)
                ),
                "compare the limits: `billctl deploy --plan`",
            ),
            Told::NotBorneOut { execution } => (
                format!("{execution} ended without a mail: the figures didn't confirm it"),
                "run `billctl spend --tell`",
            ),
            Told::Yes { .. } | Told::No => self.nobody_tried(coverage, circumstances),
        }
    }

    fn refused(refused: &Refused) -> (String, &'static str) {
        let (since, error) = (minute(refused.since), &refused.error);
        if refused.call == SEND {
            (
                format!("SES has refused since {since}: {error}"),
                "it is tried hourly for a day; ask SES for a higher quota",
            )
        } else {
            (
                format!("the notifier hasn't been able to read the figures since {since}: {error}"),
                "run `billctl bootstrap`; it is tried hourly",
            )
        }
    }

    fn nobody_tried(&self, coverage: Coverage, found: &Circumstances) -> (String, &'static str) {
        const TELL: &str = "run `billctl spend --tell`";
        const RESEND_NAMED: &str = "fix what is named there, then `billctl resend`";
        let watch = found.recent.iter().find(|recent| {
            matches!(recent.name, ExecutionName::Watch { account, .. } if account == self.account)
                && found.now.as_second() - recent.started.as_second() < WATCHES
        });
        if let Some(watch) = watch {
            let at = minute(watch.started);
            return match watch.status {
                ExecutionStatus::Running => (
                    format!("the watch that began {at} is still judging"),
                    "it checks again within the hour; or run `billctl spend --tell`",
                ),
                ExecutionStatus::Succeeded => (
                    format!("the watch that began {at} ended without a mail: the figures didn't confirm it"),
                    TELL,
                ),
                _ => (
                    format!("the watch that began {at} failed"),
                    "fix that, then `billctl resend`",
                ),
            };
        }
        let (cause, remedy) = match coverage {
            Coverage::Missing | Coverage::NotTargeted => (
                "no alarm watches it: there is no stack instance",
                "run `billctl deploy`, or `billctl spend --tell` hourly",
            ),
            Coverage::Failed => (
                "its stack instance failed, so its alarm may be missing",
                "run `billctl deploy`, and `billctl spend --tell`",
            ),
            Coverage::Management => (
                "no event came: its alarm was changed or has no data, or its event didn't arrive",
                "run `billctl test-alert --account ACCOUNT`, and `billctl spend --tell`",
            ),
            Coverage::WrongThreshold => (
                "its alarm's limit isn't config's",
                "run `billctl deploy`, and `billctl spend --tell`",
            ),
            _ if found.waiting > 0 => ("its event may lie in the dead-letter queue", RESEND_NAMED),
            _ if found.failed > 0 => ("the notifier's executions fail", RESEND_NAMED),
            _ if day_of(found.now).day() == 1 => {
                ("no event came: on a month's first day its alarm sees no spend", TELL)
            }
            _ => (
                "no event came: its alarm was changed or has no data, or its events don't arrive",
                "run `billctl status --drift` and `billctl test-alert --account ACCOUNT --from-member`, and `billctl spend --tell`",
            ),
        };
        (cause.to_owned(), remedy)
    }
}

/// Those of the watched accounts that are above their `limits`, by most above first.
pub fn above(
    accounts: &[AccountStatus],
    limits: &BTreeMap<AccountId, Usd>,
    standing: impl Fn(AccountId, Usd) -> Option<Standing>,
    now: Timestamp,
) -> Vec<Above> {
    let mut found: Vec<Above> = accounts
        .iter()
        .filter_map(|status| {
            // Config says who is watched and what the limit is, as it does for `spend`. An alarm with another one is a
            // finding of its own.
            let limit = *limits.get(&status.account)?;
            let standing = standing(status.account, limit)?;
            Some(Above::new(status, limit, standing, now))
        })
        .collect();
    found.sort_by_key(|above| (std::cmp::Reverse(above.excess()), above.account));
    found
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

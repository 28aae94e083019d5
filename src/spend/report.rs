//! The values of a report of spend: rows, bands, notes.

mod making;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

pub use making::{ReportInput, report};

use super::{Amount, Figures, Grid, Missing, StandsOut, Verdict};
use crate::config::Measure;
use billctl_core::model::{AccountId, AccountState, OuId, Usd};
use billctl_core::text;

/// What a row of the report is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// An account.
    #[default]
    Account,
    /// An OU, with the OUs below it.
    Ou,
    /// An AWS service.
    Service,
}

impl By {
    /// As the command line and JSON name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Ou => "ou",
            Self::Service => "service",
        }
    }
}

/// Whose a history is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An account's.
    Account(AccountId),
    /// A service's, by the name in the metric's dimension, such as `AmazonEC2`.
    Service(String),
}

/// Which row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// An account's.
    Account(AccountId),
    /// An OU's.
    Ou(OuId),
    /// A service's.
    Service(String),
    /// Everything.
    Total,
}

/// A row: an account, an OU, a service, or the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub key: Key,
    /// Its name: free text from AWS, so untrusted.
    pub name: String,
    /// The path of an account's OU.
    pub ou: Option<String>,
    /// Where an OU stands among the rows: it is below the next row above that is less deep.
    pub nested: Option<Nested>,
    /// An account's state.
    pub state: Option<AccountState>,
    /// How many accounts (or services) it sums up.
    pub members: usize,
    /// How many of those are above their threshold.
    pub members_over: usize,
    /// Yesterday, today, average, month, forecast.
    pub figures: Figures,
    /// The shown buckets.
    pub buckets: Vec<Option<Amount>>,
    /// Which of the shown buckets stand out.
    pub outliers: Vec<StandsOut>,
    /// Whether yesterday or today stands out: the more so of both.
    pub stands_out: Option<StandsOut>,
    /// The account's threshold.
    pub threshold: Option<Usd>,
    /// What the threshold is compared with: the 24 or six hours up to the newest publication, or the month to date, as
    /// the measure says.
    pub compared: Option<Usd>,
    /// Whether that is above the threshold, as the mail to the owner sees it; `None` without a threshold, and of sums.
    pub verdict: Option<Verdict>,
    /// Why there is nothing to show.
    pub missing: Option<Missing>,
}

/// An OU's place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// How many OUs it is below.
    pub depth: usize,
    /// Its own name, without those above.
    pub name: String,
}

impl Row {
    const fn ou_id(&self) -> Option<&OuId> {
        match &self.key {
            Key::Ou(id) => Some(id),
            Key::Account(_) | Key::Service(_) | Key::Total => None,
        }
    }

    /// Whether the threshold is crossed: by the judgement, not by a figure that may only tremble above it.
    pub fn over(&self) -> bool {
        self.verdict.is_some_and(Verdict::is_above)
    }

    /// By how much the threshold is crossed, or how much is left to it, below zero.
    fn excess(&self) -> Option<Usd> {
        let (spent, threshold) = self.compared.zip(self.threshold)?;
        Some(spent - threshold)
    }

    /// How much of the threshold is used, in percent, rounded down so that 100 means reached.
    pub fn percent(&self) -> Option<i64> {
        let (spent, threshold) = self.compared.zip(self.threshold)?;
        let threshold = threshold.micros();
        (threshold > 0).then(|| {
            let percent = i128::from(spent.micros().max(0)) * 100 / i128::from(threshold);
            i64::try_from(percent).unwrap_or(i64::MAX)
        })
    }

    /// How often the threshold goes into what is compared with it, as the mail says it: `2.5x`.
    pub fn times(&self) -> Option<String> {
        let (spent, threshold) = self.compared.zip(self.threshold)?;
        let ratio = spent.to_f64().max(0.0) / threshold.to_f64();
        threshold.is_positive().then(|| text::times(ratio))
    }

    /// The most interesting first: above the threshold, then what stands out, then what comes near its threshold,
    /// then by what it costs; what has no data last.
    fn rank(&self) -> (u8, Reverse<i64>) {
        let spent = self.figures.average.or(self.figures.month_to_date);
        let spent = spent.map_or(i64::MIN, Usd::micros);
        if self.missing.is_some() {
            return (4, Reverse(spent));
        }
        if self.over() || self.members_over > 0 {
            let excess = self.excess().map_or(spent, Usd::micros);
            return (0, Reverse(excess));
        }
        if let Some(found) = self.stands_out {
            return (1, Reverse((found.spent - found.usual).micros()));
        }
        match self.percent() {
            Some(percent) if percent >= NEAR => (2, Reverse(percent)),
            _ => (3, Reverse(spent)),
        }
    }
}

/// From this percentage on a threshold counts as near.
pub const NEAR: i64 = 80;

/// A band of the stacked chart: an OU near the root, or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// Its name.
    pub name: String,
    /// The shown buckets.
    pub buckets: Vec<Option<Amount>>,
}

/// Something about the report as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// So many accounts have no data, for this reason.
    Missing(Missing, usize),
    /// The newest publication of any account is older than publications should be.
    Stale(Timestamp),
    /// The month's first publication isn't out.
    NoMonthYet,
    /// config.toml wasn't found, so there are no thresholds.
    NoConfig,
    /// The alarm measures something else than days.
    Measure(Measure),
    /// No service was charged for lately.
    NoServices,
    /// Services are summed over the whole organisation, accounts that left it this month included.
    WholeOrganization,
}

/// How this month has gone so far, all rows together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonthSoFar {
    /// How many days the month has.
    pub days: usize,
    /// What each day up to today cost.
    pub spent: Vec<Option<Amount>>,
}

/// What `billctl spend` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it was made.
    pub now: Timestamp,
    /// The organisation's id.
    pub organization: String,
    /// What it is restricted to, in words; `None` for the whole organisation.
    pub scope: Option<String>,
    /// What rows are about.
    pub by: By,
    /// The shown buckets' times.
    pub grid: Grid,
    /// What thresholds are compared with.
    pub measure: Measure,
    /// The rows, most interesting first.
    pub rows: Vec<Row>,
    /// How many rows `--top` left out.
    pub left_out: usize,
    /// Everything together, rows left out included.
    pub total: Row,
    /// Of the accounts above their threshold the one that is by the most.
    pub worst: Option<Row>,
    /// The bands of the stacked chart, largest first.
    pub bands: Vec<Band>,
    /// This month, day by day.
    pub month: MonthSoFar,
    /// Where it was read, what the services of an account come to, the most expensive first.
    pub services: BTreeMap<AccountId, Vec<(String, Figures)>>,
    /// What else there is to say.
    pub notes: Vec<Note>,
    /// How many metrics were asked for.
    pub metrics: usize,
    /// The newest publication.
    pub published: Option<Timestamp>,
}

impl Report {
    /// About what AWS charges for the metrics: $0.01 per 1,000 (docs/aws-facts.md, "Prices").
    pub fn cost(&self) -> Usd {
        const MICROS_PER_METRIC: i64 = 10;
        let metrics = i64::try_from(self.metrics).unwrap_or(i64::MAX);
        Usd::from_micros(metrics.saturating_mul(MICROS_PER_METRIC))
    }
}

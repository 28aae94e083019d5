use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Amount, Figures, Grid, Judgement, Missing, SpendHistory, StandsOut, Usual, Verdict, sum};
use crate::config::Measure;
use billctl_core::model::Month;
use billctl_core::model::{AccountId, AccountState, Organization, OuId, Usd};
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

/// What a report is made of.
pub struct ReportInput<'a> {
    /// The organisation.
    pub organization: &'a Organization,
    /// Now.
    pub now: Timestamp,
    /// What rows are about.
    pub by: By,
    /// The days that the histories hold.
    pub days: Grid,
    /// The buckets to show; their interval decides whether days or quarters are shown.
    pub shown: Grid,
    /// What thresholds are compared with.
    pub measure: Measure,
    /// Every history.
    pub histories: Vec<(Subject, SpendHistory)>,
    /// An account's threshold; `None` where nobody watches it.
    pub threshold: &'a dyn Fn(AccountId, &OuId) -> Option<Usd>,
    /// Why accounts have no data.
    pub missing: BTreeMap<AccountId, Missing>,
    /// How many rows to show.
    pub top: Option<usize>,
    /// How many metrics were asked for.
    pub metrics: usize,
}

/// Most bands of the stacked chart; the rest is one more.
const MAX_BANDS: usize = 6;
/// Without a publication for this long something is wrong: four are missing.
const STALE: i64 = super::DAY;

/// Makes the report.
pub fn report(input: ReportInput<'_>) -> Report {
    // Once for each OU: thousands of accounts share it.
    let organization = input.organization;
    let paths: BTreeMap<&OuId, String> = organization
        .ous()
        .map(|ou| (&ou.id, organization.path(&ou.id)))
        .collect();
    let rows: Vec<Row> = input
        .histories
        .iter()
        .map(|(subject, history)| input.row(subject, history, &paths))
        .collect();
    let total_history = SpendHistory::sum(input.histories.iter().map(|(_, history)| history));
    let total = Row {
        members: rows.len(),
        members_over: rows.iter().filter(|row| row.over()).count(),
        ..input.sum_row(Key::Total, "Total".to_owned(), &total_history, rows.iter())
    };
    let over = rows.iter().filter(|row| row.over());
    let worst = over.max_by_key(|row| row.excess()).cloned();
    let bands = input.bands();
    let notes = input.notes(&total_history);
    let mut rows = match input.by {
        By::Ou => input.by_ou(&rows),
        By::Account | By::Service => rows,
    };
    rows.sort_by(|a, b| (a.rank(), &a.name, &a.key).cmp(&(b.rank(), &b.name, &b.key)));
    let left_out = input.top.map_or(0, |top| rows.len().saturating_sub(top));
    rows.truncate(rows.len() - left_out);
    if input.by == By::Ou && left_out == 0 {
        rows = input.as_tree(rows);
    }
    Report {
        now: input.now,
        organization: input.organization.id.to_string(),
        scope: None,
        services: BTreeMap::new(),
        by: input.by,
        grid: input.shown,
        measure: input.measure,
        rows,
        left_out,
        total,
        worst,
        bands,
        month: input.month(&total_history),
        notes,
        metrics: input.metrics,
        published: total_history.published,
    }
}

impl ReportInput<'_> {
    fn row(&self, subject: &Subject, history: &SpendHistory, paths: &BTreeMap<&OuId, String>) -> Row {
        let figures = Figures::of(history, self.now);
        let (key, name, ou, state, threshold, missing) = match subject {
            Subject::Account(id) => {
                let known = self.organization.account(*id);
                (
                    Key::Account(*id),
                    known.map_or_else(|| id.to_string(), |(account, _)| account.name.clone()),
                    known.map(|(_, parent)| {
                        let path = paths.get(parent).cloned();
                        path.unwrap_or_else(|| self.organization.path(parent))
                    }),
                    known.map(|(account, _)| account.state),
                    known.and_then(|(_, parent)| (self.threshold)(*id, parent)),
                    self.missing.get(id).copied(),
                )
            }
            Subject::Service(name) => (Key::Service(name.clone()), name.clone(), None, None, None, None),
        };
        let row = self.plain_row(key, name, history, figures);
        Row {
            ou,
            state,
            threshold,
            compared: history.measured.map(|measured| measured.amount),
            verdict: threshold.map(|limit| Judgement::of(history.measured, limit, self.now).verdict),
            missing,
            ..row
        }
    }

    /// What every row has.
    fn plain_row(&self, key: Key, name: String, history: &SpendHistory, figures: Figures) -> Row {
        let per_day = self.shown.interval().per_day();
        let all = if per_day == 1 { &history.days } else { &history.quarters };
        let cut = all.len().saturating_sub(self.shown.count());
        let shown = all.get(cut..).unwrap_or_default().to_vec();
        let outliers: Vec<StandsOut> = Usual::outliers(all, per_day, cut)
            .into_iter()
            .map(|found| StandsOut {
                bucket: found.bucket - cut,
                ..found
            })
            .collect();
        // Today's buckets so far, and yesterday's.
        let today = (self.shown.count() + per_day - 1) % per_day + 1;
        let recent = shown.len().saturating_sub(today + per_day);
        let stands_out = outliers
            .iter()
            .filter(|found| found.bucket >= recent)
            .max_by_key(|found| (found.spent - found.usual, found.bucket))
            .copied();
        Row {
            key,
            name,
            ou: None,
            nested: None,
            state: None,
            members: 1,
            members_over: 0,
            figures,
            buckets: shown,
            outliers,
            stands_out,
            threshold: None,
            compared: None,
            verdict: None,
            missing: None,
        }
    }

    fn sum_row<'b>(&self, key: Key, name: String, history: &SpendHistory, rows: impl Iterator<Item = &'b Row>) -> Row {
        let figures = Figures::of(history, self.now).with_forecasts_of(rows.map(|row| &row.figures), self.now);
        self.plain_row(key, name, history, figures)
    }

    /// A row for each OU, with everything below it. An OU above that is asked for only in part has none: its sum would
    /// look like the whole.
    fn by_ou(&self, rows: &[Row]) -> Vec<Row> {
        let mut whole: BTreeMap<&OuId, usize> = BTreeMap::new();
        for (_, parent) in self.organization.accounts() {
            for ou in self.organization.ancestry(parent) {
                *whole.entry(ou).or_default() += 1;
            }
        }
        let mut members: BTreeMap<&OuId, Vec<usize>> = BTreeMap::new();
        let mut parents: BTreeSet<&OuId> = BTreeSet::new();
        for (index, (subject, _)) in self.histories.iter().enumerate() {
            if let Some(parent) = self.parent(subject) {
                parents.insert(parent);
                for ou in self.organization.ancestry(parent) {
                    members.entry(ou).or_default().push(index);
                }
            }
        }
        members.retain(|ou, indexes| parents.contains(ou) || whole.get(ou) == Some(&indexes.len()));
        members
            .into_iter()
            .map(|(ou, indexes)| {
                let rows: Vec<&Row> = indexes.iter().filter_map(|index| rows.get(*index)).collect();
                let histories = indexes
                    .iter()
                    .filter_map(|index| self.histories.get(*index))
                    .map(|(_, history)| history);
                let history = SpendHistory::sum(histories);
                let name = self.organization.path(ou);
                let row = self.sum_row(Key::Ou(ou.clone()), name, &history, rows.iter().copied());
                Row {
                    members: rows.len(),
                    members_over: rows.iter().filter(|row| row.over()).count(),
                    // An OU has no data only for a reason that all of its accounts share.
                    missing: rows
                        .iter()
                        .map(|row| row.missing)
                        .reduce(|a, b| if a == b { a } else { None })
                        .flatten(),
                    ..row
                }
            })
            .collect()
    }

    /// OUs below the ones that they are in, siblings in the order in which they come.
    fn as_tree(&self, rows: Vec<Row>) -> Vec<Row> {
        let ids: BTreeSet<OuId> = rows.iter().filter_map(Row::ou_id).cloned().collect();
        let mut below: BTreeMap<Option<OuId>, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let above = row.ou_id().and_then(|ou| {
                self.organization
                    .ancestry(ou)
                    .skip(1)
                    .find(|above| ids.contains(*above))
            });
            below.entry(above.cloned()).or_default().push(row);
        }
        let mut ordered = Vec::new();
        let mut open: Vec<(usize, Row)> = Vec::new();
        let mut children = |of: Option<OuId>, depth: usize, open: &mut Vec<(usize, Row)>| {
            let rows = below.remove(&of).unwrap_or_default();
            open.extend(rows.into_iter().rev().map(|row| (depth, row)));
        };
        children(None, 0, &mut open);
        while let Some((depth, row)) = open.pop() {
            let id = row.ou_id().cloned();
            let name = match depth {
                0 => row.name.clone(),
                _ => id.as_ref().map_or_else(|| row.name.clone(), |ou| self.ou_name(ou)),
            };
            ordered.push(Row {
                nested: Some(Nested { depth, name }),
                ..row
            });
            if id.is_some() {
                children(id, depth + 1, &mut open);
            }
        }
        ordered
    }

    fn parent(&self, subject: &Subject) -> Option<&OuId> {
        match subject {
            Subject::Account(id) => self.organization.account(*id).map(|(_, parent)| parent),
            Subject::Service(_) => None,
        }
    }

    /// Bands by service, or by the OUs at the first level below the root at which the accounts part.
    fn bands(&self) -> Vec<Band> {
        let mut members: BTreeMap<String, Vec<&SpendHistory>> = BTreeMap::new();
        let mut below: BTreeMap<Option<&OuId>, Vec<&SpendHistory>> = BTreeMap::new();
        for (subject, history) in &self.histories {
            match subject {
                Subject::Service(name) => members.entry(name.clone()).or_default().push(history),
                Subject::Account(_) => below.entry(self.parent(subject)).or_default().push(history),
            }
        }
        let below: Vec<(Vec<&OuId>, Vec<&SpendHistory>)> = below
            .into_iter()
            .map(|(parent, histories)| {
                let mut path: Vec<&OuId> = parent
                    .into_iter()
                    .flat_map(|parent| self.organization.ancestry(parent))
                    .collect();
                path.reverse();
                (path, histories)
            })
            .collect();
        let deepest = below.iter().map(|(path, _)| path.len()).max();
        let deepest = deepest.unwrap_or_default();
        let level = (0..deepest)
            .find(|level| {
                let mut at_level = below.iter().map(|(path, _)| path.get(*level));
                let first = at_level.next();
                at_level.any(|ou| Some(ou) != first)
            })
            .unwrap_or_else(|| deepest.saturating_sub(1));
        for (path, histories) in below {
            let name = path
                .get(level)
                .or(path.last())
                .map_or_else(|| "unknown OU".to_owned(), |ou| self.ou_name(ou));
            members.entry(name).or_default().extend(histories);
        }
        let mut bands: Vec<(Usd, Band)> = members
            .into_iter()
            .map(|(name, histories)| {
                let history = SpendHistory::sum(histories.into_iter());
                let row = self.plain_row(Key::Total, name, &history, Figures::default());
                let total = row.buckets.iter().flatten().map(|amount| amount.usd).sum();
                let band = Band {
                    name: row.name,
                    buckets: row.buckets,
                };
                (total, band)
            })
            .collect();
        bands.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
        let mut bands: Vec<Band> = bands.into_iter().map(|(_, band)| band).collect();
        if bands.len() > MAX_BANDS + 1 {
            let rest = bands.split_off(MAX_BANDS);
            bands.push(Band {
                name: format!("{} others", rest.len()),
                buckets: sum(rest.iter().map(|band| &band.buckets[..])),
            });
        }
        bands
    }

    fn month(&self, total: &SpendHistory) -> MonthSoFar {
        let month = Month::of(self.now);
        let from = usize::try_from(self.days.bucket(month.start())).unwrap_or_default();
        MonthSoFar {
            days: usize::try_from(month.days()).unwrap_or_default(),
            spent: total.days.get(from..).unwrap_or_default().to_vec(),
        }
    }

    fn ou_name(&self, ou: &OuId) -> String {
        self.organization
            .ou(ou)
            .map_or_else(|| ou.to_string(), |ou| ou.name.clone())
    }

    fn notes(&self, total: &SpendHistory) -> Vec<Note> {
        let mut counts: BTreeMap<Missing, usize> = BTreeMap::new();
        for missing in self.missing.values() {
            *counts.entry(*missing).or_default() += 1;
        }
        let mut notes: Vec<Note> = counts
            .into_iter()
            .map(|(missing, count)| Note::Missing(missing, count))
            .collect();
        if let Some(published) = total.published {
            if self.now.as_second() - published.as_second() > STALE {
                notes.push(Note::Stale(published));
            }
            if total.month_to_date.is_none() {
                notes.push(Note::NoMonthYet);
            }
        }
        if self.measure != Measure::Daily {
            notes.push(Note::Measure(self.measure));
        }
        notes
    }
}

//! Makes a report of what was read: a row for each account, service or OU, and what they come to together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Band, By, Key, MonthSoFar, Nested, Note, Report, Row, Subject};
use crate::config::Measure;
use crate::spend::{Amount, Figures, Grid, Interval, Missing, SpendHistory, StandsOut, Usual, Verdict, sum};
use billctl_core::model::{AccountId, DAY, Month, Organization, OuId, Usd};

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
const STALE: i64 = DAY;

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
    let total = input.sum_row(Key::Total, "Total".to_owned(), &total_history, rows.iter());
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
        let row = match subject {
            Subject::Account(id) => {
                let known = self.organization.account(*id);
                let name = known.map_or_else(|| id.to_string(), |(account, _)| account.name.clone());
                Row {
                    ou: known.map(|(_, parent)| {
                        let path = paths.get(parent).cloned();
                        path.unwrap_or_else(|| self.organization.path(parent))
                    }),
                    state: known.map(|(account, _)| account.state),
                    threshold: known.and_then(|(_, parent)| (self.threshold)(*id, parent)),
                    missing: self.missing.get(id).copied(),
                    ..self.plain_row(Key::Account(*id), name, history, figures)
                }
            }
            Subject::Service(name) => self.plain_row(Key::Service(name.clone()), name.clone(), history, figures),
        };
        let verdict = |limit| Verdict::of(history.measured, limit, self.now);
        Row {
            compared: history.measured.map(|measured| measured.amount),
            verdict: row.threshold.map(verdict),
            ..row
        }
    }

    /// The buckets of a history, and how many of them are before those to show.
    fn buckets<'h>(&self, history: &'h SpendHistory) -> (&'h [Option<Amount>], usize) {
        let all = match self.shown.interval() {
            Interval::Day => &history.days,
            Interval::SixHours => &history.quarters,
        };
        (all, all.len().saturating_sub(self.shown.count()))
    }

    /// What every row has.
    fn plain_row(&self, key: Key, name: String, history: &SpendHistory, figures: Figures) -> Row {
        let per_day = self.shown.interval().per_day();
        let (all, cut) = self.buckets(history);
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

    /// The row of `history`, which is what those of these rows come to together.
    fn sum_row<'b>(
        &self,
        key: Key,
        name: String,
        history: &SpendHistory,
        rows: impl Iterator<Item = &'b Row> + Clone,
    ) -> Row {
        let figures = Figures::of(history, self.now).with_forecasts_of(rows.clone().map(|row| &row.figures), self.now);
        Row {
            members: rows.clone().count(),
            members_over: rows.filter(|row| row.over()).count(),
            ..self.plain_row(key, name, history, figures)
        }
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
        let mut members: BTreeMap<&OuId, Vec<(&Row, &SpendHistory)>> = BTreeMap::new();
        let mut parents: BTreeSet<&OuId> = BTreeSet::new();
        for (row, (subject, history)) in rows.iter().zip(&self.histories) {
            if let Some(parent) = self.parent(subject) {
                parents.insert(parent);
                for ou in self.organization.ancestry(parent) {
                    members.entry(ou).or_default().push((row, history));
                }
            }
        }
        members.retain(|ou, below| parents.contains(ou) || whole.get(ou) == Some(&below.len()));
        members
            .into_iter()
            .map(|(ou, below)| {
                let rows = below.iter().map(|(row, _)| *row);
                let history = SpendHistory::sum(below.iter().map(|(_, history)| *history));
                // An OU has no data only for a reason that all of its accounts share.
                let missing = rows.clone().map(|row| row.missing);
                let missing = missing.reduce(|a, b| if a == b { a } else { None });
                Row {
                    missing: missing.flatten(),
                    ..self.sum_row(Key::Ou(ou.clone()), self.organization.path(ou), &history, rows)
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
        let mut bands: Vec<Band> = members
            .into_iter()
            .map(|(name, histories)| {
                let history = SpendHistory::sum(histories.into_iter());
                let (all, cut) = self.buckets(&history);
                let buckets = all.get(cut..).unwrap_or_default().to_vec();
                Band { name, buckets }
            })
            .collect();
        // Of equals, the first by name stays the first.
        bands.sort_by_cached_key(|band| {
            let total: Usd = band.buckets.iter().flatten().map(|amount| amount.usd).sum();
            Reverse(total)
        });
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

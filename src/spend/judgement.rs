use jiff::Timestamp;

use super::increments::{Increment, Publication, Series};
use super::share;
use crate::config::Measure;
use billctl_core::model::{DAY, Month, Usd};

/// Days before today that the judgement may want: what the mail shows, and what it takes a usual day from.
const DAYS: i64 = 14;
/// A month's reset is recognized by the publication before it, so reading begins this much before the month.
const BEFORE_A_MONTH: i64 = 2 * DAY;
/// A newest publication that is older says nothing about now: five are missing.
const STALE: i64 = 36 * HOUR;
/// Publications further apart than this leave a gap, after which it takes longer to be sure.
const GAP: i64 = 9 * HOUR;
/// How far back such a gap is looked for.
const GAP_SEEN: i64 = 36 * HOUR;
/// How far back it is looked for whether spend comes and goes.
const UNEVEN_SEEN: i64 = 3 * DAY;
/// A publication that is due at the very edge may be late by this.
const EDGE: i64 = 60;
const HOUR: i64 = 3_600;

/// From which second on publications are read to judge an account: two days before the month that today less two weeks
/// lies in. So every month that matters has a predecessor, by which its reset is recognized, and everybody who judges reads
/// the same.
pub fn reading_from(now: Timestamp) -> i64 {
    let today = now.as_second().div_euclid(DAY) * DAY;
    let day = Timestamp::from_second(today - DAYS * DAY).unwrap_or(now);
    Month::of(day).start() - BEFORE_A_MONTH
}

/// What an account spent in the time that its limit is about, up to its newest publication, whatever the limit is.
///
/// Three figures, because publications come when they like. *Certain* is a lower bound: what was published after the
/// first publication inside the time was spent inside it. *Amount* is the fair figure, by even spend between
/// publications. It isn't enough by itself: one publication can't tell 30 hours' spend from 24, nor one lump a day from
/// two. So *likely* is what that has stayed above for half a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The newest publication: the time ends here.
    pub at: Timestamp,
    /// The fair figure, to the cent: what mail, `spend` and `status` show.
    pub amount: Usd,
    /// What of it was published; the rest stands for the hours before a month's end, which never are.
    pub spent: Usd,
    /// The least that was spent, however unevenly.
    pub certain: Usd,
    /// The least that was spent up to any of the last publications; `None` with fewer than two.
    pub likely: Option<Usd>,
}

/// Whether an account is above its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// There is no publication, or none that says something about now.
    #[default]
    Unknown,
    /// It isn't, as far as is known.
    NotAbove,
    /// It has been for half a day by even spend between publications.
    Likely,
    /// It is, however irregular spend and publications are.
    Certain,
}

impl Verdict {
    /// As JSON and the table of cases name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotAbove => "not above",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }

    /// Whether what was measured, if anything was, is above the limit.
    pub fn of(measured: Option<Measured>, limit: Usd, now: Timestamp) -> Self {
        measured.map_or(Self::Unknown, |found| found.verdict(limit, now))
    }

    /// Whether somebody is told.
    pub const fn is_above(self) -> bool {
        matches!(self, Self::Likely | Self::Certain)
    }
}

impl Measured {
    /// Measures publications that were read from `read_from` on, oldest first. `None` without any, and for the month
    /// to date while this month's first isn't out.
    pub fn of(publications: &[Publication], read_from: i64, now: Timestamp, measure: Measure) -> Option<Self> {
        Self::in_series(&Series::read(publications, read_from), now, measure)
    }

    pub(super) fn in_series(series: &Series<'_>, now: Timestamp, measure: Measure) -> Option<Self> {
        let at = series.publications.last()?.at;
        let Some(span) = measure.span() else {
            let month = series.month_to_date(now)?;
            return Some(Self {
                at,
                amount: month,
                spent: month,
                certain: month,
                likely: None,
            });
        };
        let newest = series.publications.len() - 1;
        let back = LookingBack { series, span };
        let sliding = back.sliding(newest);
        Some(Self {
            at,
            amount: sliding.amount(span),
            spent: sliding.spent,
            certain: back.certain(newest),
            likely: back.likely(newest),
        })
    }

    /// Two accounts' together. Nobody judges a sum: members measure different times.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            amount: self.amount + other.amount,
            spent: self.spent + other.spent,
            certain: self.certain + other.certain,
            likely: None,
        }
    }

    /// Whether it is above the limit.
    pub fn verdict(&self, limit: Usd, now: Timestamp) -> Verdict {
        if now.as_second() - self.at.as_second() > STALE {
            Verdict::Unknown
        } else if self.certain.min(self.spent) > limit {
            // A credit before the first publication can leave less than what came after it.
            Verdict::Certain
        } else if self.likely.is_some_and(|likely| likely > limit) {
            Verdict::Likely
        } else {
            Verdict::NotAbove
        }
    }
}

/// A series, and the time to look back from each of its publications.
struct LookingBack<'a> {
    series: &'a Series<'a>,
    span: i64,
}

impl LookingBack<'_> {
    fn at(&self, index: usize) -> i64 {
        let publication = self.series.publications.get(index);
        publication.map_or(i64::MIN, |publication| publication.at.as_second())
    }

    /// What was spent in the time up to a publication.
    fn sliding(&self, newest: usize) -> Sliding {
        let all = &self.series.increments;
        let until = all.iter().rposition(|it| it.index <= newest);
        let until = until.and_then(|last| all.get(..=last));
        Sliding::of(until.unwrap_or_default(), self.at(newest), self.span)
    }

    /// What was published after the first publication inside the time, and spent inside it: where a month's reset came
    /// late, its first value holds what was spent since the month began, and an old value what was spent before that.
    fn certain(&self, newest: usize) -> Usd {
        let start = self.at(newest) - self.span;
        let first = self
            .series
            .publications
            .partition_point(|publication| publication.at.as_second() < start);
        let after = self.series.increments.iter().rev();
        after
            .take_while(|increment| increment.index > first)
            .filter(|increment| increment.from >= start)
            .map(|increment| increment.amount)
            .sum()
    }

    /// The least that was spent up to any publication of the last half of the time, or of all of it after a gap.
    ///
    /// Where spend comes and goes, what the beginning of the time cuts in two may have been spent before it, and isn't
    /// counted: else a lump of yesterday and one of today are taken for the spend of one day.
    fn likely(&self, newest: usize) -> Option<Usd> {
        let before = newest.checked_sub(1)?;
        let end = self.at(newest);
        let longest = (1..=newest)
            .rev()
            .take_while(|index| self.at(*index) >= end - GAP_SEEN)
            .map(|index| self.at(index) - self.at(index - 1))
            .max()
            .unwrap_or_default();
        let back = if longest > GAP { self.span } else { self.span / 2 } + EDGE;
        let first = (0..=before)
            .rev()
            .take_while(|index| self.at(*index) >= end - back)
            .last()
            .unwrap_or(before);
        let uneven = self.is_uneven(newest);
        let least = |sliding: Sliding| match uneven {
            true => sliding.spent - sliding.cut.max(Usd::ZERO),
            false => sliding.spent,
        };
        (first..=newest).map(|index| least(self.sliding(index))).min()
    }

    /// Whether spend comes and goes: in the last days an increment had less than half the pace of one before it and of
    /// one after it. Not asked for six hours, which hold no two days' lumps and hardly an increment that isn't cut.
    fn is_uneven(&self, newest: usize) -> bool {
        /// Less than half, and not by a rounding error: the notifier works in floating point.
        const LESS: f64 = 0.499_999;
        if self.span < DAY {
            return false;
        }
        let start = self.at(newest) - UNEVEN_SEEN;
        let lately = self.series.increments.iter();
        let lately = lately.filter(|it| it.index <= newest && it.to > start && it.to > it.from);
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        for increment in lately {
            let pace = increment.amount.micros() as f64 / (increment.to - increment.from) as f64;
            if lowest < LESS * pace {
                return true;
            }
            if pace < LESS * highest {
                lowest = pace.min(lowest);
            }
            highest = pace.max(highest);
        }
        false
    }
}

/// What was spent in a stretch of time.
#[derive(Debug, Default)]
struct Sliding {
    spent: Usd,
    /// The share in it of the increment that its beginning cuts in two.
    cut: Usd,
    /// How many seconds of it are covered by publications.
    known: i64,
    /// How many aren't, since the series began: between a month's last publication and its end nothing is published.
    gap: i64,
}

impl Sliding {
    /// Of the increments that touch `(end - span, end]`, their shares by time. Of one that took no time nobody knows how
    /// long it gathered: it counts whole.
    fn of(increments: &[Increment], end: i64, span: i64) -> Self {
        let start = end - span;
        let mut found = Self::default();
        // The newest first: what lies before the time isn't looked at.
        for increment in increments.iter().rev() {
            let Increment { from, to, .. } = *increment;
            if to <= start {
                break;
            }
            let length = to - from;
            let overlap = to.min(end) - from.max(start);
            let spent = if length > 0 {
                share(increment.amount, overlap, length)
            } else {
                increment.amount
            };
            found.spent += spent;
            if from < start {
                found.cut = spent;
            }
            found.known += overlap.max(0);
        }
        let begins = increments.first().map_or(end, |first| first.from.max(start));
        found.gap = (end - begins - found.known).max(0);
        found
    }

    /// The fair figure: as if the hours that were never published cost as much as the others, if those are a quarter of
    /// the time at least.
    fn amount(&self, span: i64) -> Usd {
        let fair = if self.known >= span / 4 {
            share(self.spent, self.known + self.gap, self.known)
        } else {
            self.spent
        };
        cents(fair)
    }
}

/// The nearest cent, halves away from zero.
fn cents(amount: Usd) -> Usd {
    const CENT: i64 = 10_000;
    let micros = amount.micros();
    let half = micros.signum() * CENT / 2;
    Usd::from_micros(micros.saturating_add(half) / CENT * CENT)
}

#[cfg(test)]
mod tests;

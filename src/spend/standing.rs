use jiff::{SignedDuration, Timestamp};

use super::buckets::buckets;
use super::increments::Series;
use super::judgement::{Measured, reading_from};
use super::{Publication, Verdict, Window, share};
use crate::config::Measure;
use billctl_core::model::{DAY, Usd};

/// Who is above its limit is told within an hour of the publication that shows it (docs/notifier.md).
const TOLD_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What an account's publications say about it, whatever its limit is: small enough to be kept of ten thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charges {
    /// What it spent in the time that a limit is about, up to now.
    pub measured: Option<Measured>,
    /// As it could be known when whoever is above now should have been told.
    before: Option<Measured>,
    month_to_date: Option<Usd>,
    /// UTC days, today last.
    days: Vec<Option<Usd>>,
}

/// How an account that is above its limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it spent in the time that the limit is about.
    pub amount: Usd,
    /// How sure that is.
    pub verdict: Verdict,
    /// On how many UTC days in a row it has been above, as far as was read.
    pub days: usize,
    /// Whether it was on all days that were read, so that it may be on more.
    pub or_more: bool,
    /// Whether it has been for so long that somebody should have been told.
    pub due: bool,
}

impl Charges {
    /// Reads publications, oldest first.
    pub fn read(publications: &[Publication], window: &Window) -> Self {
        let (from, now) = (reading_from(window.now), window.now);
        let earlier = now - TOLD_WITHIN;
        let known = publications.partition_point(|one| one.at <= earlier);
        let known = publications.get(..known).unwrap_or_default();
        let series = Series::read(publications, from);
        let days = buckets(&series, &window.days).into_iter();
        Self {
            measured: Measured::in_series(&series, now, window.measure),
            before: Measured::of(known, from, earlier, window.measure),
            month_to_date: series.month_to_date(now),
            days: days.map(|day| day.map(|day| day.usd)).collect(),
        }
    }

    /// How it stands, if it is above this limit.
    pub fn above(&self, limit: Usd, measure: Measure, now: Timestamp) -> Option<Standing> {
        let measured = self.measured?;
        let verdict = measured.verdict(limit, now);
        let before = self.before.map(|it| it.verdict(limit, now - TOLD_WITHIN));
        let days = self.days_above(limit, measure).max(1);
        verdict.is_above().then(|| Standing {
            amount: measured.amount,
            verdict,
            days,
            // What was spent on the first day that is read has nothing to be told from.
            or_more: days + 1 >= self.days.len(),
            due: before.is_some_and(Verdict::is_above),
        })
    }

    /// Days in a row up to now that were above; today counts as soon as it is by itself.
    fn days_above(&self, limit: Usd, measure: Measure) -> usize {
        let newest_first = self.days.iter().rev();
        let Some(span) = measure.span() else {
            // The month was above at the end of each day that it was above without the days since.
            let mut month = self.month_to_date.unwrap_or_default();
            return newest_first
                .take_while(|day| {
                    let above = month > limit;
                    month = month - day.unwrap_or_default();
                    above
                })
                .count();
        };
        let of_a_day = share(limit, DAY, span);
        let above = |day: &&Option<Usd>| day.is_some_and(|usd| usd > of_a_day);
        let whole = newest_first.clone().skip(1).take_while(above).count();
        whole + newest_first.take(1).filter(above).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charges(days: &[i32], month: i32) -> Charges {
        Charges {
            month_to_date: Some(Usd::dollars(month)),
            days: days.iter().map(|day| Some(Usd::dollars(*day))).collect(),
            ..Charges::default()
        }
    }

    #[test]
    fn days_above_are_counted_back_from_now() {
        let days = |days: &[i32]| charges(days, 0).days_above(Usd::dollars(100), Measure::Daily);
        assert_eq!(days(&[50, 120, 50, 110, 120, 10]), 2);
        assert_eq!(days(&[50, 120, 50, 110, 120, 101]), 3);
        assert_eq!(days(&[120, 50, 101]), 1);
        assert_eq!(days(&[120, 50, 10]), 0);
    }

    #[test]
    fn six_hours_limit_is_four_times_as_much_a_day() {
        let charges = charges(&[390, 410, 420, 100], 0);
        assert_eq!(charges.days_above(Usd::dollars(100), Measure::SixHourly), 2);
    }

    #[test]
    fn a_month_is_above_since_the_day_that_crossed_the_limit() {
        let charges = charges(&[40, 40, 40, 10], 130);
        assert_eq!(charges.days_above(Usd::dollars(100), Measure::MonthToDate), 2);
    }
}

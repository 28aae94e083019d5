use jiff::Timestamp;

use super::judgement::reading_from;
use super::{Grid, Interval};
use crate::config::Measure;
use billctl_core::model::{DAY, Month};

/// The time to look at, and how.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its days, today last.
    pub days: Grid,
    /// The same time in quarters of days, where they are wanted too.
    pub quarters: Option<Grid>,
    /// What thresholds are about.
    pub measure: Measure,
    /// Now.
    pub now: Timestamp,
}

impl Window {
    /// So many days up to now.
    pub fn of_days(days: usize, measure: Measure, now: Timestamp) -> Self {
        Self {
            days: Grid::until(now, days, Interval::Day),
            quarters: None,
            measure,
            now,
        }
    }

    /// From which second on publications are read: far enough back to judge, and to recognize the reset of the month that the
    /// first day lies in. Days of a month that began earlier have the publications before them for that.
    pub fn from(&self) -> i64 {
        let first = self.days.start();
        let month = Timestamp::from_second(first).map_or(first, |day| Month::of(day).start());
        let reset_shows = if first - month < 3 * DAY {
            month - 2 * DAY
        } else {
            first
        };
        reset_shows.min(reading_from(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_begins_before_a_month_that_begins_with_the_days_and_early_enough_to_judge() {
        let now = "2026-11-23T13:20:00Z".parse().unwrap();
        let from = |days| {
            let from = Window::of_days(days, Measure::Daily, now).from();
            Timestamp::from_second(from).unwrap().to_string()
        };
        assert_eq!(from(1), "2026-10-30T00:00:00Z", "what judging needs");
        assert_eq!(from(50), "2026-10-05T00:00:00Z", "the first day");
        assert_eq!(from(51), "2026-10-04T00:00:00Z");
        assert_eq!(from(52), "2026-09-29T00:00:00Z", "the 3rd of a month");
        assert_eq!(from(54), "2026-09-29T00:00:00Z", "the 1st");
    }
}

use jiff::Timestamp;

use super::judgement::reading_from;
use super::{DAY, Grid, Interval, Month};
use crate::config::Measure;

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

    /// From which second on publications are read: far enough back to judge, and to tell the reset of the month that the
    /// first day lies in. Days of a month that began earlier have the publications before them for that.
    pub fn from(&self) -> i64 {
        let first = self.days.start();
        let month = Timestamp::from_second(first).map_or(first, |day| Month::of(day).start());
        let told = if first - month < 3 * DAY {
            month - 2 * DAY
        } else {
            first
        };
        told.min(reading_from(self.now))
    }
}

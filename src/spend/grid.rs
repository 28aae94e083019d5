use std::ops::Range;

use jiff::Timestamp;

use crate::config::Measure;
use billctl_core::model::DAY;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Interval {
    /// A UTC day.
    #[default]
    Day,
    /// A quarter of a UTC day: as fine as the metric allows, and already noisy.
    SixHours,
}

impl Interval {
    /// As fine as a limit of this measure is; days for a month's.
    pub const fn of(measure: Measure) -> Self {
        match measure {
            Measure::Daily | Measure::MonthToDate => Self::Day,
            Measure::SixHourly => Self::SixHours,
        }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Day => DAY,
            Self::SixHours => DAY / 4,
        }
    }

    /// How many make a day.
    pub const fn per_day(self) -> usize {
        match self {
            Self::Day => 1,
            Self::SixHours => 4,
        }
    }

    /// As the command line and JSON name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "1d",
            Self::SixHours => "6h",
        }
    }
}

/// A row of equal buckets of time, the last of which holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    start: i64,
    interval: Interval,
    count: usize,
}

impl Grid {
    /// Whole UTC days, `days` of them with today's as far as it has come.
    pub fn until(now: Timestamp, days: usize, interval: Interval) -> Self {
        let now = now.as_second();
        let midnight = now.div_euclid(DAY) * DAY;
        let days = days.max(1);
        // Days are at most a few hundred: the command line sees to it.
        let start = midnight - (days as i64 - 1) * DAY;
        let seen = (now - start).div_euclid(interval.seconds()) + 1;
        Self {
            start,
            interval,
            count: usize::try_from(seen).unwrap_or_default(),
        }
    }

    /// The first second, since 1970.
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// The length of a bucket.
    pub const fn interval(&self) -> Interval {
        self.interval
    }

    /// How many buckets there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The bucket that holds this second, which may lie outside the grid.
    pub const fn bucket(&self, second: i64) -> i64 {
        let into = second - self.start;
        // By constants: a division by a variable takes many times as long, and `buckets` divides for each publication.
        match self.interval {
            Interval::Day => into.div_euclid(Interval::Day.seconds()),
            Interval::SixHours => into.div_euclid(Interval::SixHours.seconds()),
        }
    }

    /// A bucket's seconds.
    pub const fn span(&self, bucket: i64) -> Range<i64> {
        let start = self.start + bucket * self.interval.seconds();
        start..start + self.interval.seconds()
    }

    /// The moments at which the buckets begin.
    pub fn starts(&self) -> impl Iterator<Item = Timestamp> {
        let grid = *self;
        (0..self.count as i64).filter_map(move |bucket| Timestamp::from_second(grid.span(bucket).start).ok())
    }

    /// The same grid without its first days: what is shown of what was read.
    #[must_use]
    pub fn last_days(self, days: usize) -> Self {
        let all = self.count.div_ceil(self.interval.per_day());
        let cut = all.saturating_sub(days) * self.interval.per_day();
        Self {
            start: self.start + cut as i64 * self.interval.seconds(),
            count: self.count - cut,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_ends_with_the_bucket_that_holds_now() {
        let now = "2026-11-23T13:00:00Z".parse().unwrap();
        let days = Grid::until(now, 3, Interval::Day);
        assert_eq!(days.count(), 3);
        let first = days.starts().next().unwrap();
        assert_eq!(first.to_string(), "2026-11-21T00:00:00Z");

        let quarters = Grid::until(now, 2, Interval::SixHours);
        assert_eq!(quarters.count(), 4 + 3);
        let last = quarters.starts().last().unwrap();
        assert_eq!(last.to_string(), "2026-11-23T12:00:00Z");
        assert_eq!(quarters.last_days(1).count(), 3);
    }
}

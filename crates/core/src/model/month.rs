use jiff::Timestamp;
use jiff::tz::Offset;

use super::DAY;

/// A calendar month in UTC: the span over which AWS adds up charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    /// Its first day, counted from 1970-01-01.
    first_day: i64,
    days: i64,
}

impl Month {
    /// The month that holds this moment.
    pub fn of(at: Timestamp) -> Self {
        let date = Offset::UTC.to_datetime(at).date();
        Self {
            first_day: at.as_second().div_euclid(DAY) - i64::from(date.day() - 1),
            days: i64::from(date.days_in_month()),
        }
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        // The moment before a moment that jiff could name; it can't be out of range but at the beginning of time.
        Timestamp::from_second(self.start() - 1).map_or(self, Self::of)
    }

    /// Its first second, since 1970.
    pub const fn start(self) -> i64 {
        self.first_day * DAY
    }

    /// The first second after it, since 1970.
    pub const fn end(self) -> i64 {
        (self.first_day + self.days) * DAY
    }

    /// How many days it has.
    pub const fn days(self) -> i64 {
        self.days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_at_midnight_utc() {
        let february = Month::of("2028-02-29T23:59:59Z".parse().unwrap());
        assert_eq!(february.days(), 29);
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        assert_eq!(february.start(), second("2028-02-01T00:00:00Z"));
        assert_eq!(february.end(), second("2028-03-01T00:00:00Z"));
    }
}

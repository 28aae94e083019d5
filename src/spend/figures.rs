use std::ops::Add;

use jiff::Timestamp;

use super::buckets::buckets;
use super::increments::{Publication, Series};
use super::judgement::{Measured, reading_from};
use super::{Amount, Window, mean, share};
use crate::config::Measure;
use billctl_core::model::{DAY, Month, Usd};

/// How many whole days the average is of.
const AVERAGE_DAYS: usize = 7;
/// Fewest known days of those for an average; the mail asks for as many.
const MIN_AVERAGE_DAYS: usize = 3;

/// What one series of publications comes to; the publications themselves are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendHistory {
    /// UTC days, today last.
    pub days: Vec<Option<Amount>>,
    /// Quarters of days, where they were asked for.
    pub quarters: Vec<Option<Amount>>,
    /// The newest publication's time.
    pub published: Option<Timestamp>,
    /// What this month has cost so far, once its first publication is out.
    pub month_to_date: Option<Usd>,
    /// What the month before came to, by its last publication, where that was read.
    pub month_before: Option<Usd>,
    /// The 24 hours up to the newest publication.
    pub last_24_hours: Option<Measured>,
    /// What a limit is compared with: those, or what else the measure says. Of one series only.
    pub measured: Option<Measured>,
}

impl SpendHistory {
    /// Reads publications, oldest first.
    pub fn read(publications: &[Publication], window: &Window) -> Self {
        let (from, now) = (window.from(), window.now);
        let all = Series::read(publications, from);
        // As everybody who judges reads them, however far back this window goes.
        let judged_from = reading_from(now);
        let other = (judged_from > from).then(|| {
            let first = publications.partition_point(|it| it.at.as_second() < judged_from);
            Series::read(publications.get(first..).unwrap_or_default(), judged_from)
        });
        let judged = other.as_ref().unwrap_or(&all);
        let last_24_hours = Measured::in_series(judged, now, Measure::Daily);
        Self {
            days: buckets(&all, &window.days),
            quarters: window.quarters.map_or_else(Vec::new, |grid| buckets(&all, &grid)),
            published: publications.last().map(|publication| publication.at),
            month_to_date: all.month_to_date(now),
            month_before: all.month_before(now),
            last_24_hours,
            measured: match window.measure {
                Measure::Daily => last_24_hours,
                other => Measured::in_series(judged, now, other),
            },
        }
    }

    /// Whether anything was published at all.
    pub const fn is_empty(&self) -> bool {
        self.published.is_none()
    }

    /// Several histories as one: an OU, a service, the organisation.
    pub fn sum<'a>(histories: impl Iterator<Item = &'a Self> + Clone) -> Self {
        Self {
            days: super::sum(histories.clone().map(|history| &history.days[..])),
            quarters: super::sum(histories.clone().map(|history| &history.quarters[..])),
            published: histories.clone().filter_map(|history| history.published).max(),
            month_to_date: histories.clone().filter_map(|it| it.month_to_date).reduce(Add::add),
            month_before: histories.clone().filter_map(|it| it.month_before).reduce(Add::add),
            last_24_hours: histories.filter_map(|it| it.last_24_hours).reduce(Measured::and),
            measured: None,
        }
    }
}

/// The numbers that a row shows beside its chart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Yesterday (UTC).
    pub yesterday: Option<Amount>,
    /// Today, as far as it has been published.
    pub today: Option<Amount>,
    /// The mean of the known days among the last seven whole ones, of which three must be known.
    pub average: Option<Usd>,
    /// What this month has cost so far.
    pub month_to_date: Option<Usd>,
    /// What this month will cost if every day left costs the average.
    pub forecast: Option<Usd>,
    /// The 24 hours up to the newest publication.
    pub last_24_hours: Option<Measured>,
}

impl Figures {
    /// The figures of a history.
    pub fn of(history: &SpendHistory, now: Timestamp) -> Self {
        let mut newest_first = history.days.iter().rev().copied();
        let today = newest_first.next().flatten();
        let yesterday = newest_first.clone().next().flatten();
        let average = average(newest_first);
        let forecast = || {
            let left = Month::of(now).end() - history.published?.as_second();
            Some(forecast(history.month_to_date?, average?, left))
        };
        Self {
            yesterday,
            today,
            average,
            month_to_date: history.month_to_date,
            forecast: forecast(),
            last_24_hours: history.last_24_hours,
        }
    }

    /// The sum of rows' figures, except that the average is that of `history`: rows know their days differently well.
    /// The forecast is the sum of theirs, because each was published at another time: where nothing was yet in this
    /// month, of as many average days as the month has.
    #[must_use]
    pub fn with_forecasts_of<'a>(self, rows: impl Iterator<Item = &'a Self>, now: Timestamp) -> Self {
        let month = Month::of(now);
        let whole = |average: Usd| forecast(Usd::ZERO, average, month.end() - month.start());
        let expected = |figures: &Self| {
            let known = figures.forecast.or(figures.month_to_date);
            known.or_else(|| figures.average.map(whole))
        };
        Self {
            // Before anybody's first publication nothing is known of the month.
            forecast: self
                .month_to_date
                .and_then(|_| rows.filter_map(expected).reduce(Add::add)),
            ..self
        }
    }
}

/// How much more was spent yesterday than is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Yesterday (UTC).
    pub yesterday: Amount,
    /// The mean of the known days among the seven before, of which three must be known.
    pub before: Usd,
}

impl Growth {
    /// The growth of a history; none where too little is known.
    pub fn of(history: &SpendHistory) -> Option<Self> {
        let mut newest_first = history.days.iter().rev().skip(1).copied();
        let yesterday = newest_first.next()??;
        let before = average(newest_first)?;
        Some(Self { yesterday, before })
    }

    /// By how much; below zero where less was spent.
    pub fn amount(&self) -> Usd {
        self.yesterday.usd - self.before
    }
}

/// The mean of the known days among the first seven of these, of which three must be known.
fn average(days: impl Iterator<Item = Option<Amount>>) -> Option<Usd> {
    let known = days.take(AVERAGE_DAYS).flatten().map(|amount| amount.usd);
    let known: Vec<Usd> = known.collect();
    mean(&known).filter(|_| known.len() >= MIN_AVERAGE_DAYS)
}

/// The month so far, and an average day for each day left. Credits don't go on: an average below zero counts as zero.
fn forecast(month_to_date: Usd, average: Usd, seconds_left: i64) -> Usd {
    month_to_date + share(average.max(Usd::ZERO), seconds_left.max(0), DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::fixture::spent;

    /// A publication of `per_day / 4` more every six hours, from the month's first day.
    fn steady(month: &str, days: i64, per_day: i32) -> Vec<Publication> {
        let start: Timestamp = format!("{month}-01T00:00:00Z").parse().unwrap();
        (1..=days * 4)
            .map(|quarter| Publication {
                at: Timestamp::from_second(start.as_second() + quarter * 21_600 - 3_600).unwrap(),
                month_to_date: Usd::from_micros(quarter * i64::from(per_day) * 250_000),
            })
            .collect()
    }

    /// What is read of these publications on a day, with those of so many days before.
    fn history(publications: &[Publication], days: usize, now: Timestamp) -> SpendHistory {
        let window = Window::of_days(days, Measure::Daily, now);
        let mut read = publications.to_vec();
        read.retain(|one| (window.from()..now.as_second()).contains(&one.at.as_second()));
        SpendHistory::read(&read, &window)
    }

    #[test]
    fn a_steady_account_is_forecast_by_its_average() {
        let now = "2026-11-23T00:30:00Z".parse().unwrap();
        let mut points = steady("2026-10", 31, 10);
        points.extend(steady("2026-11", 22, 10));
        let history = history(&points, 30, now);
        let figures = Figures::of(&history, now);
        assert_eq!(figures.yesterday.unwrap().usd, Usd::dollars(10));
        assert_eq!(figures.today, None, "nothing is published for today yet");
        assert_eq!(figures.average, Some(Usd::dollars(10)));
        assert_eq!(figures.month_to_date, Some(Usd::dollars(220)));
        assert_eq!(history.month_before, Some(Usd::dollars(310)));
        // Eight days and the hour since the newest publication.
        assert_eq!(figures.forecast, Some(Usd::from_micros(300_416_666)));
    }

    #[test]
    fn the_month_before_is_known_on_every_day_of_a_month_of_31() {
        for day in 1..=31 {
            let now = format!("2026-10-{day:02}T13:00:00Z").parse().unwrap();
            let mut points = steady("2026-09", 30, 10);
            points.extend(steady("2026-10", day, 20));
            assert_eq!(history(&points, 32, now).month_before, Some(Usd::dollars(300)), "{now}");
        }
    }

    #[test]
    fn growth_is_against_the_week_before() {
        let growth = |days| {
            Growth::of(&SpendHistory {
                days,
                ..SpendHistory::default()
            })
        };
        // The oldest day and today don't count.
        let grown = growth(spent(&[900.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 40.0, 7.0])).unwrap();
        assert_eq!((grown.before, grown.amount()), (Usd::dollars(10), Usd::dollars(30)));
        assert_eq!(growth(spent(&[Some(1.0), Some(1.0), None, Some(9.0), Some(1.0)])), None);
        assert_eq!(growth(Vec::new()), None);
    }

    #[test]
    fn before_the_months_first_publication_there_is_no_month_to_date() {
        let now = "2026-11-01T01:00:00Z".parse().unwrap();
        let history = history(&steady("2026-10", 31, 10), 30, now);
        assert_eq!(history.month_to_date, None);
        assert_eq!(Figures::of(&history, now).forecast, None);
        assert_eq!(Figures::of(&history, now).average, Some(Usd::dollars(10)));
    }

    #[test]
    fn two_known_days_are_no_average() {
        let now = "2026-11-03T00:30:00Z".parse().unwrap();
        let figures = Figures::of(&history(&steady("2026-11", 2, 10), 30, now), now);
        assert_eq!(figures.average, None);
        assert_eq!(figures.month_to_date, Some(Usd::dollars(20)));
    }

    #[test]
    fn a_credit_lowers_no_forecast_below_the_month_so_far() {
        assert_eq!(forecast(Usd::dollars(50), Usd::dollars(-3), 10 * DAY), Usd::dollars(50));
    }
}

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::spend::fixture::series;
use crate::spend::increments::months;
use crate::spend::{Interval, Publication};
use billctl_core::model::DAY;

const HOUR: i64 = 3_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What was spent in the grid, by publications since it begins.
fn in_grid(publications: &[Publication], grid: &Grid) -> Vec<Option<Amount>> {
    buckets(&Series::read(publications, grid.start()), grid)
}

fn shown(points: &[(&str, f64)], now: &str, days: usize) -> Vec<Option<(f64, bool)>> {
    let grid = Grid::until(moment(now), days, Interval::Day);
    in_grid(&series(points), &grid)
        .into_iter()
        .map(|bucket| bucket.map(|amount| (amount.usd.to_f64(), amount.estimated)))
        .collect()
}

#[test]
fn spend_belongs_to_the_day_in_which_it_was_published() {
    let points = [
        ("11-10T20", 100.0),
        ("11-11T02", 103.0),
        ("11-11T08", 105.0),
        ("11-11T20", 110.0),
        ("11-12T02", 111.0),
    ];
    assert_eq!(
        shown(&points, "2026-11-12T03:00:00Z", 3),
        [None, Some((10.0, false)), Some((1.0, false))]
    );
}

#[test]
fn a_day_without_publications_shares_what_came_after_it() {
    let points = [
        ("11-10T06", 90.0),
        ("11-10T18", 100.0),
        ("11-12T18", 196.0),
        ("11-12T23", 197.0),
    ];
    // 48 hours of 2 dollars each: 6 on the 10th, 24 on the 11th, 18 on the 12th.
    assert_eq!(
        shown(&points, "2026-11-13T03:00:00Z", 4),
        [Some((22.0, true)), Some((48.0, true)), Some((37.0, true)), None]
    );
}

#[test]
fn the_reset_belongs_to_the_first_day_and_is_counted_once() {
    let points = [
        ("10-30T18", 300.0),
        ("10-31T06", 305.0),
        ("10-31T18", 310.0),
        ("11-01T00", 312.0),
        ("11-01T06", 3.0),
        ("11-01T18", 9.0),
        ("11-02T06", 11.0),
    ];
    let days = shown(&points, "2026-11-02T07:00:00Z", 4);
    assert_eq!(days[1], Some((12.0, false)), "the late 2 dollars are October's");
    assert_eq!(days[2], Some((9.0, false)));
    assert_eq!(days[3], Some((2.0, false)));
}

#[test]
fn what_the_end_of_a_month_never_published_is_marked_or_unknown() {
    let points = [
        ("10-29T06", 280.0),
        ("10-29T18", 290.0),
        ("10-30T06", 300.0),
        ("11-01T06", 3.0),
    ];
    let days = shown(&points, "2026-11-01T07:00:00Z", 4);
    assert_eq!(days[1], Some((10.0, true)), "published until 06:00 only");
    assert_eq!(days[2], None);
    assert_eq!(days[3], Some((3.0, false)));
}

#[test]
fn a_day_that_publications_left_early_is_marked() {
    let points = [("11-10T02", 90.0), ("11-10T08", 95.0)];
    assert_eq!(shown(&points, "2026-11-11T12:00:00Z", 2), [Some((5.0, true)), None]);
}

#[test]
fn an_account_that_begins_in_mid_month_starts_with_all_it_has_spent() {
    let points = [("11-10T08", 7.0), ("11-10T14", 8.0)];
    let days = shown(&points, "2026-11-10T15:00:00Z", 30);
    assert_eq!(days[29], Some((8.0, true)));
    assert!(days[..29].iter().all(Option::is_none));
}

#[test]
fn a_credit_is_a_negative_day() {
    let points = [("11-10T20", 100.0), ("11-11T02", 103.0), ("11-11T08", 53.0)];
    let days = shown(&points, "2026-11-11T09:00:00Z", 2);
    assert_eq!(days[1], Some((-47.0, false)));
}

#[test]
fn a_quiet_day_is_zero_and_not_unknown() {
    let points = [("11-10T20", 100.0), ("11-11T02", 100.0), ("11-11T14", 100.0)];
    assert_eq!(shown(&points, "2026-11-11T15:00:00Z", 2)[1], Some((0.0, false)));
}

#[test]
fn quarters_of_a_day_are_as_exact() {
    let grid = Grid::until(moment("2026-11-11T13:00:00Z"), 1, Interval::SixHours);
    let points = series(&[
        ("11-11T00", 100.0),
        ("11-11T05", 103.0),
        ("11-11T11", 104.0),
        ("11-11T13", 110.0),
    ]);
    let spent: Vec<f64> = in_grid(&points, &grid)
        .into_iter()
        .map(|bucket| bucket.unwrap().usd.to_f64())
        .collect();
    assert_eq!(spent, [3.0, 1.0, 6.0]);
}

/// A world that knows the truth: what was spent every hour, and which of the publications came out.
#[derive(Debug, Clone)]
struct Truth {
    grid: Grid,
    publications: Vec<(Publication, Month)>,
}

/// Sixty days from 2026-10-01, each costing 10 to 20 dollars, published at irregular times, some not at all, and the
/// first ones of a month possibly still about the last.
fn truth(interval: Interval) -> impl Strategy<Value = Truth> {
    let days = prop::collection::vec(10_000_000_i64..20_000_000, 60);
    let gaps = prop::collection::vec((2_i64..11, prop::bool::weighted(0.15)), 260);
    (days, gaps, 0_i64..30, 1_usize..60).prop_map(move |(days, gaps, late, read_days)| {
        let start = moment("2026-10-01T00:00:00Z").as_second();
        let mut publications = Vec::new();
        let mut hour = 0;
        for (gap, lost) in gaps {
            hour += gap;
            if hour >= 60 * 24 || lost {
                continue;
            }
            let second = start + hour * HOUR;
            let natural = Month::of(at(second));
            // A month's reset comes `late` hours after its beginning.
            let delayed = natural.start() > start && second - natural.start() < late * HOUR;
            let month = if delayed {
                Month::of(at(natural.start() - 1))
            } else {
                natural
            };
            let until = if delayed { month.end() } else { second };
            let spent: i64 = (month.start().max(start)..until)
                .step_by(HOUR as usize)
                .map(|hour| days[((hour - start) / DAY) as usize] / 24)
                .sum();
            publications.push((
                Publication {
                    at: at(second),
                    month_to_date: Usd::from_micros(spent),
                },
                month,
            ));
        }
        let grid = Grid::until(at(start + 60 * DAY - 1), read_days, interval);
        publications.retain(|(publication, _)| publication.at.as_second() >= grid.start());
        Truth { grid, publications }
    })
}

fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![Just(Interval::Day), Just(Interval::SixHours)]
}

fn sum_of(buckets: &[Option<Amount>], grid: &Grid, month: Month) -> Usd {
    buckets
        .iter()
        .enumerate()
        .filter(|(bucket, _)| {
            let start = grid.span(*bucket as i64).start;
            start >= month.start() && start < month.end()
        })
        .filter_map(|(_, amount)| amount.map(|amount| amount.usd))
        .sum()
}

proptest! {
    #[test]
    fn the_days_of_a_month_add_up_to_its_month_to_date(truth in interval().prop_flat_map(truth)) {
        let publications: Vec<Publication> = truth.publications.iter().map(|(p, _)| *p).collect();
        let found = in_grid(&publications, &truth.grid);
        for (index, (last, month)) in truth.publications.iter().enumerate() {
            let is_last = truth.publications.get(index + 1).is_none_or(|(_, next)| next != month);
            if is_last && month.start() >= truth.grid.start() {
                prop_assert_eq!(sum_of(&found, &truth.grid, *month), last.month_to_date);
            }
        }
    }

    #[test]
    fn without_credits_no_bucket_is_negative_and_nothing_is_counted_twice(truth in interval().prop_flat_map(truth)) {
        let publications: Vec<Publication> = truth.publications.iter().map(|(p, _)| *p).collect();
        let found = in_grid(&publications, &truth.grid);
        let mut sum = Usd::ZERO;
        for amount in found.iter().flatten() {
            prop_assert!(amount.usd >= Usd::ZERO);
            sum += amount.usd;
        }
        // What the publications show is the most that can be known: the rise within each month.
        let mut most = Usd::ZERO;
        let mut before: Option<&(Publication, Month)> = None;
        for point in &truth.publications {
            most += match before {
                Some((base, month)) if *month == point.1 => point.0.month_to_date - base.month_to_date,
                None if point.1.start() < truth.grid.start() => Usd::ZERO,
                _ => point.0.month_to_date,
            };
            before = Some(point);
        }
        prop_assert!(sum <= most, "{sum} of {most}");
    }

    #[test]
    fn whatever_is_published_a_month_adds_up_and_nothing_panics(
        points in prop::collection::vec((0_i64..24 * 100, -50_000_000_i64..900_000_000), 0..200),
        days in 1_usize..100,
        interval in interval(),
    ) {
        let start = moment("2026-08-10T00:00:00Z").as_second();
        let mut points: Vec<Publication> = points
            .into_iter()
            .map(|(hour, micros)| Publication {
                at: at(start + hour * HOUR),
                month_to_date: Usd::from_micros(micros),
            })
            .collect();
        points.sort_by_key(|point| point.at);
        let grid = Grid::until(at(start + 100 * DAY - 1), days, interval);
        points.retain(|point| point.at.as_second() >= grid.start());
        let found = in_grid(&points, &grid);
        prop_assert_eq!(found.len(), grid.count());
        let months: Vec<Month> = months(&points, grid.start())
            .into_iter()
            .flat_map(|(month, length)| std::iter::repeat_n(month, length))
            .collect();
        prop_assert_eq!(months.len(), points.len());
        prop_assert!(months.is_sorted());
        for (index, month) in months.iter().enumerate() {
            let is_last = months.get(index + 1) != Some(month);
            if is_last && month.start() >= grid.start() {
                prop_assert_eq!(sum_of(&found, &grid, *month), points[index].month_to_date);
            }
        }
    }
}

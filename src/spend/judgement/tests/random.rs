//! Any series at all: what must hold whatever is published, and the same figures by a plain reading of the rule.

use proptest::prelude::*;

use super::*;
use crate::spend::increments::increments;

/// Up to eighty publications over a month or two: mostly growing, sometimes falling, and reset when a month begins or
/// late.
fn series(least: i64) -> impl Strategy<Value = Vec<Publication>> {
    let point = (60_i64..20 * HOUR, least..40_000_000, prop::bool::weighted(0.7));
    prop::collection::vec(point, 1..80).prop_map(|points| {
        let mut second = 1_793_000_000;
        let mut sum = 5_000_000;
        let mut month = Month::of(Timestamp::from_second(second).unwrap());
        let mut pending = false;
        points
            .into_iter()
            .map(|(gap, spent, resets)| {
                second += gap;
                let at = Timestamp::from_second(second).unwrap();
                pending |= Month::of(at) != month;
                month = Month::of(at);
                if pending && resets {
                    sum = 0;
                    pending = false;
                }
                sum += spent;
                Publication {
                    at,
                    month_to_date: Usd::from_micros(sum),
                }
            })
            .collect()
    })
}

fn now_and_read(series: &[Publication]) -> (Timestamp, i64, &[Publication]) {
    let now = series.last().unwrap().at;
    let from = reading_from(now);
    let read = series.partition_point(|it| it.at.as_second() < from);
    (now, from, &series[read..])
}

/// The rule in plain floating point, each publication by itself.
mod plain {
    use super::*;

    pub(super) struct Figures {
        pub amount: f64,
        pub certain: f64,
        pub likely: Option<f64>,
    }

    fn second(publication: &Publication) -> i64 {
        publication.at.as_second()
    }

    fn spent(series: &[Publication], newest: usize, from: i64, span: i64) -> (f64, f64) {
        let end = second(&series[newest]);
        let mut found = increments(series, from);
        found.retain(|increment| increment.index <= newest);
        let (mut spent, mut covered) = (0.0, 0.0);
        for increment in &found {
            let usd = increment.amount.to_f64();
            let length = increment.to - increment.from;
            let overlap = increment.to.min(end) - increment.from.max(end - span);
            if length <= 0 && increment.to > end - span && increment.to <= end {
                spent += usd;
            } else if length > 0 && overlap > 0 {
                spent += usd * overlap as f64 / length as f64;
                covered += overlap as f64;
            }
        }
        let begins = found.first().map_or(end, |it| it.from.max(end - span));
        let scaled = if covered >= span as f64 / 4.0 {
            spent * (end - begins) as f64 / covered
        } else {
            spent
        };
        (spent, scaled)
    }

    pub(super) fn figures(series: &[Publication], from: i64, span: i64) -> Figures {
        let last = series.len() - 1;
        let end = second(&series[last]);
        let first = series.iter().position(|it| second(it) >= end - span);
        let certain = increments(series, from)
            .iter()
            .filter(|it| it.index > first.unwrap() && it.from >= end - span)
            .map(|it| it.amount.to_f64())
            .sum();
        let gap = series
            .windows(2)
            .any(|pair| second(&pair[1]) >= end - 36 * HOUR && second(&pair[1]) - second(&pair[0]) > 9 * HOUR);
        let back = if gap { span } else { span / 2 } + 60;
        let mut asked: Vec<usize> = (0..=last)
            .filter(|index| second(&series[*index]) >= end - back)
            .collect();
        if asked.len() < 2 && last > 0 {
            asked = vec![last - 1, last];
        }
        let all: Vec<_> = increments(series, from)
            .into_iter()
            .filter(|it| it.to > end - 3 * DAY && it.to > it.from)
            .collect();
        let pace = |index: usize| all[index].amount.to_f64() / (all[index].to - all[index].from) as f64;
        let twice =
            |index: usize, mut others: std::ops::Range<usize>| others.any(|it| pace(index) < 0.499_999 * pace(it));
        let uneven = span == DAY && (0..all.len()).any(|it| twice(it, 0..it) && twice(it, it + 1..all.len()));
        let likely = asked
            .iter()
            .map(|index| {
                let start = second(&series[*index]) - span;
                let cut: f64 = increments(series, from)
                    .iter()
                    .filter(|it| it.index <= *index && it.from < start && it.to > start && it.amount > Usd::ZERO)
                    .map(|it| it.amount.to_f64() * (it.to - start) as f64 / (it.to - it.from) as f64)
                    .sum();
                spent(series, *index, from, span).0 - if uneven { cut } else { 0.0 }
            })
            .reduce(f64::min);
        Figures {
            amount: spent(series, last, from, span).1,
            certain,
            likely: likely.filter(|_| last > 0),
        }
    }
}

proptest! {
    #[test]
    fn a_plain_reading_of_the_rule_gives_the_same_within_a_cent(
        series in series(-4_000_000),
        six_hourly in any::<bool>(),
    ) {
        let (now, from, read) = now_and_read(&series);
        let (measure, span) = if six_hourly {
            (Measure::SixHourly, DAY / 4)
        } else {
            (Measure::Daily, DAY)
        };
        let found = Measured::of(read, from, now, measure).unwrap();
        let plain = plain::figures(read, from, span);
        let near = |usd: Usd, dollars: f64| (usd.to_f64() - dollars).abs() < 0.01;
        prop_assert!(near(found.amount, plain.amount), "{found:?}, {}", plain.amount);
        prop_assert!(near(found.certain, plain.certain), "{found:?}, {}", plain.certain);
        prop_assert_eq!(found.likely.is_some(), plain.likely.is_some());
        if let Some((found, plain)) = found.likely.zip(plain.likely) {
            prop_assert!(near(found, plain), "{found}, {plain}");
        }
    }

    #[test]
    fn without_credits_the_bounds_are_in_order_and_within_what_was_published(series in series(0)) {
        let (now, from, read) = now_and_read(&series);
        let found = Measured::of(read, from, now, Measure::Daily).unwrap();
        let all = increments(read, from);
        let start = now.as_second() - DAY;
        let touching = all.iter().filter(|it| it.to > start);
        let most: Usd = touching.map(|it| it.amount).sum();
        // A reset that is late shows up as a fall, which without it would be a credit.
        prop_assume!(all.iter().all(|it| it.amount >= Usd::ZERO));
        prop_assert!(Usd::ZERO <= found.certain);
        prop_assert!(found.certain <= found.spent, "{found:?}");
        prop_assert!(found.spent <= most, "{found:?} of {most}");
        prop_assert!(found.spent <= found.amount + Usd::from_micros(5_000), "{found:?}");
        prop_assert!(found.amount <= most + most + most + most + Usd::from_micros(5_000), "{found:?} of {most}");
        prop_assert!(found.likely.is_none_or(|likely| likely <= found.spent));
    }

    #[test]
    fn a_higher_limit_is_never_crossed_sooner(
        series in series(-4_000_000),
        mut limits in prop::array::uniform2(0_i64..300_000_000),
        late in 0_i64..48,
    ) {
        limits.sort_unstable();
        let (newest, from, read) = now_and_read(&series);
        let now = Timestamp::from_second(newest.as_second() + late * HOUR).unwrap();
        let verdict = |limit| {
            Verdict::of(Measured::of(read, from, now, Measure::Daily), Usd::from_micros(limit), now)
        };
        let [low, high] = limits.map(verdict);
        prop_assert!(low >= high, "{low:?}, {high:?}");
        prop_assert_eq!(low == Verdict::Unknown, late > 36);
    }
}

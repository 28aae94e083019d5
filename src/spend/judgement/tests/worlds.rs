//! Whole months of publications as irregular as AWS's may be, judged at each of them.

use std::collections::BTreeMap;

use super::*;

/// Cadence and jitter either way, in seconds, and the share of publications that never come.
const WORLDS: [(i64, i64, f64); 9] = [
    (6 * HOUR, 2_400, 0.0),
    (6 * HOUR, 60, 0.0),
    (6 * HOUR, 0, 0.0),
    (4 * HOUR, 5_400, 0.1),
    (12 * HOUR, 3 * HOUR, 0.0),
    (2 * HOUR, HOUR, 0.2),
    (6 * HOUR, 3 * HOUR, 0.2),
    (5 * HOUR, 1_200, 0.0),
    (8 * HOUR, 2 * HOUR, 0.1),
];
/// How much an account spends a day, in percent of its limit.
const LEVELS: [i64; 11] = [50, 80, 90, 95, 98, 102, 105, 110, 125, 140, 200];
const LIMIT: Usd = Usd::dollars(100);
const PLAYED: i64 = 60;
const SEEDS: u64 = 6;

/// How much of a day's spend is spent by this second of it, in millionths.
type Shape = fn(i64) -> i64;

fn even(second: i64) -> i64 {
    second * 1_000_000 / DAY
}

fn lump_at_one(second: i64) -> i64 {
    i64::from(second >= HOUR) * 1_000_000
}

fn lump_after_one_pm(second: i64) -> i64 {
    i64::from(second >= 13 * HOUR + 1_080) * 1_000_000
}

fn office_hours(second: i64) -> i64 {
    (second - 8 * HOUR).clamp(0, 12 * HOUR) * 1_000_000 / (12 * HOUR)
}

/// What was spent since 1970, in millionths of a dollar, at so many dollars a day.
fn spent(shape: Shape, dollars: i64, second: i64) -> i64 {
    second.div_euclid(DAY) * dollars * 1_000_000 + shape(second.rem_euclid(DAY)) * dollars
}

/// Publications from 5 September on: two months end in between.
fn play(shape: Shape, dollars: i64, world: (i64, i64, f64), seed: u64) -> Vec<Publication> {
    let (cadence, jitter, missing) = world;
    let start: Timestamp = "2026-09-05T00:00:00Z".parse().unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut seconds: Vec<i64> = (0..PLAYED * DAY / cadence)
        .map(|index| start.as_second() + index * cadence + random.i64(-jitter..=jitter))
        .collect();
    seconds.retain(|_| random.f64() >= missing);
    seconds.sort_unstable();
    seconds.dedup();
    seconds
        .into_iter()
        .map(|second| {
            let at = Timestamp::from_second(second).unwrap();
            let month = Month::of(at).start();
            let micros = spent(shape, dollars, second) - spent(shape, dollars, month);
            Publication {
                at,
                month_to_date: Usd::from_micros(micros),
            }
        })
        .collect()
}

/// What is judged at each publication from the third day on.
fn judged(series: &[Publication]) -> Vec<(Measured, Verdict)> {
    let first = series[0].at.as_second() + 3 * DAY;
    (0..series.len())
        .filter(|newest| series[*newest].at.as_second() >= first)
        .map(|newest| {
            let now = series[newest].at;
            let from = reading_from(now);
            let read = series.partition_point(|it| it.at.as_second() < from);
            let found = judge(&series[read..=newest], from, now, LIMIT, Measure::Daily);
            (found.measured.unwrap(), found.verdict)
        })
        .collect()
}

#[test]
fn explore() {
    for (name, shape) in [("even", even as Shape), ("lump1", lump_at_one), ("lump13", lump_after_one_pm), ("office", office_hours)] {
        for level in LEVELS {
            let mut row = String::new();
            for world in WORLDS {
                let (mut days, mut all, mut first, mut worst, mut low) = (0, 0, 0, 0.0_f64, 0.0_f64);
                for seed in 0..SEEDS {
                    let series = play(shape, level, world, seed);
                    let mut seen = BTreeMap::new();
                    for (measured, verdict) in judged(&series) {
                        let day = measured.at.as_second().div_euclid(DAY);
                        *seen.entry(day).or_insert(false) |= verdict.is_above();
                        let off = measured.amount.to_f64() / level as f64 - 1.0;
                        worst = worst.max(off); low = low.min(off);
                    }
                    days += seen.values().filter(|above| **above).count();
                    all += seen.len();
                    first += seen.iter().filter(|(day, above)| !**above && {
                        let at = Timestamp::from_second(**day * DAY).unwrap();
                        Month::of(at).start() == at.as_second()
                    }).count();
                }
                row += &format!(" {days:4}/{all}-{first} {low:5.2}{worst:5.2}");
            }
            println!("{name:6} {level:4} {row}");
        }
    }
}

//! Whole months of publications as irregular as AWS's may be, judged at each of them. What is asserted is what the judge
//! was chosen for: who is below the limit is never told, and who is above is found.

use std::collections::BTreeMap;

use super::*;

/// Cadence and jitter either way, in seconds, and the share of publications that never come.
type World = (i64, i64, f64);

/// Publications at most eight hours apart, or nearly always so.
const MILD: [World; 6] = [
    (6 * HOUR, 2_400, 0.0),
    (6 * HOUR, 60, 0.0),
    (6 * HOUR, 0, 0.0),
    (5 * HOUR, 1_200, 0.0),
    (4 * HOUR, 5_400, 0.1),
    (2 * HOUR, HOUR, 0.2),
];
/// Gaps of half a day and more.
const HARSH: [World; 3] = [
    (12 * HOUR, 3 * HOUR, 0.0),
    (6 * HOUR, 3 * HOUR, 0.2),
    (8 * HOUR, 2 * HOUR, 0.1),
];
/// What an account spends a day. Only its share of the limit matters, so the limit is what changes.
const SPENT: i64 = 100_000_000;
const PLAYED: i64 = 60;
const SEEDS: std::ops::Range<u64> = 0..6;

/// When in a day its spend is spent: evenly from one second to another; all at once where they are the same.
#[derive(Debug, Clone, Copy)]
struct Shape(i64, i64);

impl Shape {
    /// How much of a day's spend is spent by this second of it, in millionths.
    fn spent(self, second: i64) -> i64 {
        let Self(from, to) = self;
        match to - from {
            0 => i64::from(second >= from) * 1_000_000,
            length => (second - from).clamp(0, length) * 1_000_000 / length,
        }
    }
}

const EVEN: Shape = Shape(0, DAY);
const OFFICE: Shape = Shape(8 * HOUR, 20 * HOUR);

/// Evenly, in office hours, in four hours, and all at once: at times of the day that publications come before and after.
fn shapes() -> impl Iterator<Item = Shape> {
    let lumps = [HOUR, 19_800, 30_600, 41_400, 13 * HOUR + 1_080, 64_500, 84_600].map(|at| Shape(at, at));
    let few_hours = [0, 5, 13, 19].map(|hour| Shape(hour * HOUR, (hour + 4) * HOUR));
    [EVEN, OFFICE].into_iter().chain(lumps).chain(few_hours)
}

/// What was spent since 1970, in millionths of a dollar.
fn spent(shape: Shape, second: i64) -> i64 {
    second.div_euclid(DAY) * SPENT + shape.spent(second.rem_euclid(DAY)) * (SPENT / 1_000_000)
}

/// Publications from 5 September on: two months end in between.
fn play(shape: Shape, world: World, seed: u64) -> Vec<Publication> {
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
            let micros = spent(shape, second) - spent(shape, month);
            Publication {
                at,
                month_to_date: Usd::from_micros(micros),
            }
        })
        .collect()
}

/// What is measured at each publication from the third day on, by UTC day.
fn measured(shape: Shape, world: World, seed: u64) -> BTreeMap<i64, Vec<Measured>> {
    let series = play(shape, world, seed);
    let first = series[0].at.as_second() + 3 * DAY;
    let mut days: BTreeMap<i64, Vec<Measured>> = BTreeMap::new();
    for (newest, publication) in series.iter().enumerate() {
        let now = publication.at;
        if now.as_second() >= first {
            let from = reading_from(now);
            let read = series.partition_point(|it| it.at.as_second() < from);
            let found = Measured::of(&series[read..=newest], from, now, Measure::Daily);
            let day = now.as_second().div_euclid(DAY);
            days.entry(day).or_default().push(found.unwrap());
        }
    }
    days
}

/// Whether somebody was told on that day, with a limit of which the spend is so many percent.
fn told(day: &[Measured], percent: i64) -> bool {
    let limit = Usd::from_micros(SPENT * 100 / percent);
    day.iter().any(|it| it.verdict(limit, it.at).is_above())
}

/// Which day of its month a day is.
fn day_of_month(day: i64) -> i64 {
    let month = Month::of(Timestamp::from_second(day * DAY).unwrap());
    day - month.start() / DAY + 1
}

#[test]
fn who_is_below_the_limit_is_never_told() {
    for (shape, world) in shapes().flat_map(|it| MILD.map(|world| (it, world))) {
        for (seed, day, found) in SEEDS.flat_map(|seed| {
            let days = measured(shape, world, seed).into_iter();
            days.map(move |(day, found)| (seed, day, found))
        }) {
            for percent in [50, 80, 90, 95, 97] {
                assert!(
                    !told(&found, percent),
                    "{percent} % in {world:?}, {shape:?}, seed {seed}, day {day}: {found:?}"
                );
            }
        }
    }
}

/// Of a thousand days of somebody who spends nearly as much as the limit, two at most are told falsely.
#[test]
fn gaps_and_spend_that_comes_and_goes_hardly_deceive() {
    for world in HARSH {
        let (mut wrong, mut days) = (0, 0);
        for (shape, seed) in shapes().flat_map(|shape| SEEDS.map(move |seed| (shape, seed))) {
            let found: Vec<Vec<Measured>> = measured(shape, world, seed).into_values().collect();
            let told_at = |percent| found.iter().filter(|day| told(day, percent)).count();
            assert_eq!(told_at(66), 0, "{world:?}, {shape:?}, seed {seed}");
            wrong += told_at(97);
            days += found.len();
        }
        assert!(wrong * 1_000 <= days * 2, "{world:?}: {wrong} of {days}");
    }
}

#[test]
fn even_spend_below_the_limit_is_never_told_in_any_world_and_above_always_found() {
    for world in MILD.into_iter().chain(HARSH) {
        for seed in SEEDS {
            for (day, found) in measured(EVEN, world, seed) {
                assert!(!told(&found, 99), "{world:?}, seed {seed}, day {day}");
                // A month's last hours are never published, so its first day is blind; after gaps the second too.
                let blind = if HARSH.contains(&world) || world.2 > 0.0 { 2 } else { 1 };
                assert!(
                    told(&found, 102) || day_of_month(day) <= blind,
                    "{world:?}, seed {seed}, day {day}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn even_spend_is_told_to_the_cent_across_months_too() {
    for world in MILD.into_iter().chain(HARSH) {
        for seed in SEEDS {
            for (day, found) in measured(EVEN, world, seed) {
                for it in found {
                    let off = it.amount.micros() - SPENT;
                    // With less than half of the 24 hours published nothing is added for the others.
                    let little = day_of_month(day) == 1 && it.spent.micros() < SPENT / 2 + 10_000;
                    assert!(
                        off.abs() <= 20_000 || little && off < 0,
                        "{world:?}, seed {seed}: {it:?}"
                    );
                }
            }
        }
    }
}

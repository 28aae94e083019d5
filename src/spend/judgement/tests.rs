mod cases;
mod outlook;
mod random;
mod worlds;

use super::*;

#[test]
fn reading_begins_two_days_before_the_month_of_two_weeks_ago() {
    let from = |now: &str| {
        let second = reading_from(now.parse().unwrap());
        Timestamp::from_second(second).unwrap().to_string()
    };
    assert_eq!(from("2026-11-23T12:30:00Z"), "2026-10-30T00:00:00Z");
    assert_eq!(from("2026-11-14T23:59:59Z"), "2026-09-29T00:00:00Z");
    assert_eq!(from("2026-11-15T00:00:00Z"), "2026-10-30T00:00:00Z");
    assert_eq!(from("2028-03-14T00:00:00Z"), "2028-01-30T00:00:00Z");
}

#[test]
fn cents_round_to_the_nearest() {
    let rounded = |micros| cents(Usd::from_micros(micros)).micros();
    assert_eq!(rounded(14_999), 10_000);
    assert_eq!(rounded(15_000), 20_000);
    assert_eq!(rounded(-14_999), -10_000);
    assert_eq!(rounded(-15_000), -20_000);
    assert_eq!(rounded(i64::MAX), i64::MAX / 10_000 * 10_000);
}

#[test]
fn amounts_beyond_all_bills_dont_panic() {
    let series: Vec<Publication> = [i64::MIN, i64::MAX, i64::MIN, i64::MAX]
        .into_iter()
        .zip(0..)
        .map(|(micros, hour)| Publication {
            at: Timestamp::from_second(1_795_000_000 + hour * HOUR).unwrap(),
            month_to_date: Usd::from_micros(micros),
        })
        .collect();
    let now = "2026-11-19T12:00:00Z".parse().unwrap();
    for measure in [Measure::Daily, Measure::SixHourly, Measure::MonthToDate] {
        Verdict::of(Measured::of(&series, reading_from(now), now, measure), Usd::ZERO, now);
    }
}

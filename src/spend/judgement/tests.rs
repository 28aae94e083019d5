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

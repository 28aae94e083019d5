use super::*;

const DAY: i64 = 86_400;

/// What the expression makes of these values, one a day from 2026-03-01 on.
fn daily(expression: &str, values: &[Option<f64>]) -> Vec<Option<f64>> {
    from("2026-03-01T00:00:00Z", expression, values)
}

fn from(start: &str, expression: &str, values: &[Option<f64>]) -> Vec<Option<f64>> {
    let start: Timestamp = start.parse().unwrap();
    let starts: Vec<Timestamp> = (0..values.len() as i64)
        .map(|day| Timestamp::from_second(start.as_second() + day * DAY).unwrap())
        .collect();
    let ids = BTreeMap::from([("m1", Value::Series(values.to_vec()))]);
    let frame = Frame {
        starts: &starts,
        values: &ids,
        period: DAY as u32,
    };
    match parse(expression).unwrap().evaluate(&frame) {
        Value::Series(items) => items,
        Value::Scalar(one) => vec![Some(one)],
        Value::Array(_) => panic!("an array"),
    }
}

const SPEND: &str = "IF(RATE(m1) < 0, IF(DATE(m1) <= 2, m1, 0), RATE(m1) * PERIOD(m1))";

#[test]
fn a_steady_day_is_what_was_added() {
    let spent = from("2026-03-10T00:00:00Z", SPEND, &[Some(100.0), Some(112.0), Some(150.0)]);
    assert_eq!(spent, [None, Some(12.0), Some(38.0)]);
}

#[test]
fn a_fall_at_the_start_of_a_month_counts_what_stands_there() {
    let spent = from("2026-02-28T00:00:00Z", SPEND, &[Some(900.0), Some(31.0)]);
    assert_eq!(spent[1], Some(31.0));
}

#[test]
fn a_fall_in_the_middle_of_a_month_is_a_credit_and_counts_nothing() {
    let spent = from("2026-03-14T00:00:00Z", SPEND, &[Some(900.0), Some(700.0)]);
    assert_eq!(spent[1], Some(0.0));
}

#[test]
fn a_gap_is_missing_and_the_next_rate_spans_it() {
    let rates = daily("RATE(m1) * PERIOD(m1)", &[Some(10.0), None, Some(30.0), Some(35.0)]);
    assert_eq!(rates[..2], [None, None]);
    assert!((rates[2].unwrap() - 10.0).abs() < 1e-9);
    assert!((rates[3].unwrap() - 5.0).abs() < 1e-9);
}

#[test]
fn operators_bind_as_in_arithmetic() {
    assert_eq!(daily("1 + 2 * 3 ^ 2 - -4", &[None]), [Some(23.0)]);
    assert_eq!(daily("(1 + 2) * 3", &[None]), [Some(9.0)]);
    assert_eq!(daily("10 - 4 - 3", &[None]), [Some(3.0)]);
    assert_eq!(daily("1 < 2 AND 2 >= 2 || 0", &[None]), [Some(1.0)]);
    assert_eq!(daily("MAX([m1, 5])", &[Some(3.0), Some(8.0)]), [Some(5.0), Some(8.0)]);
}

#[test]
fn what_cloudwatch_refuses_is_refused() {
    for wrong in [
        "",
        "RATE(",
        "RATE(m1))",
        "SEARCH('x', 'Maximum')",
        "NOPE(m1)",
        "m1 +",
        "IF(m1)",
        "PERIOD(m1 + 1)",
        "M1",
        "m1 m2",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    assert!(parse(&"(".repeat(10_000)).is_err());
}

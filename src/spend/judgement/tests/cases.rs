//! The table of cases that `spend` and the notifier share: publications in, figures and verdict out, worked out by hand.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::outlook::Outlook;
use super::*;
use crate::spend::{Figures, SpendHistory, Window};

/// The table; docs/spend.md explains its fields.
const TABLE: &str = include_str!("../../../../tests/notifier/figures.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    why: String,
    now: Timestamp,
    #[serde(default)]
    measure: Measure,
    limit: f64,
    series: Vec<Points>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Points {
    One(Timestamp, f64),
    Row {
        from: Timestamp,
        hours: i64,
        count: i64,
        first: f64,
        step: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    days: BTreeMap<String, Option<f64>>,
    amount: Option<f64>,
    to: Option<Timestamp>,
    certain: Option<f64>,
    verdict: String,
    month: Option<f64>,
    average: Option<f64>,
    forecast: Option<f64>,
    stops: Option<f64>,
    goes_on: Option<f64>,
}

impl Case {
    fn publications(&self, from: i64) -> Vec<Publication> {
        let one = |second: i64, dollars: f64| Publication {
            at: Timestamp::from_second(second).unwrap(),
            month_to_date: usd(dollars),
        };
        let points = self.series.iter().flat_map(|points| match *points {
            Points::One(at, dollars) => vec![one(at.as_second(), dollars)],
            Points::Row {
                from,
                hours,
                count,
                first,
                step,
            } => (0..count)
                .map(|index| {
                    let second = from.as_second() + index * hours * HOUR;
                    one(second, first + step * index as f64)
                })
                .collect(),
        });
        points.filter(|it| it.at.as_second() >= from).collect()
    }
}

fn usd(dollars: f64) -> Usd {
    Usd::from_f64(dollars).unwrap()
}

fn dollars(usd: Option<Usd>) -> Option<f64> {
    usd.map(Usd::to_f64)
}

#[test]
fn every_case_comes_out_as_worked_out_by_hand() {
    let cases: Vec<Case> = serde_json::from_str(TABLE).unwrap();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert!(names.len() >= 60 && names.len() == cases.len());
    let wrong: Vec<String> = cases.iter().flat_map(differences).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the product says something else than the case.
fn differences(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differ = |field: &str, found: Option<f64>, expected: Option<f64>| {
        let same = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 0.01,
            (found, expected) => found == expected,
        };
        if !same {
            let Case { name, why, .. } = case;
            wrong.push(format!("{name}: {field} is {found:?}, not {expected:?} ({why})"));
        }
    };
    let (limit, expect) = (usd(case.limit), &case.expect);
    let window = Window::of_days(14, case.measure, case.now);
    let history = SpendHistory::read(&case.publications(window.from()), &window);
    for (at, amount) in window.days.starts().zip(&history.days) {
        let day = &at.to_string()[..10];
        if let Some(expected) = expect.days.get(day) {
            differ(day, dollars(amount.map(|amount| amount.usd)), *expected);
        }
    }
    let from = reading_from(case.now);
    let series = case.publications(from);
    let measured = Measured::of(&series, from, case.now, case.measure);
    assert_eq!(measured, history.measured, "{}", case.name);
    let second = |at: Option<Timestamp>| at.map(|at| at.as_second() as f64);
    let figures = Figures::of(&history, case.now);
    let outlook = Outlook::of(&history, limit, case.measure, case.now);
    for (field, found, expected) in [
        ("amount", measured.map(|it| it.amount), expect.amount),
        ("certain", measured.map(|it| it.certain), expect.certain),
        ("month", figures.month_to_date, expect.month),
        ("average", figures.average, expect.average),
        ("forecast", figures.forecast, expect.forecast),
        ("stops", outlook.map(|it| it.stops), expect.stops),
        ("goes_on", outlook.map(|it| it.goes_on), expect.goes_on),
    ] {
        differ(field, dollars(found), expected);
    }
    differ("to", second(measured.map(|it| it.at)), second(expect.to));
    let verdict = Verdict::of(measured, limit, case.now).name();
    if verdict != expect.verdict {
        let Case { name, why, .. } = case;
        wrong.push(format!("{name}: verdict is {verdict}, not {} ({why})", expect.verdict));
    }
    wrong
}

//! Metric math: as much of CloudWatch's language as alarms on charges need.
//!
//! CloudWatch user guide, "Metric math syntax and functions": arithmetic, comparison and logical operators, and the
//! functions of [`Function`]. A function that isn't among them is an error when the alarm is put, never a guess.

mod parse;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub(crate) use parse::parse;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Number(f64),
    Id(String),
    Call(Function, Vec<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Array(Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Function {
    Abs,
    Avg,
    Ceil,
    Date,
    Day,
    Diff,
    Epoch,
    Fill,
    Floor,
    Hour,
    If,
    Max,
    Min,
    Minute,
    Month,
    Period,
    Rate,
    Sum,
    Year,
}

impl Function {
    const fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::If => 2..=3,
            Self::Fill => 2..=2,
            _ => 1..=1,
        }
    }
}

/// A value: one number, or one per period, in which a period without data has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(f64),
    Series(Vec<Option<f64>>),
    Array(Vec<Value>),
}

/// What an expression is worked out over: the starts of the periods, oldest first, and the values by id.
pub(crate) struct Frame<'a> {
    pub(crate) starts: &'a [Timestamp],
    pub(crate) values: &'a BTreeMap<&'a str, Value>,
    /// Seconds.
    pub(crate) period: u32,
}

impl Expr {
    /// The ids that it is worked out from.
    pub(crate) fn ids(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.visit(&mut |expr| {
            if let Self::Id(id) = expr {
                found.insert(id.as_str());
            }
        });
        found
    }

    /// How often, in seconds, its value is looked at because the calendar turned; `None` if it doesn't matter. Hours
    /// and minutes are looked at every six hours only: between two publications that can end an alarm, not start one.
    pub(crate) fn calendar_step(&self) -> Option<i64> {
        let mut step: Option<i64> = None;
        self.visit(&mut |expr| {
            let own = match expr {
                Self::Call(Function::Date | Function::Day | Function::Month | Function::Year, _) => 86_400,
                Self::Call(Function::Hour | Function::Minute | Function::Epoch, _) => 21_600,
                _ => return,
            };
            step = Some(step.map_or(own, |step| step.min(own)));
        });
        step
    }

    fn visit<'a>(&'a self, look: &mut impl FnMut(&'a Self)) {
        look(self);
        match self {
            Self::Number(_) | Self::Id(_) => {}
            Self::Negate(inner) => inner.visit(look),
            Self::Binary(_, left, right) => {
                left.visit(look);
                right.visit(look);
            }
            Self::Call(_, items) | Self::Array(items) => {
                for item in items {
                    item.visit(look);
                }
            }
        }
    }

    /// Works it out. An id without a value is missing in every period.
    pub(crate) fn evaluate(&self, frame: &Frame<'_>) -> Value {
        match self {
            Self::Number(number) => Value::Scalar(*number),
            Self::Id(id) => frame
                .values
                .get(id.as_str())
                .cloned()
                .unwrap_or_else(|| Value::Series(vec![None; frame.starts.len()])),
            Self::Array(items) => Value::Array(items.iter().map(|item| item.evaluate(frame)).collect()),
            Self::Negate(inner) => map(&inner.evaluate(frame), |value| Some(-value)),
            Self::Binary(operator, left, right) => zip(&left.evaluate(frame), &right.evaluate(frame), |left, right| {
                apply(*operator, left, right)
            }),
            Self::Call(function, arguments) => call(*function, arguments, frame),
        }
    }
}

fn apply(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let truth = |is: bool| Some(f64::from(u8::from(is)));
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        // A period in which the divisor is nothing has no value.
        Operator::Divide => (right != 0.0).then(|| left / right),
        Operator::Power => Some(left.powf(right)),
    }
}

/// One number, or nothing in any period.
fn scalar(value: Option<f64>) -> Value {
    value.map_or(Value::Series(Vec::new()), Value::Scalar)
}

fn map(value: &Value, change: impl Fn(f64) -> Option<f64> + Copy) -> Value {
    match value {
        Value::Scalar(one) => scalar(change(*one)),
        Value::Series(items) => Value::Series(items.iter().map(|item| change((*item)?)).collect()),
        Value::Array(items) => Value::Array(items.iter().map(|item| map(item, change)).collect()),
    }
}

/// The value in a period; a scalar is the same in all.
fn item(value: &Value, index: usize) -> Option<f64> {
    match value {
        Value::Scalar(one) => Some(*one),
        Value::Series(items) => items.get(index).copied().flatten(),
        Value::Array(_) => None,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Series(items) => Some(items.len()),
        Value::Scalar(_) | Value::Array(_) => None,
    }
}

fn zip(left: &Value, right: &Value, with: impl Fn(f64, f64) -> Option<f64>) -> Value {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => scalar(with(*left, *right)),
        _ => {
            let periods = length(left).max(length(right)).unwrap_or_default();
            let pairs = (0..periods).map(|index| with(item(left, index)?, item(right, index)?));
            Value::Series(pairs.collect())
        }
    }
}

fn call(function: Function, arguments: &[Expr], frame: &Frame<'_>) -> Value {
    let values: Vec<Value> = arguments.iter().map(|one| one.evaluate(frame)).collect();
    let Some(first) = values.first() else {
        return Value::Series(Vec::new());
    };
    match function {
        Function::Abs => map(first, |value| Some(value.abs())),
        Function::Ceil => map(first, |value| Some(value.ceil())),
        Function::Floor => map(first, |value| Some(value.floor())),
        Function::Period => Value::Scalar(f64::from(frame.period)),
        Function::Rate => differences(first, frame, true),
        Function::Diff => differences(first, frame, false),
        Function::If => choose(first, values.get(1), values.get(2), frame),
        Function::Fill => fill(first, values.get(1), frame),
        Function::Max => fold(first, |items| items.iter().copied().reduce(f64::max)),
        Function::Min => fold(first, |items| items.iter().copied().reduce(f64::min)),
        Function::Sum => fold(first, |items| (!items.is_empty()).then(|| items.iter().sum())),
        Function::Avg => fold(first, |items| {
            (!items.is_empty()).then(|| items.iter().sum::<f64>() / items.len() as f64)
        }),
        Function::Date
        | Function::Day
        | Function::Month
        | Function::Year
        | Function::Hour
        | Function::Minute
        | Function::Epoch => calendar(function, first, frame),
    }
}

/// Change from the period before that has data: for the whole step (DIFF) or a second (RATE). The first has none.
fn differences(value: &Value, frame: &Frame<'_>, per_second: bool) -> Value {
    let mut before: Option<(f64, Timestamp)> = None;
    let changes = frame.starts.iter().enumerate().map(|(index, start)| {
        let now = item(value, index)?;
        let (last, at) = before.replace((now, *start))?;
        let seconds = start.duration_since(at).as_secs_f64();
        Some(if per_second { (now - last) / seconds } else { now - last })
    });
    Value::Series(changes.collect())
}

fn choose(condition: &Value, then: Option<&Value>, other: Option<&Value>, frame: &Frame<'_>) -> Value {
    let pick = |index| {
        let chosen = if item(condition, index)? != 0.0 { then } else { other };
        item(chosen?, index)
    };
    Value::Series((0..frame.starts.len()).map(pick).collect())
}

fn fill(value: &Value, filler: Option<&Value>, frame: &Frame<'_>) -> Value {
    let filled = |index| item(value, index).or_else(|| item(filler?, index));
    Value::Series((0..frame.starts.len()).map(filled).collect())
}

/// Over the periods of one series to a number, or over an array's series period by period.
fn fold(value: &Value, reduce: impl Fn(&[f64]) -> Option<f64>) -> Value {
    match value {
        Value::Scalar(one) => Value::Scalar(*one),
        Value::Series(items) => {
            let known: Vec<f64> = items.iter().copied().flatten().collect();
            scalar(reduce(&known))
        }
        Value::Array(series) => {
            let over = |index| {
                let known: Vec<f64> = series.iter().filter_map(|one| item(one, index)).collect();
                reduce(&known)
            };
            match series.iter().filter_map(length).max() {
                None => scalar(over(0)),
                Some(periods) => Value::Series((0..periods).map(over).collect()),
            }
        }
    }
}

/// Parts of each period's start, UTC; a period without data has none.
fn calendar(function: Function, value: &Value, frame: &Frame<'_>) -> Value {
    let part = |(index, start): (usize, &Timestamp)| {
        item(value, index)?;
        let zoned = start.to_zoned_datetime(TimeZone::UTC);
        Some(match function {
            Function::Date => f64::from(zoned.day()),
            // Monday is 1, Sunday 7.
            Function::Day => f64::from(zoned.weekday().to_monday_one_offset()),
            Function::Month => f64::from(zoned.month()),
            Function::Year => f64::from(zoned.year()),
            Function::Hour => f64::from(zoned.hour()),
            Function::Minute => f64::from(zoned.minute()),
            _ => start.as_second() as f64,
        })
    };
    Value::Series(frame.starts.iter().enumerate().map(part).collect())
}

#[cfg(test)]
mod tests;

//! Metric math: as much of CloudWatch's language as alarms on charges need.
//!
//! CloudWatch user guide, "Metric math syntax and functions": arithmetic, comparison and logical operators, and the
//! functions of [`Function`]. A function that isn't among them is an error when the alarm is put, never a guess.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) enum Expr {
    Number(f64),
    Id(String),
    Call(Function, Vec<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Array(Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Operator {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Function {
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
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ABS" => Self::Abs,
            "AVG" => Self::Avg,
            "CEIL" => Self::Ceil,
            "DATE" => Self::Date,
            "DAY" => Self::Day,
            "DIFF" => Self::Diff,
            "EPOCH" => Self::Epoch,
            "FILL" => Self::Fill,
            "FLOOR" => Self::Floor,
            "HOUR" => Self::Hour,
            "IF" => Self::If,
            "MAX" => Self::Max,
            "MIN" => Self::Min,
            "MINUTE" => Self::Minute,
            "MONTH" => Self::Month,
            "PERIOD" => Self::Period,
            "RATE" => Self::Rate,
            "SUM" => Self::Sum,
            "YEAR" => Self::Year,
            _ => return None,
        })
    }

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
pub(in crate::sandbox) enum Value {
    Scalar(f64),
    Series(Vec<Option<f64>>),
    Array(Vec<Value>),
}

/// What an expression is worked out over: the starts of the periods, oldest first, and the values by id.
pub(in crate::sandbox) struct Frame<'a> {
    pub(in crate::sandbox) starts: &'a [Timestamp],
    pub(in crate::sandbox) values: &'a BTreeMap<&'a str, Value>,
    /// Seconds.
    pub(in crate::sandbox) period: u32,
}

/// Reads an expression.
///
/// # Errors
/// What is wrong with it.
pub(in crate::sandbox) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expression(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

impl Expr {
    /// The ids that it is worked out from.
    pub(in crate::sandbox) fn ids(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.visit(&mut |expr| {
            if let Self::Id(id) = expr {
                found.insert(id.as_str());
            }
        });
        found
    }

    /// How often, in seconds, its value can change with the calendar alone; `None` if it can't.
    pub(in crate::sandbox) fn calendar_step(&self) -> Option<i64> {
        let mut step: Option<i64> = None;
        self.visit(&mut |expr| {
            let own = match expr {
                Self::Call(
                    Function::Date | Function::Day | Function::Month | Function::Year,
                    _,
                ) => 86_400,
                Self::Call(Function::Hour | Function::Minute | Function::Epoch, _) => 3_600,
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
    pub(in crate::sandbox) fn evaluate(&self, frame: &Frame<'_>) -> Value {
        match self {
            Self::Number(number) => Value::Scalar(*number),
            Self::Id(id) => frame
                .values
                .get(id.as_str())
                .cloned()
                .unwrap_or_else(|| Value::Series(vec![None; frame.starts.len()])),
            Self::Array(items) => {
                Value::Array(items.iter().map(|item| item.evaluate(frame)).collect())
            }
            Self::Negate(inner) => map(&inner.evaluate(frame), |value| Some(-value)),
            Self::Binary(operator, left, right) => zip(
                &left.evaluate(frame),
                &right.evaluate(frame),
                |left, right| apply(*operator, left, right),
            ),
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

fn map(value: &Value, change: impl Fn(f64) -> Option<f64> + Copy) -> Value {
    match value {
        Value::Scalar(one) => change(*one).map_or(Value::Series(Vec::new()), Value::Scalar),
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
        (Value::Scalar(left), Value::Scalar(right)) => {
            with(*left, *right).map_or(Value::Series(Vec::new()), Value::Scalar)
        }
        _ => {
            let periods = length(left).max(length(right)).unwrap_or_default();
            Value::Series(
                (0..periods)
                    .map(|index| with(item(left, index)?, item(right, index)?))
                    .collect(),
            )
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
        Function::Sum => fold(first, |items| {
            (!items.is_empty()).then(|| items.iter().sum())
        }),
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
        Some(if per_second {
            (now - last) / seconds
        } else {
            now - last
        })
    });
    Value::Series(changes.collect())
}

fn choose(
    condition: &Value,
    then: Option<&Value>,
    other: Option<&Value>,
    frame: &Frame<'_>,
) -> Value {
    let pick = |index| {
        let chosen = if item(condition, index)? != 0.0 {
            then
        } else {
            other
        };
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
            reduce(&known).map_or(Value::Series(Vec::new()), Value::Scalar)
        }
        Value::Array(series) => match series.iter().filter_map(length).max() {
            None => {
                let known: Vec<f64> = series.iter().filter_map(|one| item(one, 0)).collect();
                reduce(&known).map_or(Value::Series(Vec::new()), Value::Scalar)
            }
            Some(periods) => Value::Series(
                (0..periods)
                    .map(|index| {
                        let known: Vec<f64> =
                            series.iter().filter_map(|one| item(one, index)).collect();
                        reduce(&known)
                    })
                    .collect(),
            ),
        },
    }
}

/// Parts of each period's start, UTC; a period without data has none.
fn calendar(function: Function, value: &Value, frame: &Frame<'_>) -> Value {
    let part = |(index, start): (usize, &Timestamp)| {
        item(value, index)?;
        let zoned = start.to_zoned(TimeZone::UTC);
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

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Symbol(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SYMBOLS: [&str; 19] = [
        "<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]",
        ",", "=",
    ];
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let run = |part: fn(char) -> bool| rest.find(|c| !part(c)).unwrap_or(rest.len());
        let taken = if first.is_ascii_digit() || first == '.' {
            let end = run(|c| c.is_ascii_digit() || c == '.');
            let number = rest[..end]
                .parse()
                .map_err(|_| format!("`{}` is not a number", &rest[..end]))?;
            found.push(Token::Number(number));
            end
        } else if first.is_ascii_alphabetic() {
            let end = run(|c| c.is_ascii_alphanumeric() || c == '_');
            found.push(Token::Name(rest[..end].to_owned()));
            end
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            found.push(Token::Symbol(symbol));
            symbol.len()
        } else {
            return Err(format!("unexpected `{first}`"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Deeper nesting than any alarm needs is refused, so that no expression can exhaust the stack.
const DEEPEST: usize = 50;

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        match self.next() {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            Some(other) => Err(format!("expected `{symbol}`, found {other:?}")),
            None => Err(format!("expected `{symbol}` at the end")),
        }
    }

    /// The operator at the present place with how strongly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        Some(match self.tokens.get(self.at)? {
            Token::Symbol("||") => (Operator::Or, 1),
            Token::Name(name) if name == "OR" => (Operator::Or, 1),
            Token::Symbol("&&") => (Operator::And, 2),
            Token::Name(name) if name == "AND" => (Operator::And, 2),
            Token::Symbol("==" | "=") => (Operator::Equal, 3),
            Token::Symbol("!=") => (Operator::NotEqual, 3),
            Token::Symbol("<") => (Operator::Less, 4),
            Token::Symbol("<=") => (Operator::LessOrEqual, 4),
            Token::Symbol(">") => (Operator::Greater, 4),
            Token::Symbol(">=") => (Operator::GreaterOrEqual, 4),
            Token::Symbol("+") => (Operator::Add, 5),
            Token::Symbol("-") => (Operator::Subtract, 5),
            Token::Symbol("*") => (Operator::Multiply, 6),
            Token::Symbol("/") => (Operator::Divide, 6),
            Token::Symbol("^") => (Operator::Power, 7),
            _ => return None,
        })
    }

    fn expression(&mut self, loosest: u8) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the expression is nested too deeply".to_owned());
        }
        let mut left = self.operand()?;
        while let Some((operator, strength)) = self.operator() {
            if strength <= loosest {
                break;
            }
            self.at += 1;
            let right = self.expression(strength)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        match self.next() {
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Symbol("-")) => Ok(Expr::Negate(Box::new(self.expression(6)?))),
            Some(Token::Symbol("(")) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Symbol("[")) => Ok(Expr::Array(self.list("]")?)),
            Some(Token::Name(name)) => {
                if self.tokens.get(self.at) == Some(&Token::Symbol("(")) {
                    self.at += 1;
                    self.function(&name)
                } else if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    Ok(Expr::Id(name))
                } else {
                    Err(format!("`{name}` is not an id"))
                }
            }
            Some(other) => Err(format!("unexpected {other:?}")),
            None => Err("the expression ends too early".to_owned()),
        }
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Expr>, String> {
        let mut items = vec![self.expression(0)?];
        while self.tokens.get(self.at) == Some(&Token::Symbol(",")) {
            self.at += 1;
            items.push(self.expression(0)?);
        }
        self.expect(end)?;
        Ok(items)
    }

    fn function(&mut self, name: &str) -> Result<Expr, String> {
        let function =
            Function::named(name).ok_or_else(|| format!("`{name}` is not a supported function"))?;
        let arguments = self.list(")")?;
        if !function.arguments().contains(&arguments.len()) {
            return Err(format!("{name} doesn't take {} arguments", arguments.len()));
        }
        if function == Function::Period && !matches!(arguments.first(), Some(Expr::Id(_))) {
            return Err("PERIOD takes a metric, not an expression".to_owned());
        }
        Ok(Expr::Call(function, arguments))
    }
}

#[cfg(test)]
mod tests {
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
        let spent = from(
            "2026-03-10T00:00:00Z",
            SPEND,
            &[Some(100.0), Some(112.0), Some(150.0)],
        );
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
        let rates = daily(
            "RATE(m1) * PERIOD(m1)",
            &[Some(10.0), None, Some(30.0), Some(35.0)],
        );
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
        assert_eq!(
            daily("MAX([m1, 5])", &[Some(3.0), Some(8.0)]),
            [Some(5.0), Some(8.0)]
        );
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
}

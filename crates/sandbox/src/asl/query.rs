//! JSONata as Step Functions runs it (docs/aws-facts.md, "Step Functions: language"): expressions in `{% %}`,
//! `$states`, variables, and the extra functions; no bare top-level names and no `$eval`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use jiff::Timestamp;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::{JMap, JValue};
use serde_json::Value;

/// The error's name in Step Functions.
pub(super) const QUERY_ERROR: &str = "States.QueryEvaluationError";

/// Guards against an expression that never ends or never returns.
const TIMEOUT_MS: u64 = 5_000;
const DEEPEST: usize = 2_000;

/// Parsed expressions kept: those of a few state machines.
const PARSED: usize = 2_000;

/// The functions of time.
const TIME: [&str; 2] = ["millis", "now"];

/// Step Functions' own functions, and the others that the world decides.
const OWN: [&str; 7] = ["eval", "random", "uuid", "parse", "partition", "range", "hash"];

/// An expression, and what it names with a `$`: only that is given to it.
struct Parsed {
    tree: AstNode,
    names: HashSet<String>,
}

thread_local! {
    static KNOWN: RefCell<HashMap<String, Rc<Parsed>>> = RefCell::default();
}

/// The expression, parsed once for all the executions that come to it.
fn parse(text: &str) -> Result<Rc<Parsed>, String> {
    KNOWN.with_borrow_mut(|known| {
        if let Some(parsed) = known.get(text) {
            return Ok(parsed.clone());
        }
        let parsed = Rc::new(Parsed {
            tree: parser::parse(text).map_err(|why| why.to_string())?,
            names: names(text),
        });
        if known.len() >= PARSED {
            known.clear();
        }
        known.insert(text.to_owned(), parsed.clone());
        Ok(parsed)
    })
}

/// Every word after a `$`, also in texts: one too many does no harm.
fn names(text: &str) -> HashSet<String> {
    text.split('$')
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
        })
        .map(str::to_owned)
        .collect()
}

/// The value as expressions see it.
pub(super) fn value(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(whether) => JValue::Bool(*whether),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(self::value).collect()),
        Value::Object(fields) => object(fields.iter().map(|(key, field)| (key.as_str(), self::value(field)))),
    }
}

/// An object of these fields.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, JValue)>) -> JValue {
    let fields = fields.into_iter();
    let map: JMap = fields.map(|(key, field)| (key.to_owned(), field)).collect();
    JValue::Object(Rc::new(map))
}

/// The text between `{%` and `%}`, if the whole string is an expression.
pub(super) fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

/// Every expression in a value, wherever it is nested.
pub(super) fn expressions<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.extend(expression(text)),
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| expressions(field, found)),
        _ => {}
    }
}

/// Whether the text is JSONata.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.contains("$eval(") {
        return Err("the function $eval is not supported".to_owned());
    }
    parse(text).map(|_| ())
}

/// What an expression can see.
pub(super) struct Bindings<'a> {
    /// Variables by name.
    pub(super) variables: &'a BTreeMap<String, JValue>,
    /// Gives `$states`.
    pub(super) states: &'a dyn Fn() -> JValue,
    /// `$now()` and `$millis()`.
    pub(super) now: Timestamp,
    /// What `$random()` and `$uuid()` start from: the same execution draws the same numbers.
    pub(super) seed: u64,
}

/// A value with every expression in it replaced by what it yields.
///
/// # Errors
/// Why an expression has no value, as the cause of a `States.QueryEvaluationError`.
pub(super) fn fill(value: &Value, bindings: &Bindings<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match expression(text) {
            Some(expression) => serde_json::to_value(evaluate(expression, bindings)?)
                .map_err(|why| format!("The JSONata expression '{}' {why}", expression.trim()))?,
            None => value.clone(),
        },
        Value::Array(items) => {
            let filled: Result<_, String> = items.iter().map(|item| fill(item, bindings)).collect();
            Value::Array(filled?)
        }
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(key, field)| Ok((key.clone(), fill(field, bindings)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// As [`fill`], for a variable: as the next expressions see it.
///
/// # Errors
/// As [`fill`].
pub(super) fn fill_variable(value: &Value, bindings: &Bindings<'_>) -> Result<JValue, String> {
    match value.as_str().and_then(expression) {
        Some(expression) => evaluate(expression, bindings).map(|found| as_data(&found)),
        None => fill(value, bindings).map(JValue::from),
    }
}

/// The value as if it had been written as JSON and read again: without what the engine remembers of where an array
/// came from. Variables are many and big, and really to write each takes a tenth of all the time.
fn as_data(found: &JValue) -> JValue {
    match found {
        JValue::Bool(_) | JValue::String(_) => found.clone(),
        JValue::Number(number) if number.is_finite() => found.clone(),
        JValue::Null | JValue::Undefined | JValue::Number(_) => JValue::Null,
        JValue::Array(items) => JValue::array(items.iter().map(as_data).collect()),
        JValue::Object(fields) => object(fields.iter().map(|(key, field)| (key.as_str(), as_data(field)))),
        // Functions, as JSONata writes them.
        _ => JValue::string(""),
    }
}

/// What the expression yields.
///
/// # Errors
/// It isn't JSONata, fails, or yields nothing or a function.
fn evaluate(text: &str, bindings: &Bindings<'_>) -> Result<JValue, String> {
    let fail = |why: &str| format!("The JSONata expression '{}' {why}", text.trim());
    let parsed = parse(text).map_err(|why| fail(&why))?;
    let mut context = Context::new();
    for name in &parsed.names {
        if let Some(value) = bindings.variables.get(name) {
            context.bind(name.clone(), value.clone());
        }
    }
    if parsed.names.contains("states") {
        context.bind("states".to_owned(), (bindings.states)());
    }
    let mut evaluator = Evaluator::with_options(
        context,
        EvaluatorOptions {
            timeout_ms: Some(TIMEOUT_MS),
            max_stack_depth: Some(DEEPEST),
            ..EvaluatorOptions::default()
        },
    );
    if TIME.iter().any(|name| parsed.names.contains(*name)) {
        register_time(&mut evaluator, bindings).map_err(|why| fail(why.message()))?;
    }
    if OWN.iter().any(|name| parsed.names.contains(*name)) {
        register(&mut evaluator, bindings).map_err(|why| fail(why.message()))?;
    }
    // Bare names have nothing to refer to: the input is `$states.input`.
    let answer = evaluator
        .evaluate(&parsed.tree, &JValue::Undefined)
        .map_err(|why| fail(&format!("threw an error: {}", why.message())))?;
    match answer {
        JValue::Undefined => Err(fail("returned nothing (undefined).")),
        function if function.is_function() || function.is_regex() => Err(fail("returned an unsupported result type.")),
        value => Ok(value),
    }
}

fn fail(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn argument<'a>(args: &'a [JValue], index: usize, function: &str) -> Result<&'a JValue, EvaluatorError> {
    args.get(index)
        .ok_or_else(|| fail(format!("${function} lacks argument {}", index + 1)))
}

fn number(args: &[JValue], index: usize, function: &str) -> Result<f64, EvaluatorError> {
    argument(args, index, function)?
        .as_f64()
        .ok_or_else(|| fail(format!("argument {} of ${function} is not a number", index + 1)))
}

/// Time as the world has it. By itself, because many expressions ask for it and few for anything else.
fn register_time(evaluator: &mut Evaluator, bindings: &Bindings<'_>) -> Result<(), EvaluatorError> {
    let now = bindings.now;
    evaluator.register_fn_override("millis", move |_: &[JValue]| {
        Ok(JValue::Number(now.as_millisecond() as f64))
    })?;
    evaluator.register_fn_override("now", move |args: &[JValue]| {
        if !args.is_empty() {
            return Err(fail("$now with a picture is not supported by the sandbox"));
        }
        Ok(JValue::string(millis_text(now)))
    })
}

/// Step Functions' own functions, and chance that the world decides.
fn register(evaluator: &mut Evaluator, bindings: &Bindings<'_>) -> Result<(), EvaluatorError> {
    let seed = bindings.seed;
    let drawn = Rc::new(std::cell::Cell::new(0u64));
    evaluator.register_fn_override("eval", |_: &[JValue]| Err(fail("the function $eval is not supported")))?;
    let draws = drawn.clone();
    evaluator.register_fn_override("random", move |args: &[JValue]| {
        let seed = match args.first() {
            Some(given) => given.as_f64().unwrap_or_default().to_bits(),
            None => {
                draws.set(draws.get() + 1);
                seed.wrapping_add(draws.get())
            }
        };
        Ok(JValue::Number(fastrand::Rng::with_seed(seed).f64()))
    })?;
    evaluator.register_fn("uuid", move |_: &[JValue]| {
        drawn.set(drawn.get() + 1);
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(drawn.get()));
        let uuid = uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid();
        Ok(JValue::string(uuid.to_string()))
    })?;
    evaluator.register_fn("parse", |args: &[JValue]| {
        let text = argument(args, 0, "parse")?
            .as_str()
            .ok_or_else(|| fail("$parse takes a string"))?;
        JValue::from_json_str(text).map_err(|why| fail(format!("$parse: {why}")))
    })?;
    evaluator.register_fn("partition", |args: &[JValue]| {
        let items = argument(args, 0, "partition")?
            .as_array()
            .ok_or_else(|| fail("$partition takes an array"))?;
        let size = number(args, 1, "partition")?.floor();
        if size < 1.0 {
            return Err(fail("$partition takes a positive size"));
        }
        Ok(JValue::array(
            items
                .chunks(size as usize)
                .map(|chunk| JValue::array(chunk.to_vec()))
                .collect(),
        ))
    })?;
    evaluator.register_fn("range", |args: &[JValue]| {
        let (first, last, step) = (
            number(args, 0, "range")?,
            number(args, 1, "range")?,
            number(args, 2, "range")?,
        );
        // At most 1,000 items (Step Functions developer guide, on the older `States.ArrayRange`).
        let count = ((last - first) / step).floor() + 1.0;
        if step == 0.0 || !count.is_finite() || count > 1_000.0 {
            return Err(fail("$range yields 1,000 numbers at most"));
        }
        let count = count.max(0.0) as usize;
        Ok(JValue::array(
            (0..count)
                .map(|index| JValue::Number(first + step * index as f64))
                .collect(),
        ))
    })?;
    evaluator.register_fn("hash", |_: &[JValue]| Err(fail("the sandbox has no $hash")))?;
    Ok(())
}

/// ISO 8601 with milliseconds, as JSONata writes it.
pub(super) fn millis_text(at: Timestamp) -> String {
    format!("{at:.3}")
}

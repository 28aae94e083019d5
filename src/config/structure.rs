//! Checks the shape of the file against its own schema: every unknown key, wrong type and missing key at once,
//! where serde would stop at the first. What is wrong is taken out, so that the values of the rest are checked
//! too.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::problem::Problem;
use billctl_core::similar::nearest;
use billctl_core::text::visible;

/// Reports what doesn't fit `schema`, and takes it out of `root`.
pub(super) fn check(root: &mut DeTable<'_>, schema: &Value) -> Vec<Problem> {
    let mut check = Check {
        schema,
        problems: Vec::new(),
    };
    check.table("", root, None, schema);
    check.problems
}

/// A table in words, by its header: `[mail]`, `[[wave]]`, or nothing for the top of the file.
fn table_name(header: &str) -> String {
    match header {
        "" => "the top level".to_owned(),
        header => format!("`{header}`"),
    }
}

/// `[mail] from`, or `region`.
fn key_name(header: &str, key: &str) -> String {
    match header {
        "" => format!("`{key}`"),
        header => format!("`{header} {key}`"),
    }
}

struct Check<'s> {
    schema: &'s Value,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn table<'i>(&mut self, header: &str, table: &mut DeTable<'i>, span: Option<Range<usize>>, schema: &Value) {
        let mut meant: Vec<String> = Vec::new();
        let keep = |(key, mut value): (Spanned<DeString<'i>>, Spanned<DeValue<'i>>)| {
            let name = key.get_ref().as_ref();
            if let Some(property) = schema["properties"].get(name) {
                if self.value(
                    &key_name(header, name),
                    name,
                    &format!("[{name}]"),
                    &mut value,
                    property,
                ) {
                    return Some((key, value));
                }
                meant.push(name.to_owned());
                return None;
            }
            let (remedy, near) = self.unknown_remedy(header, name, schema);
            let message = format!("unknown key `{}`", visible(name));
            let label = format!("not a key of {}", table_name(header));
            let problem = Problem::at(key.span(), message, label);
            self.problems.push(problem.remedy(remedy));
            meant.extend(near);
            None
        };
        *table = std::mem::take(table).into_iter().filter_map(keep).collect();
        let is_there = |key: &str| table.contains_key(key) || meant.iter().any(|near| near == key);
        for key in strings(&schema["required"]).filter(|key| !is_there(key)) {
            let message = format!("{} is missing", key_name(header, key));
            let problem = Problem::maybe_at(span.clone(), message, format!("needs `{key}`"));
            self.problems.push(problem.remedy(missing_remedy(key)));
        }
        self.choice(header, table, span, schema, &is_there);
    }

    /// `oneOf` of required keys: exactly one of them has to be there.
    fn choice(
        &mut self,
        header: &str,
        table: &DeTable<'_>,
        span: Option<Range<usize>>,
        schema: &Value,
        is_there: &dyn Fn(&str) -> bool,
    ) {
        let required = one_of(schema).flat_map(|choice| strings(&choice["required"]));
        let choices: Vec<&str> = required.collect();
        let there: Vec<&str> = choices.iter().copied().filter(|key| is_there(key)).collect();
        let listed = choices.join("` or `");
        match there.as_slice() {
            [] if !choices.is_empty() => {
                let message = format!("{} applies to nobody", table_name(header));
                let problem = Problem::maybe_at(span, message, format!("needs `{listed}`"));
                self.problems.push(problem.remedy(format!("add `{listed}`")));
            }
            [first, second, ..] => {
                let place = |key: &str| table.get(key).map(Spanned::span);
                let message = format!("{} has both `{first}` and `{second}`", table_name(header));
                let remedy = if header.starts_with("[[") {
                    "write one entry for each"
                } else {
                    "keep one of them"
                };
                let mut problem = Problem::maybe_at(place(second).or(span), message, "").remedy(remedy);
                problem.and = place(first).map(|span| (span, String::new()));
                self.problems.push(problem);
            }
            _ => {}
        }
    }

    /// Whether the value fits; its own parts that don't are taken out. `named` is its key in words, and `header` that of
    /// the table that it may be.
    fn value(
        &mut self,
        named: &str,
        key: &str,
        header: &str,
        value: &mut Spanned<DeValue<'_>>,
        schema: &Value,
    ) -> bool {
        let span = value.span();
        let problem = match value.get_mut() {
            other if !fits(other, schema) => {
                let expected = expectation(schema);
                let message = format!("{named} is {expected}, not {}", article(other.type_str()));
                let mut problem = Problem::at(span, message, format!("not {expected}"));
                problem.remedy = mismatch_hint(key, other, schema);
                Some(problem)
            }
            DeValue::String(text) => not_listed(named, text, span, schema),
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                Some(Problem::at(span, format!("{named} is too large"), "").remedy("write a smaller number"))
            }
            DeValue::Float(number) if number.as_str().parse::<f64>().is_err() => {
                Some(Problem::at(span, format!("{named} is not a number"), ""))
            }
            DeValue::Table(table) => {
                self.table(header, table, Some(span), schema);
                None
            }
            DeValue::Array(array) if array.is_empty() && schema["minItems"].as_u64().unwrap_or(0) > 0 => {
                Some(Problem::at(span, format!("{named} is empty"), "").remedy("fill it in, or remove the entry"))
            }
            DeValue::Array(array) => {
                let header = format!("[[{key}]]");
                let all = std::mem::replace(array, DeArray::new()).into_iter();
                let keep = all.filter_map(|mut element| {
                    let fits = self.value(named, key, &header, &mut element, &schema["items"]);
                    fits.then_some(element)
                });
                *array = keep.collect();
                None
            }
            _ => None,
        };
        let fits = problem.is_none();
        self.problems.extend(problem);
        fits
    }

    /// What to do about an unknown key, and the key of this table that was probably meant.
    fn unknown_remedy(&self, header: &str, key: &str, schema: &Value) -> (String, Option<String>) {
        let own: Vec<&str> = properties(schema).map(|(key, _)| key).collect();
        if let Some(near) = nearest(key, own.iter().copied()) {
            return (format!("did you mean `{near}`?"), Some(near.to_owned()));
        }
        let top = self.schema;
        if !header.is_empty() && properties(top).any(|(other, _)| other == key) {
            let remedy = format!("`{key}` belongs at the top of the file, before the first `[table]`");
            return (remedy, None);
        }
        let elsewhere = properties(top).find(|(_, table)| properties(table).any(|(other, _)| other == key));
        match elsewhere {
            Some((table, _)) => (format!("`{key}` belongs in `[{table}]`"), None),
            None => (
                format!("the keys of {} are `{}`", table_name(header), own.join("`, `")),
                None,
            ),
        }
    }
}

/// What is wrong with a text that isn't one of those that the schema lists, if it lists any.
fn not_listed(named: &str, text: &str, span: Range<usize>, schema: &Value) -> Option<Problem> {
    let listed: Vec<&str> = choices(schema).collect();
    if listed.is_empty() || listed.contains(&text) {
        return None;
    }
    let remedy = match (listed.as_slice(), nearest(text, listed.iter().copied())) {
        ([_], _) => schema["description"].as_str().unwrap_or_default().to_owned(),
        (_, Some(near)) => format!("did you mean `{near}`?"),
        _ => format!("use one of `{}`", listed.join("`, `")),
    };
    let message = format!("{named} can't be `{}`", visible(text));
    Some(Problem::at(span, message, format!("not {}", listed.join(" or "))).remedy(remedy))
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn one_of(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["oneOf"].as_array().into_iter().flatten()
}

/// The texts that a schema allows, if it lists them.
fn choices(schema: &Value) -> impl Iterator<Item = &str> {
    strings(&schema["enum"]).chain(one_of(schema).filter_map(|choice| choice["const"].as_str()))
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(only) => vec![only.as_str()],
        Value::Array(_) => strings(&schema["type"]).collect(),
        // An enum whose variants are described is a `oneOf` of constants.
        _ if choices(schema).next().is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

fn fits(value: &DeValue<'_>, schema: &Value) -> bool {
    types(schema).iter().any(|kind| match value {
        DeValue::String(_) => *kind == "string",
        DeValue::Integer(_) => matches!(*kind, "integer" | "number"),
        DeValue::Float(_) => *kind == "number",
        DeValue::Boolean(_) => *kind == "boolean",
        DeValue::Array(_) => *kind == "array",
        DeValue::Table(_) => *kind == "object",
        DeValue::Datetime(_) => false,
    })
}

/// What a schema takes, in words.
fn expectation(schema: &Value) -> &'static str {
    match (schema["format"].as_str(), types(schema).as_slice()) {
        (Some("usd"), _) => "a number of US dollars",
        (Some("account-id"), _) => "an account id in quotes",
        (Some("email"), _) => "a mail address in quotes",
        (_, ["integer", "string"]) => "a number of accounts or a share such as \"10%\"",
        (_, ["boolean"]) => "`true` or `false`",
        (_, ["number"]) => "a number",
        (_, ["integer"]) => "a whole number",
        (_, ["array"]) if schema["items"]["type"] == "object" => "a list of tables",
        (_, ["array"]) => "a list in square brackets",
        (_, ["object"]) => "a table",
        (_, ["string"]) => "a text in quotes",
        _ => "of another type",
    }
}

/// What TOML calls a type, in words.
fn article(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "float" => "a number",
        "boolean" => "a boolean",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

fn mismatch_hint(key: &str, value: &DeValue<'_>, schema: &Value) -> Option<String> {
    let format = schema["format"].as_str();
    let is = types(schema);
    Some(match value {
        DeValue::String(text) if format == Some("usd") => match plain_amount(text) {
            Some(amount) => format!("write {amount}: no quotes, no currency sign, no separators"),
            None => "write a plain number such as 100 or 12.5".to_owned(),
        },
        DeValue::Integer(number) if format == Some("account-id") => match number.as_str() {
            digits if digits.len() == 12 => format!("write it in quotes: \"{digits}\""),
            _ => "write all twelve digits in quotes, leading zeros included".to_owned(),
        },
        DeValue::Table(_) if schema["items"]["type"] == "object" => {
            format!("write `[[{key}]]`, with double brackets: there can be several")
        }
        DeValue::Array(_) if is == ["object"] => {
            format!("write `[{key}]`, with single brackets: there is only one")
        }
        DeValue::String(text) if is == ["array"] => {
            format!("write `{key} = [\"{}\"]`", visible(text))
        }
        DeValue::String(text) if is == ["boolean"] && matches!(text.as_ref(), "true" | "false") => {
            format!("write `{key} = {text}`, without quotes")
        }
        DeValue::Float(_) if is == ["integer"] => "write a whole number".to_owned(),
        DeValue::Float(_) if is.contains(&"integer") => {
            "write a whole number of accounts, or a share in quotes: \"10%\"".to_owned()
        }
        _ => return None,
    })
}

/// The number in a text that was meant as an amount: `$1,000.00` or `100 USD`.
fn plain_amount(text: &str) -> Option<&str> {
    let number = text
        .trim()
        .trim_start_matches(['$', '€'])
        .trim_start_matches("USD")
        .trim_end_matches("USD")
        .trim_end_matches('$')
        .trim();
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (plain && number.parse::<f64>().is_ok()).then_some(number)
}

fn missing_remedy(key: &str) -> String {
    match key {
        "mail" => "say where mails come from:\n[mail]\nfrom = \"billing@example.com\"".to_owned(),
        "from" => "add `from = \"billing@example.com\"`".to_owned(),
        "usd" => "add `usd = 250`".to_owned(),
        "topic" => "add `topic = \"arn:aws:sns:us-east-1:123456789012:spend\"`".to_owned(),
        "ous" => "add `ous = [\"Production\"]`".to_owned(),
        _ => format!("add `{key}`"),
    }
}

/// The keys of a table of the schema, each with its own schema.
pub fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object = schema["properties"].as_object();
    object
        .into_iter()
        .flatten()
        .map(|(key, property)| (key.as_str(), property))
}

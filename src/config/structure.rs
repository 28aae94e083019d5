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
    check.table(&TablePath::Top, root, None, schema);
    check.problems
}

/// Where in the file a key is.
#[derive(Clone)]
enum TablePath {
    Top,
    Table(String),
    Element(String),
}

impl TablePath {
    fn name(&self) -> String {
        match self {
            Self::Top => "the top level".to_owned(),
            Self::Table(name) => format!("`[{name}]`"),
            Self::Element(name) => format!("`[[{name}]]`"),
        }
    }

    /// `[mail] from`, or `region`.
    fn key(&self, key: &str) -> String {
        match self {
            Self::Top => format!("`{key}`"),
            Self::Table(name) => format!("`[{name}] {key}`"),
            Self::Element(name) => format!("`[[{name}]] {key}`"),
        }
    }
}

struct Check<'s> {
    schema: &'s Value,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn table<'i>(&mut self, path: &TablePath, table: &mut DeTable<'i>, span: Option<Range<usize>>, schema: &Value) {
        let mut meant: Vec<String> = Vec::new();
        let keep = |(key, mut value): (Spanned<DeString<'i>>, Spanned<DeValue<'i>>)| {
            let name = key.get_ref().as_ref();
            if let Some(property) = schema["properties"].get(name) {
                if self.value(path, name, &mut value, property) {
                    return Some((key, value));
                }
                meant.push(name.to_owned());
                return None;
            }
            let (remedy, near) = self.unknown_remedy(path, name, schema);
            let message = format!("unknown key `{}`", visible(name));
            let label = format!("not a key of {}", path.name());
            self.problems
                .push(Problem::at(key.span(), message, label).remedy(remedy));
            meant.extend(near);
            None
        };
        *table = std::mem::take(table).into_iter().filter_map(keep).collect();
        let is_there = |key: &str| table.contains_key(key) || meant.iter().any(|near| near == key);
        for key in strings(&schema["required"]).filter(|key| !is_there(key)) {
            let message = format!("{} is missing", path.key(key));
            let problem = Problem::maybe_at(span.clone(), message, format!("needs `{key}`"));
            self.problems.push(problem.remedy(missing_remedy(path, key)));
        }
        self.choice(path, table, span, schema, &is_there);
    }

    /// `oneOf` of required keys: exactly one of them has to be there.
    fn choice(
        &mut self,
        path: &TablePath,
        table: &DeTable<'_>,
        span: Option<Range<usize>>,
        schema: &Value,
        is_there: &dyn Fn(&str) -> bool,
    ) {
        let choices: Vec<&str> = schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|choice| strings(&choice["required"]))
            .collect();
        let there: Vec<&str> = choices.iter().copied().filter(|key| is_there(key)).collect();
        let listed = choices.join("` or `");
        match there.as_slice() {
            [] if !choices.is_empty() => {
                let message = format!("{} applies to nobody", path.name());
                let problem = Problem::maybe_at(span, message, format!("needs `{listed}`"));
                self.problems.push(problem.remedy(format!("add `{listed}`")));
            }
            [first, second, ..] => {
                let place = |key: &str| table.get(key).map(Spanned::span);
                let message = format!("{} has both `{first}` and `{second}`", path.name());
                let remedy = match path {
                    TablePath::Element(_) => "write one entry for each",
                    _ => "keep one of them",
                };
                let mut problem = Problem::maybe_at(place(second).or(span), message, "").remedy(remedy);
                problem.and = place(first).map(|span| (span, String::new()));
                self.problems.push(problem);
            }
            _ => {}
        }
    }

    /// Whether the value fits; its own parts that don't are taken out.
    fn value<'i>(&mut self, path: &TablePath, key: &str, value: &mut Spanned<DeValue<'i>>, schema: &Value) -> bool {
        let span = value.span();
        if !fits(value.get_ref(), schema) {
            let expected = expectation(schema);
            let message = format!(
                "{} is {expected}, not {}",
                path.key(key),
                article(value.get_ref().type_str())
            );
            let problem = Problem::at(span, message, format!("not {expected}"));
            let problem = match mismatch_hint(key, value.get_ref(), schema) {
                Some(remedy) => problem.remedy(remedy),
                None => problem,
            };
            self.problems.push(problem);
            return false;
        }
        match value.get_mut() {
            DeValue::String(text) => self.choice_of(path, key, text, span, schema),
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                let message = format!("{} is too large", path.key(key));
                self.problems
                    .push(Problem::at(span, message, "").remedy("write a smaller number"));
                false
            }
            DeValue::Float(number) if number.as_str().parse::<f64>().is_err() => {
                let message = format!("{} is not a number", path.key(key));
                self.problems.push(Problem::at(span, message, ""));
                false
            }
            DeValue::Table(table) => {
                let inner = TablePath::Table(key.to_owned());
                self.table(&inner, table, Some(span), schema);
                true
            }
            DeValue::Array(array) if array.is_empty() && schema["minItems"].as_u64().unwrap_or(0) > 0 => {
                let message = format!("{} is empty", path.key(key));
                self.problems
                    .push(Problem::at(span, message, "").remedy("fill it in, or remove the entry"));
                false
            }
            DeValue::Array(array) => {
                let all = std::mem::replace(array, DeArray::new());
                *array = self.array(path, key, all, &schema["items"]);
                true
            }
            _ => true,
        }
    }

    fn array<'i>(&mut self, path: &TablePath, key: &str, array: DeArray<'i>, schema: &Value) -> DeArray<'i> {
        array
            .into_iter()
            .filter_map(|mut element| {
                let span = element.span();
                let keep = if let (DeValue::Table(table), true) = (element.get_mut(), schema["type"] == "object") {
                    let inner = TablePath::Element(key.to_owned());
                    self.table(&inner, table, Some(span), schema);
                    true
                } else {
                    self.value(path, key, &mut element, schema)
                };
                keep.then_some(element)
            })
            .collect()
    }

    /// Whether the text is one of those that the schema lists, if it lists any.
    fn choice_of(&mut self, path: &TablePath, key: &str, text: &str, span: Range<usize>, schema: &Value) -> bool {
        let listed: Vec<&str> = choices(schema).collect();
        if listed.is_empty() || listed.contains(&text) {
            return true;
        }
        let remedy = match (listed.as_slice(), nearest(text, listed.iter().copied())) {
            ([_], _) => schema["description"].as_str().unwrap_or_default().to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("use one of `{}`", listed.join("`, `")),
        };
        let message = format!("{} can't be `{}`", path.key(key), visible(text));
        self.problems
            .push(Problem::at(span, message, format!("not {}", listed.join(" or "))).remedy(remedy));
        false
    }

    /// What to do about an unknown key, and the key of this table that was probably meant.
    fn unknown_remedy(&self, path: &TablePath, key: &str, schema: &Value) -> (String, Option<String>) {
        let own: Vec<&str> = properties(schema).map(|(key, _)| key).collect();
        if let Some(near) = nearest(key, own.iter().copied()) {
            return (format!("did you mean `{near}`?"), Some(near.to_owned()));
        }
        let top = self.schema;
        if !matches!(path, TablePath::Top) && properties(top).any(|(other, _)| other == key) {
            let remedy = format!("`{key}` belongs at the top of the file, before the first `[table]`");
            return (remedy, None);
        }
        let elsewhere = properties(top).find(|(_, table)| properties(table).any(|(other, _)| other == key));
        match elsewhere {
            Some((table, _)) => (format!("`{key}` belongs in `[{table}]`"), None),
            None => (format!("the keys of {} are `{}`", path.name(), own.join("`, `")), None),
        }
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The texts that a schema allows, if it lists them.
fn choices(schema: &Value) -> impl Iterator<Item = &str> {
    let constants = schema["oneOf"].as_array().into_iter().flatten();
    strings(&schema["enum"]).chain(constants.filter_map(|choice| choice["const"].as_str()))
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
fn expectation(schema: &Value) -> String {
    if let Some(format) = schema["format"].as_str() {
        match format {
            "usd" => return "a number of US dollars".to_owned(),
            "account-id" => return "an account id in quotes".to_owned(),
            "email" => return "a mail address in quotes".to_owned(),
            _ => {}
        }
    }
    match types(schema).as_slice() {
        ["integer", "string"] => "a number of accounts or a share such as \"10%\"".to_owned(),
        ["string"] => "a text in quotes".to_owned(),
        ["boolean"] => "`true` or `false`".to_owned(),
        ["number"] => "a number".to_owned(),
        ["integer"] => "a whole number".to_owned(),
        ["array"] if schema["items"]["type"] == "object" => "a list of tables".to_owned(),
        ["array"] => "a list in square brackets".to_owned(),
        ["object"] => "a table".to_owned(),
        other => other.join(" or "),
    }
}

fn article(kind: &str) -> String {
    match kind {
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "float" => "a number".to_owned(),
        "boolean" => "a boolean".to_owned(),
        "datetime" => "a date".to_owned(),
        "array" => "a list".to_owned(),
        other => format!("a {other}"),
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

fn missing_remedy(path: &TablePath, key: &str) -> String {
    match (path, key) {
        (TablePath::Top, "mail") => "say where mails come from:\n[mail]\nfrom = \"billing@example.com\"".to_owned(),
        (TablePath::Table(_), "from") => "add `from = \"billing@example.com\"`".to_owned(),
        (_, "usd") => "add `usd = 250`".to_owned(),
        (_, "topic") => "add `topic = \"arn:aws:sns:us-east-1:123456789012:spend\"`".to_owned(),
        (_, "ous") => "add `ous = [\"Production\"]`".to_owned(),
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

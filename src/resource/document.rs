//! JSON documents compared by what they mean, not by how they are written.
//!
//! Policy documents and event patterns come back from AWS with lists in another order, single elements instead of
//! lists, numbers as texts. [`policy`] and [`pattern`] bring both sides into one form; [`diff`] then lists the
//! fields that really differ.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FieldChange {
    /// Where: `policy.Statement[SendMail].Resource`.
    pub path: String,
    /// What is there; `None` where there is nothing.
    #[serde(serialize_with = "written")]
    #[schemars(with = "Option<Value>")]
    pub before: Option<Value>,
    /// What should be there; `None` where nothing should be.
    #[serde(serialize_with = "written")]
    #[schemars(with = "Option<Value>")]
    pub after: Option<Value>,
}

fn written<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(as_written).serialize(serializer)
}

/// A document as AWS takes it: what the one form keeps by `[key]`, so that it can be compared, is a list again.
pub fn as_written(value: &Value) -> Value {
    match value {
        Value::Object(fields) if !fields.is_empty() && fields.keys().all(|key| is_keyed(key)) => {
            fields.values().map(as_written).collect()
        }
        Value::Object(fields) => each_field(fields, as_written),
        Value::Array(items) => items.iter().map(as_written).collect(),
        plain => plain.clone(),
    }
}

/// An object with what `change` makes of each of these fields.
fn each_field(fields: &Map<String, Value>, change: impl Fn(&Value) -> Value) -> Value {
    fields.iter().map(|(key, value)| (key.clone(), change(value))).collect()
}

/// The same object without the fields that are null.
pub(super) fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

fn is_keyed(key: &str) -> bool {
    key.starts_with('[') && key.ends_with(']')
}

/// `path: "before" -> "after"`, values in full.
impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "(none)".to_owned(), Value::to_string);
        write!(f, "{}: {} -> {}", self.path, text(&self.before), text(&self.after))
    }
}

/// The fields in which two documents differ, in the order of `after`.
///
/// Lists of plain values are one field; lists of objects are compared position by position, and objects key by key.
/// Bring policies and patterns into their one form first.
pub fn diff(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    collect("", Some(before), Some(after), &mut changes);
    changes
}

/// The top-level fields of a document that isn't there yet.
pub fn all_fields(document: &Value) -> Vec<FieldChange> {
    diff(&Value::Object(Map::new()), document)
}

fn collect(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (Some(before), Some(after)) if same(before, after) => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (key, value) in after {
                collect(&join(path, key), before.get(key), Some(value), changes);
            }
            for (key, value) in before {
                if !after.contains_key(key) {
                    collect(&join(path, key), Some(value), None, changes);
                }
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after)))
            if before.iter().chain(after).any(|item| !is_plain(item)) =>
        {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}[{index}]");
                collect(&path, before.get(index), after.get(index), changes);
            }
        }
        (None, None) => {}
        (before, after) => changes.push(FieldChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// `[key]` is an element picked by its name: no dot before it.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() || key.starts_with('[') {
        format!("{path}{key}")
    } else {
        format!("{path}.{key}")
    }
}

const fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

/// Equal, with `100` and `100.0` the same number and the order of keys without meaning.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// An IAM, bus or queue policy in its one form: statements by their Sid, lists sorted, single elements unwrapped,
/// condition values as texts, `*` and account principals written out (IAM User Guide, "Grammar of the IAM JSON
/// policy language").
pub fn policy(document: &Value) -> Value {
    let mut result = document.clone();
    let Some(place) = result.get_mut("Statement") else {
        return result;
    };
    match place {
        Value::Array(list) => *place = by_sid(list.iter().map(statement).collect()),
        Value::Object(_) => *place = by_sid(vec![statement(place)]),
        _ => {}
    }
    result
}

/// Statements as an object with a key `[Sid]` for each; those without one, or with one taken, are numbered in an
/// order that doesn't depend on how they were listed.
fn by_sid(mut statements: Vec<Value>) -> Value {
    statements.sort_by_cached_key(sorted_text);
    let mut keyed = Map::new();
    for statement in statements {
        let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
        let key = std::iter::once(format!("[{sid}]"))
            .filter(|_| !sid.is_empty())
            .chain((1..).map(|number| format!("[{sid}#{number}]")))
            .find(|key| !keyed.contains_key(key));
        if let Some(key) = key {
            keyed.insert(key, statement);
        }
    }
    Value::Object(keyed)
}

fn statement(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let canonical = fields.iter().filter_map(|(key, value)| {
        let value = match key.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => set(value),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => conditions(value)?,
            _ => value.clone(),
        };
        Some((key.clone(), value))
    });
    canonical.collect()
}

/// `"*"` means `{"AWS": "*"}`, and an account's id means its root ARN (IAM User Guide, "AWS JSON policy elements:
/// Principal").
fn principal(value: &Value) -> Value {
    let mut principals = match value {
        Value::Object(kinds) => kinds.clone(),
        other => Map::from_iter([("AWS".to_owned(), other.clone())]),
    };
    for (kind, value) in &mut principals {
        if kind == "AWS" {
            each_text(value, &mut |text| {
                if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
                    *text = format!("arn:aws:iam::{text}:root");
                }
            });
        }
        *value = set(value);
    }
    Value::Object(principals)
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        _ => {}
    }
}

/// Operators, keys, and values as texts; `None` for no condition at all.
fn conditions(value: &Value) -> Option<Value> {
    let Value::Object(operators) = value else {
        return Some(value.clone());
    };
    let canonical = each_field(operators, |keys| match keys {
        Value::Object(keys) => each_field(keys, set),
        other => other.clone(),
    });
    (!operators.is_empty()).then_some(canonical)
}

/// A list whose order and repetitions mean nothing; one element is written without the list, plain values as texts.
fn set(value: &Value) -> Value {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let texts = items.iter().map(|item| match item {
        Value::Number(_) | Value::Bool(_) => Value::String(item.to_string()),
        other => other.clone(),
    });
    match <[Value; 1]>::try_from(sorted(texts)) {
        Ok([one]) => one,
        Err(several) => Value::Array(several),
    }
}

/// Each item once, in an order that doesn't depend on how they were listed.
fn sorted(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut items: Vec<Value> = items.collect();
    items.sort_by_cached_key(sorted_text);
    items.dedup();
    items
}

/// An event pattern in its one form: the alternatives in each list sorted.
pub fn pattern(document: &Value) -> Value {
    match document {
        Value::Object(fields) => each_field(fields, pattern),
        Value::Array(items) => Value::Array(sorted(items.iter().map(pattern))),
        plain => plain.clone(),
    }
}

/// A text of the value that doesn't depend on the order of its keys.
fn sorted_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeSet<String> = fields
                .iter()
                .map(|(key, value)| format!("{key:?}:{}", sorted_text(value)))
                .collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(sorted_text).collect::<Vec<_>>()),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn policy_diff(before: &Value, after: &Value) -> Vec<String> {
        diff(&policy(before), &policy(after))
            .iter()
            .map(FieldChange::to_string)
            .collect()
    }

    #[test]
    fn one_changed_field_of_one_statement_is_exactly_that() {
        let mut policy = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": "*"},
            {"Sid": "SendMail", "Effect": "Allow", "Action": "ses:SendEmail", "Resource": "arn:x"},
        ]});
        let wanted = policy.clone();
        policy["Statement"][1]["Resource"] = json!("*");
        assert_eq!(
            policy_diff(&policy, &wanted),
            [r#"Statement[SendMail].Resource: "*" -> "arn:x""#]
        );
    }

    #[test]
    fn a_removed_and_an_added_statement_are_whole_changes() {
        let statement = |sid: &str| json!({"Sid": sid, "Effect": "Allow"});
        let before = json!({"Statement": [statement("Old"), statement("Both")]});
        let after = json!({"Statement": [statement("Both"), statement("New")]});
        assert_eq!(
            policy_diff(&before, &after),
            [
                r#"Statement[New]: (none) -> {"Sid":"New","Effect":"Allow"}"#,
                r#"Statement[Old]: {"Sid":"Old","Effect":"Allow"} -> (none)"#,
            ]
        );
    }

    #[test]
    fn a_single_statement_a_star_and_an_account_mean_what_they_say() {
        let one = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": ["s:A"]}});
        let other = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s:A"}]});
        assert_eq!(policy_diff(&one, &other), Vec::<String>::new());
        let short = json!({"Statement": {"Principal": {"AWS": "111122223333"}}});
        let long = json!({"Statement": {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}});
        assert_eq!(policy_diff(&short, &long), Vec::<String>::new());
    }

    #[test]
    fn a_condition_value_is_its_text() {
        let text = json!({"Statement": {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}});
        let boolean = json!({"Statement": {"Condition": {"Bool": {"aws:SecureTransport": [true]}}}});
        assert_eq!(policy_diff(&text, &boolean), Vec::<String>::new());
    }

    #[test]
    fn statements_without_a_sid_keep_apart() {
        let before = json!({"Statement": [{"Effect": "Allow"}, {"Effect": "Deny"}]});
        let after = json!({"Statement": [{"Effect": "Deny"}, {"Effect": "Allow"}]});
        assert_eq!(policy_diff(&before, &after), Vec::<String>::new());
        let fewer = json!({"Statement": [{"Effect": "Deny"}]});
        assert_eq!(policy_diff(&before, &fewer).len(), 2, "both numbered ones move");
    }

    #[test]
    fn lists_of_objects_are_compared_by_position_and_plain_lists_as_one_field() {
        let before = json!({"widgets": [{"x": 1}, {"x": 2}], "names": ["a", "b"]});
        let after = json!({"widgets": [{"x": 1.0}, {"x": 3}, {"x": 4}], "names": ["b", "a"]});
        let paths: Vec<String> = diff(&before, &after).into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["widgets[1].x", "widgets[2]", "names"]);
    }

    /// A policy, and the same one written differently: shuffled, wrapped or unwrapped.
    fn written_differently(policy: &Value, seed: u64) -> Value {
        fn rewrite(value: &Value, listable: bool, random: &mut fastrand::Rng) -> Value {
            let rewritten = match value {
                Value::Object(fields) => {
                    let mut entries: Vec<(String, Value)> = fields
                        .iter()
                        .map(|(key, value)| {
                            let lists = ["Action", "Resource", "Statement", "Principal", "Condition"];
                            let inside = listable || lists.contains(&key.as_str());
                            let listable = inside && (!value.is_object() || key != "Statement");
                            (key.clone(), rewrite(value, listable, random))
                        })
                        .collect();
                    if random.bool() {
                        entries.reverse();
                    }
                    return entries.into_iter().collect();
                }
                Value::Array(items) => {
                    let mut items: Vec<Value> = items.iter().map(|item| rewrite(item, false, random)).collect();
                    random.shuffle(&mut items);
                    Value::Array(items)
                }
                plain => plain.clone(),
            };
            if !listable {
                return rewritten;
            }
            match rewritten {
                Value::Array(items) if items.len() == 1 && random.bool() => items[0].clone(),
                Value::Array(items) => Value::Array(items),
                plain if random.bool() => json!([plain]),
                plain => plain,
            }
        }
        rewrite(policy, false, &mut fastrand::Rng::with_seed(seed))
    }

    fn texts() -> impl Strategy<Value = Value> {
        prop::collection::btree_set("[a-z]{1,6}", 1..4).prop_map(|set| json!(set))
    }

    fn policies() -> impl Strategy<Value = Value> {
        let statement = (texts(), texts(), texts(), texts(), any::<bool>()).prop_map(
            |(actions, resources, services, values, allow)| {
                json!({
                    "Effect": if allow { "Allow" } else { "Deny" },
                    "Principal": {"Service": services},
                    "Action": actions,
                    "Resource": resources,
                    "Condition": {"StringEquals": {"aws:SourceAccount": values}},
                })
            },
        );
        prop::collection::vec(statement, 1..5).prop_map(|mut statements| {
            for (index, statement) in statements.iter_mut().enumerate() {
                statement["Sid"] = json!(format!("S{index}"));
            }
            json!({"Version": "2012-10-17", "Statement": statements})
        })
    }

    proptest! {
        #[test]
        fn shuffling_and_wrapping_a_policy_is_no_difference(policy in policies(), seed: u64) {
            let other = written_differently(&policy, seed);
            prop_assert_eq!(policy_diff(&policy, &other), Vec::<String>::new());
        }

        #[test]
        fn any_real_change_of_a_policy_is_one_difference(
            policy in policies(), seed: u64, which in 0..5usize, statement: prop::sample::Index,
        ) {
            let mut other = written_differently(&policy, seed);
            let wanted = policy["Statement"].as_array().unwrap();
            let sid = wanted[statement.index(wanted.len())]["Sid"].clone();
            // What is changed here starts with an upper-case letter, which no generated value does.
            let change = |statement: &mut Value| match which {
                0 => statement["Effect"] = json!("Changed"),
                1 => statement["Action"] = json!(["Changed"]),
                2 => statement["Resource"] = json!("Changed"),
                3 => statement["Principal"]["Service"] = json!("Changed"),
                _ => statement["Condition"]["StringEquals"]["aws:SourceAccount"] = json!("Changed"),
            };
            match &mut other["Statement"] {
                Value::Array(list) => list.iter_mut().filter(|s| s["Sid"] == sid).for_each(change),
                one => change(one),
            }
            let changes = policy_diff(&other, &policy);
            prop_assert_eq!(changes.len(), 1, "{:?}", changes);
            let place = format!("Statement[{}].", sid.as_str().unwrap());
            prop_assert!(changes[0].starts_with(&place), "{:?}", changes);
        }

        #[test]
        fn the_alternatives_of_a_pattern_have_no_order(values in texts(), more in texts(), seed: u64) {
            let one = json!({"source": values, "detail": {"state": {"value": more}}});
            let other = written_differently(&one, seed);
            prop_assert_eq!(diff(&pattern(&one), &pattern(&other)), vec![]);
        }
    }
}

use std::collections::BTreeMap;

use serde_json::Value;

/// Placeholders' values by name: texts, or lists where the placeholder is a whole string.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// A shipped JSON document with its placeholders `${Name}` filled.
///
/// It is parsed first and filled string by string, so no value can add a key or leave its string. What isn't known
/// stays as it is: a test sees to it that nothing does.
pub(super) fn fill(shipped: &str, values: &Values) -> Value {
    // The asset is part of the program and tests parse it: Null can't happen in a build that passed.
    let mut document = serde_json::from_str(shipped).unwrap_or(Value::Null);
    walk(&mut document, values);
    document
}

fn walk(value: &mut Value, values: &Values) {
    match value {
        Value::String(text) => {
            let whole = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'))
                .and_then(|name| values.get(name));
            match whole {
                Some(filled) => *value = filled.clone(),
                None if text.contains("${") => *text = inside(text, values),
                None => {}
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, values)),
        _ => {}
    }
}

/// Placeholders within a longer text, in one pass: a value that looks like a placeholder isn't filled again.
fn inside(text: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let known = after.split_once('}').and_then(|(name, after)| {
            let value = values.get(name)?.as_str()?;
            Some((value, after))
        });
        let (value, after) = known.unwrap_or(("${", after));
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_filled_once_whole_or_within_a_text() {
        let values = Values::from([("Name", json!("a\"b${List}")), ("List", json!(["x", "y"]))]);
        let filled = fill(
            r#"{"whole": "${Name}", "list": ["${List}"], "within": "arn:${Name}/${Other}:*"}"#,
            &values,
        );
        assert_eq!(
            filled,
            json!({"whole": "a\"b${List}", "list": [["x", "y"]], "within": "arn:a\"b${List}/${Other}:*"})
        );
    }
}

//! How long a value is as JSON, found without writing it where it is far from the limit.

use serde_json::Value;

/// Whether the value is at most so many bytes of JSON.
pub(crate) fn is_within(value: &Value, bytes: usize) -> bool {
    at_most(value, bytes).is_some() || at_least(value, bytes).is_some() && value.to_string().len() <= bytes
}

/// What is left of the room after the shortest that the value can be; `None` if not even that fits.
fn at_least(value: &Value, room: usize) -> Option<usize> {
    match value {
        Value::Null | Value::Bool(_) => room.checked_sub(4),
        Value::Number(_) => room.checked_sub(1),
        Value::String(text) => room.checked_sub(text.len() + 2),
        Value::Array(items) => items
            .iter()
            .try_fold(room.checked_sub(2)?, |room, item| at_least(item, room)),
        Value::Object(fields) => fields.iter().try_fold(room.checked_sub(2)?, |room, (key, field)| {
            at_least(field, room.checked_sub(key.len() + 3)?)
        }),
    }
}

/// What is left of the room after the longest that the value can be; `None` if that doesn't fit.
fn at_most(value: &Value, room: usize) -> Option<usize> {
    /// Longer than any number that JSON has here, with a comma.
    const NUMBER: usize = 26;
    match value {
        Value::Null | Value::Bool(_) => room.checked_sub(6),
        Value::Number(_) => room.checked_sub(NUMBER),
        Value::String(text) => room.checked_sub(escaped(text)),
        Value::Array(items) => items
            .iter()
            .try_fold(room.checked_sub(3)?, |room, item| at_most(item, room)),
        Value::Object(fields) => fields.iter().try_fold(room.checked_sub(3)?, |room, (key, field)| {
            at_most(field, room.checked_sub(escaped(key))?)
        }),
    }
}

/// The longest that a text can become: a control character is six bytes; quotes and a comma or colon come on top.
fn escaped(text: &str) -> usize {
    text.len() * 6 + 3
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_measured_to_the_byte_where_that_matters() {
        for value in [
            json!(null),
            json!(-1.5e-300),
            json!("a\u{1}\"é"),
            json!({"a": [1, true, {"b\n": "c"}], "d": []}),
        ] {
            let length = value.to_string().len();
            assert!(is_within(&value, length), "{value}");
            assert!(!is_within(&value, length - 1), "{value}");
            assert!(at_most(&value, 1_000).is_some_and(|left| 1_000 - left >= length));
            assert!(at_least(&value, 1_000).is_some_and(|left| 1_000 - left <= length));
        }
    }
}

//! How long a value is as JSON, found without writing it where it is far from the limit.

use serde_json::Value;

/// Longer than any number that JSON has here, with a comma.
const NUMBER: usize = 26;

/// Whether the value is at most so many bytes of JSON.
pub(crate) fn is_within(value: &Value, bytes: usize) -> bool {
    left(value, bytes, true).is_some() || left(value, bytes, false).is_some() && value.to_string().len() <= bytes
}

/// What is left of the room after the longest, or the shortest, that the value can be; `None` if that doesn't fit.
fn left(value: &Value, room: usize, longest: bool) -> Option<usize> {
    let takes = |least, most| room.checked_sub(if longest { most } else { least });
    match value {
        Value::Null | Value::Bool(_) => takes(4, 6),
        Value::Number(_) => takes(1, NUMBER),
        Value::String(text) => takes(text.len() + 2, escaped(text)),
        Value::Array(items) => items
            .iter()
            .try_fold(takes(2, 3)?, |room, item| left(item, room, longest)),
        Value::Object(fields) => fields.iter().try_fold(takes(2, 3)?, |room, (key, field)| {
            let key = if longest { escaped(key) } else { key.len() + 3 };
            left(field, room.checked_sub(key)?, longest)
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
            assert!(left(&value, 1_000, true).is_some_and(|left| 1_000 - left >= length));
            assert!(left(&value, 1_000, false).is_some_and(|left| 1_000 - left <= length));
        }
    }
}

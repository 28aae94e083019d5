//! Good inputs, broken.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A text with some of its bytes taken out, and some of these words or any bytes put in.
pub(super) fn broken_text(good: &'static [u8], words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let put = prop_oneof![
        3 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(Vec::new()),
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..24, put);
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = good.to_vec();
        for (at, out, put) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + out).min(bytes.len());
            bytes.splice(at..end, put);
        }
        bytes
    })
}

/// A value with some of its parts replaced or taken out.
pub(super) fn broken_json(good: Value) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), prop::option::weighted(0.8, any_json()));
    prop::collection::vec(edit, 1..5).prop_map(move |edits| {
        let mut value = good.clone();
        for (at, put) in edits {
            let mut left = at.index(parts(&value));
            change(&mut value, &mut left, put.as_ref());
        }
        value.to_string().into_bytes()
    })
}

/// The value that these bytes are, if they are one.
pub(super) fn json_of(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// Any JSON, with what is at the edges of most readers.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            json!(""),
            json!("-1"),
            json!("9999-12-31T23:59:59Z"),
            json!("-009999-01-01T00:00:00Z"),
            json!("2026-02-30T00:00:00.000+0000"),
            json!("{\"threshold\": 1e400}"),
            json!("{% $states.input %}"),
            json!("arn:aws:cloudwatch:us-east-1::alarm:"),
            json!("000000000000"),
            json!("ALARM"),
            json!("<script>{{subject}}"),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e308),
            json!(-0.0),
        ]),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..5).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// How many parts a value has, itself among them.
fn parts(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(parts).sum(),
        Value::Object(fields) => fields.values().map(parts).sum(),
        _ => 0_usize,
    }
}

/// Replaces the part that is `left` parts further on. True where it is to be taken out of what holds it.
fn change(value: &mut Value, left: &mut usize, put: Option<&Value>) -> bool {
    if *left == 0 {
        *left = usize::MAX;
        match put {
            Some(put) => *value = put.clone(),
            None => return true,
        }
        return false;
    }
    *left -= 1;
    match value {
        Value::Array(items) => {
            let mut index = 0;
            while index < items.len() && *left != usize::MAX {
                if change(&mut items[index], left, put) {
                    items.remove(index);
                }
                index += 1;
            }
        }
        Value::Object(fields) => {
            let mut out = None;
            for (key, item) in fields.iter_mut() {
                if *left == usize::MAX {
                    break;
                }
                if change(item, left, put) {
                    out = Some(key.clone());
                }
            }
            if let Some(key) = out {
                fields.remove(&key);
            }
        }
        _ => {}
    }
    false
}

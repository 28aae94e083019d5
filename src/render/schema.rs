//! JSON schemas of the answers, made from the very types that are written: a field that isn't in them can't be written.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Answer, JSON_VERSION, Resend, billing, digest, doctor, error, rollout, spend, template};
use crate::plan::status::Status;

type Schema = fn(&str) -> Value;

/// The kinds of answers that are made here, in the order of docs/json.md.
const KINDS: [(&str, Schema); 10] = [
    ("status", schema_of::<Status>),
    ("bootstrap", schema_of::<billing::Answer<'_>>),
    ("destroy", schema_of::<billing::Answer<'_>>),
    ("digest", schema_of::<digest::Answer<'_>>),
    ("rollout", schema_of::<rollout::Json<'_>>),
    ("spend", schema_of::<spend::Json<'_>>),
    ("resend", schema_of::<Resend<'_>>),
    ("doctor", schema_of::<doctor::Body<'_>>),
    ("template", schema_of::<template::Answer<'_>>),
    ("error", schema_of::<error::Body>),
];

/// Their names.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(kind, _)| kind)
}

/// The schema of an answer of this kind; none of a kind that isn't made here.
pub fn schema(kind: &str) -> Option<Value> {
    let (_, schema) = KINDS.into_iter().find(|(known, _)| *known == kind)?;
    Some(schema(kind))
}

/// The schema (draft 2020-12) of an answer of this kind, whose fields are those of `T`. Others than these are refused.
pub fn schema_of<T: JsonSchema>(kind: &str) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Answer<'_, T>>()
        .to_value();
    close(&mut schema, false);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), format!("billctl's answer `{kind}`").into());
        root.remove("description");
    }
    for (field, value) in [("version", Value::from(JSON_VERSION)), ("kind", kind.into())] {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{field}")) {
            *property = json!({"const": value});
        }
    }
    schema
}

/// Says of every object that it has no other fields. A schema that is put together of several says it as a whole, and its
/// parts, which are `inside` it, don't.
fn close(schema: &mut Value, inside: bool) {
    const PARTS: [&str; 3] = ["oneOf", "anyOf", "allOf"];
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    let has_fields = fields.contains_key("properties");
    let has_parts = PARTS.iter().any(|part| fields.contains_key(*part));
    if has_fields && !inside {
        let word = match has_parts {
            true => "unevaluatedProperties",
            false => "additionalProperties",
        };
        fields.entry(word).or_insert(Value::Bool(false));
    }
    let inside = inside || has_fields;
    for part in PARTS {
        for one in fields.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten() {
            close(one, inside);
        }
    }
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        close(property, false);
    }
    for one in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get_mut(one) {
            close(schema, false);
        }
    }
}

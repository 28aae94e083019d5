//! The JSON schema of config.toml.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::RawConfig;

/// The JSON schema of config.toml: what editors use, and what the structure is checked against.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<RawConfig>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "billctl config.toml".into());
        root.insert("required".into(), serde_json::json!(["mail"]));
    }
    schema
}

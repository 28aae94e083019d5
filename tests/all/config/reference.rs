//! docs/configuration.md, made from the schema.

use std::fmt::Write;

use billctl::config::{properties, schema};
use serde_json::Value;

/// docs/configuration.md: every key with its meaning, type and default.
pub(super) fn reference() -> String {
    let schema = schema();
    let mut text = String::from(HEAD);
    let (tables, plain): (Vec<_>, Vec<_>) = properties(&schema).partition(|(_, property)| table_of(property).is_some());
    text.push_str("\n## The top of the file\n");
    for (key, property) in plain {
        describe(&mut text, key, property, false);
    }
    for (key, property) in tables {
        let Some(table) = table_of(property) else {
            continue;
        };
        let heading = if property["type"] == "array" {
            format!("[[{key}]]")
        } else {
            format!("[{key}]")
        };
        let _ = write!(text, "\n## `{heading}`\n\n{}\n", paragraph(property));
        let required: Vec<&Value> = table["required"].as_array().into_iter().flatten().collect();
        for (key, property) in properties(table) {
            describe(&mut text, key, property, required.contains(&&Value::from(key)));
        }
    }
    text
}

const HEAD: &str = "\
# Configuration

billctl reads `config.toml` in the current directory, or the file that `--config` or `BILLCTL_CONFIG` names.
`billctl init` writes one from your organisation. The smallest one that works:

```toml
[mail]
from = \"billing@example.com\"
```

Unknown keys are refused, and all problems of the file are reported at once. Editors that read TOML
schemas (Even Better TOML, Taplo, Tombi) check and complete it by the schema that its first line names and `init` puts
beside it; `billctl schema config` prints it. This page is made from the same schema.
";

/// The schema of a table, or of the tables in a list.
fn table_of(property: &Value) -> Option<&Value> {
    [property, &property["items"]]
        .into_iter()
        .find(|schema| schema["properties"].is_object())
}

/// A doc comment's lines as one paragraph.
fn paragraph(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn describe(text: &mut String, key: &str, property: &Value, required: bool) {
    let _ = write!(text, "\n### `{key}`\n\n{}\n", paragraph(property));
    let choices: Vec<&Value> = property["oneOf"].as_array().into_iter().flatten().collect();
    if !choices.is_empty() {
        text.push('\n');
    }
    for choice in choices {
        let _ = writeln!(text, "- `{}`: {}", toml_text(&choice["const"]), paragraph(choice));
    }
    let mut facts = vec![format!("Type: {}", type_of(property))];
    if required {
        facts.push("required".to_owned());
    }
    if let Some(default) = property.get("default") {
        facts.push(format!("default `{}`", toml_text(default)));
    }
    let examples: Vec<String> = property["examples"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|example| format!("`{}`", toml_text(example)))
        .collect();
    if !examples.is_empty() {
        facts.push(format!("for example {}", examples.join(" or ")));
    }
    let _ = write!(text, "\n{}.\n", facts.join("; "));
}

fn type_of(property: &Value) -> &'static str {
    match (property["format"].as_str(), &property["type"]) {
        (Some("usd"), _) => "number of US dollars, more than 0",
        (Some("account-id"), _) => "text of twelve digits",
        (Some("email"), _) => "mail address",
        (_, Value::Array(_)) => "whole number, or text with a percentage",
        (_, Value::String(kind)) => match kind.as_str() {
            "boolean" => "`true` or `false`",
            "array" => match property["items"]["format"].as_str() {
                Some("account-id") => "list of texts of twelve digits",
                Some("email") => "list of mail addresses",
                _ => "list of texts",
            },
            "number" => "number",
            "integer" => "whole number",
            _ => "text",
        },
        _ => "text",
    }
}

/// A JSON value as TOML writes it.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

use serde_json::{Value, json};

use super::names::Scope;
use crate::model::Arn;

/// The state machine as shipped, with placeholders (docs/notifier.md).
const DEFINITION: &str = include_str!("../../assets/notifier.asl.json");

/// The state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Notifier {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its definition.
    pub definition: Value,
    /// The role it runs with.
    pub role: Arn,
}

impl Notifier {
    pub(super) fn desired(scope: &Scope) -> Self {
        Self {
            name: scope.config.names.notifier.clone(),
            arn: scope.notifier_arn(),
            definition: definition(scope),
            role: scope.notifier_role_arn(),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.definition
            .get("Comment")
            .and_then(Value::as_str)
            .is_some_and(|comment| comment.starts_with("billctl:"))
    }

    pub(super) fn document(&self) -> Value {
        json!({"role": self.role, "definition": self.definition})
    }
}

/// The shipped definition with this installation's values: a placeholder is always a whole string, so a value can
/// never become part of an expression.
pub fn definition(scope: &Scope) -> Value {
    // The asset is part of the program and a test parses it; Null can't happen in a build that passed.
    let mut definition = serde_json::from_str(DEFINITION).unwrap_or(Value::Null);
    let values = scope.notifier_values();
    fill(&mut definition, &|name| values.get(name).cloned());
    definition
}

fn fill(value: &mut Value, known: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            let name = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            if let Some(filled) = name.and_then(known) {
                *text = filled;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, known)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, known)),
        _ => {}
    }
}

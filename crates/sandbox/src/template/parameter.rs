use regex_lite::Regex;
use serde_json::Value;

use super::{Result, TemplateError};

/// A parameter's declaration.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its value where none is given.
    pub default: Option<String>,
    number: bool,
    allowed: Option<Vec<String>>,
    pattern: Option<Regex>,
    constraint: Option<String>,
    /// Bounds of a number's value.
    value: (Option<f64>, Option<f64>),
    /// Bounds of a text's length.
    length: (Option<f64>, Option<f64>),
}

impl Parameter {
    pub(super) fn parse(name: &str, declaration: Value) -> Result<Self> {
        let wrong = |what: &str| TemplateError::new(format!("Template format error: [/Parameters/{name}] {what}"));
        let Value::Object(fields) = declaration else {
            return Err(wrong("must be an object"));
        };
        let number = match fields.get("Type").and_then(Value::as_str) {
            Some("String") => false,
            Some("Number") => true,
            Some(other) => return Err(wrong(&format!("Unrecognized parameter type: {other}"))),
            None => return Err(wrong("Every Parameters object must contain a Type member.")),
        };
        let bound = |field: &str| -> Result<Option<f64>> {
            match fields.get(field) {
                None => Ok(None),
                Some(value) => as_number(value)
                    .map(Some)
                    .ok_or_else(|| wrong(&format!("{field} must be a number"))),
            }
        };
        let pattern = match fields.get("AllowedPattern").and_then(Value::as_str) {
            None => None,
            // The whole value must match.
            Some(pattern) => Some(
                Regex::new(&format!("^(?:{pattern})$")).map_err(|error| wrong(&format!("AllowedPattern: {error}")))?,
            ),
        };
        Ok(Self {
            default: fields.get("Default").map(as_text),
            number,
            allowed: fields
                .get("AllowedValues")
                .and_then(Value::as_array)
                .map(|values| values.iter().map(as_text).collect()),
            pattern,
            constraint: fields.get("ConstraintDescription").map(as_text),
            value: (bound("MinValue")?, bound("MaxValue")?),
            length: (bound("MinLength")?, bound("MaxLength")?),
        })
    }

    /// Checks a value against the constraints.
    pub(super) fn check(&self, name: &str, value: &str) -> Result<()> {
        let parsed = value.parse::<f64>().ok().filter(|number| number.is_finite());
        if self.number && parsed.is_none() {
            return Err(TemplateError::new(format!("Parameter '{name}' must be a number.")));
        }
        let within = |number: f64, (least, most): (Option<f64>, Option<f64>)| {
            least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
        };
        let refused = if !self
            .allowed
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|known| known == value))
        {
            format!(
                "must be one of AllowedValues [{}]",
                self.allowed.iter().flatten().cloned().collect::<Vec<_>>().join(", ")
            )
        } else if !self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value)) {
            "must match pattern".to_owned()
        } else if !parsed
            .filter(|_| self.number)
            .is_none_or(|number| within(number, self.value))
        {
            "must be a number between MinValue and MaxValue".to_owned()
        } else if !self.number && !within(value.chars().count() as f64, self.length) {
            "must have a length between MinLength and MaxLength".to_owned()
        } else {
            return Ok(());
        };
        Err(TemplateError::new(match &self.constraint {
            Some(constraint) => {
                format!("Parameter {name} failed to satisfy constraint: {constraint}")
            }
            None => format!("Parameter '{name}' {refused}"),
        }))
    }
}

/// Scalars in templates are texts in the end: `86400`, `"86400"` and `true` alike.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn as_number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

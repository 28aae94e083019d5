use std::ops::RangeInclusive;

use regex_lite::Regex;
use serde_json::Value;

use super::{Result, TemplateError};
use crate::json::as_text;

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
    value: RangeInclusive<f64>,
    /// Bounds of a text's length.
    length: RangeInclusive<f64>,
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
        let bound = |field: &str, otherwise: f64| match fields.get(field) {
            None => Ok(otherwise),
            Some(value) => as_number(value).ok_or_else(|| wrong(&format!("{field} must be a number"))),
        };
        // The whole value must match.
        let whole = |pattern| Regex::new(&format!("^(?:{pattern})$"));
        let pattern = fields.get("AllowedPattern").and_then(Value::as_str).map(whole);
        Ok(Self {
            default: fields.get("Default").map(as_text),
            number,
            allowed: fields
                .get("AllowedValues")
                .and_then(Value::as_array)
                .map(|values| values.iter().map(as_text).collect()),
            pattern: pattern
                .transpose()
                .map_err(|error| wrong(&format!("AllowedPattern: {error}")))?,
            constraint: fields.get("ConstraintDescription").map(as_text),
            value: bound("MinValue", f64::NEG_INFINITY)?..=bound("MaxValue", f64::INFINITY)?,
            length: bound("MinLength", f64::NEG_INFINITY)?..=bound("MaxLength", f64::INFINITY)?,
        })
    }

    /// Checks a value against the constraints.
    pub(super) fn check(&self, name: &str, value: &str) -> Result<()> {
        let parsed = value.parse::<f64>().ok().filter(|number| number.is_finite());
        if self.number && parsed.is_none() {
            return Err(TemplateError::new(format!("Parameter '{name}' must be a number.")));
        }
        let matches = |pattern: &Regex| pattern.is_match(value);
        let refused = if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|known| known == value)
        {
            format!("must be one of AllowedValues [{}]", allowed.join(", "))
        } else if !self.pattern.as_ref().is_none_or(matches) {
            "must match pattern".to_owned()
        } else if self.number && !parsed.is_some_and(|number| self.value.contains(&number)) {
            "must be a number between MinValue and MaxValue".to_owned()
        } else if !self.number && !self.length.contains(&(value.chars().count() as f64)) {
            "must have a length between MinLength and MaxLength".to_owned()
        } else {
            return Ok(());
        };
        Err(TemplateError::new(match &self.constraint {
            Some(constraint) => format!("Parameter {name} failed to satisfy constraint: {constraint}"),
            None => format!("Parameter '{name}' {refused}"),
        }))
    }
}

fn as_number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

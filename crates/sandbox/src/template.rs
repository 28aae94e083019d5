//! CloudFormation templates, as far as the member template needs them: parsed and evaluated for one account.
//!
//! What it doesn't know is an error, never skipped: a template that deploys here has been understood.

mod evaluate;
mod parameter;
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

pub use parameter::Parameter;
pub use properties::{alarm, role, rule};

use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::Parameters;

/// Why a template, or its parameters, can't be used; in CloudFormation's manner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

impl TemplateError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

type Result<T> = std::result::Result<T, TemplateError>;

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(TemplateError::new(text))
}

/// The alarm's type.
pub const ALARM: &str = "AWS::CloudWatch::Alarm";
/// The rule's type.
pub const RULE: &str = "AWS::Events::Rule";
/// The role's type.
pub const ROLE: &str = "AWS::IAM::Role";

/// Sections that are kept or may be ignored.
const SECTIONS: [&str; 8] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
];

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    parameters: BTreeMap<String, Parameter>,
    mappings: Map<String, Value>,
    conditions: Map<String, Value>,
    resources: Vec<Declared>,
}

/// A resource as the template declares it.
#[derive(Debug, Clone)]
struct Declared {
    logical_id: String,
    resource_type: String,
    condition: Option<String>,
    properties: Value,
}

/// A resource of one account's stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its logical id in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its own name in the account.
    pub name: String,
    /// Its properties, with nothing left to evaluate.
    pub properties: Value,
    /// Whether anything of it depends on the account: else it is the same in all.
    pub account_bound: bool,
}

impl Template {
    /// Reads a template in YAML, with short or long function names, or in JSON.
    ///
    /// # Errors
    /// It isn't a template, or has what StackSets refuse (transforms, nested stacks) or the sandbox doesn't know.
    pub fn parse(text: &str) -> Result<Self> {
        let yaml: yaml_serde::Value = yaml_serde::from_str(text)
            .map_err(|error| TemplateError::new(format!("Template format error: {error}")))?;
        let Value::Object(mut sections) = evaluate::long_form(yaml)? else {
            return refuse("Template format error: unsupported structure.");
        };
        if sections.contains_key("Transform") {
            return refuse("Stack sets with service-managed permissions do not support templates with transforms");
        }
        if let Some(unknown) = sections.keys().find(|name| !SECTIONS.contains(&name.as_str())) {
            return refuse(format!("Invalid template property or properties [{unknown}]"));
        }
        let template = Self {
            parameters: object(sections.remove("Parameters"), "Parameters")?
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), Parameter::parse(&name, value)?)))
                .collect::<Result<_>>()?,
            mappings: object(sections.remove("Mappings"), "Mappings")?,
            conditions: object(sections.remove("Conditions"), "Conditions")?,
            resources: object(sections.remove("Resources"), "Resources")?
                .into_iter()
                .map(|(logical_id, value)| Declared::parse(logical_id, value))
                .collect::<Result<_>>()?,
        };
        if template.resources.is_empty() {
            return refuse("Template format error: At least one Resources member must be defined.");
        }
        template.check_references(&sections)?;
        Ok(template)
    }

    /// Whether it declares such a parameter.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// Checks parameters without evaluating anything.
    ///
    /// # Errors
    /// One isn't declared, lacks a value, or breaks its constraints.
    pub fn check_parameters(&self, given: &Parameters) -> Result<()> {
        self.values(given).map(drop)
    }

    /// Checks that each of `overrides` is declared and allowed.
    ///
    /// # Errors
    /// One isn't.
    pub fn check_overrides(&self, overrides: &Parameters) -> Result<()> {
        self.declared(overrides)?;
        overrides.iter().try_for_each(|(name, value)| {
            self.parameters
                .get(name)
                .map_or(Ok(()), |parameter| parameter.check(name, value))
        })
    }

    fn declared(&self, given: &Parameters) -> Result<()> {
        let unknown = given.keys().filter(|name| !self.has_parameter(name)).cloned();
        refuse_if_any(unknown.collect(), |names| {
            format!("Parameters: [{names}] do not exist in the template")
        })
    }

    /// Every parameter's value: given, or its default.
    fn values(&self, given: &Parameters) -> Result<Parameters> {
        self.declared(given)?;
        let mut values = Parameters::new();
        let mut missing = Vec::new();
        for (name, parameter) in &self.parameters {
            match given.get(name).or(parameter.default.as_ref()) {
                Some(value) => {
                    parameter.check(name, value)?;
                    values.insert(name.clone(), value.clone());
                }
                None => missing.push(name.clone()),
            }
        }
        refuse_if_any(missing, |names| format!("Parameters: [{names}] must have values"))?;
        Ok(values)
    }

    /// The resources of a stack of this template with these parameters in `account`, in the template's order.
    ///
    /// # Errors
    /// The parameters don't fit, or something can't be evaluated.
    pub fn resolve(&self, parameters: &Parameters, account: AccountId, stack_name: &str) -> Result<Vec<Resource>> {
        let values = self.values(parameters)?;
        let evaluation = evaluate::Evaluation::new(self, &values, account, stack_name);
        let mut resources = Vec::new();
        for declared in &self.resources {
            let condition = declared.condition.as_ref();
            if condition.map_or(Ok(true), |name| evaluation.condition(name))? {
                resources.push(evaluation.resource(declared)?);
            }
        }
        Ok(resources)
    }

    /// Every name that is referred to must be declared, also in branches that aren't taken.
    fn check_references(&self, rest: &Map<String, Value>) -> Result<()> {
        let unresolved: BTreeSet<String> = self
            .resources
            .iter()
            .map(|resource| &resource.properties)
            .chain(self.conditions.values())
            .chain(rest.get("Outputs"))
            .flat_map(evaluate::references)
            .filter(|name| {
                !name.starts_with("AWS::") && !self.has_parameter(name) && self.declared_resource(name).is_none()
            })
            .collect();
        refuse_if_any(unresolved.into_iter().collect(), |names| {
            format!(
                "Template format error: Unresolved resource dependencies [{names}] in the Resources block of the template"
            )
        })
    }

    fn declared_resource(&self, logical_id: &str) -> Option<&Declared> {
        self.resources.iter().find(|resource| resource.logical_id == logical_id)
    }
}

impl Declared {
    fn parse(logical_id: String, value: Value) -> Result<Self> {
        let wrong = |what: &str| refuse(format!("Template format error: [/Resources/{logical_id}] {what}"));
        let Value::Object(mut fields) = value else {
            return wrong("resource definition is malformed");
        };
        let Some(Value::String(resource_type)) = fields.remove("Type") else {
            return wrong("Every Resources object must contain a Type member.");
        };
        if !properties::KNOWN.contains(&resource_type.as_str()) {
            return refuse(format!(
                "Template format error: Unrecognized resource types: [{resource_type}]"
            ));
        }
        Ok(Self {
            logical_id,
            resource_type,
            condition: fields.get("Condition").and_then(Value::as_str).map(str::to_owned),
            properties: fields.remove("Properties").unwrap_or(Value::Object(Map::new())),
        })
    }
}

/// Refuses where there is any of these names.
fn refuse_if_any(names: Vec<String>, why: impl FnOnce(String) -> String) -> Result<()> {
    match names.is_empty() {
        true => Ok(()),
        false => refuse(why(names.join(", "))),
    }
}

fn object(section: Option<Value>, name: &str) -> Result<Map<String, Value>> {
    match section {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => refuse(format!("Template format error: {name} must be an object.")),
    }
}

use std::cell::Cell;

use serde_json::{Map, Value};

use super::properties::{self, coerce};
use super::{Declared, Resource, Result, Template, TemplateError, refuse};
use crate::json::as_text;
use billctl_core::model::{AccountId, REGION};
use billctl_core::service::cloudformation::Parameters;

/// Deeper nesting of references is a circle.
const DEEPEST: usize = 64;

/// YAML as JSON, with `!Sub x` written out as `{"Fn::Sub": x}`.
pub(super) fn long_form(yaml: yaml_serde::Value) -> Result<Value> {
    use yaml_serde::Value as Yaml;
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => serde_json::to_value(number).map_err(|error| TemplateError::new(error.to_string()))?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(long_form).collect::<Result<_>>()?),
        Yaml::Mapping(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| Ok((as_text(&long_form(key)?), long_form(value)?)))
                .collect::<Result<_>>()?,
        ),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let argument = long_form(tagged.value)?;
            let (name, argument) = match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => (name.to_owned(), argument),
                "GetAtt" => {
                    let parts = match argument {
                        Value::String(text) => text.splitn(2, '.').map(|part| Value::String(part.to_owned())).collect(),
                        other => other,
                    };
                    ("Fn::GetAtt".to_owned(), parts)
                }
                name => (format!("Fn::{name}"), argument),
            };
            Value::Object(Map::from_iter([(name, argument)]))
        }
    })
}

/// The names that a value refers to by `Ref`, `GetAtt` and `Sub`.
pub(super) fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_references(value, &mut found);
    found
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(fields) => {
            for (name, argument) in fields {
                match (name.as_str(), argument) {
                    ("Ref", Value::String(target)) => found.push(target.clone()),
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        found.extend(parts.first().and_then(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(placeholders(text).map(|name| base(name).to_owned()));
                    }
                    ("Fn::Sub", Value::Array(parts)) => {
                        let own = parts.get(1).and_then(Value::as_object);
                        let text = parts.first().and_then(Value::as_str).unwrap_or_default();
                        found.extend(
                            placeholders(text)
                                .filter(|name| own.is_none_or(|own| !own.contains_key(*name)))
                                .map(|name| base(name).to_owned()),
                        );
                        if let Some(own) = parts.get(1) {
                            collect_references(own, found);
                        }
                    }
                    _ => collect_references(argument, found),
                }
            }
        }
        _ => {}
    }
}

/// The names in `${...}` of a `Sub` text; `${!x}` is a literal.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.starts_with('!'))
}

/// `Alarm` of `Alarm.Arn`.
fn base(name: &str) -> &str {
    name.split_once('.').map_or(name, |(base, _)| base)
}

/// What expressions are evaluated in.
pub(super) struct Evaluation<'a> {
    template: &'a Template,
    values: &'a Parameters,
    account: AccountId,
    stack_name: &'a str,
    /// Whether the value being evaluated asked for the account.
    account_asked: Cell<bool>,
    depth: Cell<usize>,
}

impl<'a> Evaluation<'a> {
    pub(super) const fn new(
        template: &'a Template,
        values: &'a Parameters,
        account: AccountId,
        stack_name: &'a str,
    ) -> Self {
        Self {
            template,
            values,
            account,
            stack_name,
            account_asked: Cell::new(false),
            depth: Cell::new(0),
        }
    }

    pub(super) fn resource(&self, declared: &Declared) -> Result<Resource> {
        self.account_asked.set(false);
        let mut properties = self.value(&declared.properties)?.unwrap_or(Value::Object(Map::new()));
        coerce(&declared.resource_type, &mut properties);
        let name = self.name_of(declared)?;
        let resource = Resource {
            logical_id: declared.logical_id.clone(),
            resource_type: declared.resource_type.clone(),
            name,
            properties,
            account_bound: self.account_asked.get(),
        };
        properties::check(&resource)?;
        Ok(resource)
    }

    /// A resource's own name, or the one that CloudFormation would make up.
    fn name_of(&self, declared: &Declared) -> Result<String> {
        let property = properties::name_property(&declared.resource_type);
        let given = declared.properties.get(property).map(|given| self.value(given));
        Ok(match given.transpose()?.flatten() {
            Some(name) => as_text(&name),
            None => format!("{}-{}", self.stack_name, declared.logical_id),
        })
    }

    fn account(&self) -> AccountId {
        self.account_asked.set(true);
        self.account
    }

    /// The value of an expression; `None` is `AWS::NoValue`.
    fn value(&self, expression: &Value) -> Result<Option<Value>> {
        let depth = self.depth.get();
        if depth == DEEPEST {
            return refuse("Circular dependency between resources");
        }
        self.depth.set(depth + 1);
        let value = self.evaluate(expression);
        self.depth.set(depth);
        value
    }

    /// The value of an expression as text; of `AWS::NoValue` it is empty.
    fn text(&self, expression: &Value) -> Result<String> {
        Ok(self.value(expression)?.as_ref().map(as_text).unwrap_or_default())
    }

    fn evaluate(&self, expression: &Value) -> Result<Option<Value>> {
        match expression {
            Value::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.extend(self.value(item)?);
                }
                Ok(Some(Value::Array(values)))
            }
            Value::Object(fields) => {
                if let Some((name, argument)) = function(fields) {
                    return self.function(name, argument);
                }
                let mut values = Map::new();
                for (name, field) in fields {
                    if let Some(value) = self.value(field)? {
                        values.insert(name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(values)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Option<Value>> {
        match (name, argument.as_str(), parts(argument)) {
            ("Ref", Some(target), _) => self.reference(target),
            ("Fn::GetAtt", _, [Value::String(target), Value::String(attribute)]) => {
                self.attribute(target, attribute).map(Some)
            }
            ("Fn::Sub", Some(text), _) => self.substitute(text, None).map(Some),
            ("Fn::Sub", _, [Value::String(text), Value::Object(own)]) => self.substitute(text, Some(own)).map(Some),
            ("Fn::If", _, [Value::String(condition), yes, no]) => {
                self.value(if self.condition(condition)? { yes } else { no })
            }
            ("Fn::FindInMap", _, [map, first, second]) => self.find_in_map(map, first, second).map(Some),
            ("Fn::Join", _, [Value::String(between), list]) => {
                let Some(Value::Array(items)) = self.value(list)? else {
                    return Err(malformed(name));
                };
                let texts: Vec<String> = items.iter().map(as_text).collect();
                Ok(Some(Value::String(texts.join(between))))
            }
            ("Fn::GetAtt" | "Fn::Sub" | "Fn::If" | "Fn::FindInMap" | "Fn::Join", ..) if argument.is_array() => {
                Err(malformed(name))
            }
            _ => refuse(format!(
                "Template error: {name} is not known here, or its argument is malformed"
            )),
        }
    }

    fn reference(&self, target: &str) -> Result<Option<Value>> {
        if let Some(value) = self.values.get(target) {
            return Ok(Some(Value::String(value.clone())));
        }
        if let Some(declared) = self.template.declared_resource(target) {
            return self.name_of(declared).map(|name| Some(Value::String(name)));
        }
        let text = match target {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => self.account().to_string(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => {
                // It differs from stack to stack, and so from account to account.
                self.account_asked.set(true);
                self.stack_name.to_owned()
            }
            _ => {
                return refuse(format!(
                    "Template error: there is no parameter, resource or pseudo parameter {target}"
                ));
            }
        };
        Ok(Some(Value::String(text)))
    }

    fn attribute(&self, target: &str, attribute: &str) -> Result<Value> {
        let declared = self
            .template
            .declared_resource(target)
            .ok_or_else(|| TemplateError::new(format!("Template error: there is no resource {target}")))?;
        if attribute != "Arn" {
            return refuse(format!(
                "Template error: resource {target} does not support attribute type {attribute} in Fn::GetAtt"
            ));
        }
        let name = self.name_of(declared)?;
        Ok(Value::String(
            properties::arn(&declared.resource_type, self.account(), &name).to_string(),
        ))
    }

    fn substitute(&self, text: &str, own: Option<&Map<String, Value>>) -> Result<Value> {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            done.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(malformed("Fn::Sub"));
            };
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                done.push_str(&format!("${{{literal}}}"));
            } else if let Some(expression) = own.and_then(|own| own.get(name)) {
                done.push_str(&self.text(expression)?);
            } else if let Some((target, attribute)) = name.split_once('.') {
                done.push_str(&as_text(&self.attribute(target, attribute)?));
            } else {
                let value = self.reference(name)?;
                done.push_str(&value.as_ref().map(as_text).unwrap_or_default());
            }
            rest = after;
        }
        done.push_str(rest);
        Ok(Value::String(done))
    }

    fn find_in_map(&self, map: &Value, first: &Value, second: &Value) -> Result<Value> {
        let (map, first, second) = (self.text(map)?, self.text(first)?, self.text(second)?);
        self.template
            .mappings
            .get(&map)
            .and_then(|map| map.get(&first)?.get(&second))
            .cloned()
            .ok_or_else(|| {
                TemplateError::new(format!(
                    "Template error: Unable to get mapping for {map}::{first}::{second}"
                ))
            })
    }

    pub(super) fn condition(&self, name: &str) -> Result<bool> {
        let condition = self
            .template
            .conditions
            .get(name)
            .ok_or_else(|| TemplateError::new(format!("Template error: unresolved condition {name}")))?;
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        match condition.as_object().and_then(function) {
            Some(("Fn::Equals", Value::Array(sides))) => match sides.as_slice() {
                [left, right] => {
                    let text = |side| -> Result<Option<String>> { Ok(self.value(side)?.as_ref().map(as_text)) };
                    Ok(text(left)? == text(right)?)
                }
                _ => Err(malformed("Fn::Equals")),
            },
            Some(("Fn::Not", Value::Array(one))) => match one.as_slice() {
                [condition] => Ok(!self.holds(condition)?),
                _ => Err(malformed("Fn::Not")),
            },
            Some(("Fn::And", Value::Array(all))) => all
                .iter()
                .try_fold(true, |so_far, each| Ok(so_far && self.holds(each)?)),
            Some(("Fn::Or", Value::Array(any))) => any
                .iter()
                .try_fold(false, |so_far, each| Ok(so_far || self.holds(each)?)),
            Some(("Condition", Value::String(name))) => self.condition(name),
            _ => refuse("Template format error: a condition must be an intrinsic function that is true or false"),
        }
    }
}

/// The intrinsic function that an object is, if it is one.
///
/// `Condition` is one in conditions only: elsewhere (policy documents) it is a plain key.
fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next()?;
    let is_function = name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    (fields.len() == 1 && is_function).then_some((name.as_str(), argument))
}

/// The items of an argument that is a list.
fn parts(argument: &Value) -> &[Value] {
    argument.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn malformed(name: &str) -> TemplateError {
    TemplateError::new(format!("Template error: the argument of {name} is malformed"))
}

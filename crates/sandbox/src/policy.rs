//! A small IAM policy evaluator: enough for the policies that billctl writes, and for what may break them.
//!
//! Follows the evaluation logic of the IAM user guide for one policy (docs/aws-facts.md, "IAM"): an explicit deny wins,
//! then an allow, else the request is not allowed. Where a condition isn't understood here, a statement that allows is
//! left out and one that denies holds, so nothing is let through by mistake.

mod check;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use check::check;

use crate::json::as_text;

/// Who makes a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// An AWS service, such as `events.amazonaws.com`.
    Service(&'a str),
    /// A role, by its ARN.
    Role(&'a str),
}

/// The values that conditions are about: key in lower case (IAM ignores case) to values.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestContext(BTreeMap<String, Vec<String>>);

impl RequestContext {
    /// The same context with one more key.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.0
            .entry(key.to_ascii_lowercase())
            .or_default()
            .push(value.to_string());
        self
    }

    fn get(&self, key: &str) -> &[String] {
        self.0.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }
}

/// A request to be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// The IAM action, such as `states:StartExecution`.
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// What conditions look at.
    pub context: &'a RequestContext,
}

impl<'a> Request<'a> {
    /// A service's.
    pub(crate) fn by_service(
        service: &'a str,
        action: &'a str,
        resource: &'a str,
        context: &'a RequestContext,
    ) -> Self {
        Self {
            caller: Caller::Service(service),
            action,
            resource,
            context,
        }
    }

    /// A role's.
    pub(crate) fn by_role(arn: &'a str, action: &'a str, resource: &'a str, context: &'a RequestContext) -> Self {
        Self {
            caller: Caller::Role(arn),
            action,
            resource,
            context,
        }
    }
}

/// What one policy says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A statement allows it and none denies it.
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement is about it.
    ImplicitDeny,
}

/// What kind of policy a document is: decides which elements it must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyKind {
    /// A role's trust policy: a principal, no resource.
    Trust,
    /// A role's inline policy: a resource, no principal.
    Identity,
    /// A bus's or queue's policy: both.
    Resource,
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

/// What the policy says about the request.
pub(crate) fn evaluate(policy: &Value, request: Request<'_>) -> Decision {
    let mut decision = Decision::ImplicitDeny;
    for statement in statements(policy) {
        match (
            statement.get("Effect").and_then(Value::as_str),
            concerns(statement, request),
        ) {
            (Some("Deny"), Some(true) | None) => return Decision::Denied,
            (Some("Allow"), Some(true)) => decision = Decision::Allowed,
            _ => {}
        }
    }
    decision
}

/// Whether the policies of one identity together allow the request.
pub(crate) fn allowed_by<'p>(policies: impl IntoIterator<Item = &'p Value>, request: Request<'_>) -> bool {
    let said: Vec<_> = policies.into_iter().map(|policy| evaluate(policy, request)).collect();
    said.contains(&Decision::Allowed) && !said.contains(&Decision::Denied)
}

/// Whether a statement is about the request. `None` where that hangs on a condition that isn't understood here.
fn concerns(statement: &Value, request: Request<'_>) -> Option<bool> {
    let principal = element_is_about(statement, "Principal", |who| names_caller(who, request.caller));
    let action = element_is_about(statement, "Action", |actions| {
        let mut patterns = texts(Some(actions)).into_iter();
        patterns.any(|pattern| like_ignoring_case(pattern, request.action))
    });
    let resource = element_is_about(statement, "Resource", |resources| {
        let mut patterns = texts(Some(resources)).into_iter();
        patterns.any(|pattern| like(&fill_variables(pattern, request.context), request.resource))
    });
    // A trust policy has no resource: it is about its role.
    if principal.unwrap_or(true) && action.unwrap_or(false) && resource.unwrap_or(true) {
        conditions_met(statement.get("Condition"), request.context)
    } else {
        Some(false)
    }
}

/// Whether an element of a statement, or the opposite of its `Not...`, is about a request. `None` where it has neither.
fn element_is_about(statement: &Value, element: &str, is_about: impl Fn(&Value) -> bool) -> Option<bool> {
    let these = statement.get(element).map(&is_about);
    these.or_else(|| Some(!is_about(statement.get(format!("Not{element}"))?)))
}

fn names_caller(principal: &Value, caller: Caller<'_>) -> bool {
    if principal.as_str() == Some("*") || texts(principal.get("AWS")).contains(&"*") {
        return true;
    }
    match caller {
        Caller::Service(service) => texts(principal.get("Service")).contains(&service),
        Caller::Role(arn) => {
            let account = arn.split(':').nth(4).unwrap_or_default();
            texts(principal.get("AWS"))
                .iter()
                .any(|named| *named == arn || *named == account || *named == format!("arn:aws:iam::{account}:root"))
        }
    }
}

/// Whether all conditions are met. One that surely isn't outweighs those that aren't understood (`None`).
fn conditions_met(condition: Option<&Value>, context: &RequestContext) -> Option<bool> {
    let operators = match condition {
        None => return Some(true),
        Some(condition) => condition.as_object()?,
    };
    let mut all = Some(true);
    for (operator, keys) in operators {
        let Some(keys) = keys.as_object() else {
            all = None;
            continue;
        };
        for (key, wanted) in keys {
            match condition_met(operator, key, wanted, context) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all = None,
            }
        }
    }
    all
}

/// Whether one condition is met, or `None` where its operator isn't known here.
fn condition_met(operator: &str, key: &str, wanted: &Value, context: &RequestContext) -> Option<bool> {
    // Names as in the policy grammar; any other prefix is no operator.
    let (for_all, for_any, operator) = match operator.split_once(':') {
        None => (false, false, operator),
        Some(("ForAllValues", rest)) => (true, false, rest),
        Some(("ForAnyValue", rest)) => (false, true, rest),
        Some(_) => return None,
    };
    let (if_exists, operator) = match operator.strip_suffix("IfExists") {
        Some(rest) => (true, rest),
        None => (false, operator),
    };
    let actual = context.get(key);
    let wanted = match wanted {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let filled = |value| fill_variables(&as_text(value), context);
    let wanted: Vec<String> = wanted.iter().map(filled).collect();
    if operator == "Null" {
        let absent = actual.is_empty();
        return Some(wanted.iter().any(|value| value.eq_ignore_ascii_case("true") == absent));
    }
    let (compare, negated) = comparison(operator)?;
    if actual.is_empty() {
        // A missing key meets a negated operator, an `IfExists` one, and `ForAllValues`, but never `ForAnyValue`, not
        // even with `IfExists`.
        return Some(!for_any && (if_exists || for_all || negated));
    }
    let meets = |value: &String| wanted.iter().any(|pattern| compare(pattern, value)) != negated;
    Some(if for_all || (negated && !for_any) {
        actual.iter().all(meets)
    } else {
        actual.iter().any(meets)
    })
}

type Compare = fn(&str, &str) -> bool;

/// How an operator compares the policy's value with the request's, and whether it is the negated form.
fn comparison(operator: &str) -> Option<(Compare, bool)> {
    fn number(text: &str) -> f64 {
        text.parse().unwrap_or(f64::NAN)
    }
    let compare: (Compare, bool) = match operator {
        "StringEquals" => (|wanted, actual| wanted == actual, false),
        "StringNotEquals" => (|wanted, actual| wanted == actual, true),
        "StringEqualsIgnoreCase" | "Bool" => (|wanted, actual| wanted.eq_ignore_ascii_case(actual), false),
        "StringNotEqualsIgnoreCase" => (|wanted, actual| wanted.eq_ignore_ascii_case(actual), true),
        "StringLike" => (like, false),
        "StringNotLike" => (like, true),
        // ArnEquals and ArnLike behave identically (docs/aws-facts.md, "IAM").
        "ArnEquals" | "ArnLike" => (arn_like, false),
        "ArnNotEquals" | "ArnNotLike" => (arn_like, true),
        "NumericEquals" => (|wanted, actual| number(wanted) == number(actual), false),
        "NumericNotEquals" => (|wanted, actual| number(wanted) == number(actual), true),
        "NumericLessThan" => (|wanted, actual| number(actual) < number(wanted), false),
        "NumericLessThanEquals" => (|wanted, actual| number(actual) <= number(wanted), false),
        "NumericGreaterThan" => (|wanted, actual| number(actual) > number(wanted), false),
        "NumericGreaterThanEquals" => (|wanted, actual| number(actual) >= number(wanted), false),
        _ => return None,
    };
    Some(compare)
}

/// Replaces `${key}` by the request's value; an unknown variable stays and so matches nothing.
fn fill_variables(pattern: &str, context: &RequestContext) -> String {
    let mut filled = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((key, tail)) = after.split_once('}') else {
            break;
        };
        filled.push_str(before);
        match context.get(key).first() {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&format!("${{{key}}}")),
        }
        rest = tail;
    }
    filled.push_str(rest);
    filled
}

fn like_ignoring_case(pattern: &str, text: &str) -> bool {
    like(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// The same for ARNs, whose six parts are compared one by one: a star ends at a colon, but in the last part.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let [wanted, actual]: [Vec<&str>; 2] = [pattern, arn].map(|text| text.splitn(6, ':').collect());
    if wanted.len() < 6 {
        return like(pattern, arn);
    }
    wanted.len() == actual.len() && wanted.iter().zip(&actual).all(|(wanted, actual)| like(wanted, actual))
}

/// Whether `text` matches `pattern`, in which `*` is any run of characters and `?` any one.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&here) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == here => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // Let the last star take one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

/// The role ARNs that a resource policy names as principals: services refuse ones that don't exist.
pub(crate) fn named_roles(policy: &Value) -> Vec<&str> {
    statements(policy)
        .into_iter()
        .flat_map(|statement| texts(statement.get("Principal").and_then(|who| who.get("AWS"))))
        .filter(|arn| arn.contains(":role/"))
        .collect()
}

#[cfg(test)]
mod beside_iam_rs;
#[cfg(test)]
mod tests;

//! What AWS checks of a policy when it is put.

use serde_json::Value;

use super::{PolicyKind, comparison, statements, texts};

/// Whether the document is a policy of that kind, as far as AWS checks it when it is put.
///
/// # Errors
/// What is wrong, in AWS's manner.
pub(crate) fn check(policy: &Value, kind: PolicyKind) -> Result<(), String> {
    if let Some(version) = policy.get("Version")
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        return Err("The policy must contain a valid version string".to_owned());
    }
    let statements = statements(policy);
    if statements.is_empty() {
        return Err("Syntax errors in policy: it has no statement".to_owned());
    }
    for statement in statements {
        check_statement(statement, kind)?;
    }
    Ok(())
}

fn check_statement(statement: &Value, kind: PolicyKind) -> Result<(), String> {
    const KNOWN: [&str; 10] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
        "Id",
    ];
    let Some(fields) = statement.as_object() else {
        return Err("Syntax errors in policy: a statement is not an object".to_owned());
    };
    if let Some(field) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("Syntax errors in policy: unknown field {field}"));
    }
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err("Missing required field Effect".to_owned());
    }
    if let Some(condition) = statement.get("Condition") {
        check_condition(condition)?;
    }
    let has = |one: &str, other: &str| fields.contains_key(one) || fields.contains_key(other);
    let actions: Vec<&str> = texts(statement.get("Action"))
        .into_iter()
        .chain(texts(statement.get("NotAction")))
        .collect();
    if actions.is_empty() {
        return Err("Missing required field Action".to_owned());
    }
    if let Some(action) = actions.iter().find(|action| **action != "*" && !action.contains(':')) {
        return Err(format!("Actions/Conditions must be prefaced by a vendor: {action}"));
    }
    let (principal, resource) = (has("Principal", "NotPrincipal"), has("Resource", "NotResource"));
    match kind {
        PolicyKind::Trust if resource => Err("Has prohibited field Resource".to_owned()),
        PolicyKind::Identity if principal => Err("Policy document should not specify a principal.".to_owned()),
        PolicyKind::Identity | PolicyKind::Resource if !resource => {
            Err("Policy statement must contain resources.".to_owned())
        }
        PolicyKind::Trust | PolicyKind::Resource if !principal => Err("Missing required field Principal".to_owned()),
        PolicyKind::Trust
            if actions
                .iter()
                .any(|action| !action.starts_with("sts:") && *action != "*") =>
        {
            Err("AssumeRole policy may only specify STS AssumeRole actions.".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether the operators are ones of IAM's (docs/aws-facts.md, "IAM"), also those that no evaluation here knows.
fn check_condition(condition: &Value) -> Result<(), String> {
    const EVALUATED_BY_AWS_ONLY: [&str; 9] = [
        "BinaryEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "IpAddress",
        "NotIpAddress",
    ];
    let Some(operators) = condition.as_object() else {
        return Err("Syntax errors in policy: a condition is not an object".to_owned());
    };
    for (operator, keys) in operators {
        let name = ["ForAllValues:", "ForAnyValue:"]
            .iter()
            .find_map(|set| operator.strip_prefix(set))
            .unwrap_or(operator);
        let plain = name.strip_suffix("IfExists").unwrap_or(name);
        let known = name == "Null" || comparison(plain).is_some() || EVALUATED_BY_AWS_ONLY.contains(&plain);
        if !known || !keys.is_object() {
            return Err(format!("Syntax errors in policy: unknown condition {operator}"));
        }
    }
    Ok(())
}

//! What is checked before a definition is taken (`InvalidDefinition`).

use serde_json::{Map, Value};

use super::query;
use crate::json::{items, texts};

/// The types of states that can run.
const KINDS: [&str; 7] = ["Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel"];

/// Whether a state of this type may have the field, with JSONata.
fn may_have(kind: &str, field: &str) -> bool {
    match field {
        "Type" | "Comment" | "QueryLanguage" => true,
        "Output" => kind != "Fail",
        "Assign" => !matches!(kind, "Succeed" | "Fail"),
        "Next" | "End" => matches!(kind, "Pass" | "Task" | "Wait" | "Parallel"),
        "Arguments" | "Retry" | "Catch" => matches!(kind, "Task" | "Parallel"),
        "Resource" | "TimeoutSeconds" | "HeartbeatSeconds" | "Credentials" => kind == "Task",
        "Choices" | "Default" => kind == "Choice",
        "Seconds" | "Timestamp" => kind == "Wait",
        "Error" | "Cause" => kind == "Fail",
        "Branches" => kind == "Parallel",
        _ => false,
    }
}

/// Whether the definition can run.
///
/// # Errors
/// The first problem, with the place.
pub(crate) fn check(definition: &Value) -> Result<(), String> {
    let top = definition
        .as_object()
        .ok_or("DEFINITION_NOT_AN_OBJECT: the definition is not an object")?;
    if definition.get("QueryLanguage").and_then(Value::as_str) != Some("JSONata") {
        return Err("the sandbox runs state machines with QueryLanguage JSONata only".to_owned());
    }
    check_machine(top, "/")
}

fn check_machine(machine: &Map<String, Value>, at: &str) -> Result<(), String> {
    let states = machine
        .get("States")
        .and_then(Value::as_object)
        .filter(|states| !states.is_empty())
        .ok_or_else(|| format!("SCHEMA_VALIDATION_FAILED: no States at {at}"))?;
    let exists = |name: &Value| name.as_str().is_some_and(|name| states.contains_key(name));
    if !machine.get("StartAt").is_some_and(exists) {
        return Err(format!("MISSING_TRANSITION_TARGET: StartAt at {at} names no state"));
    }
    for (name, state) in states {
        let here = format!("{at}States/{name}");
        // API reference: names are 1 to 80 characters.
        if !(1..=80).contains(&name.chars().count()) {
            return Err(format!("SCHEMA_VALIDATION_FAILED: the name at {here} is too long"));
        }
        check_state(state, &here, states)?;
    }
    Ok(())
}

fn check_state(state: &Value, here: &str, states: &Map<String, Value>) -> Result<(), String> {
    let failed = |what: &str| format!("SCHEMA_VALIDATION_FAILED: {what} at {here}");
    let state = state.as_object().ok_or_else(|| failed("no object"))?;
    let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(failed(&format!("the Type `{kind}` is not supported")));
    }
    if let Some(field) = state.keys().find(|key| !may_have(kind, key)) {
        return Err(failed(&format!("the field {field} is not supported")));
    }
    let own = ["Next", "Default"].into_iter().filter_map(|field| state.get(field));
    let rules = ["Choices", "Catch"]
        .into_iter()
        .flat_map(|field| items(state.get(field)));
    let mut targets = own
        .chain(rules.filter_map(|rule| rule.get("Next")))
        .filter_map(Value::as_str);
    if let Some(target) = targets.find(|target| !states.contains_key(*target)) {
        return Err(format!(
            "MISSING_TRANSITION_TARGET: the target \"{target}\" at {here} does not exist"
        ));
    }
    let ends = state.get("End") == Some(&Value::Bool(true));
    let goes_on = state.contains_key("Next");
    if may_have(kind, "Next") && ends == goes_on {
        return Err(failed("there must be either Next or End: true"));
    }
    match kind {
        "Task" => {
            let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
            if !super::tasks::is_known(resource) {
                return Err(failed(&format!("the sandbox has no resource `{resource}`")));
            }
        }
        "Choice" => {
            let condition = |choice: &Value| {
                choice
                    .get("Condition")
                    .is_some_and(|it| it.is_boolean() || it.is_string())
            };
            let leads_on = |choice: &Value| choice.get("Next").is_some_and(Value::is_string);
            let mut choices = filled(state, "Choices", &failed)?.iter();
            if !choices.all(|choice| condition(choice) && leads_on(choice)) {
                return Err(failed("a choice lacks Condition or Next"));
            }
        }
        "Parallel" => {
            for (number, branch) in filled(state, "Branches", &failed)?.iter().enumerate() {
                let branch = branch.as_object().ok_or_else(|| failed("no object"))?;
                check_machine(branch, &format!("{here}/Branches[{number}]/"))?;
            }
            return Ok(());
        }
        _ => {}
    }
    check_errors(state, "Retry", &failed)?;
    check_errors(state, "Catch", &failed)?;
    let mut found = Vec::new();
    state.values().for_each(|field| query::expressions(field, &mut found));
    for expression in found {
        query::check(expression).map_err(|why| format!("INVALID_JSONATA_EXPRESSION at {here}: {why}"))?;
    }
    Ok(())
}

/// The items of a list that must not be empty.
fn filled<'a>(
    state: &'a Map<String, Value>,
    field: &str,
    failed: &impl Fn(&str) -> String,
) -> Result<&'a Vec<Value>, String> {
    state
        .get(field)
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| failed(&format!("no {field}")))
}

/// `States.ALL` stands alone and last (docs/aws-facts.md, "Step Functions: language").
fn check_errors(state: &Map<String, Value>, field: &str, failed: &impl Fn(&str) -> String) -> Result<(), String> {
    let Some(rules) = state.get(field) else {
        return Ok(());
    };
    let rules = rules.as_array().ok_or_else(|| failed(&format!("{field} is no list")))?;
    for (index, rule) in rules.iter().enumerate() {
        let names: Vec<&str> = texts(rule.get("ErrorEquals")).collect();
        if names.is_empty() {
            return Err(failed(&format!("{field} lacks ErrorEquals")));
        }
        if names.contains(&"States.ALL") && (names.len() > 1 || index + 1 < rules.len()) {
            return Err(failed("States.ALL must stand alone and last"));
        }
        if field == "Catch" && !rule.get("Next").is_some_and(Value::is_string) {
            return Err(failed("a catcher lacks Next"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn machine(state: &Value) -> Value {
        json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state, "B": {"Type": "Succeed"}}})
    }

    #[test]
    fn a_sound_definition_is_taken() {
        check(&machine(
            &json!({"Type": "Pass", "Output": "{% $states.input %}", "Next": "B"}),
        ))
        .unwrap();
    }

    #[test]
    fn an_unsound_definition_is_refused() {
        for wrong in [
            json!({"Type": "Pass"}),
            json!({"Type": "Pass", "Next": "C"}),
            json!({"Type": "Pass", "Next": "B", "End": true}),
            json!({"Type": "Pass", "Next": "B", "InputPath": "$"}),
            json!({"Type": "Pass", "Next": "B", "Output": "{% $sum( %}"}),
            json!({"Type": "Pass", "Next": "B", "Output": {"deep": ["{% $eval('1') %}"]}}),
            json!({"Type": "Map", "Next": "B"}),
            json!({"Type": "Choice", "Choices": []}),
            json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B"}),
            json!({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sesv2:sendEmail", "Next": "B",
                   "Retry": [{"ErrorEquals": ["States.ALL", "X"]}]}),
        ] {
            assert!(check(&machine(&wrong)).is_err(), "{wrong}");
        }
        assert!(check(&json!("text")).is_err());
        assert!(check(&json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})).is_err());
    }
}

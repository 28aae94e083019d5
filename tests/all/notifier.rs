//! The notifier's corpus, `tests/notifier/cases`: the shipped state machine on three engines, and the mail that it
//! sends, judged by the checkers of its field.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use billctl_core::service::sesv2::EmailTemplate;
use billctl_sandbox::{Outcome, Rehearsal, Sandbox, World, seed};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::install::run;
use crate::support::{node, venv};

/// So many cases and series there are at least; fewer would mean that they weren't found.
const CASES: usize = 109 + 82;
const MACHINE: &str = "arn:aws:states:us-east-1:999999999999:stateMachine:billctl-notifier";

/// What `all.mjs` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answers {
    /// What the placeholders hold unless a case says otherwise.
    config: Map<String, Value>,
    cases: BTreeMap<String, Case>,
    /// Random worlds that didn't end in a whole mail.
    worlds: Vec<String>,
    validator: Vec<Value>,
    validator_on_a_broken_machine: Vec<Value>,
    unsupported_in_a_modern_page: Vec<String>,
}

/// One case on the reference engine.
#[derive(Deserialize)]
struct Case {
    execution: String,
    input: Value,
    /// Where it differs from the others'.
    config: Map<String, Value>,
    /// When it starts, in milliseconds since 1970.
    clock: i64,
    error: Option<String>,
    cause: Option<String>,
    output: Option<Value>,
    calls: Vec<Call>,
    /// The template's data.
    mail: Option<Value>,
    rendered: Option<Parts>,
    problems: Vec<String>,
    unsupported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Call {
    call: String,
    arguments: Value,
    result: Option<Value>,
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize)]
struct Parts {
    subject: String,
    html: String,
    text: String,
}

/// The answers and the file that holds them, from one Node process for all tests.
fn answers(test: &str) -> Option<&'static (Answers, PathBuf)> {
    static ANSWERS: OnceLock<(Answers, PathBuf)> = OnceLock::new();
    let packages = node::shared(test)?;
    Some(ANSWERS.get_or_init(|| {
        let output = run(&mut packages.node("all.mjs")).expect("the reference engine");
        let answers: Answers = serde_json::from_slice(&output.stdout).expect("its answers");
        assert!(answers.cases.len() >= CASES, "{}", answers.cases.len());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notifier-answers.json");
        std::fs::write(&file, &output.stdout).expect("a file");
        (answers, file)
    }))
}

/// The shipped definition with these values.
fn definition(config: &Map<String, Value>) -> Value {
    fn walk(value: &mut Value, config: &Map<String, Value>) {
        match value {
            Value::String(text) => {
                let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                if let Some(filled) = name.and_then(|name| config.get(name)) {
                    *value = filled.clone();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, config)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, config)),
            _ => {}
        }
    }
    let shipped = include_str!(concat!(env!("OUT_DIR"), "/notifier.asl.json"));
    let mut definition = serde_json::from_str(shipped).expect("the state machine");
    walk(&mut definition, config);
    definition
}

/// A value with every number as a floating one, and the template's data and a chat's message as JSON instead of a text.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| match field {
                Value::String(text) if key == "TemplateData" || key == "Message" => {
                    let data: Value = serde_json::from_str(text).expect("data");
                    (key.clone(), plain(&data))
                }
                field => (key.clone(), plain(field)),
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// How the sandbox's run of a case differs from the reference engine's.
fn differences(name: &str, config: &Map<String, Value>, reference: &Case) -> Vec<String> {
    let mut config = config.clone();
    config.extend(reference.config.clone());
    let rehearsal = Rehearsal {
        machine: MACHINE.parse().expect("an ARN"),
        definition: definition(&config),
        execution: reference.execution.clone(),
        at: Timestamp::from_millisecond(reference.clock).expect("a time"),
        input: reference.input.clone(),
    };
    let mut found = Vec::new();
    let mut recorded = reference.calls.iter();
    let mut answer = |_: Timestamp, resource: &str, arguments: &Value| -> Outcome {
        let Some(call) = recorded.next() else {
            found.push(format!("{name}: one more call: {resource}"));
            return Err(("States.TaskFailed".into(), String::new()));
        };
        if !resource.ends_with(&call.call) {
            found.push(format!("{name}: {resource} instead of {}", call.call));
        }
        let (mine, theirs) = (plain(arguments), plain(&call.arguments));
        if mine != theirs {
            found.push(format!("{name}: {resource}\n  {mine}\n  {theirs}"));
        }
        match &call.error {
            Some(error) => Err((error.clone(), call.cause.clone().unwrap_or_default())),
            None => Ok(call.result.clone().unwrap_or(Value::Null)),
        }
    };
    let mut world: World = seed::demo();
    let ended = rehearsal.run(&mut world, &mut answer);
    let left = recorded.count();
    if left > 0 {
        found.push(format!("{name}: {left} calls fewer"));
    }
    let expected = match &reference.error {
        Some(error) => Err((error.clone(), reference.cause.clone().unwrap_or_default())),
        None => Ok(plain(reference.output.as_ref().expect("an output"))),
    };
    let ended = ended.map(|output| plain(&output));
    if ended != expected {
        found.push(format!("{name}: ended as {ended:?}, not {expected:?}"));
    }
    found
}

#[test]
fn the_reference_engine_gives_what_every_case_expects() {
    let Some((answers, _)) = answers("the cases on the reference engine") else {
        return;
    };
    let problems: Vec<String> = answers
        .cases
        .iter()
        .flat_map(|(name, case)| case.problems.iter().map(move |problem| format!("{name}: {problem}")))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(answers.worlds.is_empty(), "{:#?}", answers.worlds);
}

#[test]
fn the_sandbox_gives_the_reference_engines_answers() {
    let Some((answers, _)) = answers("the cases on the sandbox") else {
        return;
    };
    let found: Vec<String> = answers
        .cases
        .iter()
        .flat_map(|(name, reference)| differences(name, &answers.config, reference))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_engine_that_answers_otherwise_would_be_found() {
    let Some((answers, _)) = answers("a case with another configuration") else {
        return;
    };
    let mut config = answers.config.clone();
    config.insert("OwnerTag".into(), "another".into());
    assert!(!differences("spike", &config, &answers.cases["spike"]).is_empty());
}

#[test]
fn ministack_gives_the_reference_engines_answers() {
    let test = "the cases on ministack";
    let Some((_, file)) = answers(test) else {
        return;
    };
    let Some(venv) = venv::shared(test) else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/notifier/ministack.py");
    let output = Command::new(venv.python())
        .arg(script)
        .arg(file)
        .env("NOTIFIER_ASL", node::NOTIFIER)
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("the same on ministack"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn the_sandbox_renders_the_mails_that_the_reference_renders() {
    let Some((answers, _)) = answers("the mails by Handlebars") else {
        return;
    };
    let sandbox = Sandbox::in_memory(seed::demo());
    let sesv2 = sandbox.services().sesv2;
    let template = EmailTemplate {
        name: "corpus".into(),
        subject: include_str!("../../assets/mail/subject.txt").into(),
        html: include_str!(concat!(env!("OUT_DIR"), "/mail/body.html")).into(),
        text: include_str!("../../assets/mail/body.txt").into(),
        tags: Default::default(),
    };
    sesv2.create_email_template(&template).await.unwrap();
    let mut compared = 0;
    for (name, case) in &answers.cases {
        let (Some(data), Some(parts)) = (&case.mail, &case.rendered) else {
            continue;
        };
        let mime = sesv2
            .test_render_email_template("corpus", &data.to_string())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in [&parts.subject, &parts.html, &parts.text] {
            assert!(mime.contains(part.as_str()), "{name}:\n{mime}\n{part}");
        }
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn asl_validator_finds_nothing_in_the_state_machine() {
    let Some((answers, _)) = answers("asl-validator") else {
        return;
    };
    assert!(answers.validator.is_empty(), "{:?}", answers.validator);
    assert!(!answers.validator_on_a_broken_machine.is_empty());
}

#[test]
fn statelint_finds_nothing_in_the_state_machine() {
    let Some(venv) = venv::shared("statelint") else {
        return;
    };
    let shipped = node::NOTIFIER;
    let lint = |file: &Path| {
        let output = Command::new(venv.tool("statelint")).arg(file).output();
        let output = output.expect("statelint runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    // The port knows no expressions where a number of seconds stands; AWS does (developer guide, "Wait").
    let text = std::fs::read_to_string(shipped).expect("the state machine");
    let mut machine: Value = serde_json::from_str(&text).expect("JSON");
    let seconds = &mut machine["States"]["Wait before judging again"]["Seconds"];
    assert!(seconds.is_string(), "{seconds}");
    *seconds = 3_300.into();
    let known = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(known.path(), machine.to_string()).expect("it");
    let (clean, said) = lint(known.path());
    assert!(clean && said.trim().is_empty(), "{said}");
    // The port says of a sound machine nothing: that it reads them shows a broken one.
    let broken = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        broken.path(),
        machine.to_string().replace(r#""Next":"Sent""#, r#""Next":5"#),
    )
    .expect("it");
    let (clean, said) = lint(broken.path());
    assert!(!clean, "{said}");
}

#[test]
fn caniemail_finds_nothing_without_a_fallback_in_gmail_outlook_and_apple_mail() {
    let Some((answers, _)) = answers("caniemail") else {
        return;
    };
    let looked: Vec<(&String, &Vec<String>)> = answers
        .cases
        .iter()
        .filter_map(|(name, case)| Some((name, case.unsupported.as_ref()?)))
        .collect();
    assert_eq!(looked.len(), 6, "{looked:?}");
    assert!(looked.iter().all(|(_, found)| found.is_empty()), "{looked:?}");
    assert!(!answers.unsupported_in_a_modern_page.is_empty());
}

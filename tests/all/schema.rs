//! `billctl schema`: what the built program answers is what its schemas say, and a field that isn't in them is refused.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::home::Home;

const CONFIG: &str = "[alarm]\nthreshold = 50\n[deploy]\nous = [\"Production\", \"Staging\"]\n[[wave]]\nname = \"last\"\n\
                      ous = [\"Sandboxes\"]\n[mail]\nfrom = \"billing@example.com\"\n[operations]\nmail = \"ops@example.com\"\n\
                      [digest]\nto = [\"finops@example.com\"]\n";

fn schema(home: &Home, kind: &str) -> Value {
    serde_json::from_str(&home.run(&format!("schema {kind}")).code(0).stdout).expect("a schema")
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{error}: {schema:#}"));
    jsonschema::draft202012::new(schema).expect("a schema")
}

/// Every object in the value gets one more field, one after the other; the paths of those where nobody minds.
fn unminded(validator: &Validator, answer: &Value) -> Vec<String> {
    fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.push(at.to_owned());
                for (name, field) in fields {
                    paths(
                        field,
                        &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
                        found,
                    );
                }
            }
            // The first tells about the others.
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().take(2) {
                    paths(item, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    paths(answer, "", &mut all);
    assert!(!all.is_empty());
    all.retain(|path| {
        let mut changed = answer.clone();
        let object = changed
            .pointer_mut(path)
            .and_then(Value::as_object_mut)
            .expect("an object");
        object.insert("undocumented".to_owned(), json!(1));
        validator.is_valid(&changed)
    });
    all
}

/// Keys that are names and no fields, and values that are AWS's documents: anything may be in them.
const OPEN: [&str; 5] = ["/parameters", "/before", "/after", "/policy", "/input"];

#[track_caller]
fn holds(home: &Home, kind: &str, line: &str) -> Value {
    let ended = home.run(&format!("{line} --format json"));
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{line}: {ended:?}"));
    let validator = validator(&schema(home, kind));
    let faults: Vec<String> = validator
        .iter_errors(&answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{line}: {faults:#?}\n{answer:#}");
    let mut open = unminded(&validator, &answer);
    open.retain(|path| !OPEN.iter().any(|part| path.contains(part)));
    assert_eq!(open, Vec::<String>::new(), "{line}: a new field goes unnoticed there");
    answer
}

#[test]
fn what_is_answered_is_what_the_schemas_say() {
    let home = Home::with_sandbox(CONFIG);
    holds(&home, "error", "digest");
    holds(&home, "error", "test-alert --account 123456789012");
    holds(&home, "doctor", "doctor");
    holds(&home, "bootstrap", "bootstrap --plan");
    holds(&home, "status", "status");
    holds(&home, "bootstrap", "bootstrap --yes");
    home.run("sandbox verify billing@example.com").code(0);
    holds(&home, "rollout", "deploy --plan");
    holds(&home, "rollout", "deploy --yes");
    home.run("sandbox spend --name payments-prod --daily 400").code(0);
    home.run("sandbox spend --name sandbox-chen --daily 90").code(0);
    home.run("sandbox advance 60h").code(0);
    let status = holds(&home, "status", "status --drift --probe=2 --deep");
    assert!(
        !status["above"].as_array().expect("accounts").is_empty(),
        "{}",
        status["above"]
    );
    let spend = holds(&home, "spend", "spend --tell");
    assert!(spend["told"].is_object());
    for line in [
        "spend --by ou",
        "spend --by service",
        "spend --interval 6h --days 3 --top 2",
    ] {
        holds(&home, "spend", line);
    }
    holds(&home, "digest", "digest --preview out");
    holds(&home, "digest", "digest");
    holds(&home, "resend", "resend --plan");
    holds(&home, "template", "template");
    holds(&home, "preview", "preview");
    let account = status["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .find(|one| one["coverage"] == "covered");
    let account = account.expect("a covered account")["account"].as_str().expect("an id");
    holds(&home, "test-alert", &format!("test-alert --account {account} --yes"));
    home.run("sandbox fail die-at 1000").code(0);
    home.run("sandbox contact --account data-lake finance@example.com")
        .code(0);
    holds(&home, "sandbox", "sandbox show");
    home.run("sandbox fail none").code(0);
    home.config(&CONFIG.replace("threshold = 50", "threshold = 60"));
    holds(&home, "rollout", "deploy --plan --ou Production");
    home.change(|world| world.faults.deny = ["sqs:GetQueueUrl".to_owned()].into());
    let unread = holds(&home, "status", "status");
    assert_eq!(unread["billing"]["state"], "unread");
    home.change(|world| world.faults.deny.clear());
    holds(&home, "destroy", "destroy --plan");
}

#[test]
fn each_kind_is_listed_and_has_a_schema_that_names_it() {
    let home = Home::empty();
    let kinds = home.run("schema").code(0).stdout;
    let kinds: Vec<&str> = kinds.lines().collect();
    assert_eq!(kinds.first(), Some(&"config"));
    let docs = include_str!("../../docs/json.md");
    for kind in &kinds {
        let schema = schema(&home, kind);
        validator(&schema);
        assert!(docs.contains(kind), "docs/json.md doesn't name {kind}");
        if *kind != "config" {
            assert_eq!(schema["properties"]["kind"]["const"], *kind);
            assert_eq!(schema["properties"]["version"]["const"], 2);
            assert_eq!(
                schema["additionalProperties"]
                    .as_bool()
                    .or(schema["unevaluatedProperties"].as_bool()),
                Some(false)
            );
        }
    }
    let ended = home.run("schema nothing").code(2);
    assert!(ended.stderr.contains("possible values"), "{}", ended.stderr);
    assert_eq!(schema(&home, "config"), billctl::config::schema());
    // Whatever writes JSON says of which kind, and is listed.
    let mut written = std::collections::BTreeSet::new();
    for folder in ["src/render", "src/render/spend", "src/cli", "src/cli/sandbox"] {
        for file in std::fs::read_dir(folder).expect("sources") {
            let text = std::fs::read_to_string(file.expect("a file").path()).unwrap_or_default();
            for (at, _) in text.match_indices("json(") {
                let rest = text[at + 5..].trim_start();
                if let Some(rest) = rest.strip_prefix('"') {
                    written.insert(rest.split('"').next().expect("a kind").to_owned());
                }
            }
        }
    }
    assert!(written.len() > 8, "{written:?}");
    for kind in &written {
        assert!(kinds.contains(&kind.as_str()), "{kind} has no schema");
    }
}

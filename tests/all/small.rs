//! Small things that a newcomer stumbles on, each with what it should be.

use serde_json::Value;

use crate::support::home::Home;

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

#[test]
fn nothing_can_be_done_with_none_at_once() {
    let home = Home::with_sandbox(CONFIG);
    for none in ["0", "0%"] {
        let ended = home.run(&format!("deploy --concurrency {none}")).code(2);
        assert!(ended.stderr.contains("at least 1"), "{}", ended.stderr);
    }
    // Without tolerance is something else.
    home.run("bootstrap --yes").code(0);
    home.run("deploy --yes --tolerance 0").code(0);
}

#[test]
fn a_variable_that_is_set_to_nothing_counts_as_none() {
    let home = Home::with_sandbox(CONFIG);
    let ended =
        home.end(
            home.command()
                .env("BILLCTL_CONFIG", "")
                .args(["--sandbox=sandbox.json", "bootstrap", "--plan"]),
        );
    ended.code(0);
}

#[test]
fn a_strangers_account_is_a_wrong_command_line() {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    let ended = home.run("test-alert --account 999999999999").code(2);
    assert!(ended.stderr.contains("isn't in the organisation"), "{}", ended.stderr);
}

#[test]
fn errors_are_json_where_json_was_asked_for_and_an_answer_is_no_error_too() {
    let home = Home::with_sandbox(CONFIG);
    let error = |line: &str, code: i32| -> Value {
        let ended = home.run(&format!("{line} --format json")).code(code);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    };
    let told = error("test-alert --account 999999999999", 2);
    assert_eq!(
        (told["kind"].as_str(), told["exit_code"].as_u64()),
        (Some("error"), Some(2))
    );
    assert!(told["remedy"].as_str().is_some(), "{told}");
    home.run("sandbox fail deny organizations:ListRoots").code(0);
    let told = error("status", 1);
    assert_eq!(told["operation"], "organizations:ListRoots", "{told}");
    assert_eq!(told["code"], "AccessDeniedException", "{told}");
    home.run("sandbox fail none").code(0);
    // A finding comes with the answer, which is the one object.
    let told = error("status --check", 4);
    assert_eq!(told["kind"], "status");
    home.config("[mail]\nform = \"a@example.com\"\n");
    let told = error("status", 2);
    assert!(
        told["message"].as_str().is_some_and(|text| text.contains("`form`")),
        "{told}"
    );
}

#[test]
fn quiet_says_nothing_of_what_went_well() {
    let home = Home::with_sandbox(CONFIG);
    assert_eq!(home.run("bootstrap --yes -q").code(0).stdout, "");
    let doctor = home.run("doctor -q");
    assert!(!doctor.stdout.contains("\nok "), "{}", doctor.stdout);
    // A plan is the answer.
    home.config(&CONFIG.replace("100", "120"));
    assert!(home.run("bootstrap --plan -q").code(0).stdout.contains("1 to change"));
}

#[test]
fn a_plan_has_a_line_a_thing_and_in_full_the_policies_as_documents() {
    let home = Home::with_sandbox(CONFIG);
    let short = home.run("bootstrap --plan").code(0).stdout;
    assert_eq!(short.lines().count(), 17, "{short}");
    let full = home.run("bootstrap --plan --full").code(0).stdout;
    assert!(!full.contains("[OnlyTheNotifier]"), "{full}");
    // Each document in it is one that IAM takes: the trust of the notifier's role, say.
    let at = full.find("+ role billctl-notifier").expect("the role");
    let trust = &full[at..][full[at..].find("trust:").expect("its trust") + "trust:".len()..];
    let mut documents = serde_json::Deserializer::from_str(trust).into_iter::<Value>();
    let trust = documents.next().expect("a document").expect("JSON");
    assert!(
        trust["Statement"][0]["Effect"] == "Allow" && trust["Version"] == "2012-10-17",
        "{trust}"
    );

    let told: Value = serde_json::from_str(&home.run("bootstrap --plan --format json").code(0).stdout).expect("JSON");
    let role = told["plan"]["steps"].as_array().and_then(|steps| {
        let mut roles = steps
            .iter()
            .filter(|step| step["name"] == "billctl-notifier" && step["kind"] == "role");
        roles.next().cloned()
    });
    let fields = role.expect("the role")["fields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let policy = fields
        .iter()
        .find(|field| field["path"] == "policy")
        .expect("its policy");
    assert!(policy["after"]["Statement"].is_array(), "{policy}");
}

#[test]
fn what_was_done_and_what_comes_next_ends_a_bootstrap() {
    let home = Home::with_sandbox(CONFIG);
    let out = home.run("bootstrap --yes").code(0).stdout;
    let deployed = home.run("deploy --yes").code(0).stdout;
    assert!(
        deployed.contains("done: 15 created, 0 changed, 0 repaired, 0 removed. next: `billctl status`"),
        "{deployed}"
    );
    assert!(!home.run("deploy --yes").code(0).stdout.contains("done:"));
    assert!(
        out.trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("done: 16 steps. next: ")),
        "{out}"
    );
}

#[test]
fn a_bootstrap_right_after_destroy_waits_until_the_names_are_free() {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    let organization = home.run("sandbox show").code(0).stdout;
    let organization = organization.split(',').next().unwrap_or_default().to_owned();
    home.run(&format!("destroy --organization {organization}")).code(0);
    let ended = home.run("bootstrap --yes").code(0);
    assert!(ended.stderr.contains("is free again"), "{}", ended.stderr);
    assert!(
        home.run("bootstrap --plan")
            .code(0)
            .stdout
            .contains("nothing to change")
    );
}

#[test]
fn tags_that_somebody_else_put_on_the_stack_set_stay() {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    home.run("deploy --yes").code(0);
    let tags = "/cloudformation/sets/billctl/tags";
    home.edit_world(|world| {
        let tags = world.pointer_mut(tags).and_then(Value::as_object_mut).expect("tags");
        tags.insert("cost-centre".into(), "4711".into());
    });
    // It is no difference, and an update sends it along.
    assert!(home.run("deploy --plan").code(0).stdout.contains("nothing to change"));
    home.config(&CONFIG.replace("100", "120"));
    home.run("deploy --yes").code(0);
    let world = home.world();
    assert_eq!(world.pointer(tags).expect("tags")["cost-centre"], "4711");
    assert_eq!(world.pointer(tags).expect("tags")["managed-by"], "billctl");
}

#[test]
fn init_asks_where_answers_go() {
    let home = Home::with_sandbox(CONFIG);
    home.run("init --config new.toml --from billing@example.com --reply-to finops@example.com")
        .code(0);
    let text = std::fs::read_to_string(home.path().join("new.toml")).expect("a config");
    assert!(text.contains("\nreply-to = \"finops@example.com\"\n"), "{text}");
    home.run("init --config other.toml --from billing@example.com --reply-to nobody")
        .code(2);
}

//! The built binary on a terminal: what it asks, and what it makes of the answers.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::venv;

/// What a command showed on its terminal.
struct Screen {
    code: i64,
    text: String,
}

/// Runs billctl on the home's sandbox and answers its questions; `None` where no Python is there to play the
/// person.
fn type_into(home: &Home, arguments: &[&str], dialog: &[(&str, &str)]) -> Option<Screen> {
    on_columns(80, home, arguments, dialog)
}

/// The same on a terminal of so many columns.
fn on_columns(columns: u16, home: &Home, arguments: &[&str], dialog: &[(&str, &str)]) -> Option<Screen> {
    let mut command = vec![
        assert_cmd::cargo::cargo_bin!("billctl").display().to_string(),
        "--sandbox=sandbox.json".to_owned(),
    ];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    play(columns, home, &command, dialog)
}

/// Any command on a terminal of so many columns.
fn play(columns: u16, home: &Home, command: &[String], dialog: &[(&str, &str)]) -> Option<Screen> {
    let venv = venv::shared("billctl on a terminal")?;
    let home = home.path();
    let ask = json!({
        "command": command,
        "cwd": home,
        "env": {"TERM": "xterm-256color", "HOME": home, "AWS_EC2_METADATA_DISABLED": "true"},
        "columns": columns,
        "dialog": dialog,
    });
    let mut child = Command::new(venv.python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/terminal.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(ask.to_string().as_bytes())
        .expect("the dialog is read");
    let output = child.wait_with_output().expect("the dialog ends");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = answer["screen"].as_str().expect("a screen").to_owned();
    assert_eq!(answer["unasked"], 0, "not everything was asked:\n{text}");
    Some(Screen {
        code: answer["code"].as_i64().expect("a code"),
        text,
    })
}

#[test]
fn init_asks_again_until_an_answer_will_do_and_its_config_deploys() {
    let home = Home::demo();
    let dialog = [
        ("Where do the mails come from", "nobody"),
        ("Where do the mails come from", "billing@example.com"),
        ("Where do replies go", "no address"),
        ("Where do replies go", "finops@example.com"),
        ("how many US dollars", "-5"),
        ("how many US dollars", "80"),
        ("Which OUs", "Prodution"),
        ("Which OUs", "Production, Sandboxes"),
    ];
    let Some(screen) = type_into(&home, &["init"], &dialog) else {
        return;
    };
    assert_eq!(screen.code, 0, "{}", screen.text);
    let written = std::fs::read_to_string(home.file("config.toml")).unwrap();
    for line in [
        "threshold = 80",
        "from = \"billing@example.com\"",
        "reply-to = \"finops@example.com\"",
        "ous = [\"Production\", \"Sandboxes\"]",
    ] {
        assert!(written.contains(line), "{line} in\n{written}");
    }
    let plan = home.succeeds(&["deploy", "--plan"]);
    assert!(plan.contains("to create"), "{plan}");
}

#[test]
fn init_takes_what_it_offers_when_only_return_is_pressed() {
    let home = Home::demo();
    let dialog = [
        ("Where do the mails come from", "billing@example.com"),
        ("Where do replies go", ""),
        ("how many US dollars", ""),
        ("Which OUs", ""),
    ];
    let Some(screen) = type_into(&home, &["init"], &dialog) else {
        return;
    };
    assert_eq!(screen.code, 0, "{}", screen.text);
    let written = std::fs::read_to_string(home.file("config.toml")).unwrap();
    assert!(written.contains("threshold = 100"), "{written}");
}

#[test]
fn a_no_changes_nothing_and_a_yes_goes_ahead() {
    let home = Home::demo();
    home.config("[mail]\nfrom = \"billing@example.com\"\n");
    let Some(screen) = type_into(&home, &["bootstrap"], &[("apply this plan? [y/N]", "n")]) else {
        return;
    };
    // An answer, and no interruption.
    assert_eq!(screen.code, 1, "{}", screen.text);
    assert!(screen.text.contains("nothing was changed"), "{}", screen.text);
    assert!(home.succeeds(&["bootstrap", "--plan"]).contains("to create"));

    let screen = type_into(&home, &["bootstrap"], &[("apply this plan? [y/N]", "y")]).unwrap();
    assert_eq!(screen.code, 0, "{}", screen.text);
    assert!(screen.text.contains("\u{1b}["), "no colour on a terminal");
    let plan = home.succeeds(&["bootstrap", "--plan"]);
    assert!(plan.contains("nothing to change"), "{plan}");
}

/// Runs a shell's line, `billctl` in it the binary on the home's sandbox, and answers its questions.
fn in_a_shell(home: &Home, line: &str, dialog: &[(&str, &str)]) -> Option<Screen> {
    let binary = assert_cmd::cargo::cargo_bin!("billctl").display().to_string();
    let line = line.replace("billctl", &format!("'{binary}' --sandbox=sandbox.json"));
    play(80, home, &["/bin/sh".to_owned(), "-c".to_owned(), line], dialog)
}

#[test]
fn whoever_is_asked_sees_the_plan_wherever_the_answer_goes() {
    let home = Home::demo();
    home.config("[deploy]\nous = [\"Staging\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    let no = [("apply this plan? [y/N]", "n")];
    for options in [
        "",
        " > plan.txt",
        " --format json > plan.json",
        " --format json",
        " -q",
        " -q > plan.txt",
    ] {
        for (command, plan, counts) in [
            ("bootstrap", "+ event bus", " to create"),
            ("deploy", "create with $", "5 to create, 0 to change"),
        ] {
            let Some(screen) = in_a_shell(&home, &format!("billctl {command}{options}"), &no) else {
                return;
            };
            let text = anstream::adapter::strip_str(&screen.text).to_string();
            let (before, _) = text.split_once("apply this plan?").expect("it asks");
            assert!(before.contains(plan), "{command}{options}: {text}");
            // The counts stand right above the question.
            let last = before.lines().rev().find(|line| !line.trim().is_empty());
            assert!(
                last.is_some_and(|line| line.contains(counts)),
                "{command}{options}: {text}"
            );
        }
    }
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    for options in ["", " > plan.txt", " --format json > plan.json", " -q > plan.txt"] {
        let no = [("to remove all this: ", "no")];
        let screen = in_a_shell(&home, &format!("billctl destroy{options}"), &no).unwrap();
        let text = anstream::adapter::strip_str(&screen.text).to_string();
        let (before, _) = text.split_once("type the organisation's id").expect("it asks");
        for part in ["- event bus", "StackSet billctl and its 5 instances"] {
            assert!(before.contains(part), "{options}: {part} in {text}");
        }
    }
}

#[test]
fn an_ou_outside_the_config_is_offered_to_be_written_into_it() {
    const TEXT: &str = "# ours\n[deploy]\nous = [\n  \"Staging\", # first\n]\n[mail]\nfrom = \"billing@example.com\"\n";
    let home = Home::demo();
    home.config(TEXT);
    home.succeeds(&["bootstrap"]);
    let offer = "to [deploy] ous in config.toml? [y/N]";
    let run = ["deploy", "--ou", "Sandboxes"];
    // No to the offer is no to the offer alone.
    let dialog = [(offer, "n"), ("apply this plan? [y/N]", "n")];
    let Some(screen) = type_into(&home, &run, &dialog) else {
        return;
    };
    assert!(
        screen.text.contains("config doesn't target Root/Sandboxes"),
        "{}",
        screen.text
    );
    let config = || std::fs::read_to_string(home.file("config.toml")).unwrap();
    assert_eq!(config(), TEXT);
    // Neither a yes to everything nor a plan writes it.
    for more in [&["--yes"][..], &["--plan"]] {
        let screen = type_into(&home, &[&run, more].concat(), &[]).unwrap();
        assert_eq!(screen.code, 0, "{}", screen.text);
        assert!(!screen.text.contains(offer), "{}", screen.text);
        assert_eq!(config(), TEXT);
    }
    home.succeeds(&["deploy", "--prune", "--yes"]);
    let dialog = [(offer, "y"), ("apply this plan? [y/N]", "y")];
    let screen = type_into(&home, &run, &dialog).unwrap();
    assert_eq!(screen.code, 0, "{}", screen.text);
    assert_eq!(config(), TEXT.replace("# first\n", "# first\n  \"Root/Sandboxes\",\n"));
    // From now on they are the config's.
    let (_, plan) = screen.text.split_once("wrote config.toml").expect("it says so");
    assert!(!plan.contains("config doesn't target"), "{plan}");
    home.succeeds(&["deploy"]);
    assert!(
        home.succeeds(&["deploy", "--prune", "--plan"])
            .contains("nothing to change")
    );
}

#[test]
fn the_demo_stops_after_each_screen_and_asks_for_nothing_but_enter() {
    let home = Home::empty();
    let enter = [("Enter goes on", ""); 7];
    let Some(screen) = type_into(&home, &["demo"], &enter) else {
        return;
    };
    assert_eq!(screen.code, 0, "{}", screen.text);
    assert!(!screen.text.contains("[y/N]"), "{}", screen.text);
    assert!(screen.text.contains("8/8"), "{}", screen.text);
    let plain = anstream::adapter::strip_str(&screen.text).to_string();
    for part in plain
        .split("Enter goes on")
        .filter(|part| !part.contains("What the owner reads"))
    {
        let lines = part.trim().lines().count();
        assert!(lines <= 36, "{lines} lines are no screen:\n{part}");
    }
}

#[test]
fn destroy_wants_the_organisations_id_and_no_yes() {
    let home = Home::demo();
    home.config("[mail]\nfrom = \"billing@example.com\"\n");
    home.succeeds(&["bootstrap"]);
    // The end of the question: what is typed earlier is echoed in the middle of it.
    let question = "to remove all this: ";
    let Some(screen) = type_into(&home, &["destroy", "--yes"], &[(question, "yes")]) else {
        return;
    };
    assert_eq!(screen.code, 1, "{}", screen.text);
    assert!(home.succeeds(&["bootstrap", "--plan"]).contains("nothing to change"));

    let id = screen
        .text
        .split_once("id (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(id, _)| id.to_owned())
        .expect("the question names it");
    let screen = type_into(&home, &["destroy"], &[(question, &id)]).unwrap();
    assert_eq!(screen.code, 0, "{}", screen.text);
    assert!(home.succeeds(&["bootstrap", "--plan"]).contains("to create"));
}

#[test]
fn status_leaves_out_the_columns_that_a_narrow_terminal_has_no_room_for() {
    let home = Home::demo();
    home.config("[deploy]\nous = [\"Production\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    for (columns, there, gone) in [
        (80, &["NAME", "EFFECTIVE"][..], &["OU", "INSTANCE", "DRIFT"][..]),
        (120, &["NAME", "OU", "INSTANCE"], &["DRIFT"]),
        (140, &["NAME", "OU", "INSTANCE", "DRIFT"], &[]),
    ] {
        let Some(screen) = on_columns(columns, &home, &["status"], &[]) else {
            return;
        };
        assert_eq!(screen.code, 0, "{}", screen.text);
        let text = anstream::adapter::strip_str(&screen.text).to_string();
        let table: Vec<&str> = text
            .lines()
            .map(str::trim_end)
            .skip_while(|line| !line.contains("ACCOUNT"))
            .take_while(|line| line.contains("ACCOUNT") || line.contains(" covered"))
            .collect();
        assert!(table.len() > 10, "{columns}: {text}");
        let widest = table.iter().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns.into()), "{columns}: {text}");
        let headings: Vec<&str> = table[0].split_whitespace().collect();
        for heading in there {
            assert!(headings.contains(heading), "{columns}: {heading} in {text}");
        }
        for heading in gone {
            assert!(!headings.contains(heading), "{columns}: {heading} in {text}");
            assert!(text.contains("not shown, for lack of room"), "{columns}: {text}");
        }
    }
}

//! The documents' own examples: each block of a console whose first line is a comment is run, and has to show what it
//! shows.
//!
//! A block follows a comment with billctl commands, one a line, which are run first on a new sandbox (`on AWS` runs
//! nothing and takes the sandbox away: there are no credentials; `config:` and `threshold:` change config.toml). In the block, `$ billctl ...` is run, and every
//! line after it has to be among the lines that it printed, in this order; `...` in a line stands for anything, and
//! alone on a line for lines left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::home::Home;

const CONFIG: &str = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\n";

/// A block with what is run before it.
#[derive(Debug)]
struct Example {
    before: Vec<String>,
    lines: Vec<String>,
    place: usize,
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    fs::read_to_string(path).unwrap()
}

/// The examples of a document.
fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(comment) = line.strip_prefix("<!-- run:") else {
            continue;
        };
        let mut comment = comment.to_owned();
        while !comment.contains("-->") {
            let (_, more) = lines.next().expect("the comment ends");
            comment = format!("{comment}\n{more}");
        }
        let before = comment
            .replace("-->", "")
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        let (_, fence) = lines.next().expect("a block follows the comment");
        assert!(fence.starts_with("```"), "line {}: no block", number + 2);
        let block = lines
            .by_ref()
            .map(|(_, line)| line.to_owned())
            .take_while(|line| line != "```")
            .collect();
        found.push(Example {
            before,
            lines: block,
            place: number + 1,
        });
    }
    found
}

/// The words of a command line; quotes keep words together.
fn words(line: &str) -> Vec<String> {
    line.split('"')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn run(home: &Home, on_aws: bool, line: &str) -> String {
    let words = words(line);
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = match on_aws {
        true => home.run_on_aws(&arguments),
        false => home.run(&arguments),
    };
    let (out, err) = output.texts();
    format!("{out}\n{err}")
}

/// Whether a printed line is the one in the document.
fn is(printed: &str, shown: &str) -> bool {
    let mut rest = printed.trim_end();
    let parts: Vec<&str> = shown.trim_end().split("...").collect();
    for (index, part) in parts.iter().enumerate() {
        let found = if index == 0 {
            rest.strip_prefix(part)
        } else if index + 1 == parts.len() && !part.is_empty() {
            return rest.ends_with(part);
        } else {
            rest.find(part).map(|at| &rest[at + part.len()..])
        };
        match found {
            Some(more) => rest = more,
            None => return false,
        }
    }
    rest.is_empty() || shown.trim_end().ends_with("...")
}

fn holds(name: &str) {
    let text = document(name);
    let examples = examples(&text);
    assert!(!examples.is_empty(), "{name} has no example");
    let mut faults = String::new();
    for example in examples {
        let home = Home::demo();
        home.config(CONFIG);
        let on_aws = example.before.iter().any(|line| line == "on AWS");
        for line in example.before.iter().filter(|line| *line != "on AWS") {
            if let Some(more) = line.strip_prefix("config: ") {
                home.config(&format!("{}\n{CONFIG}", more.replace("\\n", "\n")));
            } else if let Some(usd) = line.strip_prefix("threshold: ") {
                let config = fs::read_to_string(home.file("config.toml")).unwrap();
                home.config(&config.replace("threshold = 100", &format!("threshold = {usd}")));
            } else {
                run(&home, false, line);
            }
        }
        let mut printed = String::new();
        let mut left = Vec::new();
        for line in &example.lines {
            if let Some(command) = line.strip_prefix("$ billctl ") {
                printed = run(&home, on_aws, command);
                left = printed.lines().map(str::to_owned).collect();
            } else if line != "..." {
                match left.iter().position(|there| is(there, line)) {
                    Some(at) => {
                        left.drain(..=at);
                    }
                    None => {
                        faults += &format!(
                            "docs/{name}, example at line {}: `{line}` isn't in\n{printed}\n",
                            example.place
                        );
                        break;
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn the_runbook_shows_what_is_printed() {
    holds("runbook.md");
}

#[test]
fn the_page_on_rollouts_shows_what_is_printed() {
    holds("rollout.md");
}

#[test]
fn the_digests_examples_are_what_it_prints() {
    holds("digest.md");
}

#[test]
fn the_readme_shows_what_is_printed() {
    holds("../README.md");
}

#[test]
fn the_page_on_json_shows_what_is_printed() {
    holds("json.md");
}

/// The names of all fields of a JSON value.
fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                found.insert(name.clone());
                // What stands there is AWS's own: a policy, a pattern, a template's parameters.
                if !matches!(name.as_str(), "before" | "after" | "policy" | "parameters") {
                    fields(value, found);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_a_json_answer_is_on_the_page_on_json() {
    let page = document("json.md");
    let home = Home::demo();
    home.config(CONFIG);
    let mut found = BTreeSet::new();
    let mut answer = |arguments: &[&str]| {
        let (out, _) = home.run(arguments).texts();
        let value = serde_json::from_str(&out).unwrap_or_else(|error| {
            panic!("{arguments:?} answers no JSON: {error}\n{out}");
        });
        fields(&value, &mut found);
    };
    let json = ["--format", "json"];
    for command in [
        &["bootstrap", "--plan"][..],
        &["bootstrap", "--yes"],
        &["deploy", "--plan"],
        &["doctor"],
        &["template"],
        &["preview"],
        &["test-alert", "--account", "886563732113", "--yes"],
        &["status"],
        &["destroy", "--plan"],
    ] {
        answer(&[command, &json].concat());
    }
    let missing: Vec<&String> = found
        .iter()
        .filter(|field| {
            ![format!("`{field}`"), format!("\"{field}\"")]
                .iter()
                .any(|text| page.contains(text))
        })
        .collect();
    assert!(missing.is_empty(), "docs/json.md says nothing of {missing:?}");
}

#[test]
fn the_page_on_ci_shows_what_is_printed() {
    holds("ci.md");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dead = Vec::new();
    let folders = [root.to_owned(), root.join("docs")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !path.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:?}");
}

/// The block of code below a heading of the README.
fn block(readme: &str, heading: &str) -> Vec<String> {
    let below = readme.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let from_fence = below.split_once("\n```").unwrap().1;
    let lines = from_fence.lines().skip(1);
    lines.take_while(|line| *line != "```").map(str::to_owned).collect()
}

#[test]
fn the_first_run_and_the_ci_of_the_readme_can_be_typed() {
    let readme = document("../README.md");
    let home = Home::demo();
    let first = block(&readme, "First run on AWS");
    assert!(first.len() > 5, "{first:?}");
    for line in &first {
        let line = line.split('#').next().unwrap().trim();
        let mut arguments: Vec<&str> = line.split(' ').skip(1).collect();
        // Without a terminal it asks nothing, and has to be told.
        if arguments == ["init"] {
            arguments.extend(["--from", "billing@example.com"]);
        }
        // Before the first bootstrap it has something to find, and says that bootstrap is next.
        if arguments == ["doctor"] {
            let out = home.succeeds(&arguments);
            assert!(
                out.starts_with("Nothing is in the way; 2 to do") && out.contains("next: `billctl bootstrap"),
                "{out}"
            );
            continue;
        }
        home.succeeds(&arguments);
    }
    // Somebody clicks the link.
    home.succeeds(&["sandbox", "verify", "billing@example.com"]);
    // Each of these the action knows, and the pipeline of the docs has.
    let ci = block(&readme, "In CI");
    let runs = |text: &str| -> BTreeSet<String> {
        let words = text.split("run: ").skip(1);
        words
            .map(|rest| rest.chars().take_while(char::is_ascii_lowercase).collect())
            .collect()
    };
    let named = runs(&ci.join("\n"));
    assert_eq!(named.len(), 4, "{ci:?}");
    assert!(named.is_subset(&runs(&document("ci/github.yml"))), "{named:?}");
}

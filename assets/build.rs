//! Assembles the state machine's source, `notifier.asl.yaml`, into the compact JSON that AWS gets, so that no YAML is
//! read when billctl runs.
//!
//! Anchors are expanded by the YAML reader. Then, in each expression (`{% ... %}`), lines that are comments go, the
//! others are joined, and the definitions of the fragments that it names are put in front: Step Functions' variables
//! hold data and no functions, so a function has to stand in every expression that calls it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use yaml_serde::Value;

const SOURCE: &str = "assets/notifier.asl.yaml";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=assets/build.rs");
    let assembled = assemble(&fs::read_to_string(SOURCE)?).map_err(|why| format!("{SOURCE}: {why}"))?;
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(folder.join("notifier.asl.json"), assembled)?;
    Ok(())
}

fn assemble(source: &str) -> Result<String, Failure> {
    let mut document: Value = yaml_serde::from_str(source)?;
    document.apply_merge()?;
    let document = document.as_mapping_mut().ok_or("no mapping")?;
    let fragments = document.remove("Fragments").ok_or("no Fragments")?;
    let fragments: BTreeMap<String, String> = yaml_serde::from_value(fragments)?;
    let fragments = fragments
        .into_iter()
        .map(|(name, text)| (name, joined(&text)))
        .collect();
    let mut machine = document.remove("Machine").ok_or("no Machine")?;
    expand(&mut machine, &fragments)?;
    Ok(serde_json::to_string(&machine)?)
}

/// Replaces every expression in the value by the one that AWS gets.
fn expand(value: &mut Value, fragments: &BTreeMap<String, String>) -> Result<(), Failure> {
    match value {
        Value::String(text) => {
            let trimmed = text.trim();
            if let Some(rest) = trimmed.strip_prefix("{%") {
                let body = rest
                    .strip_suffix("%}")
                    .ok_or_else(|| format!("an expression doesn't end: {trimmed}"))?;
                *text = format!("{{% {} %}}", with_fragments(&joined(body), fragments));
            }
        }
        Value::Sequence(items) => {
            for item in items {
                expand(item, fragments)?;
            }
        }
        Value::Mapping(fields) => {
            for (_, field) in fields.iter_mut() {
                expand(field, fragments)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The lines in one, without those that are comments. No text in the source goes over a line's end.
fn joined(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !(line.is_empty() || line.starts_with("/*") && line.ends_with("*/")))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The expression behind the definitions of what it names, and of what those name.
fn with_fragments(body: &str, fragments: &BTreeMap<String, String>) -> String {
    let mut needed: Vec<&str> = Vec::new();
    need(body, fragments, &mut needed);
    if needed.is_empty() {
        return body.to_owned();
    }
    let definitions: String = needed
        .iter()
        .filter_map(|name| Some(format!("${name} := {}; ", fragments.get(*name)?)))
        .collect();
    format!("({definitions}{body})")
}

/// Adds the fragments that the text names, each after those that it needs itself.
fn need<'a>(text: &str, fragments: &'a BTreeMap<String, String>, needed: &mut Vec<&'a str>) {
    for (name, fragment) in fragments {
        if !needed.contains(&name.as_str()) && names(text, name) {
            need(fragment, fragments, needed);
            needed.push(name);
        }
    }
}

/// Whether `$name` stands in the text as a whole word.
fn names(text: &str, name: &str) -> bool {
    let variable = format!("${name}");
    text.match_indices(&variable).any(|(at, _)| {
        let after = text.get(at + variable.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

//! Assembles the state machine's source, `notifier.asl.yaml`, into the compact JSON that AWS gets, so that no YAML is
//! read when billctl runs.
//!
//! Anchors are expanded by the YAML reader. Then, in each expression (`{% ... %}`), lines that are comments go, the
//! others are joined, and the definitions of the fragments that it names are put in front: Step Functions' variables
//! hold data and no functions, so a function has to stand in every expression that calls it.
//!
//! And assembles the mails, `mail/*.html`, from what they share: mail programs want styles in every element, so colours
//! and styles stand once in `mail/_family.yaml` and are filled in here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use yaml_serde::Value;

const SOURCE: &str = "assets/notifier.asl.yaml";
const MAILS: &str = "assets/mail";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=assets/build.rs");
    let assembled = assemble(&fs::read_to_string(SOURCE)?).map_err(|why| format!("{SOURCE}: {why}"))?;
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(folder.join("notifier.asl.json"), assembled)?;
    mails(&folder.join("mail"))
}

/// Every `mail/NAME.html` as `OUT_DIR/mail/NAME.html`; names that begin with `_` are what they share.
fn mails(folder: &Path) -> Result<(), Failure> {
    println!("cargo::rerun-if-changed={MAILS}");
    fs::create_dir_all(folder)?;
    let family = Family::read(&fs::read_to_string(format!("{MAILS}/_family.yaml"))?)?;
    let mut shared = BTreeMap::new();
    let mut mails = Vec::new();
    for entry in fs::read_dir(MAILS)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if !name.ends_with(".html") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        if name.starts_with('_') {
            shared.insert(name, text.trim_end().to_owned());
        } else {
            mails.push((name, text));
        }
    }
    for (name, text) in mails {
        let filled = family
            .fill(&text, &shared, 0)
            .map_err(|why| format!("{MAILS}/{name}: {why}"))?;
        fs::write(folder.join(name), filled)?;
    }
    Ok(())
}

/// What all mails share: colours for light and dark, and styles that use them.
struct Family {
    colours: BTreeMap<String, [String; 2]>,
    styles: BTreeMap<String, String>,
}

impl Family {
    fn read(text: &str) -> Result<Self, Failure> {
        let mut parts: BTreeMap<String, Value> = yaml_serde::from_str(text)?;
        let mut part = |name: &str| parts.remove(name).ok_or_else(|| format!("no {name}"));
        Ok(Self {
            colours: yaml_serde::from_value(part("colours")?)?,
            styles: yaml_serde::from_value(part("styles")?)?,
        })
    }

    /// Fills in `[[ink]]` and `[[ink.dark]]`, a colour; `[[text]]`, a style; and `[[> head]]`, the file `_head.html`.
    fn fill(&self, text: &str, shared: &BTreeMap<String, String>, depth: usize) -> Result<String, Failure> {
        if depth > 3 {
            return Err("what is shared goes round in circles".into());
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("[[") {
            let (name, after) = after.split_once("]]").ok_or("`[[` without `]]`")?;
            filled.push_str(before);
            filled.push_str(&match name.strip_prefix("> ") {
                Some(file) => {
                    let part = shared
                        .get(&format!("_{file}.html"))
                        .ok_or_else(|| format!("no _{file}.html"))?;
                    self.fill(part, shared, depth + 1)?
                }
                None => self.value(name, shared, depth)?,
            });
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str, shared: &BTreeMap<String, String>, depth: usize) -> Result<String, Failure> {
        let (colour, scheme) = name.strip_suffix(".dark").map_or((name, 0), |colour| (colour, 1));
        if let Some(pair) = self.colours.get(colour) {
            return Ok(pair[scheme].clone());
        }
        let style = self
            .styles
            .get(name)
            .ok_or_else(|| format!("no colour or style `{name}`"))?;
        self.fill(style, shared, depth + 1)
    }
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

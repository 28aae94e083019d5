//! What the code cites of AWS stands in docs/aws-facts.md, and what stands there says how sure it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = "docs/aws-facts.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder`, but what a tool has made there.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let made = ["target", "node_modules"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !made {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The headings that `text` cites: each mention of the document is followed by a comma and the heading in quotes.
/// A mention without is no citation but says that the document is there.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let mentions = text.split(DOCUMENT).skip(1);
    mentions.filter_map(|rest| rest.strip_prefix(", \"")?.split('"').next())
}

/// The document's headings with the text below each.
fn sections(document: &str) -> BTreeMap<&str, &str> {
    let sections = document.split("\n## ").skip(1);
    sections.map(|section| section.split_once('\n').unwrap()).collect()
}

/// The rules of a section: items of a list, their lines joined.
fn rules(section: &str) -> Vec<String> {
    let items = section.split("\n- ").skip(1);
    let ends = items.map(|item| item.split("\n\n").next().unwrap());
    ends.map(|item| item.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_citation_leads_to_a_heading_and_every_heading_is_cited_or_background() {
    let document = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let sections = sections(&document);
    let mut sources = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["src", "crates", "tests", "assets", "docs", "benches"] {
        files(&root().join(folder), &mut sources);
    }
    let mut cited = BTreeSet::new();
    let mut dead = Vec::new();
    for path in sources {
        // The document's own example is none, and images aren't text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.ends_with(DOCUMENT) || path.ends_with("tests/all/aws_facts.rs") {
            continue;
        }
        if text.contains("AWS-FACTS") {
            dead.push(format!("{}: AWS-FACTS", path.display()));
        }
        for heading in citations(&text) {
            match sections.get_key_value(heading) {
                Some((heading, _)) => {
                    cited.insert(*heading);
                }
                None => dead.push(format!("{}: {heading}", path.display())),
            }
        }
    }
    assert!(dead.is_empty(), "citations that lead nowhere: {dead:#?}");
    for (heading, text) in &sections {
        let background = text.trim_start().starts_with("Background: ");
        assert_ne!(
            cited.contains(heading),
            background,
            "{heading}: cited, or background, and not both"
        );
    }
}

#[test]
fn every_rule_says_how_sure_it_is_and_since_when_and_where_it_stands() {
    let document = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let addresses: BTreeMap<&str, &str> = document
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: https://"))
        .collect();
    let mut named: BTreeSet<String> = BTreeSet::new();
    for (heading, text) in sections(&document) {
        let rules = rules(text);
        assert!(!rules.is_empty(), "{heading} has no rule");
        for rule in &rules {
            let standing = rule.strip_suffix("*").and_then(|rule| rule.rsplit_once(" *"));
            let standing = standing.unwrap_or_else(|| panic!("{heading}: no standing: {rule}")).1;
            let (word, rest) = standing.split_once(", ").unwrap_or_default();
            let month = rest.get(..7).unwrap_or_default();
            let dated = month.starts_with("20") && month.as_bytes()[4] == b'-';
            assert!(dated, "{heading}: no month of reading: {rule}");
            let links: Vec<&str> = rest
                .split('[')
                .skip(1)
                .filter_map(|link| link.split(']').next())
                .collect();
            for link in &links {
                assert!(addresses.contains_key(link), "{heading}: {link} has no address");
                named.insert((*link).to_owned());
            }
            match word {
                "Documented" | "Documented (2023 edition)" => assert!(!links.is_empty(), "{heading}: {rule}"),
                "Reported" => assert!(rest.len() > "2026-11.".len(), "{heading}: reported by whom: {rule}"),
                "Unverified" => {}
                _ => panic!("{heading}: `{word}` is no standing: {rule}"),
            }
        }
    }
    let unnamed: Vec<_> = addresses.keys().filter(|name| !named.contains(**name)).collect();
    assert!(unnamed.is_empty(), "addresses that no rule names: {unnamed:?}");
}

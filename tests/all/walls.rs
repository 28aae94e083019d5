//! Walls inside the program that no crate's border holds (docs/architecture.md): `render` and `cli` listen, and nothing
//! below them knows them; and no files know one another in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_below_the_commands_knows_how_things_are_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for folder in ["apply", "config", "live", "observe", "plan", "resource", "spend"] {
        sources(&root.join(folder), &mut found);
    }
    assert!(found.len() > 50, "{}", found.len());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for above in ["crate::render", "crate::cli"] {
            assert!(!text.contains(above), "{} knows {above}", path.display());
        }
    }
}

/// Circles that stay, as (source folder, file): what this file and its children know is left out of the graph.
const ACCEPTED: [(&str, &str); 2] = [
    // A state machine calls other services, and is itself run by one of them.
    ("crates/sandbox/src", "asl"),
    // The world is made of every service's state, and each service acts on the world.
    ("crates/sandbox/src", "world"),
];

type Module = Vec<String>;

/// What a file says about other files: the paths in it, and those that it passes on under a name.
#[derive(Default)]
struct Mentions {
    paths: Vec<Module>,
    passed_on: BTreeMap<String, Module>,
}

/// The source without comments, and with texts and characters emptied.
fn code(source: &str) -> String {
    let mut left = source;
    let mut code = String::new();
    while let Some(first) = left.chars().next() {
        let raw = left.strip_prefix('r').filter(|_| !code.ends_with(is_word));
        let hashes = raw.map_or(0, |rest| rest.len() - rest.trim_start_matches('#').len());
        let skipped = if left.starts_with("//") {
            left.find('\n').unwrap_or(left.len())
        } else if raw.is_some_and(|rest| rest[hashes..].starts_with('"')) {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            body + left[body..].find(&end).map_or(0, |at| at + end.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = left[1..].find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            });
            end.map_or(left.len(), |at| at + 2)
        } else if let Some(escaped) = left.strip_prefix("'\\") {
            escaped[1..].find('\'').map_or(left.len(), |at| at + 4)
        } else if first == '\'' && left.chars().nth(2) == Some('\'') {
            left.char_indices().nth(3).map_or(left.len(), |(at, _)| at)
        } else {
            code.push(first);
            first.len_utf8()
        };
        left = &left[skipped..];
    }
    code
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The paths of a `use`, each with the name that it has here.
fn used(tree: &str, before: &[String], found: &mut Vec<(Module, String)>) {
    let (path, inner) = tree
        .split_once('{')
        .map_or((tree, None), |(path, rest)| (path, rest.trim_end().strip_suffix('}')));
    let (path, alias) = path
        .split_once(" as ")
        .map_or((path, None), |(path, alias)| (path, Some(alias)));
    let mut full = before.to_vec();
    full.extend(
        path.split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty() && *part != "self")
            .map(str::to_owned),
    );
    // `self` stands for the module that it is in: at the beginning, and as the last of a list.
    if before.is_empty() && path.trim_start().starts_with("self::") {
        full.insert(0, "self".to_owned());
    }
    let Some(inner) = inner else {
        let name = alias.map_or_else(
            || full.last().cloned().unwrap_or_default(),
            |alias| alias.trim().to_owned(),
        );
        found.push((full, name));
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, character) in inner.char_indices().chain([(inner.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[begin..at].trim().is_empty() {
                    used(&inner[begin..at], &full, found);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

fn mentions(source: &str) -> Mentions {
    let code = code(source);
    // A file's own tests know what they like.
    let code = code.split("\nmod tests {").next().unwrap_or_default();
    let mut found = Mentions::default();
    for statement in code.split(';') {
        let words = statement.match_indices("use ");
        let begin = words.map(|(at, _)| at).find(|at| !statement[..*at].ends_with(is_word));
        let (before, tree) = begin.map_or((statement, None), |at| (&statement[..at], Some(&statement[at + 4..])));
        let paths = before
            .split(|character| !is_word(character) && character != ':')
            .filter(|path| path.contains("::"));
        found.paths.extend(paths.map(|path| {
            path.split("::")
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        }));
        let mut trees = Vec::new();
        if let Some(tree) = tree {
            used(tree, &[], &mut trees);
        }
        let is_passed_on = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        for (path, name) in trees {
            if is_passed_on {
                found.passed_on.insert(name, path);
            } else {
                found.paths.push(path);
            }
        }
    }
    found
}

/// The file that a path in `from` leads to, if it is one of these.
fn leads_to(files: &BTreeMap<Module, Mentions>, from: &[String], path: &[String], depth: usize) -> Option<Module> {
    let mut rest = path;
    let mut at = from.to_vec();
    match rest.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "self" | "super" => {
            while let Some(word @ ("self" | "super")) = rest.first().map(String::as_str) {
                if word == "super" {
                    at.pop();
                }
                rest = &rest[1..];
            }
        }
        child => {
            at.push(child.to_owned());
            files.get(&at)?;
            rest = &rest[1..];
        }
    }
    while let Some(next) = rest.first() {
        at.push(next.clone());
        if files.contains_key(&at) {
            rest = &rest[1..];
            continue;
        }
        at.pop();
        if let Some(path) = files
            .get(&at)
            .and_then(|file| file.passed_on.get(next))
            .filter(|_| depth < 5)
        {
            let whole: Module = path.iter().chain(&rest[1..]).cloned().collect();
            return leads_to(files, &at, &whole, depth + 1).or(Some(at));
        }
        break;
    }
    Some(at)
}

/// Which file knows which, by files' paths below a source folder. A file and those in its own folder don't count:
/// they are one ([`folders`] looks at them from outside).
fn knows(root: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut found = Vec::new();
    sources(root, &mut found);
    let mut files = BTreeMap::new();
    for path in found {
        let below = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Module = below.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.iter().any(|part| part == "tests") {
            continue;
        }
        if matches!(module.last().unwrap().as_str(), "mod" | "lib" | "main") {
            module.pop();
        }
        files.insert(module, mentions(&std::fs::read_to_string(&path).unwrap()));
    }
    let known = |(module, mentions): (&Module, &Mentions)| {
        let led = mentions
            .paths
            .iter()
            .filter_map(|path| leads_to(&files, module, path, 0));
        let others = led.filter(|other| !other.starts_with(module) && !module.starts_with(other));
        (module.clone(), others.collect())
    };
    files.iter().map(known).collect()
}

/// The pairs of files that know each other, be it through others.
fn circles(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reached = |from: &Module| {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = left.pop() {
            let known = graph.get(&next).into_iter().flatten();
            left.extend(known.filter(|other| reached.insert((*other).clone())).cloned());
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = graph.keys().map(|module| (module, reached(module))).collect();
    let pairs = graph
        .iter()
        .flat_map(|(from, known)| known.iter().map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| reached.get(to).is_some_and(|back| back.contains(*from)))
        .map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::")))
        .collect()
}

/// Which folder knows which, of those that are side by side: a file and the folder of its children are one, so a circle
/// that leaves by the file and comes back by a child is one too.
fn folders(graph: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut folders: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, known) in graph {
        for to in known {
            // Neither is in the other's folder: both have a part after what they have in common.
            let common = from.iter().zip(to).take_while(|(one, other)| one == other).count();
            let side_by_side = |module: &Module| module[..=common].to_vec();
            folders.entry(side_by_side(from)).or_default().insert(side_by_side(to));
        }
    }
    folders
}

#[test]
fn no_files_know_one_another_in_a_circle() {
    for folder in ["src", "crates/core/src", "crates/aws/src", "crates/sandbox/src"] {
        let mut graph = knows(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        assert!(
            graph.values().map(BTreeSet::len).sum::<usize>() > graph.len(),
            "{folder}: {graph:?}"
        );
        for (_, file) in ACCEPTED.iter().filter(|(accepted, _)| *accepted == folder) {
            let begins = format!("{file} -> ");
            assert!(
                circles(&folders(&graph)).iter().any(|pair| pair.starts_with(&begins)),
                "{folder}: {file} is in no circle any more"
            );
            graph.retain(|module, _| module.first().is_none_or(|first| first != file));
        }
        assert_eq!(circles(&graph), [""; 0], "{folder}");
        assert_eq!(circles(&folders(&graph)), [""; 0], "{folder}");
    }
}

#[test]
fn what_files_know_is_read_from_their_source() {
    let source = r##"
        use super::a::{self, B, c::{D as E, F}};
        pub(super) use child::Passed; // use crate::comment;
        const TEXT: &str = "crate::text \" use crate::more;";
        const RAW: &str = r#"crate::raw " "#;
        fn f<'a>(of: &'a crate::g::H) -> char { if of.is('"') { '\'' } else { crate::i::j() } }
        mod tests { use crate::own_test; }
    "##;
    let found = mentions(&source.replace("        mod tests", "mod tests"));
    let paths: Vec<String> = found.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "super::a",
            "super::a::B",
            "super::a::c::D",
            "super::a::c::F",
            "crate::g::H",
            "crate::i::j"
        ]
    );
    assert_eq!(found.passed_on["Passed"].join("::"), "child::Passed");
    let a_circle = ["a", "b", "c"].map(|name| vec![name.to_owned()]);
    let [a, b, c] = a_circle.clone();
    let graph = BTreeMap::from([(a.clone(), [b.clone()].into()), (b, [a, c].into())]);
    assert_eq!(circles(&graph), ["a -> b", "b -> a"]);
    // Out of a folder by its child, and back by its own file.
    let [folder, child, outside] = [&["a"][..], &["a", "b"], &["c"]].map(|path| path.iter().map(|&part| part.into()));
    let [folder, child, outside]: [Module; 3] = [folder.collect(), child.collect(), outside.collect()];
    let graph = BTreeMap::from([(child, [outside.clone()].into()), (outside, [folder].into())]);
    assert_eq!(circles(&graph), [""; 0]);
    assert_eq!(circles(&folders(&graph)), ["a -> c", "c -> a"]);
}

//! Walls inside the program that no crate's border holds (docs/architecture.md): `render` and `cli` listen, and nothing
//! below them knows them.

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

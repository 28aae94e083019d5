//! That nothing was forgotten: every operation of every service's trait is called by the wire tests of its adapter.

use std::fs;
use std::path::{Path, PathBuf};

/// How many services billctl calls, and the way into members, which is several of them with other credentials.
const SERVICES: usize = 13;

/// The files of a service's wire tests: `iam.rs`, and those in `iam/` if there is such a folder.
fn tests_of(service: &str) -> String {
    let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/adapters");
    let mut files: Vec<PathBuf> = vec![adapters.join(format!("{service}.rs"))];
    if let Ok(folder) = fs::read_dir(adapters.join(service)) {
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap_or_default())
        .collect()
}

/// The operations of the trait in `crates/core/src/service/<service>.rs`.
fn operations(source: &str) -> Vec<&str> {
    let (_, rest) = source.split_once("#[async_trait]\npub trait ").expect("a trait");
    let (body, _) = rest.split_once("\n}").expect("its end");
    body.lines()
        .filter_map(|line| line.strip_prefix("    async fn "))
        .map(|rest| rest.split(['(', '<']).next().unwrap_or_default())
        .collect()
}

#[test]
fn every_operation_of_every_service_is_tested_on_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/src/service");
    let mut services = 0;
    let mut untested = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap_or_default();
        // The clock is no service of AWS: it declares no operations.
        if !source.contains("\noperations!(") {
            continue;
        }
        services += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let tests = tests_of(name);
        let found = operations(&source);
        assert!(!found.is_empty(), "{name} has no operation");
        untested.extend(
            found
                .iter()
                .filter(|operation| !tests.contains(&format!(".{operation}(")))
                .map(|operation| format!("{name}::{operation}")),
        );
    }
    assert_eq!(services, SERVICES);
    assert_eq!(untested, Vec::<String>::new());
}

//! A panic, in a program built as the released one is, with `panic = "abort"`: words and exit code 1, no signal.
//!
//! The program is a few lines around the library's own hook, linked by `rustc` to the library that these tests use, so
//! that it takes seconds in every profile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const PROGRAM: &str = r#"
fn main() {
    billctl::cli::end_faults_as_errors();
    let way = std::env::args().nth(1).unwrap_or_default();
    let fault = move || {
        let empty: Vec<String> = Vec::new();
        println!("{}", empty[way.len()]);
    };
    match std::env::args().nth(2) {
        // `println!` panics where nobody reads it any more.
        Some(_) => std::thread::spawn(fault).join().unwrap(),
        None => fault(),
    }
}
"#;

/// The library that this test was linked to: the newest beside it.
fn library(folder: &Path) -> PathBuf {
    let written = |path: &PathBuf| {
        path.metadata()
            .and_then(|data| data.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let files = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    files
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libbillctl-") && name.ends_with(".rlib")
        })
        .max_by_key(written)
        .expect("the library")
}

#[test]
fn a_panic_of_the_released_program_ends_it_with_words_and_exit_code_1() {
    let exe = std::env::current_exe().unwrap();
    let deps = exe.parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("fault.rs"), folder.path().join("fault"));
    std::fs::write(&source, PROGRAM).unwrap();
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "-C", "panic=abort", "-C", "strip=debuginfo", "-o"])
        .arg(&program)
        .arg(&source)
        .arg("--extern")
        .arg(format!("billctl={}", library(deps).display()))
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    for arguments in [&["x"][..], &["x", "in a thread"]] {
        let ended = Command::new(&program).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("ran into a bug of its own: index out of bounds"),
            "{stderr}"
        );
        assert!(stderr.contains("remedy: please report"), "{stderr}");
    }
    // Where nobody can be told.
    let ended = Command::new("sh")
        .arg("-c")
        .arg("exec \"$0\" x 2>&-")
        .arg(&program)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));

    // Without the hook it would be a signal: what the test is about.
    std::fs::write(&source, "fn main() { panic!() }").unwrap();
    let bare = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "-C", "panic=abort", "-o"])
        .arg(&program)
        .arg(&source)
        .status()
        .unwrap();
    assert!(bare.success());
    assert_eq!(Command::new(&program).output().unwrap().status.code(), None);
}

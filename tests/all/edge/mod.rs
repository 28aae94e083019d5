//! The edge: credentials, networks and endpoints as they are outside, before the built binary.

mod answers;
mod aws;
mod doctor;
mod fault_of_its_own;
mod faults;
mod matrix;
mod places;
mod server;

use std::path::PathBuf;

/// A file of the tests' certificates. All are signed by `ca.pem`; `server.key` is the key of all servers.
fn tls(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/edge/tls")).join(name)
}

/// What must never reach a user: a panic, a Debug text, a Rust type, a cargo feature, a secret.
#[track_caller]
fn assert_for_people(text: &str) {
    for word in [
        "panicked",
        "RUST_BACKTRACE",
        "cargo feature",
        "Some(",
        "None)",
        "Err(",
        "Ok(",
        "Error {",
        "Error(",
        "code: \"",
        " { ",
        "StatusCode",
        "UnknownIssuer",
        "IMDS",
        "StartEl",
        " at offset ",
        "can't be used: Error",
        "ECS provider",
        "os error",
        "dispatch failure",
        "s3cr3t",
        "\u{1b}]",
        "\u{7}",
        "\u{9b}",
        "\u{202e}",
    ] {
        assert!(!text.contains(word), "{word:?} is nothing for people: {text}");
    }
    // `iam::1111` is an ARN's.
    let path = text.match_indices("::").find(|(at, _)| {
        let (before, after) = (text[..*at].chars().last(), text[at + 2..].chars().next());
        before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphabetic)
    });
    assert!(path.is_none(), "a path of Rust's is nothing for people: {text}");
}

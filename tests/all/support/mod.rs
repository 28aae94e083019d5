//! What the tests stand on.

pub(crate) mod browser;
pub(crate) mod emulator;
pub(crate) mod home;
pub(crate) mod install;
pub(crate) mod node;
pub(crate) mod server;
pub(crate) mod venv;

/// Compares a file of the repository with what it is made from; `UPDATE=1` writes it.
pub(crate) fn fresh(file: &str, made: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, made, "{file} is behind; run the tests with UPDATE=1");
}

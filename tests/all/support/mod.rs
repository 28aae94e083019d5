//! What the tests stand on.

pub(crate) mod browser;
pub(crate) mod emulator;
pub(crate) mod home;
pub(crate) mod install;
pub(crate) mod node;
pub(crate) mod server;
pub(crate) mod venv;

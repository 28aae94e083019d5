//! What the tests stand on.

pub mod emulator;
pub mod home;
pub mod install;
pub mod node;
pub mod server;
pub mod venv;

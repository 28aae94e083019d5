//! What the tests stand on.

pub mod emulator;
pub mod home;
pub mod server;
pub mod venv;

//! The integration tests, in one binary: it links once.

mod adapters;
mod bootstrap;
mod config;
mod doctor;
mod emulators;
mod spend;
mod init;
mod least;
mod policy;
mod stage;
mod support;
mod test_alert;
mod wire;

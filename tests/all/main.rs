//! The integration tests, in one binary: it links once.

mod adapters;
mod bootstrap;
mod config;
mod doctor;
mod emulators;
mod init;
mod policy;
mod sandbox;
mod spend;
mod support;
mod test_alert;
mod wire;

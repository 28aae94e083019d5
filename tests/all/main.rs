//! The integration tests, in one binary: it links once.

mod adapters;
mod artifacts;
mod bootstrap;
mod config;
mod doctor;
mod emulators;
mod init;
mod least;
mod mail_setup;
mod notifier;
mod policy;
mod preview;
mod rollout;
mod sandbox;
mod spend;
mod stage;
mod story;
mod support;
mod test_alert;
mod wire;

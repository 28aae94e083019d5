//! The integration tests, in one binary: it links once.

mod adapters;
mod artifacts;
mod bootstrap;
mod config;
mod doctor;
mod emulators;
mod init;
mod least;
mod policy;
mod rollout;
mod sandbox;
mod scale;
mod scenarios;
mod spend;
mod stage;
mod story;
mod support;
mod test_alert;
mod wire;

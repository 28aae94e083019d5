//! The integration tests, in one binary: it links once.

mod adapters;
mod artifacts;
mod bootstrap;
mod ci;
mod config;
mod docs;
mod doctor;
mod emulators;
mod enforced;
mod fuzz;
mod init;
mod least;
mod ownership;
mod packaging;
mod policy;
mod rollout;
mod sandbox;
mod scale;
mod scenarios;
mod spend;
mod stage;
mod story;
mod support;
mod terminal;
mod test_alert;
mod wire;

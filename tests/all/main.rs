//! The integration tests, in one binary: it links once.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "so tests fail, and tell why; their helpers are no tests to Clippy"
)]

mod adapters;
mod agree;
mod alerts;
mod artifacts;
mod aws_facts;
mod bootstrap;
mod chain;
mod chat;
mod ci;
mod closing;
mod completion;
mod config;
mod cost;
mod deploy;
mod digest;
mod docs;
mod doctor;
mod edge;
mod emulated;
mod emulators;
mod enforced;
mod exports;
mod first_hour;
mod from_member;
mod fuzz;
mod hostile;
mod init;
#[cfg(target_os = "linux")]
mod interrupt;
mod least;
mod mail_setup;
mod mistakes;
mod notifier;
mod ownership;
mod packaging;
mod policy;
mod preview;
mod release;
mod sandbox_commands;
mod scale;
mod scenarios;
mod schema;
mod small;
mod spend;
mod stack_set_rules;
mod status;
mod story;
mod support;
mod tell;
mod terminal;
mod terminals;
mod test_alert;
mod walls;

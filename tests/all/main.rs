//! The integration tests, in one binary: it links once.

mod adapters;
mod config;
mod doctor;
mod emulators;
mod init;
mod policy;
mod stage;
mod support;

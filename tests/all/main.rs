//! The integration tests, in one binary: it links once.

mod adapters;
mod bootstrap;
mod config;
mod emulators;
mod policy;
mod support;
mod test_alert;

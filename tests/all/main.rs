//! The integration tests, in one binary: it links once.

mod adapters;
mod config;
mod emulators;
mod policy;
mod sandbox;
mod support;

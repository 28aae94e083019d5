//! The integration tests, in one binary: it links once.

mod bootstrap;
mod config;
mod emulators;
mod support;

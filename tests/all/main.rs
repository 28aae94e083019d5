//! The integration tests, in one binary.

mod emulators;
mod support;

<<<<<<< HEAD
//! The integration tests, in one binary.

mod emulators;
mod support;
=======
//! All integration tests in one binary: it links once.

mod config;
>>>>>>> conf

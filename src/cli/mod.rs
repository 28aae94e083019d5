//! The command line: one file per verb, with its arguments and its table of contents.

mod context;

pub use context::{Context, Format, GlobalArgs};

//! Reads what is there, through the traits; writes nothing.

pub mod billing;
mod organization;
pub mod stack_set;

pub use organization::organization;

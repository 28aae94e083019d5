//! Reads what is there, through the traits; writes nothing.

mod organization;
pub mod stack_set;

pub use organization::organization;

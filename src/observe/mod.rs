//! Reads what is there, through the traits; writes nothing.

pub mod billing;
pub mod doctor;
mod organization;
pub mod stack_set;

pub use organization::organization;

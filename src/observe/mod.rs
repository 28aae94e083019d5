//! Reads what is there, through the traits; writes nothing.

pub mod billing;
pub mod billing_health;
pub mod doctor;
mod organization;
pub mod spend;
pub mod stack_set;
pub mod undelivered;

pub use organization::organization;

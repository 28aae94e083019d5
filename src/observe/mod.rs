//! Reads what is there, through the traits; writes nothing.

pub mod billing;
pub mod billing_health;
pub mod charges;
pub mod chat;
pub mod doctor;
pub mod operations;
mod organization;
pub mod precheck;
pub mod probe;
pub mod reach;
pub mod recipients;
pub mod stack_set;
pub mod told;
pub mod undelivered;

pub use organization::{Tree, organization, tree};

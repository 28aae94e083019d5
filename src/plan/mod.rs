//! Pure: what has to be done so that what is there becomes what is wanted.

pub mod above;
pub mod billing;
pub mod doctor;
pub mod failure;
pub mod operation_id;
pub mod operations;
pub mod probe;
pub mod resend;
pub mod rollout;
pub mod status;
mod threshold;

pub use threshold::Thresholds;

//! Pure: what has to be done so that what is there becomes what is wanted.

pub mod above;
pub mod billing;
pub mod billing_health;
pub mod chat;
pub mod coverage;
pub mod digest;
pub mod doctor;
pub mod failure;
pub mod operation_id;
pub mod operations;
pub mod outcome;
pub mod probe;
pub mod recipients;
pub mod resend;
pub mod rollout;
pub mod status;
pub mod tell;
pub mod test_alert;
mod threshold;
pub mod undelivered;

pub use threshold::Thresholds;

//! Carries out plans: writes through the traits, waits, and tells what happens.

pub mod billing;
pub mod digest;
pub mod drift;
pub mod operation;
pub mod removal;
pub mod resend;
pub mod rollout;
pub mod rollout_loop;
pub mod stack_set_queue;
pub mod tell;
pub mod test_alert;

//! The traits of `service` on an organisation in memory, kept in one file between commands.
//!
//! It follows AWS's documented behaviour, also where that is inconvenient: where AWS refuses, it refuses with the
//! same error code.

mod access;
pub mod account;
mod asl;
mod billing;
mod clock;
pub mod cloudformation;
pub mod cloudwatch;
pub mod eventbridge;
pub mod faults;
mod file;
mod handle;
mod home;
pub mod iam;
mod json;
mod latency;
mod listing;
pub mod member;
pub mod metering;
pub mod metrics;
mod names;
pub mod organizations;
mod policy;
mod preview;
pub mod publications;
mod refusal;
pub mod seed;
mod services;
pub mod sesv2;
pub mod sfn;
pub mod sns;
pub mod sqs;
mod sts;
pub mod template;
pub mod world;

pub use asl::{Outcome, Rehearsal};
pub use handle::Sandbox;
pub use preview::{MailKind, Preview, Subject};
pub use world::World;

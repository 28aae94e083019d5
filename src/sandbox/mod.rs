//! The traits of `service` on an organisation in memory, kept in one file between commands.

pub mod cloudformation;
pub mod cloudwatch;
pub mod eventbridge;
mod handle;
mod home;
pub mod iam;
pub mod member;
pub mod metering;
pub mod metrics;
pub mod organizations;
mod policy;
pub mod sesv2;
pub mod sfn;
pub mod sqs;
mod world;

pub use handle::Sandbox;
pub use world::World;

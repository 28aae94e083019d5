//! The traits of `service` on an organisation in memory, kept in one file between commands.

pub mod cloudformation;
pub mod cloudwatch;
pub mod eventbridge;
mod handle;
pub mod iam;
pub mod member;
pub mod organizations;
pub mod sesv2;
pub mod sfn;
pub mod sqs;
mod world;

pub use handle::Sandbox;
pub use world::World;

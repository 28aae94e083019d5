//! The SDK adapters on the wire: each operation's request as it is sent and its answer as it is read, and every class
//! of error in the shape in which its protocol sends it.

mod account;
mod billing;
mod cloudformation;
mod cloudwatch;
mod complete;
mod errors;
mod eventbridge;
mod iam;
mod live;
mod member;
mod organizations;
pub(crate) mod reach;
pub(crate) mod replay;
mod sesv2;
mod sfn;
mod sns;
mod sqs;
mod sts;

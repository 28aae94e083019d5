//! The seam to AWS: one trait per service, with only the operations that billctl uses, in billctl's own types.
//! One method is one API call (a page is a page); the implementations are in `aws` and in `sandbox`.

pub mod account;
pub mod billing;
pub mod charges;
pub mod clock;
pub mod cloudformation;
pub mod cloudwatch;
mod error;
pub mod eventbridge;
mod gate;
pub mod iam;
pub mod member;
mod operation;
pub mod organizations;
mod page;
pub mod sesv2;
pub mod sfn;
pub mod sns;
pub mod sqs;
pub mod sts;

use std::sync::Arc;

pub use account::AccountManagement;
pub use billing::Billing;
pub use clock::Clock;
pub use cloudformation::CloudFormation;
pub use cloudwatch::CloudWatch;
pub use error::{Kind, OrAbsent, ServiceError};
pub use eventbridge::EventBridge;
pub use gate::{CallCount, ConcurrencyReport, Gate, GateSettings};
pub use iam::Iam;
pub use member::{Member, Members};
pub use operation::{Access, Operation, Service};
pub use organizations::Organizations;
pub use page::{Page, Tokens, all_pages, pages};
pub use sesv2::SesV2;
pub use sfn::StepFunctions;
pub use sns::Sns;
pub use sqs::Sqs;
pub use sts::Sts;

/// What a call answers.
pub type Result<T> = std::result::Result<T, ServiceError>;

/// Requests of one kind begun at once, before the gate paces them: it lets fewer through.
pub const PARALLEL: usize = 64;

/// Tags, as every service takes them in the end.
pub type Tags = std::collections::BTreeMap<String, String>;

/// Every service behind its trait: what a command is handed, whichever world it works in.
#[derive(Clone)]
pub struct Services {
    /// Contacts of accounts.
    pub account: Arc<dyn AccountManagement>,
    /// Billing preferences.
    pub billing: Arc<dyn Billing>,
    /// StackSets.
    pub cloudformation: Arc<dyn CloudFormation>,
    /// Metrics, alarms, dashboards.
    pub cloudwatch: Arc<dyn CloudWatch>,
    /// Buses, rules, targets.
    pub eventbridge: Arc<dyn EventBridge>,
    /// Roles.
    pub iam: Arc<dyn Iam>,
    /// The way into member accounts.
    pub members: Arc<dyn Members>,
    /// The organisation.
    pub organizations: Arc<dyn Organizations>,
    /// Mail.
    pub sesv2: Arc<dyn SesV2>,
    /// State machines.
    pub sfn: Arc<dyn StepFunctions>,
    /// Topics.
    pub sns: Arc<dyn Sns>,
    /// Queues.
    pub sqs: Arc<dyn Sqs>,
    /// Who is calling.
    pub sts: Arc<dyn Sts>,
    /// Time: real on AWS, simulated in the sandbox.
    pub clock: Arc<dyn Clock>,
    /// What paces, retries and counts the calls of all of the above.
    pub gate: Arc<Gate>,
}

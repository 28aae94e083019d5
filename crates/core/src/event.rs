//! What happens while a command works: emitted below, listened to by `render`. Nothing below the commands prints.

use crate::model::AccountId;
use crate::service::cloudformation::{OperationId, OperationStatus};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase began, such as "reading the organisation"; ends with the next event.
    Phase(String),
    /// A step of a plan is about to be carried out.
    StepStarted {
        /// Its number, from one.
        number: usize,
        /// How many there are.
        total: usize,
        /// What it does, as the plan says it.
        title: String,
    },
    /// That step is done.
    StepDone {
        /// What it did, as the plan says it.
        title: String,
    },
    /// A StackSet operation was submitted, or found under way.
    OperationFollowed {
        /// Its id.
        id: OperationId,
        /// How many accounts it is for, where known.
        accounts: Option<usize>,
    },
    /// How far an operation is.
    OperationProgress {
        /// Accounts done well.
        done: usize,
        /// Accounts that failed.
        failed: usize,
        /// Accounts in all, where known.
        total: Option<usize>,
    },
    /// An operation ended.
    OperationEnded {
        /// How.
        status: OperationStatus,
        /// Accounts that failed.
        failed: usize,
    },
    /// An account failed in an operation.
    AccountFailed {
        /// The account.
        account: AccountId,
        /// Why, in CloudFormation's words.
        reason: String,
    },
    /// Something the user should know.
    Note(String),
    /// Something the user should do something about.
    Warning(String),
}

/// Listens to what happens.
pub trait Listener: Send + Sync {
    /// Something happened. Must not block.
    fn on(&self, event: Event);
}

/// Listens and does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullListener;

impl Listener for NullListener {
    fn on(&self, _event: Event) {}
}

//! How a service refuses a call.

use billctl_core::service::{Kind, Operation, ServiceError};

/// A refusal: what it means, and AWS's code and message. Which call it answers, only the call knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// What a service answers.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, code, message }
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, message)
    }

    pub(crate) fn exists(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Exists, code, message)
    }

    pub(crate) fn denied(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, code, message)
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, code, message)
    }

    /// The refusal as the answer to a call.
    pub(crate) fn of(self, operation: Operation) -> ServiceError {
        ServiceError::new(operation, self.kind, self.code, self.message)
    }
}

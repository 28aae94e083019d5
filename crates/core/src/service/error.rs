use std::fmt;
use std::sync::Arc;

use super::Operation;
use crate::text;

/// What an answer means to billctl. Decided once, at the seam, from the error *code*, never from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The thing asked for isn't there.
    NotFound,
    /// The thing to be made is there already.
    Exists,
    /// Another operation holds it; later it will work.
    Busy,
    /// Too many calls; retried by the [`Gate`](super::Gate).
    Throttled,
    /// The caller lacks a permission.
    Denied,
    /// The request can't be right, however often it is sent.
    Invalid,
    /// A quota of the account is used up; retrying is pointless.
    Quota,
    /// No credentials, or ones that AWS doesn't accept (expired, unknown).
    Credentials,
    /// No answer, a broken connection, or a 5xx; retried by the [`Gate`](super::Gate).
    Unavailable,
    /// An answer that isn't AWS's, such as an HTML page from a proxy.
    Garbled,
    /// Anything else.
    Other,
}

/// What AWS answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The call that failed.
    pub operation: Operation,
    /// What it means.
    pub kind: Kind,
    /// AWS's error code, such as `StackSetNotFoundException`; `None` where there was no answer.
    pub code: Option<String>,
    /// AWS's message, or what happened on the way.
    pub message: String,
    /// AWS's id of the request, for a support case.
    pub request_id: Option<Box<str>>,
    /// What to do, where the cause says more than kind, code and message do. Behind a pointer, since every answer has
    /// room for an error.
    pub remedy: Option<Arc<String>>,
}

impl ServiceError {
    /// An error of this kind with AWS's code and message.
    pub fn new(operation: Operation, kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            code: Some(code.to_owned()),
            message: message.into(),
            request_id: None,
            remedy: None,
        }
    }

    /// An error without a code of AWS's.
    pub fn without_code(operation: Operation, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            code: None,
            ..Self::new(operation, kind, "", message)
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        match &self.code {
            Some(code) => write!(f, " answered {}", text::line(code))?,
            None => f.write_str(match self.kind {
                Kind::Credentials => " could not be signed",
                Kind::Garbled => " got an answer that isn't AWS's",
                Kind::Invalid => " was not sent",
                Kind::Other => " got an answer that can't be used",
                _ => " got no answer",
            })?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", text::line(&self.message))?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {})", text::line(id)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {}

/// Turns "absent" into `None` and leaves every other error what it is: a throttled read must never look like an
/// absent thing.
pub trait OrAbsent<T> {
    /// `Ok(None)` for [`Kind::NotFound`] alone.
    fn or_absent(self) -> Result<Option<T>, ServiceError>;
}

impl<T> OrAbsent<T> for Result<T, ServiceError> {
    fn or_absent(self) -> Result<Option<T>, ServiceError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

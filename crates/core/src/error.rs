//! What can go wrong, as the user sees it: a kind that decides the exit code, a cause, and a hint.

use std::fmt;

use crate::model::SelectorError;
use crate::service::{Kind, ServiceError};

/// What billctl's functions answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Which way a command ended; see `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It failed.
    Failed,
    /// The command line or the config is wrong; nothing was done.
    Usage,
    /// Some instances failed inside the tolerance.
    Partial,
    /// `--check` found something.
    Check,
    /// Another operation holds the StackSet.
    Busy,
    /// The user interrupted.
    Interrupted,
}

impl ErrorKind {
    /// The process's exit code: part of the command's interface.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Check => 4,
            Self::Busy => 5,
            Self::Interrupted => 130,
        }
    }
}

/// An error with everything that a user needs: what was tried, why it failed, what to do.
#[derive(Debug)]
pub struct Error {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// What was tried, outermost first; each fits after "failed to".
    pub context: Vec<String>,
    /// Why it failed.
    pub cause: Cause,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why something failed.
#[derive(Debug)]
pub enum Cause {
    /// In words.
    Text(String),
    /// AWS's answer.
    Service(Box<ServiceError>),
    /// Problems with places in a source text (config.toml), rendered with the source underlined.
    Report(Box<miette::Report>),
}

impl Error {
    /// An error of this kind, told in words.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            context: Vec::new(),
            cause: Cause::Text(text.into()),
            hint: None,
        }
    }

    /// A wrong command line or config.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, text)
    }

    /// A failure.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, text)
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with what was tried; fits after "failed to".
    #[must_use]
    pub fn while_trying(mut self, what: impl Into<String>) -> Self {
        self.context.insert(0, what.into());
        self
    }

    /// AWS's answer, if that is the cause.
    pub fn service(&self) -> Option<&ServiceError> {
        match &self.cause {
            Cause::Service(error) => Some(error),
            _ => None,
        }
    }
}

/// Adds what was tried to any error that can become an [`Error`].
pub trait Context<T> {
    /// `what` fits after "failed to".
    fn while_trying(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn while_trying(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().while_trying(what))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in &self.context {
            write!(f, "failed to {what}: ")?;
        }
        match &self.cause {
            Cause::Text(text) => f.write_str(text),
            Cause::Service(error) => write!(f, "{error}"),
            Cause::Report(report) => write!(f, "{report}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        let hint = match error.kind {
            Kind::Denied => Some(format!(
                "allow `{}` for the identity in use; `billctl policy` prints all that is needed",
                error.operation.iam_action()
            )),
            Kind::Credentials => Some(
                "log in (`aws sso login`), set AWS_PROFILE or pass --profile; without an AWS account try --sandbox"
                    .to_owned(),
            ),
            Kind::Throttled => Some("AWS kept throttling; run the same command again later".to_owned()),
            Kind::Unavailable => {
                Some("check the network, a proxy, and AWS_ENDPOINT_URL; then run the same command again".to_owned())
            }
            Kind::Garbled => Some(
                "the endpoint doesn't answer as AWS does: check AWS_ENDPOINT_URL and whether a proxy is in between"
                    .to_owned(),
            ),
            Kind::Quota => Some("raise this quota in the Service Quotas console, then run again".to_owned()),
            _ => None,
        };
        Self {
            kind: if error.kind == Kind::Busy {
                ErrorKind::Busy
            } else {
                ErrorKind::Failed
            },
            context: Vec::new(),
            cause: Cause::Service(Box::new(error)),
            hint,
        }
    }
}

impl From<SelectorError> for Error {
    fn from(error: SelectorError) -> Self {
        Self::usage(error.to_string())
            .hint("name an OU by its id, its path from the root, or its name if only one has it")
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

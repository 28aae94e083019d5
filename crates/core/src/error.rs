//! What can go wrong, as the user sees it: a kind that decides the exit code, a cause, and a remedy.

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
    pub remedy: Option<String>,
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
    /// An error of this kind, in words.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            context: Vec::new(),
            cause: Cause::Text(text.into()),
            remedy: None,
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
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
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
pub trait WhileTrying<T> {
    /// `what` fits after "failed to".
    fn while_trying(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> WhileTrying<T> for std::result::Result<T, E> {
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
        let remedy = advice(&error);
        Self {
            kind: if error.kind == Kind::Busy {
                ErrorKind::Busy
            } else {
                ErrorKind::Failed
            },
            context: Vec::new(),
            cause: Cause::Service(Box::new(error)),
            remedy,
        }
    }
}

/// What to do about AWS's answer, where that is known: the error's own remedy, or its cause's.
pub fn advice(error: &ServiceError) -> Option<String> {
    let action = error.operation.iam_action();
    let own = error.remedy.as_deref().cloned();
    own.or_else(|| remedy(error.kind, &action, error.code.as_deref(), &error.message))
}

/// What to do, by the cause: first what AWS's code says, then its message, then the kind. `action` is what was asked
/// for, as IAM calls it.
pub fn remedy(kind: Kind, action: &str, code: Option<&str>, message: &str) -> Option<String> {
    match kind {
        Kind::Denied => Some(denied(action, code.unwrap_or_default(), message)),
        Kind::Credentials => Some(credentials_hint(code.unwrap_or_default(), message).unwrap_or_else(|| {
            "log in (`aws sso login`), set AWS_PROFILE or pass --profile; without an AWS account try --sandbox".to_owned()
        })),
        Kind::Throttled => Some("AWS kept throttling; run the same command again later".to_owned()),
        Kind::Unavailable if code.is_some() => {
            Some("AWS has problems of its own (health.aws.amazon.com); run the same command again later".to_owned())
        }
        Kind::Unavailable => Some(
            "check the network, a proxy (HTTPS_PROXY), and AWS_ENDPOINT_URL; then run the same command again".to_owned(),
        ),
        Kind::Garbled if message.starts_with("HTTP 407") => Some(
            "the proxy wants a user and a password: write them into its variable, http://USER:PASSWORD@HOST:PORT"
                .to_owned(),
        ),
        Kind::Garbled if message.starts_with("HTTP 5") => Some(
            "a proxy, or AWS itself, has problems: run the same command again later, and check AWS_ENDPOINT_URL and \
             whether a proxy is in between"
                .to_owned(),
        ),
        Kind::Garbled => Some(
            "the endpoint doesn't answer as AWS does: check AWS_ENDPOINT_URL, whether a proxy is in between, and whether \
             this network wants a sign-in in the browser first"
                .to_owned(),
        ),
        Kind::Quota => Some("raise this quota in the Service Quotas console, then run again".to_owned()),
        _ => None,
    }
}

fn denied(action: &str, code: &str, message: &str) -> String {
    if matches!(code, "OptInRequired" | "SubscriptionRequiredException") {
        let service = action.split(':').next().unwrap_or_default();
        return format!("the account isn't signed up for {service}: open it once in the console");
    }
    denied_by(action, message).unwrap_or_else(|| {
        format!("allow `{action}` for the identity in use; `billctl policy JOB` prints all that is needed")
    })
}

/// Who has to allow an action that was refused, where AWS says in its message which kind of policy refused it. None
/// where it is only that nothing allows it.
pub fn denied_by(action: &str, message: &str) -> Option<String> {
    let said = message.to_lowercase();
    let said = |words: &str| said.contains(words);
    Some(if said("service control policy") {
        format!("a service control policy of the organisation has to allow `{action}`: no policy of billctl's can")
    } else if said("resource control policy") {
        format!("a resource control policy of the organisation has to allow `{action}`: no policy of billctl's can")
    } else if said("permissions boundary") {
        format!("the permissions boundary of the identity in use has to allow `{action}` too")
    } else if said("session policy") {
        format!("the session policy that these credentials were made with has to allow `{action}` too")
    } else if said("vpc endpoint policy") {
        format!("the policy of the VPC endpoint has to allow `{action}`")
    } else if said("explicit deny") {
        format!(
            "a policy denies `{action}` outright, which no other can undo; some deny everything until you sign in \
             with MFA"
        )
    } else {
        return None;
    })
}

/// What to do about credentials that AWS refuses with this code and message, where these tell.
pub fn credentials_hint(code: &str, message: &str) -> Option<String> {
    const CLOCK: &str = "this machine's clock is wrong: set it (`timedatectl set-ntp true`), then run again";
    let message = message.to_lowercase();
    let late = ["expired", "not yet current", "skew"]
        .iter()
        .any(|word| message.contains(word));
    Some(
        match code {
            "RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired" => CLOCK,
            "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" if late => CLOCK,
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                "the secret access key doesn't belong to the access key id: copy both again; a proxy that changes \
                 requests does this too"
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                "these credentials have expired: log in again (`aws sso login`, `aws login`) or set new ones, then run the \
                 same command again"
            }
            "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure" | "InvalidAccessKeyId" => {
                "AWS doesn't know these keys: they were deleted or switched off, belong to another partition, or are \
                 temporary and lack their AWS_SESSION_TOKEN"
            }
            "IncompleteSignature" | "IncompleteSignatureException" | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => {
                "the signature got lost on the way: check whether a proxy removes headers, and AWS_ENDPOINT_URL"
            }
            _ => return None,
        }
        .to_owned(),
    )
}

impl From<SelectorError> for Error {
    fn from(error: SelectorError) -> Self {
        Self::usage(error.to_string())
            .remedy("name an OU by its id, its path from the root, or its name if only one has it")
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sts::GET_CALLER_IDENTITY;

    #[test]
    fn every_cause_has_a_remedy_of_its_own() {
        use Kind::*;
        let denied = "User: arn:aws:iam::1:user/x is not authorized to perform: sts:GetCallerIdentity";
        let check = |kind: Kind, code: &str, message: &str, wanted: &str| {
            let mut error = ServiceError::new(GET_CALLER_IDENTITY, kind, code, message);
            error.code = error.code.filter(|code| !code.is_empty());
            let remedy = Error::from(error).remedy.unwrap_or_default();
            assert!(remedy.contains(wanted), "{kind:?} {code} {message}: {remedy}");
        };
        for (kind, code, message, wanted) in [
            (Credentials, "RequestTimeTooSkewed", "", "clock"),
            (Credentials, "RequestExpired", "", "clock"),
            (Credentials, "ExpiredToken", "", "have expired"),
            (Credentials, "ExpiredTokenException", "", "have expired"),
            (Credentials, "InvalidClientTokenId", "", "doesn't know these keys"),
            (
                Credentials,
                "UnrecognizedClientException",
                "",
                "doesn't know these keys",
            ),
            (Credentials, "MissingAuthenticationToken", "", "removes headers"),
            (Credentials, "", "", "--sandbox"),
            (Denied, "OptInRequired", "", "isn't signed up for sts"),
            (Throttled, "Throttling", "", "later"),
            (Unavailable, "InternalFailure", "", "health.aws.amazon.com"),
            (Unavailable, "", "Connection refused", "AWS_ENDPOINT_URL"),
            (Garbled, "", "HTTP 407: <html>", "USER:PASSWORD"),
            (Garbled, "", "HTTP 503: <html>", "later"),
            (Garbled, "", "HTTP 200: <html>", "sign-in in the browser"),
            (Quota, "LimitExceeded", "", "Service Quotas"),
        ] {
            check(kind, code, message, wanted);
        }
        for (code, message, wanted) in [
            (
                "SignatureDoesNotMatch",
                "Signature expired: 2026 is now earlier than 2027",
                "clock",
            ),
            ("InvalidSignatureException", "Signature not yet current: 2026", "clock"),
            (
                "SignatureDoesNotMatch",
                "The request signature we calculated",
                "secret access key",
            ),
        ] {
            check(Credentials, code, message, wanted);
        }
        for (message, wanted) in [
            (denied, "allow `sts:GetCallerIdentity` for the identity in use"),
            (
                "with an explicit deny in a service control policy: arn",
                "a service control policy",
            ),
            (
                "because no service control policy allows it",
                "a service control policy",
            ),
            (
                "with an explicit deny in a resource control policy",
                "a resource control policy",
            ),
            ("because no permissions boundary allows it", "the permissions boundary"),
            ("because no session policy allows it", "the session policy"),
            ("because no VPC endpoint policy allows it", "the VPC endpoint"),
            ("with an explicit deny in an identity-based policy", "MFA"),
        ] {
            check(Denied, "AccessDenied", message, wanted);
        }
        let known = ServiceError {
            remedy: Some("turn it round".to_owned().into()),
            ..ServiceError::new(GET_CALLER_IDENTITY, Denied, "AccessDenied", denied)
        };
        assert_eq!(Error::from(known).remedy.as_deref(), Some("turn it round"));
    }
}

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use billctl_core::error::Error;

/// What is wrong with the credentials or the way to AWS, in words for the user, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trouble {}

impl From<Trouble> for CredentialsError {
    fn from(trouble: Trouble) -> Self {
        Self::invalid_configuration(trouble)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self {
            hint: trouble.hint,
            ..Self::failed(trouble.text)
        }
    }
}

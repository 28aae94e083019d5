use aws_credential_types::provider::error::CredentialsError;
use billctl_core::error::Error;

/// What is wrong with the credentials or the way to AWS, in words for the user, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Trouble {
    pub(crate) text: String,
    pub(crate) remedy: Option<String>,
}

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            remedy: None,
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl From<Trouble> for CredentialsError {
    fn from(trouble: Trouble) -> Self {
        Self::invalid_configuration(trouble)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self {
            remedy: trouble.remedy,
            ..Self::failed(trouble.text)
        }
    }
}

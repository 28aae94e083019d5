//! Web identities: a token in a file, for which STS gives the credentials of a role.

use std::path::PathBuf;

use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::answers::Form;
use super::failure::Token;
use super::{Means, What, provider_config, session_name};
use crate::config_files::{Section, in_home, text_of};
use crate::environment::Environment;
use crate::trouble::Trouble;

/// The longest token of a web identity in bytes; STS takes 20,000 (STS reference, AssumeRoleWithWebIdentity).
const LONGEST_TOKEN: usize = 64 << 10;

/// The web identity of the environment; what it leaves open the profile may say, as in the CLI.
pub(super) fn web_identity(
    environment: &Environment,
    profile: &str,
    section: Option<&Section>,
) -> Result<Option<(What, StaticConfiguration)>, Trouble> {
    let setting = |key: &str| section?.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let own = setting("web_identity_token_file");
    let (file, by) = match (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")?, own) {
        (Some(file), _) => (file, "AWS_WEB_IDENTITY_TOKEN_FILE".to_owned()),
        (None, Some(file)) => (file, format!("web_identity_token_file of profile {profile}")),
        (None, None) => return Ok(None),
    };
    let Some(role) = environment.get("AWS_ROLE_ARN")?.or_else(|| setting("role_arn")) else {
        // Of a profile's own it is said where the profile is read.
        return match by == "AWS_WEB_IDENTITY_TOKEN_FILE" {
            false => Ok(None),
            true => Err(
                Trouble::new("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN isn't")
                    .remedy("set AWS_ROLE_ARN to the role that the token may assume"),
            ),
        };
    };
    let what = What::WebIdentity {
        file: file.to_owned(),
        by,
    };
    let session = environment
        .get("AWS_ROLE_SESSION_NAME")?
        .or_else(|| setting("role_session_name"));
    Ok(Some((
        what,
        StaticConfiguration {
            web_identity_token_file: in_home(file.as_ref()),
            role_arn: role.to_owned(),
            session_name: session.map_or_else(session_name, str::to_owned),
        },
    )))
}

/// A web identity whose token is read anew each time: it is renewed in its file.
pub(super) fn of_token(identity: StaticConfiguration, means: &Means<'_>) -> TokenFile {
    TokenFile {
        path: identity.web_identity_token_file.clone(),
        provider: WebIdentityTokenCredentialsProvider::builder()
            .static_configuration(identity)
            .configure(&provider_config(Form::Query, &means.http))
            .build(),
    }
}

/// The SDK's source with a look at the file before: it reads whatever is there, to its end.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    provider: WebIdentityTokenCredentialsProvider,
}

impl ProvideCredentials for TokenFile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            match text_of(&self.path, LONGEST_TOKEN) {
                Err(why) => Err(CredentialsError::provider_error(Token::Unread(why))),
                Ok(token) if token.trim().is_empty() => Err(CredentialsError::provider_error(Token::Empty)),
                Ok(_) => self.provider.provide_credentials().await,
            }
        })
    }
}

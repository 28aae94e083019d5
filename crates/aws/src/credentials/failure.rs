//! What a source of credentials says when it fails, in words that name the source and what to do.

use std::error::Error;
use std::time::Duration;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::ErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use billctl_core::error::{credentials_hint, denied_by, remedy};
use billctl_core::service::Kind;
use billctl_core::text::bounded;

use super::What;
use super::answers::Instead;
use super::profile::Base;
use crate::classify::{causes, chain};
use crate::environment::Environment;
use crate::network;
use crate::trouble::Trouble;

const METADATA: &str = "the instance metadata service";
const METADATA_REMEDY: &str = "give the instance a role, switch the metadata service on (in a container with a hop limit \
                               of 2), or name other credentials with --profile";
/// What to do about a container that gives no credentials.
pub(super) const CONTAINER_REMEDY: &str =
    "check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, and the task's or pod's role";

/// How much of what a program says is shown.
const SHOWN: usize = 300;

/// A source's name in a sentence.
pub(super) fn source(what: &What) -> String {
    match what {
        What::Environment | What::Profile(_, Base::Environment) => "the environment".to_owned(),
        What::Container | What::Profile(_, Base::Container) => "the container".to_owned(),
        What::Metadata | What::Profile(_, Base::Metadata) => METADATA.to_owned(),
        What::Profile(name, Base::Process(_)) => format!("the credential_process of profile {name}"),
        What::Profile(name, Base::Sso(_)) => format!("the sign-in of profile {name}"),
        What::Profile(name, Base::Login(_)) => format!("the `aws login` of profile {name}"),
        What::Profile(name, Base::WebIdentity { .. }) => format!("the web identity of profile {name}"),
        What::Profile(name, Base::Keys(_)) => format!("profile {name}"),
        What::Role { arn, profile } => format!("the role {arn} of profile {profile}"),
        What::WebIdentity { by, .. } => format!("the web identity of {by}"),
    }
}

/// What to do to get new ones from there.
fn renewal(what: &What) -> String {
    match what {
        What::Environment => "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN again".to_owned(),
        What::Profile(name, Base::Sso(_)) => format!("run `aws sso login --profile {name}`"),
        What::Profile(name, Base::Login(_)) => format!("run `aws login --profile {name}`"),
        What::Profile(name, Base::Process(_)) => {
            format!("run the command of credential_process in profile {name} by hand to see why")
        }
        What::Profile(name, Base::Keys(_)) => format!("write new keys into profile {name}"),
        _ => "get new ones, and check this machine's clock".to_owned(),
    }
}

/// They were good until then.
pub(super) fn expired(what: &What, at: &str) -> Trouble {
    Trouble::new(format!("the credentials from {} have expired{at}", source(what))).remedy(format!(
        "{}; if they are new, check this machine's clock",
        renewal(what)
    ))
}

/// Nothing came.
pub(super) fn late(what: &What, patience: Duration) -> Trouble {
    let text = format!(
        "no credentials came from {} in {} seconds",
        source(what),
        patience.as_secs()
    );
    Trouble::new(text).remedy(match what {
        What::Profile(_, Base::Process(_)) => renewal(what),
        _ => {
            "check the network, a proxy (HTTPS_PROXY), and AWS_ENDPOINT_URL; then run the same command again".to_owned()
        }
    })
}

/// What the innermost cause says.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = causes(error).last().map(ToString::to_string).unwrap_or_default();
    match last.contains("404 from IMDS") {
        true => "this instance has no role".to_owned(),
        false => format!("no answer from {METADATA}"),
    }
}

/// The same error in words. One that says that there is nothing stays what it is.
pub(super) fn explained(what: &What, error: CredentialsError) -> CredentialsError {
    if let Some(trouble) = causes(&error).find_map(|cause| cause.downcast_ref::<Trouble>()) {
        return trouble.clone().into();
    }
    if causes(&error).any(|cause| cause.is::<Instead>()) {
        return in_words(what, &error).into();
    }
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) && matches!(what, What::Metadata) {
        return error;
    }
    if let (What::Metadata, Some(said)) = (what, metadata(&error)) {
        return match said {
            Some(trouble) => trouble.into(),
            None => CredentialsError::not_loaded(error),
        };
    }
    in_words(what, &error).into()
}

/// What the metadata service says; inside, none where there is none.
fn metadata(error: &CredentialsError) -> Option<Option<Trouble>> {
    let found = causes(error).find_map(|cause| cause.downcast_ref::<ImdsError>())?;
    let status = match found {
        ImdsError::ErrorResponse(context) => Some(context.response().status().as_u16()),
        _ => None,
    };
    let said = chain(error);
    let text = match status {
        Some(status) => format!("{METADATA} answered {status}"),
        None if said.contains("disabled") || said.contains("403") => {
            format!("{METADATA} refuses: it is switched off for this instance")
        }
        None => return Some(None),
    };
    Some(Some(Trouble::new(text).remedy(METADATA_REMEDY)))
}

/// What came instead of an answer, in a sentence.
pub(super) fn told(whom: &str, instead: &Instead) -> String {
    match instead.kind {
        Kind::Garbled => format!("{whom} gave an answer that isn't AWS's: {instead}"),
        Kind::Throttled => format!("{whom} has too much to do: {instead}"),
        _ => format!("{whom} gave no answer: {instead}"),
    }
}

fn in_words(what: &What, error: &CredentialsError) -> Trouble {
    let said = chain(error);
    if let Some(instead) = causes(error).find_map(|cause| cause.downcast_ref::<Instead>()) {
        let told = told(asked(what), instead);
        let (text, remedy) = match is_metadata(what) {
            true => (told, Some(METADATA_REMEDY.to_owned())),
            false => (
                format!("no credentials came from {}: {told}", source(what)),
                remedy(instead.kind, "", None, &instead.message),
            ),
        };
        return Trouble { text, remedy };
    }
    if let Some((code, message)) = answered(error) {
        return refused(what, &code, &message);
    }
    if is_unreached(error) {
        let mut trouble = network::unreached(&said, &Environment::of_process());
        if is_metadata(what) {
            trouble = trouble.remedy(METADATA_REMEDY);
        }
        let text = format!("{} can't be reached: {trouble}", asked(what));
        return Trouble { text, ..trouble };
    }
    // The SDK's words for an answer that is whole, but empty.
    let empty = [
        "credentials must be defined",
        "did not return credentials",
        "no access key id",
        "no secret key",
    ];
    if empty.iter().any(|words| said.contains(words)) {
        let text = format!(
            "no credentials came from {}: the answer holds no credentials",
            source(what)
        );
        return Trouble {
            text,
            remedy: remedy(Kind::Garbled, "", None, ""),
        };
    }
    match what {
        What::Profile(name, Base::Sso(sso)) => {
            let session = sso.session.as_deref().unwrap_or(&sso.start_url);
            let why = match said.to_lowercase() {
                said if said.contains("expired") => "has expired".to_owned(),
                said if said.contains("unauthorized") => "isn't accepted any more".to_owned(),
                said if said.contains("failed to read") || said.contains("no such file") => "was never made".to_owned(),
                said if said.contains("cached sso token") => "is kept in a file that can't be read".to_owned(),
                _ => format!("can't be used: {}", shown(&said)),
            };
            Trouble::new(format!("the sign-in {session} of profile {name} {why}")).remedy(renewal(what))
        }
        What::Profile(name, Base::Login(_)) => {
            let why = match said.to_lowercase() {
                said if said.contains("expired") => "has expired".to_owned(),
                said if said.contains("failed to read") || said.contains("no such file") => "was never made".to_owned(),
                said if said.contains("cached login token file") => "is kept in a file that can't be read".to_owned(),
                _ => format!("can't be used: {}", shown(&said)),
            };
            Trouble::new(format!("the sign-in of profile {name} (`aws login`) {why}")).remedy(renewal(what))
        }
        What::Profile(name, Base::WebIdentity { file, .. }) => token_file(
            &file.display().to_string(),
            &format!("web_identity_token_file of profile {name}"),
            error,
        ),
        What::WebIdentity { file, by } => token_file(file, by, error),
        _ => Trouble::new(format!(
            "the credentials from {} can't be used: {}",
            source(what),
            shown(&said)
        ))
        .remedy(renewal(what)),
    }
}

/// Who is asked for credentials.
fn asked(what: &What) -> &'static str {
    match what {
        What::Profile(_, Base::Sso(_)) => "IAM Identity Center",
        What::Profile(_, Base::Login(_)) => "AWS's sign-in service",
        What::Metadata | What::Profile(_, Base::Metadata) => METADATA,
        _ => "sts",
    }
}

/// Whether the instance's metadata service is what is asked.
fn is_metadata(what: &What) -> bool {
    asked(what) == METADATA
}

/// Whether nobody answered.
fn is_unreached(error: &CredentialsError) -> bool {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    causes(error).any(|cause| {
        cause.is::<ConnectorError>()
            || ["request has timed out", "dispatch failure"].contains(&cause.to_string().as_str())
    })
}

/// The code and message of AWS's refusal.
fn answered(error: &CredentialsError) -> Option<(String, String)> {
    let meta = causes(error).find_map(|cause| {
        let assume = || Some(cause.downcast_ref::<AssumeRoleError>()?.meta());
        let web = || Some(cause.downcast_ref::<AssumeRoleWithWebIdentityError>()?.meta());
        cause.downcast_ref::<ErrorMetadata>().or_else(assume).or_else(web)
    })?;
    Some((meta.code()?.to_owned(), meta.message().unwrap_or_default().to_owned()))
}

fn refused(what: &What, code: &str, message: &str) -> Trouble {
    let whom = match what {
        What::Role { arn, profile } => format!("the role {arn} of profile {profile} can't be assumed"),
        What::WebIdentity { file, by } => format!("the token in {file}, which {by} names, isn't accepted"),
        What::Profile(name, Base::WebIdentity { file, .. }) => {
            format!(
                "the token in {}, which profile {name} names, isn't accepted",
                file.display()
            )
        }
        what => format!("{} gives no credentials", source(what)),
    };
    let action = match what {
        What::Role { .. } => "sts:AssumeRole",
        What::Profile(_, Base::Sso(_)) => "sso:GetRoleCredentials",
        _ => "sts:AssumeRoleWithWebIdentity",
    };
    let trust = match what {
        What::Role { .. } => {
            "the role's trust policy has to name the identity that assumes it, which needs `sts:AssumeRole` for it; a role \
             that asks for MFA needs mfa_serial in its profile"
        }
        _ => "the role's trust policy has to name the token's issuer, audience and subject",
    };
    let remedy = match code {
        // What is denied from above no trust policy can allow.
        "AccessDenied" | "AccessDeniedException" => denied_by(action, message).unwrap_or_else(|| trust.to_owned()),
        "ValidationError" => "check role_arn, role_session_name and duration_seconds".to_owned(),
        "ExpiredTokenException" | "InvalidIdentityToken" | "IDPRejectedClaim" | "IDPCommunicationError" => {
            "get a new token from its issuer, and check this machine's clock".to_owned()
        }
        code => credentials_hint(code, message).unwrap_or_else(|| renewal(what)),
    };
    Trouble::new(format!("{whom}: {}: {}", shown(code), shown(message))).remedy(remedy)
}

/// What is wrong with a token's file, before it is sent.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Token {
    #[error("can't be read: {0}")]
    Unread(String),
    #[error("is empty")]
    Empty,
}

fn token_file(file: &str, by: &str, error: &CredentialsError) -> Trouble {
    match causes(error).find_map(|cause| cause.downcast_ref::<Token>()) {
        Some(wrong) => Trouble::new(format!("the token file {file}, which {by} names, {wrong}"))
            .remedy("check the path; the file is written by what runs this job or pod"),
        None => Trouble::new(format!(
            "the token in {file}, which {by} names, can't be used: {}",
            shown(&chain(error))
        ))
        .remedy("get a new token from its issuer"),
    }
}

/// A text from outside, on one line and not too long.
pub(super) fn shown(text: &str) -> String {
    bounded(text, SHOWN)
}

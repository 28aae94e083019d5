//! What a source of credentials says when it fails, in words that name the source and what to do.

use std::error::Error;
use std::time::Duration;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ErrorMetadata, ProvideErrorMetadata};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use billctl_core::error::credentials_hint;

use super::profile::Base;
use super::{What, plain};
use crate::classify::{causes, chain, cleaned};
use crate::environment::Environment;
use crate::network;
use crate::trouble::Trouble;

/// How much of what a program says is shown.
const SHOWN: usize = 300;

/// A source's name in a sentence.
pub(super) fn source(what: &What) -> String {
    match what {
        What::Environment => "the environment".to_owned(),
        What::Profile(name, base) => match base {
            Base::Process(_) => format!("the credential_process of profile {name}"),
            Base::Sso(_) => format!("the sign-in of profile {name}"),
            Base::Login(_) => format!("the `aws login` of profile {name}"),
            Base::WebIdentity { .. } => format!("the web identity of profile {name}"),
            Base::Environment => "the environment".to_owned(),
            Base::Container => "the container".to_owned(),
            Base::Metadata => "the instance metadata service".to_owned(),
            Base::Keys(_) => format!("profile {name}"),
        },
        What::Role { arn, profile } => format!("the role {arn} of profile {profile}"),
        What::WebIdentity { by, .. } => format!("the web identity of {by}"),
        What::Container => "the container".to_owned(),
        What::Metadata => "the instance metadata service".to_owned(),
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
        false => "no answer from the instance metadata service".to_owned(),
    }
}

/// The same error in words. One that says that there is nothing stays what it is.
pub(super) fn explained(what: &What, error: CredentialsError) -> CredentialsError {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) && matches!(what, What::Metadata) {
        return error;
    }
    if let Some(trouble) = causes(&error).find_map(|cause| cause.downcast_ref::<Trouble>()) {
        return trouble.clone().into();
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
        Some(status) => format!("the instance metadata service answered {status}"),
        None if said.contains("disabled") || said.contains("403") => {
            "the instance metadata service refuses: it is switched off for this instance".to_owned()
        }
        None if said.contains("invalid token") => {
            "what answers at the instance metadata service's address is something else".to_owned()
        }
        None => return Some(None),
    };
    Some(Some(Trouble::new(text).remedy(
        "give the instance a role, switch the metadata service on (in a container with a hop limit of 2), or name other \
         credentials with --profile",
    )))
}

fn in_words(what: &What, error: &CredentialsError) -> Trouble {
    let said = chain(error);
    if let Some((code, message)) = answered(error) {
        return refused(what, &code, &message);
    }
    if is_unreached(error) {
        let (text, remedy) = network::unreached(&said, &Environment::of_process());
        return Trouble::new(format!("{} can't be reached: {text}", asked(what))).remedy(remedy);
    }
    match what {
        What::Profile(name, Base::Process(_)) => process(name, &said),
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
            &said,
        ),
        What::WebIdentity { file, by } => token_file(file, by, &said),
        What::Container | What::Profile(_, Base::Container) => {
            let digits: String = said
                .chars()
                .skip_while(|one| *one != '(')
                .filter(char::is_ascii_digit)
                .collect();
            let text = if said.contains("Non-success status") {
                format!("{} answered {digits}", asked(what))
            } else if said.contains("allowed IP address") {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor an address of this machine or of the \
                 container service"
                    .to_owned()
            } else if said.contains("ECS provider") {
                "the container's credentials are at an address that can't be used".to_owned()
            } else {
                format!("the container's credentials can't be used: {}", shown(&said))
            };
            Trouble::new(text)
                .remedy("check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, and the task's or pod's role")
        }
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
    let relative = std::env::var_os("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_some_and(|path| !path.is_empty());
    match what {
        What::Profile(_, Base::Sso(_)) => "IAM Identity Center",
        What::Profile(_, Base::Login(_)) => "AWS's sign-in service",
        What::Container | What::Profile(_, Base::Container) => match relative {
            true => "the container's credentials service (169.254.170.2)",
            false => "the container's credentials service",
        },
        What::Metadata | What::Profile(_, Base::Metadata) => "the instance metadata service",
        _ => "sts",
    }
}

/// Whether nobody answered.
fn is_unreached(error: &CredentialsError) -> bool {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    causes(error).any(|cause| cause.is::<ConnectorError>())
        || causes(error).any(|cause| {
            let text = cause.to_string();
            text == "request has timed out" || text == "dispatch failure"
        })
}

/// The code and message of AWS's refusal.
fn answered(error: &CredentialsError) -> Option<(String, String)> {
    let meta = causes(error).find_map(|cause| {
        let assume = cause.downcast_ref::<AssumeRoleError>().map(ProvideErrorMetadata::meta);
        let web = || {
            cause
                .downcast_ref::<AssumeRoleWithWebIdentityError>()
                .map(ProvideErrorMetadata::meta)
        };
        assume.or_else(web).or_else(|| cause.downcast_ref::<ErrorMetadata>())
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
    let remedy = match code {
        "AccessDenied" | "AccessDeniedException" => match what {
            What::Role { .. } => "the role's trust policy has to name the identity that assumes it, which needs \
                                  `sts:AssumeRole` for it; a role that asks for MFA needs mfa_serial in its profile"
                .to_owned(),
            _ => "the role's trust policy has to name the token's issuer, audience and subject".to_owned(),
        },
        "ValidationError" => "check role_arn, role_session_name and duration_seconds".to_owned(),
        "ExpiredTokenException" | "InvalidIdentityToken" | "IDPRejectedClaim" | "IDPCommunicationError" => {
            "get a new token from its issuer, and check this machine's clock".to_owned()
        }
        code => credentials_hint(code, message).unwrap_or_else(|| renewal(what)),
    };
    Trouble::new(format!("{whom}: {}: {}", cleaned(code), shown(message))).remedy(remedy)
}

fn token_file(file: &str, by: &str, said: &str) -> Trouble {
    match std::fs::read(super::in_home(file.as_ref())) {
        Err(error) => Trouble::new(format!(
            "the token file {file}, which {by} names, can't be read: {}",
            plain(&error)
        ))
        .remedy("check the path; the file is written by what runs this job or pod"),
        Ok(_) => Trouble::new(format!(
            "the token in {file}, which {by} names, can't be used: {}",
            shown(said)
        ))
        .remedy("get a new token from its issuer"),
    }
}

/// What a `credential_process` did wrong.
fn process(name: &str, said: &str) -> Trouble {
    let ended = said.split_once("exited with code ").map(|(_, rest)| rest);
    let text = match ended.and_then(|rest| rest.split_once(". Stderr: ")) {
        Some((status, stderr)) => {
            let status = status.trim_start_matches("exit status: ");
            let status = status.trim_start_matches("exit code: ");
            match stderr.trim() {
                "" => format!("the credential_process of profile {name} ended with status {status} and said nothing"),
                stderr => format!(
                    "the credential_process of profile {name} ended with status {status}: {}",
                    shown(stderr)
                ),
            }
        }
        None => match said.split_once("could not parse response: ") {
            Some((_, why)) => {
                let why = match why {
                    why if why.contains("Expected field") => {
                        let field = why.split('`').nth(1).unwrap_or_default();
                        format!("{field} is missing")
                    }
                    why if why.contains("Invalid field") => {
                        let field = why.split('`').nth(1).unwrap_or_default();
                        format!("{field} isn't what it should be")
                    }
                    _ => "it isn't JSON".to_owned(),
                };
                format!("the credential_process of profile {name} printed no credentials: {why}")
            }
            None => format!(
                "the credential_process of profile {name} can't be used: {}",
                shown(said)
            ),
        },
    };
    Trouble::new(text)
        .remedy("run its command by hand: it has to print JSON with Version 1, AccessKeyId and SecretAccessKey")
}

/// A text from outside, on one line and not too long.
fn shown(text: &str) -> String {
    let text = cleaned(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

//! How a profile gets its credentials, and whether it can: decided before anything is asked.

use std::time::Duration;

use aws_credential_types::Credentials;
use billctl_core::text::bounded;

use super::{What, checked};
use crate::config_files::{Files, Section, in_home};
use crate::trouble::Trouble;

/// How many profiles may follow each other from the first to its credentials. Each role is a call of its own that waits
/// for the next.
const LONGEST_CHAIN: usize = 16;

/// Where a profile's credentials come from.
#[derive(Debug)]
pub(crate) struct How {
    /// The profile at the chain's end, which has credentials of its own.
    pub(crate) profile: String,
    pub(crate) base: Base,
    /// The roles that are assumed with them, in this order.
    pub(crate) roles: Vec<Role>,
}

/// Credentials that need no others.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    Keys(Credentials),
    Process(String),
    Sso(Sso),
    Login(String),
    WebIdentity {
        file: std::path::PathBuf,
        role: String,
        session: Option<String>,
    },
    Environment,
    Container,
    Metadata,
}

/// A sign-in at IAM Identity Center.
#[derive(Debug, Clone)]
pub(crate) struct Sso {
    pub(crate) session: Option<String>,
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) start_url: String,
    pub(crate) region: String,
}

/// A role that a profile assumes.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) profile: String,
    pub(crate) arn: String,
    pub(crate) session: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) duration: Option<Duration>,
}

/// How `name` gets its credentials; none if nothing in it says so.
pub(crate) fn how(files: &Files, name: &str) -> Result<Option<How>, Trouble> {
    let mut roles = Vec::new();
    let mut visited: Vec<String> = Vec::new();
    let mut current = name.to_owned();
    let base = loop {
        let before = visited.last().cloned();
        let section = files.profile(&current).map_err(|missing| match &before {
            None => missing,
            Some(before) => Trouble {
                text: format!("profile {before} takes its credentials from another (source_profile), but {missing}"),
                ..missing
            },
        })?;
        if before.as_ref() == Some(&current) {
            return Err(Trouble::new(format!(
                "profile {current} takes the credentials for its role from itself, and has no keys"
            ))
            .remedy("let source_profile name a profile with credentials of its own"));
        }
        if visited.contains(&current) {
            visited.push(current);
            return Err(Trouble::new(format!(
                "the profiles take their credentials from each other, in a circle: {}",
                visited.join(", ")
            ))
            .remedy("let the source_profile of one of them name a profile with credentials of its own"));
        }
        if visited.len() == LONGEST_CHAIN {
            return Err(Trouble::new(format!(
                "profile {name} takes its credentials from more than {LONGEST_CHAIN} others, one after the other"
            ))
            .remedy("let source_profile name a profile that is nearer to the credentials"));
        }
        visited.push(current.clone());
        // A source with keys is asked for its own credentials, whatever role it names.
        if before.is_some() && has_keys(section) {
            break base(files, &current, section)?;
        }
        let get = |key: &str| section.get(key).filter(|value| !value.is_empty());
        let Some(arn) = get("role_arn").filter(|_| get("web_identity_token_file").is_none()) else {
            break base(files, &current, section)?;
        };
        if get("mfa_serial").is_some() {
            let text = format!("profile {current} asks for an MFA code (mfa_serial), which billctl can't do");
            return Err(Trouble::new(text).remedy(exported(&current)));
        }
        roles.push(Role {
            profile: current.clone(),
            arn: arn.clone(),
            session: get("role_session_name").cloned(),
            external_id: get("external_id").cloned(),
            duration: get("duration_seconds")
                .and_then(|seconds| Some(Duration::from_secs(seconds.parse::<u32>().ok()?.into()))),
        });
        match (get("source_profile"), get("credential_source")) {
            (Some(source), None) if *source == current && has_keys(section) => break base(files, &current, section)?,
            (Some(source), None) => current.clone_from(source),
            (None, Some(source)) => {
                break Some(match source.to_ascii_lowercase().as_str() {
                    "environment" => Base::Environment,
                    "ecscontainer" => Base::Container,
                    "ec2instancemetadata" => Base::Metadata,
                    _ => {
                        return Err(Trouble::new(format!(
                            "the credential_source of profile {current} is `{source}`, which AWS doesn't know"
                        ))
                        .remedy("it can be Environment, Ec2InstanceMetadata or EcsContainer"));
                    }
                });
            }
            (Some(_), Some(_)) => {
                let text = format!("profile {current} has both source_profile and credential_source");
                return Err(Trouble::new(text).remedy("leave one of them out"));
            }
            (None, None) => {
                return Err(Trouble::new(format!(
                    "profile {current} has a role_arn, but nothing to assume it with"
                ))
                .remedy("add source_profile, the profile whose credentials may assume the role"));
            }
        }
    };
    let Some(base) = base else {
        return match visited.as_slice() {
            [.., before, last] => Err(Trouble::new(format!(
                "profile {before} takes its credentials from profile {last}, which has none"
            ))
            .remedy(format!(
                "give profile {last} credentials: `aws configure --profile {last}`"
            ))),
            _ => Ok(None),
        };
    };
    // The last profile found is the first to act.
    roles.reverse();
    let profile = current;
    Ok(Some(How { profile, base, roles }))
}

/// The remedy for what only the AWS CLI can do.
fn exported(profile: &str) -> String {
    format!(
        "let the AWS CLI ask: make another profile with `credential_process = aws configure export-credentials --profile \
         '{profile}'`, and name that one"
    )
}

/// What a profile has of its own, in the AWS CLI's order.
fn base(files: &Files, name: &str, section: &Section) -> Result<Option<Base>, Trouble> {
    let get = |key: &str| section.get(key).filter(|value| !value.is_empty());
    if let Some(file) = get("web_identity_token_file") {
        let Some(role) = get("role_arn") else {
            return Err(
                Trouble::new(format!("profile {name} has a web_identity_token_file, but no role_arn"))
                    .remedy("add role_arn, the role that the token may assume"),
            );
        };
        return Ok(Some(Base::WebIdentity {
            file: in_home(file.as_ref()),
            role: role.clone(),
            session: get("role_session_name").cloned(),
        }));
    }
    if let Some(sso) = sso(files, name, section)? {
        return Ok(Some(Base::Sso(sso)));
    }
    if let Some(keys) = keys(name, files.credentials_keys(name))? {
        return Ok(Some(Base::Keys(keys)));
    }
    if let Some(session) = get("login_session") {
        return Ok(Some(Base::Login(session.clone())));
    }
    if let Some(command) = get("credential_process") {
        return Ok(Some(Base::Process(command.clone())));
    }
    if let Some(keys) = keys(name, files.config_keys(name))? {
        return Ok(Some(Base::Keys(keys)));
    }
    match has_keys(section) {
        false => Ok(None),
        true => Err(partial(name, "aws_secret_access_key", "aws_access_key_id", "")),
    }
}

fn has_keys(section: &Section) -> bool {
    let has = |key: &str| section.get(key).is_some_and(|value| !value.is_empty());
    has("aws_access_key_id") || has("aws_secret_access_key")
}

fn partial(profile: &str, there: &str, not: &str, place: &str) -> Trouble {
    Trouble::new(format!("profile {profile} has {there}{place}, but no {not} beside it"))
        .remedy(format!("run `aws configure --profile {profile}`"))
}

fn sso(files: &Files, name: &str, section: &Section) -> Result<Option<Sso>, Trouble> {
    let get = |key: &str| section.get(key).filter(|value| !value.is_empty());
    let session = get("sso_session");
    // Without both of these it isn't about credentials, as for the CLI.
    if get("sso_account_id").is_none() && get("sso_role_name").is_none() {
        return Ok(None);
    }
    let settings = match session {
        None => None,
        Some(session) => Some(files.sso_session(session).ok_or_else(|| {
            Trouble::new(format!(
                "profile {name} names an sso_session {session}, but there is no [sso-session {session}]"
            ))
            .remedy(format!("run `aws configure sso --profile {name}`"))
        })?),
    };
    let wanted = |key: &str| {
        let own = get(key);
        let its = settings
            .and_then(|settings| settings.get(key))
            .filter(|value| !value.is_empty());
        if let (Some(own), Some(its)) = (own, its)
            && own != its
        {
            let text = format!("profile {name} and its sso-session say different things for {key}");
            return Err(Trouble::new(text).remedy(format!("leave {key} out of the profile")));
        }
        own.or(its).cloned().ok_or_else(|| {
            Trouble::new(format!("profile {name} lacks {key}"))
                .remedy(format!("run `aws configure sso --profile {name}`"))
        })
    };
    let found = Sso {
        session: session.cloned(),
        account: wanted("sso_account_id")?,
        role: wanted("sso_role_name")?,
        start_url: wanted("sso_start_url")?,
        region: wanted("sso_region")?,
    };
    // It becomes a part of a host's name.
    match found
        .region
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || one == '-')
    {
        true => Ok(Some(found)),
        false => Err(Trouble::new(format!(
            "the sso_region of profile {name} is `{}`, which is not a Region",
            bounded(&found.region, 40)
        ))
        .remedy(format!(
            "it has to look like us-east-1: run `aws configure sso --profile {name}`"
        ))),
    }
}

/// A profile's keys in one file: a secret of the other wouldn't be theirs. As in the CLI it is the id that counts.
fn keys(name: &str, (section, file): (Option<&Section>, String)) -> Result<Option<Credentials>, Trouble> {
    let get = |key: &str| section?.get(key).filter(|value| !value.is_empty());
    let Some(id) = get("aws_access_key_id") else {
        return Ok(None);
    };
    let Some(secret) = get("aws_secret_access_key") else {
        let place = format!(" in {file}");
        return Err(partial(name, "aws_access_key_id", "aws_secret_access_key", &place));
    };
    // In this order, as in the CLI.
    let token = get("aws_security_token").or_else(|| get("aws_session_token"));
    let keys = Credentials::new(id, secret, token.cloned(), None, "profile");
    let what = What::Profile(name.to_owned(), Base::Keys(keys.clone()));
    checked(&keys, &what).map(Some)
}

//! The credentials of a container: on ECS, EKS and CodeBuild, or of whatever a user has put at that address.

use std::net::IpAddr;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http::Uri;

use super::answers::{Form, Instead, ask};
use super::failure::{CONTAINER_REMEDY, shown, told};
use super::process;
use crate::classify::{causes, chain};
use crate::config_files::text_of;
use crate::environment::Environment;
use crate::network;
use crate::trouble::Trouble;

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Where a relative address is one of (ECS developer guide, "Task IAM role").
const HOST: &str = "http://169.254.170.2";
/// Who may be asked without TLS, besides this machine: ECS's and EKS's agents (SDK reference, "Container credential
/// provider").
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// The longest token in bytes.
const LONGEST: usize = 64 << 10;

/// The service of a container, which gives out credentials.
#[derive(Debug)]
pub(super) struct Container {
    http: SharedHttpConnector,
    address: String,
    token: Option<Token>,
}

/// What it wants to be shown.
#[derive(Debug)]
enum Token {
    Text(String),
    /// In a file, which is written again before it expires.
    File(String),
}

impl Container {
    /// What the environment names, if anything.
    pub(super) fn of(environment: &Environment, http: &SharedHttpConnector) -> Result<Option<Self>, Trouble> {
        let Some((variable, said)) = environment.first(&[RELATIVE, FULL])? else {
            return Ok(None);
        };
        let address = match variable {
            RELATIVE => format!("{HOST}{said}"),
            _ => said.to_owned(),
        };
        let is_right = |uri: &Uri| match variable {
            RELATIVE => said.starts_with('/') && uri.path().starts_with('/'),
            _ => matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()),
        };
        let Some(uri) = address.parse().ok().filter(is_right) else {
            let text = format!("{variable} is `{}`, which is not an address", shown(said));
            return Err(Trouble::new(text).remedy(match variable {
                RELATIVE => format!("{variable} has to begin with /"),
                _ => format!("{variable} has to look like http://HOST/PATH"),
            }));
        };
        if !may_be_asked(&uri) {
            return Err(Trouble::new(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor an address of this machine or of the \
                 container service",
            )
            .remedy(CONTAINER_REMEDY));
        }
        let token = match (environment.get(TOKEN_FILE)?, environment.get(TOKEN)?) {
            (Some(file), _) => Some(Token::File(file.to_owned())),
            (None, Some(_)) => environment.raw(TOKEN).map(|token| Token::Text(token.to_owned())),
            (None, None) => None,
        };
        let found = Self {
            http: http.clone(),
            address,
            token,
        };
        // What is wrong with it is said before anything is asked.
        found.token()?;
        Ok(Some(found))
    }

    fn token(&self) -> Result<Option<String>, Trouble> {
        let (name, token) = match &self.token {
            None => return Ok(None),
            Some(Token::Text(token)) => (TOKEN, token.clone()),
            Some(Token::File(file)) => {
                let unreadable = |what: String| {
                    Trouble::new(format!("{file}, which {TOKEN_FILE} names, can't be read: {what}"))
                        .remedy("the container gives out credentials only for the token in this file")
                };
                (TOKEN_FILE, text_of(file.as_ref(), LONGEST).map_err(unreadable)?)
            }
        };
        let what = match token.chars().find(|one| one.is_control() || !one.is_ascii()) {
            None => return Ok(Some(token)),
            Some('\r' | '\n') => "a line break",
            Some(one) if one.is_control() => "a control character",
            Some(_) => "a letter beyond ASCII",
        };
        Err(Trouble::new(format!("the token of {name} holds {what}")).remedy("write it without one"))
    }

    async fn find(&self) -> Result<Credentials, Trouble> {
        let wrong = |text: String| Trouble::new(text).remedy(CONTAINER_REMEDY);
        let name = match self.address.starts_with(HOST) {
            true => "the container's credentials service (169.254.170.2)",
            false => "the container's credentials service",
        };
        let mut request = HttpRequest::get(&self.address).map_err(|error| wrong(format!("{name}: {error}")))?;
        let headers = request.headers_mut();
        headers.insert("accept", "application/json");
        if let Some(token) = self.token()? {
            headers
                .try_insert("authorization", token)
                .map_err(|error| wrong(format!("{name}: {error}")))?;
        }
        let answer = ask(self.http.clone(), Form::Container, request)
            .await
            .map_err(
                |error| match causes(&error).find_map(|cause| cause.downcast_ref::<Instead>()) {
                    Some(instead) => wrong(told(name, instead)),
                    None => {
                        let what = network::unreached(&chain(&error), &Environment::default());
                        wrong(format!("{name} can't be reached: {what}"))
                    }
                },
            )?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(wrong(format!("{name} answered {status}")));
        }
        let body = answer.body().bytes().unwrap_or_default();
        let found = serde_json::from_slice(body).map_err(|_| "it isn't JSON".to_owned());
        found
            .and_then(|value| process::keys(&value, "Token"))
            .map_err(|what| wrong(format!("{name} gives no credentials: {what}")))
    }
}

impl ProvideCredentials for Container {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.find().await?) })
    }
}

/// Whether a token may go there: what isn't encrypted mustn't leave the machine.
fn may_be_asked(uri: &Uri) -> bool {
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    uri.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || AGENTS.contains(&host)
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

//! The standard chain of credentials, in the AWS CLI's order, each source with its own words when it fails.
//!
//! The SDK's own chain isn't used: it lets the environment's keys win over `--profile`, tells neither file nor variable,
//! and signs with whatever it is given, a line break in a key ending the process.

mod answers;
mod container;
mod failure;
mod process;
mod profile;
mod web_identity;

use std::time::{Duration, SystemTime};

use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::login::LoginCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::StaticConfiguration;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use billctl_core::model::REGION;

use answers::{Answers, Form};
use container::Container;
use process::Process;
use profile::{Base, How};
use web_identity::{of_token, web_identity};

use crate::config_files::{Files, Section};
use crate::environment::Environment;
use crate::trouble::Trouble;
use crate::whole::client_by;

/// How long credentials may take: `credential_process` may ask a person.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many seconds the instance's metadata service may take, unless the environment says otherwise. It answers in
/// milliseconds where there is one; elsewhere nobody answers, and a user without credentials should hear so at once.
const METADATA_SECONDS: u32 = 1;

/// Which profile is meant.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// By whom it was named: `--profile` or a variable.
    pub(crate) by: Option<&'static str>,
}

impl Selected {
    pub(crate) fn of(argument: Option<&str>, environment: &Environment) -> Result<Self, Trouble> {
        let named = match argument.filter(|name| !name.is_empty()) {
            Some(name) => Some(("--profile", name)),
            // An empty one names none, as for the CLI.
            None => environment.first(&["AWS_DEFAULT_PROFILE", "AWS_PROFILE"])?,
        };
        Ok(Self {
            name: named.map_or("default", |(_, name)| name).to_owned(),
            by: named.map(|(by, _)| by),
        })
    }

    /// Whether the command line named it: then the environment's keys are none of its business.
    fn is_argument(&self) -> bool {
        self.by == Some("--profile")
    }
}

/// What sources are made with.
pub(crate) struct Means<'a> {
    pub(crate) environment: &'a Environment,
    /// Region, endpoints and HTTP client for STS.
    pub(crate) config: &'a SdkConfig,
    /// The way to AWS, through a proxy if there is one.
    pub(crate) http: SharedHttpConnector,
    /// The way to this machine's own addresses, past any proxy.
    pub(crate) direct: SharedHttpConnector,
}

/// The first source that there is, in the standard order.
#[derive(Debug)]
pub(crate) struct Chain {
    source: Result<Option<Source>, Trouble>,
    /// What was looked at and held nothing.
    empty: Vec<String>,
    /// What to do if there is nothing at all.
    remedy: Option<String>,
}

#[derive(Debug, Clone)]
struct Source {
    what: What,
    provider: SharedCredentialsProvider,
}

/// Where credentials come from, of a profile its name and how it gets them: decides the words of what goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Environment,
    Profile(String, Base),
    Role { profile: String, arn: String },
    WebIdentity { file: String, by: String },
    Container,
    Metadata,
}

impl Chain {
    pub(crate) async fn new(
        selected: &Result<Selected, Trouble>,
        files: &Result<Files, Trouble>,
        means: &Means<'_>,
    ) -> Self {
        let mut chain = Self {
            source: Ok(None),
            empty: Vec::new(),
            remedy: None,
        };
        chain.source = chain.look(selected, files, means).await;
        chain
    }

    /// As the AWS CLI: the environment, a profile with a role, a web identity, any other profile, the container, the
    /// instance. What is wrong with one hides those after it.
    async fn look(
        &mut self,
        selected: &Result<Selected, Trouble>,
        files: &Result<Files, Trouble>,
        means: &Means<'_>,
    ) -> Result<Option<Source>, Trouble> {
        let environment = means.environment;
        let selected = selected.as_ref().map_err(Trouble::clone)?;
        let name = selected.name.as_str();
        let ambient = !selected.is_argument();
        // A profile that is named and isn't there is an error whatever else there is.
        if let (Some(_), Ok(files)) = (selected.by, files) {
            files.profile(name)?;
        }
        if ambient {
            match in_environment(environment)? {
                Some(keys) => return Ok(Some(Source::new(What::Environment, keys))),
                None => self.empty.push("none in the environment".to_owned()),
            }
        }
        let files = files.as_ref().map_err(Trouble::clone)?;
        let web = match ambient {
            true => web_identity(environment, name, files.get(name))?,
            false => None,
        };
        let how = match files.get(name) {
            // The profile's own web identity, with what the environment says over it.
            Some(section) if web.is_some() && section.contains_key("web_identity_token_file") => None,
            Some(_) => profile::how(files, name)?,
            None => None,
        };
        match (how, web) {
            (Some(how), web) if web.is_none() || !how.roles.is_empty() => {
                return of_profile(how, means).await.map(Some);
            }
            (_, Some((what, identity))) => {
                no_empty_endpoint(environment)?;
                return Ok(Some(Source::new(what, of_token(identity, means))));
            }
            _ => {}
        }
        self.empty.push(match (files.get(name), selected.by) {
            (Some(_), _) => format!("none in profile {name} of {}", files.names()),
            (None, _) => format!("no profile {name} in {}", files.names()),
        });
        if selected.by.is_some() {
            self.remedy = Some(format!(
                "give profile {name} credentials: `aws configure --profile {name}`, `aws configure sso` or `aws login`"
            ));
        }
        if let Some(provider) = Container::of(environment, &means.direct)? {
            return Ok(Some(Source::new(What::Container, provider)));
        }
        let metadata = metadata(environment, files.get(name), &means.direct)?;
        if metadata.is_none() {
            self.empty
                .push("the instance metadata service is switched off".to_owned());
        }
        Ok(metadata.map(|provider| Source::new(What::Metadata, provider)))
    }

    async fn find(&self) -> provider::Result {
        let mut empty = self.empty.clone();
        if let Some(source) = self.source.as_ref().map_err(Trouble::clone)? {
            match source.find().await {
                Err(error @ CredentialsError::CredentialsNotLoaded(_)) => empty.push(failure::innermost(&error)),
                found => return found,
            }
        }
        let mut nothing = Trouble::new(match empty.is_empty() {
            true => "no credentials found".to_owned(),
            false => format!("no credentials found: {}", empty.join(", ")),
        });
        nothing.remedy = self.remedy.clone();
        Err(nothing.into())
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.find())
    }
}

impl Source {
    fn new(what: What, provider: impl ProvideCredentials + 'static) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        Self { what, provider }
    }

    async fn find(&self) -> provider::Result {
        // A program's patience is its own: those who wait for another run of it hear what came of it.
        let patience = match &self.what {
            What::Profile(_, Base::Process(_)) => PATIENCE * 2,
            _ => PATIENCE,
        };
        match tokio::time::timeout(patience, self.provider.provide_credentials()).await {
            Ok(Ok(found)) => Ok(checked(&found, &self.what)?),
            Ok(Err(error)) => Err(failure::explained(&self.what, error)),
            Err(_) => Err(failure::late(&self.what, PATIENCE).into()),
        }
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.find())
    }
}

/// A profile's own credentials, or those of the roles that are assumed with them one after the other.
async fn of_profile(how: How, means: &Means<'_>) -> Result<Source, Trouble> {
    let provider = base_provider(&how, means)?;
    let what = What::Profile(how.profile, how.base);
    let mut source = Source { what, provider };
    let config = means.config.to_builder();
    let config = config
        .retry_config(RetryConfig::standard())
        .http_client(answering(Form::Query, &means.http))
        .build();
    for role in how.roles {
        let mut builder = AssumeRoleProvider::builder(&role.arn)
            .configure(&config)
            .session_name(role.session.unwrap_or_else(session_name));
        if let Some(id) = role.external_id {
            builder = builder.external_id(id);
        }
        if let Some(duration) = role.duration {
            builder = builder.session_length(duration);
        }
        let what = What::Role {
            profile: role.profile,
            arn: role.arn,
        };
        source = Source::new(what, builder.build_from_provider(source).await);
    }
    Ok(source)
}

/// The SDK's way to make the sources that it knows, whose answers have this form.
fn provider_config(form: Form, http: &SharedHttpConnector) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_region(Some(Region::from_static(REGION)))
        .with_http_client(answering(form, http))
}

fn answering(form: Form, http: &SharedHttpConnector) -> SharedHttpClient {
    let inner = http.clone();
    client_by(Answers { form, inner })
}

/// The SDK's own sources read the endpoints of the services that they ask from the environment, and end the process at
/// an empty one.
fn no_empty_endpoint(environment: &Environment) -> Result<(), Trouble> {
    let variables = ["", "_STS", "_SSO", "_SSO_OIDC", "_SIGNIN"].map(|service| format!("AWS_ENDPOINT_URL{service}"));
    match variables.iter().find(|name| environment.raw(name) == Some("")) {
        None => Ok(()),
        Some(name) => Err(Trouble::new(format!("{name} is set, but empty")).remedy(format!("unset {name}"))),
    }
}

fn base_provider(how: &How, means: &Means<'_>) -> Result<SharedCredentialsProvider, Trouble> {
    let config = provider_config(Form::Json, &means.http);
    if let Base::Sso(_) | Base::Login(_) | Base::WebIdentity { .. } = &how.base {
        no_empty_endpoint(means.environment)?;
    }
    Ok(match &how.base {
        Base::Keys(keys) => SharedCredentialsProvider::new(keys.clone()),
        Base::Process(command) => {
            let what = What::Profile(how.profile.clone(), how.base.clone());
            SharedCredentialsProvider::new(Process::new(what, command, PATIENCE))
        }
        Base::Sso(sso) => {
            let mut provider = SsoCredentialsProvider::builder()
                .configure(&config)
                .account_id(&sso.account)
                .role_name(&sso.role)
                .start_url(&sso.start_url)
                .region(Region::new(sso.region.clone()));
            provider.set_session_name(sso.session.clone());
            SharedCredentialsProvider::new(provider.build())
        }
        Base::Login(session) => {
            SharedCredentialsProvider::new(LoginCredentialsProvider::builder(session).configure(&config).build())
        }
        Base::WebIdentity { file, role, session } => {
            let identity = StaticConfiguration {
                web_identity_token_file: file.into(),
                role_arn: role.clone(),
                session_name: session.clone().unwrap_or_else(session_name),
            };
            SharedCredentialsProvider::new(of_token(identity, means))
        }
        Base::Environment => {
            let remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            let found = in_environment(means.environment)?;
            taken(how, found, "the environment, which has none", remedy)?
        }
        Base::Container => {
            let remedy = "this works on ECS, EKS and CodeBuild, where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI \
                          is set";
            let found = Container::of(means.environment, &means.direct)?;
            taken(how, found, "the container, which has none", remedy)?
        }
        Base::Metadata => {
            let from = "the instance metadata service, which is switched off";
            let found = metadata(means.environment, None, &means.direct)?;
            taken(how, found, from, "AWS_EC2_METADATA_DISABLED switches it off")?
        }
    })
}

/// What a profile takes from elsewhere, if it is there.
fn taken(
    how: &How,
    found: Option<impl ProvideCredentials + 'static>,
    from: &str,
    remedy: &str,
) -> Result<SharedCredentialsProvider, Trouble> {
    let profile = &how.profile;
    let nothing = || Trouble::new(format!("profile {profile} takes its credentials from {from}")).remedy(remedy);
    found.map(SharedCredentialsProvider::new).ok_or_else(nothing)
}

/// The environment's keys. A key without its secret is an error, as in the AWS CLI.
fn in_environment(environment: &Environment) -> Result<Option<Credentials>, Trouble> {
    let Some(id) = environment.get("AWS_ACCESS_KEY_ID")? else {
        return Ok(None);
    };
    let Some(secret) = environment.get("AWS_SECRET_ACCESS_KEY")? else {
        return Err(
            Trouble::new("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY isn't").remedy("set both or neither"),
        );
    };
    let token = environment.first(&["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"])?;
    let token = token.map(|(_, token)| token.to_owned());
    let expiry = environment
        .get("AWS_CREDENTIAL_EXPIRATION")?
        .and_then(|time| SystemTime::try_from(time.parse::<jiff::Timestamp>().ok()?).ok());
    let keys = Credentials::new(id, secret, token, expiry, "environment");
    checked(&keys, &What::Environment).map(Some)
}

fn session_name() -> String {
    "billctl".to_owned()
}

/// The instance's credentials, with little patience for a metadata service that isn't there; none if it is off.
fn metadata(
    environment: &Environment,
    profile: Option<&Section>,
    direct: &SharedHttpConnector,
) -> Result<Option<ImdsCredentialsProvider>, Trouble> {
    let off = environment.get("AWS_EC2_METADATA_DISABLED")?;
    if off.is_some_and(|off| off.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let setting = |variable: &'static str, key: &'static str| -> Result<Option<(&'static str, String)>, Trouble> {
        let said = environment.get(variable)?.map(|value| (variable, value.to_owned()));
        Ok(said.or_else(|| Some((key, profile?.get(key)?.clone()))))
    };
    let number = |variable, key, standard| match setting(variable, key)? {
        None => Ok(standard),
        Some((name, value)) => match value.parse::<u32>() {
            Ok(number @ 1..=600) => Ok(number),
            _ => Err(Trouble::new(format!("{name} is `{value}`")).remedy("it has to be a whole number, at least 1")),
        },
    };
    let seconds = number(
        "AWS_METADATA_SERVICE_TIMEOUT",
        "metadata_service_timeout",
        METADATA_SECONDS,
    )?;
    let attempts = number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 1)?;
    let patience = Duration::from_secs(seconds.into());
    let client = imds::Client::builder()
        .configure(&provider_config(Form::Metadata, direct))
        .max_attempts(attempts)
        .connect_timeout(patience)
        .read_timeout(patience)
        .operation_attempt_timeout(patience)
        .operation_timeout(patience * attempts);
    let mode = setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
    )?;
    let standard = match mode.is_some_and(|(_, mode)| mode.eq_ignore_ascii_case("ipv6")) {
        true => "http://[fd00:ec2::254]",
        false => "http://169.254.169.254",
    };
    let address = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")?;
    let (name, address) = address.unwrap_or(("the metadata service's endpoint", standard.to_owned()));
    let uri = address.parse::<http::Uri>();
    let is_right = uri.is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    let Some(client) = client.endpoint(&address).ok().filter(|_| is_right) else {
        let text = format!("{name} is `{address}`, which is not an address");
        return Err(Trouble::new(text).remedy("it has to look like http://HOST"));
    };
    let provider = ImdsCredentialsProvider::builder()
        .configure(&provider_config(Form::Metadata, direct))
        .imds_client(client.build())
        .build();
    Ok(Some(provider))
}

/// The same credentials without space around them, if they can be sent at all and are still good.
fn checked(found: &Credentials, what: &What) -> Result<Credentials, Trouble> {
    let id = clean(found.access_key_id(), "AWS_ACCESS_KEY_ID", what)?;
    let secret = clean(found.secret_access_key(), "AWS_SECRET_ACCESS_KEY", what)?;
    let token = found
        .session_token()
        .map(|token| clean(token, "AWS_SESSION_TOKEN", what))
        .transpose()?
        .filter(|token| !token.is_empty())
        .map(str::to_owned);
    if let Some(expiry) = found.expiry()
        && expiry <= SystemTime::now()
    {
        let at = jiff::Timestamp::try_from(expiry).map_or_else(|_| String::new(), |at| format!(" at {at:.0}"));
        return Err(failure::expired(what, &at));
    }
    Ok(Credentials::new(id, secret, token, found.expiry(), "billctl"))
}

/// A part of credentials, which the environment has in `variable`: they are all made of visible ASCII, and end up in
/// headers.
fn clean<'a>(text: &'a str, variable: &str, what: &What) -> Result<&'a str, Trouble> {
    let text = text.trim();
    let Some(strange) = text.chars().find(|one| !one.is_ascii_graphic()) else {
        return Ok(text);
    };
    let shown = match strange {
        '\n' | '\r' => "a line break".to_owned(),
        one if one.is_whitespace() => "a space".to_owned(),
        one if one.is_control() => "a control character".to_owned(),
        one => format!("`{one}`"),
    };
    // `aws_access_key_id` in a profile, "access key id" in a sentence.
    let key = variable.to_lowercase();
    let name = match what {
        What::Environment => variable.to_owned(),
        What::Profile(name, Base::Keys(_)) => format!("{key} of profile {name}"),
        what => {
            let part = key.trim_start_matches("aws_").replace('_', " ");
            format!("the {part} from {}", failure::source(what))
        }
    };
    Err(
        Trouble::new(format!("{name} holds {shown}, which no key or token does")).remedy(match what {
            What::Environment => format!("set {variable} again without it"),
            _ => "write or copy it again without it".to_owned(),
        }),
    )
}

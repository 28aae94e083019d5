//! The traits of `service` on the AWS SDK: one file per service, and the only place that names an SDK type.

mod account;
mod billing;
mod call;
mod classify;
mod cloudformation;
mod cloudwatch;
mod convert;
mod credentials;
mod environment;
mod eventbridge;
mod iam;
mod member;
mod network;
mod organizations;
mod sesv2;
mod sfn;
mod sns;
mod sqs;
mod strange;
mod sts;
mod trouble;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};

pub use aws_config::SdkConfig;

use billctl_core::error::Result;
use billctl_core::model::REGION;
use billctl_core::service::clock::SystemClock;
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{Gate, Services};
use call::Caller;
use credentials::{Chain, Files, Means, Selected};
use environment::Environment;
use strange::RefuseStrange;
use whole::whole;

/// How to reach AWS.
#[derive(Debug, Clone)]
pub struct Options {
    /// The profile of `~/.aws/config`; by default that of `AWS_PROFILE`, or `default`.
    pub profile: Option<String>,
    /// As whom StackSets are called.
    pub call_as: CallAs,
    /// How long an answer may take, from the request to its last byte.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: None,
            call_as: CallAs::default(),
            patience: whole::PATIENCE,
        }
    }
}

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long credentials may take in all; each source has an end of its own before.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(65);

/// Clients for every service, on the standard chain of credentials, with the standard environment
/// (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_CA_BUNDLE`, `HTTPS_PROXY`, ...) and the profile's settings;
/// docs/credentials.md has them all.
///
/// # Errors
/// A proxy, an endpoint or a file of certificates that is none. Credentials are looked for at the first call, which
/// then fails with [`Kind::Credentials`](billctl_core::service::Kind::Credentials).
pub async fn connect(options: &Options) -> Result<Services> {
    let environment = Environment::of_process();
    let selected = Selected::of(options.profile.as_deref(), &environment);
    let files = Files::read(&environment);
    let section = match (&selected, &files) {
        (Ok(selected), Ok(files)) => files
            .get(&selected.name)
            .map(|section| (selected.name.as_str(), section)),
        _ => None,
    };
    network::check_proxies(&environment)?;
    network::check_endpoints(&environment, section)?;
    network::check_headers(&environment)?;
    let trust = network::trust(&environment, section)?;
    let http = https_client(trust.clone());
    let settings = files
        .as_ref()
        .map_or_else(|_| Files::default().for_sdk(), Files::for_sdk);
    let name = match (&selected, &files) {
        (Ok(selected), Ok(files)) => files.sdk_name(&selected.name),
        _ => "default".to_owned(),
    };
    let config = aws_config::defaults(behavior())
        .region(Region::from_static(REGION))
        .http_client(http.clone())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .profile_files(settings)
        .profile_name(name)
        .no_credentials()
        .load()
        .await;
    let means = Means {
        environment: &environment,
        config: &config,
        http: whole(http, whole::PATIENCE),
        direct: direct_client(trust),
    };
    let chain = Chain::new(&selected, &files, &means).await;
    let config = config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(chain))
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
        .build();
    Ok(connect_with(&config, options, Gate::default()))
}

/// The same clients on a configuration made elsewhere, which says Region, credentials, endpoint and HTTP client.
/// Its retries are switched off: the `gate` retries. Its answers come whole or not at all.
pub fn connect_with(config: &SdkConfig, options: &Options, gate: Gate) -> Services {
    let mut builder = config.to_builder().retry_config(RetryConfig::disabled());
    builder.set_http_client(config.http_client().map(|http| whole(http, options.patience)));
    let config = builder.build();
    let gate = Arc::new(gate);
    /// An SDK client that calls through the gate.
    macro_rules! caller {
        ($sdk:ident) => {{
            let config = $sdk::config::Builder::from(&config).interceptor(RefuseStrange).build();
            Caller::new($sdk::Client::from_conf(config), gate.clone())
        }};
    }
    Services {
        account: Arc::new(caller!(aws_sdk_account)),
        billing: Arc::new(caller!(aws_sdk_billing)),
        cloudformation: Arc::new(cloudformation::StackSets::new(
            caller!(aws_sdk_cloudformation),
            options.call_as,
        )),
        cloudwatch: Arc::new(caller!(aws_sdk_cloudwatch)),
        eventbridge: Arc::new(caller!(aws_sdk_eventbridge)),
        iam: Arc::new(caller!(aws_sdk_iam)),
        members: Arc::new(member::AssumedRoles {
            sts: caller!(aws_sdk_sts),
            config: config.clone(),
            gate: gate.clone(),
        }),
        organizations: Arc::new(caller!(aws_sdk_organizations)),
        sesv2: Arc::new(caller!(aws_sdk_sesv2)),
        sfn: Arc::new(caller!(aws_sdk_sfn)),
        sns: Arc::new(caller!(aws_sdk_sns)),
        sqs: Arc::new(caller!(aws_sdk_sqs)),
        sts: Arc::new(caller!(aws_sdk_sts)),
        clock: Arc::new(SystemClock),
        gate,
    }
}

/// Pinned, so that a newer SDK can't change its ways unnoticed.
pub fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build()
}

/// The way to addresses of this machine and its network, which no proxy leads to.
fn direct_client(trust: TlsContext) -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(trust)
        .build_https()
}

/// One HTTP client, and so one pool of connections, for all services; through the proxy that the environment names.
fn https_client(trust: TlsContext) -> SharedHttpClient {
    let connector = Connector::builder()
        // How long an answer may take, `whole` says.
        .connector_settings(
            HttpConnectorSettings::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        )
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(trust)
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

//! The traits of `service` on the AWS SDK: one file per service, and the only place that names an SDK type.

mod account;
mod billing;
mod call;
mod classify;
mod cloudformation;
mod cloudwatch;
mod config_files;
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
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::{ProxyConfig, ProxyError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use http::Uri;

pub use aws_config::SdkConfig;

use billctl_core::error::Result;
use billctl_core::model::REGION;
use billctl_core::service::clock::SystemClock;
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{Gate, Services};
use call::Caller;
use config_files::Files;
use credentials::{Chain, Means, Selected};
use environment::Environment;
use network::{Proxies, Proxy};
use strange::RefuseStrange;
use trouble::Trouble;
use whole::{client_by, whole, whole_by};

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
    let no_files = Files::default();
    let readable = files.as_ref().unwrap_or(&no_files);
    let selected_name = selected.as_ref().ok().map(|selected| selected.name.as_str());
    let section = selected_name.and_then(|name| Some((name, readable.get(name)?)));
    let proxies = Proxies::of(&environment)?;
    network::check_endpoints(&environment, section, readable)?;
    network::check_headers(&environment)?;
    let trust = network::trust(&environment, section)?;
    let direct = connector(trust.clone(), None);
    let routes = Routes {
        http: by_proxy(&trust, &proxies, proxies.http.as_ref(), ProxyConfig::http)?,
        https: by_proxy(&trust, &proxies, proxies.https.as_ref(), ProxyConfig::https)?,
        proxies,
        direct: direct.clone(),
    };
    let http = client_by(routes.clone());
    let name = selected_name.filter(|_| files.is_ok()).unwrap_or("default");
    let config = aws_config::defaults(behavior())
        .region(Region::from_static(REGION))
        .http_client(http.clone())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .profile_files(readable.for_sdk())
        .profile_name(readable.sdk_name(name))
        .no_credentials()
        .load()
        .await;
    let config = config.to_builder().service_config(Filled(config.clone())).build();
    let means = Means {
        environment: &environment,
        config: &config,
        http: whole_by(SharedHttpConnector::new(routes), whole::PATIENCE),
        // To addresses of this machine and its network no proxy leads.
        direct: whole_by(direct, whole::PATIENCE),
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

/// The settings of single services, without the empty ones: an empty endpoint ends the SDK.
#[derive(Debug)]
struct Filled(SdkConfig);

impl LoadServiceConfig for Filled {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let found = self.0.service_config()?.load_config(key)?;
        Some(found).filter(|value| !value.is_empty())
    }
}

fn connector(trust: TlsContext, proxy: Option<ProxyConfig>) -> SharedHttpConnector {
    let builder = Connector::builder()
        // How long an answer may take, `whole` says.
        .connector_settings(
            HttpConnectorSettings::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        )
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(trust);
    SharedHttpConnector::new(match proxy {
        None => builder.build(),
        Some(proxy) => builder.proxy_config(proxy).build(),
    })
}

/// The way by a proxy, if there is one.
fn by_proxy(
    trust: &TlsContext,
    proxies: &Proxies,
    proxy: Option<&Proxy>,
    kind: fn(String) -> std::result::Result<ProxyConfig, ProxyError>,
) -> Result<Option<SharedHttpConnector>> {
    let config = proxy.map(|proxy| kind(proxy.address.clone())).transpose();
    let config = config.map_err(|error| Trouble::new(error.to_string()))?;
    Ok(config.map(|config| connector(trust.clone(), Some(config.no_proxy(&proxies.except)))))
}

/// Straight to AWS, or by the proxy for addresses of a kind.
#[derive(Debug, Clone)]
struct Routes {
    proxies: Proxies,
    direct: SharedHttpConnector,
    http: Option<SharedHttpConnector>,
    https: Option<SharedHttpConnector>,
}

impl HttpConnector for Routes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let proxied = match request.uri().parse::<Uri>() {
            Ok(address) if self.proxies.excepts(&address) => None,
            Ok(address) if address.scheme_str() == Some("http") => self.http.as_ref(),
            _ => self.https.as_ref(),
        };
        proxied.unwrap_or(&self.direct).call(request)
    }
}

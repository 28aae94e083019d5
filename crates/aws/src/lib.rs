//! The traits of `service` on the AWS SDK: one file per service, and the only place that names an SDK type.

mod billing;
mod call;
mod classify;
mod cloudformation;
mod cloudwatch;
mod convert;
mod eventbridge;
mod html;
mod iam;
mod member;
mod organizations;
mod roots;
mod sesv2;
mod sfn;
mod sns;
mod sqs;
mod sts;

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
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
use html::RefuseHtml;

/// How to reach AWS.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The profile of `~/.aws/config`; by default what the SDK's chain finds.
    pub profile: Option<String>,
    /// As whom StackSets are called.
    pub call_as: CallAs,
}

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an answer may take: GetMetricData with 500 queries is the slowest that billctl asks for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long credentials may take: `credential_process` may ask a person.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the instance's metadata service may take. It answers in milliseconds where there is one; elsewhere
/// nobody answers, and a user without credentials should hear so at once.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Clients for every service, on the SDK's default chain of credentials, with the standard environment
/// (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, `HTTPS_PROXY`, ...).
///
/// # Errors
/// There is no certificate by which AWS could be recognised. Credentials are looked for at the first call, which then
/// fails with [`Kind::Credentials`](billctl_core::service::Kind::Credentials).
pub async fn connect(options: &Options) -> Result<Services> {
    roots::check()?;
    let http = https_client();
    let mut loader = aws_config::defaults(behavior())
        .region(Region::from_static(REGION))
        .http_client(http.clone())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
        .credentials_provider(credentials(options, http).await);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.load().await;
    Ok(connect_with(&config, options, Gate::default()))
}

/// The same clients on a configuration made elsewhere, which says Region, credentials, endpoint and HTTP client.
/// Its retries are switched off: the `gate` retries.
pub fn connect_with(config: &SdkConfig, options: &Options, gate: Gate) -> Services {
    let config = config.to_builder().retry_config(RetryConfig::disabled()).build();
    let gate = Arc::new(gate);
    /// An SDK client that calls through the gate.
    macro_rules! caller {
        ($sdk:ident) => {{
            let config = $sdk::config::Builder::from(&config).interceptor(RefuseHtml).build();
            Caller::new($sdk::Client::from_conf(config), gate.clone())
        }};
    }
    Services {
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
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
}

/// The SDK's default chain, with little patience for a metadata service that isn't there.
async fn credentials(options: &Options, http: SharedHttpClient) -> DefaultCredentialsChain {
    // The metadata service is link-local: it is never reached through a proxy.
    let direct = Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let metadata = imds::Client::builder()
        .configure(&ProviderConfig::without_region().with_http_client(direct))
        .max_attempts(1)
        .connect_timeout(METADATA_TIMEOUT)
        .read_timeout(METADATA_TIMEOUT)
        .operation_timeout(METADATA_TIMEOUT)
        .build();
    let mut chain = DefaultCredentialsChain::builder()
        .configure(ProviderConfig::without_region().with_http_client(http))
        .region(Region::from_static(REGION))
        .imds_client(metadata);
    if let Some(profile) = &options.profile {
        chain = chain.profile_name(profile);
    }
    chain.build().await
}

/// One HTTP client, and so one pool of connections, for all services; through the proxy that the environment names.
fn https_client() -> SharedHttpClient {
    let connector = Connector::builder()
        .connector_settings(
            HttpConnectorSettings::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .build(),
        )
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

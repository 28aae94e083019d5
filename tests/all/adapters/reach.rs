//! Reaching AWS at all: whom it is signed for, and how soon it is said that it can't be reached.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use billctl_aws::Options;
use billctl_core::error::Error;
use billctl_core::service::sts::GET_CALLER_IDENTITY;
use billctl_core::service::{Kind, Service, ServiceError};

use super::replay;

/// Runs the named test of this binary in a process of its own, with this environment and no other `AWS_` variable:
/// the SDK reads its process's environment, which tests share.
fn in_environment(test: &str, variables: &[(&str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
        .args([
            "--exact",
            &format!("adapters::reach::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .env("HOME", home.path())
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

/// The first call of any command: what it says after how many attempts. It has to fail within seconds if it fails;
/// the limit here is wider only for a machine that is busy, and far below what patience would take.
async fn who_am_i() -> (ServiceError, u64) {
    let begun = Instant::now();
    let services = billctl_aws::connect(&Options::default()).await.unwrap();
    let error = services.sts.get_caller_identity().await.unwrap_err();
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(20), "{taken:?} {error}");
    (error, services.gate.counts()[&GET_CALLER_IDENTITY].calls)
}

/// Answers every connection with these bytes, and says where.
pub(crate) fn endpoint(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Each on its own: a client may open a connection and send nothing on it.
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 8192]);
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    format!("http://{address}")
}

/// Accepts connections, which it counts, and says nothing.
pub(crate) fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    });
    (format!("http://{address}"), count)
}

/// An address where nothing listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

#[test]
fn missing_credentials_are_said_at_once() {
    // As on a machine outside AWS, where nobody answers at the metadata service's address, or somebody refuses.
    let (metadata, asked) = silent();
    for endpoint in [metadata, nobody()] {
        let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
        in_environment("inner_missing_credentials", &environment);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
#[ignore = "run by `missing_credentials_are_said_at_once`"]
async fn inner_missing_credentials() {
    let (error, attempts) = who_am_i().await;
    assert_eq!(attempts, 1);
    assert_eq!(error.kind, Kind::Credentials, "{error}");
    let text = error.to_string();
    assert_eq!(
        text,
        format!(
            "sts:GetCallerIdentity could not be signed: no credentials found: none in the environment, no profile default \
             in {0}/.aws/config or {0}/.aws/credentials, no answer from the instance metadata service",
            std::env::var("HOME").unwrap()
        )
    );
    assert!(Error::from(error).remedy.unwrap().contains("aws sso login"));
}

#[test]
fn a_profile_that_does_not_exist_is_a_matter_of_credentials() {
    in_environment(
        "inner_unknown_profile",
        &[("AWS_PROFILE", "nobody"), ("AWS_EC2_METADATA_DISABLED", "true")],
    );
}

#[tokio::test]
#[ignore = "run by `a_profile_that_does_not_exist_is_a_matter_of_credentials`"]
async fn inner_unknown_profile() {
    let (error, attempts) = who_am_i().await;
    assert_eq!(attempts, 1);
    assert_eq!(error.kind, Kind::Credentials, "{error}");
}

#[test]
fn an_endpoint_that_refuses_connections_is_given_up_soon() {
    let endpoint = nobody();
    let environment = [&KEYS[..], &[("AWS_ENDPOINT_URL", &endpoint)]].concat();
    in_environment("inner_unreachable", &environment);
}

#[test]
fn an_endpoint_that_hangs_up_is_given_up_soon() {
    let endpoint = endpoint("");
    let environment = [&KEYS[..], &[("AWS_ENDPOINT_URL", &endpoint)]].concat();
    in_environment("inner_unreachable", &environment);
}

#[tokio::test]
#[ignore = "run by the tests of endpoints that don't answer"]
async fn inner_unreachable() {
    let (error, attempts) = who_am_i().await;
    assert_eq!(attempts, 5);
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(
        error.to_string().starts_with("sts:GetCallerIdentity got no answer: "),
        "{error}"
    );
    assert!(Error::from(error).remedy.unwrap().contains("AWS_ENDPOINT_URL"));
}

#[test]
fn an_endpoint_of_one_service_that_answers_html_is_told_as_such() {
    let page = endpoint(
        "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n\
         <!doctype html><title>Oops</title>",
    );
    let other = nobody();
    let endpoints = [("AWS_ENDPOINT_URL_STS", page.as_str()), ("AWS_ENDPOINT_URL", &other)];
    in_environment("inner_html", &[&KEYS[..], &endpoints].concat());
}

#[tokio::test]
#[ignore = "run by `an_endpoint_of_one_service_that_answers_html_is_told_as_such`"]
async fn inner_html() {
    let (error, attempts) = who_am_i().await;
    assert_eq!(attempts, 5);
    assert_eq!(error.kind, Kind::Garbled, "{error}");
    assert_eq!(
        error.to_string(),
        "sts:GetCallerIdentity got an answer that isn't AWS's: \
         HTTP 500: <!doctype html><title>Oops</title>"
    );
}

#[tokio::test]
async fn every_service_is_signed_for_the_billing_region() {
    for (service, host, scope) in [
        (
            Service::CloudFormation,
            "cloudformation.us-east-1.amazonaws.com",
            "cloudformation",
        ),
        (Service::Account, "account.us-east-1.amazonaws.com", "account"),
        (Service::CloudWatch, "monitoring.us-east-1.amazonaws.com", "monitoring"),
        (Service::EventBridge, "events.us-east-1.amazonaws.com", "events"),
        (Service::Iam, "iam.amazonaws.com", "iam"),
        (
            Service::Organizations,
            "organizations.us-east-1.amazonaws.com",
            "organizations",
        ),
        (Service::SesV2, "email.us-east-1.amazonaws.com", "ses"),
        (Service::StepFunctions, "states.us-east-1.amazonaws.com", "states"),
        (Service::Sns, "sns.us-east-1.amazonaws.com", "sns"),
        (Service::Sqs, "sqs.us-east-1.amazonaws.com", "sqs"),
        (Service::Sts, "sts.us-east-1.amazonaws.com", "sts"),
    ] {
        let wire = replay::replay(vec![(404, vec![], vec![])]);
        let _ = super::errors::ask(service, &wire.services).await;
        let sent = wire.sent();
        let authority = sent.uri().split('/').nth(2).unwrap();
        assert_eq!(authority, host);
        let signature = sent.headers().get("authorization").unwrap();
        assert!(
            signature.contains(&format!("/us-east-1/{scope}/aws4_request")),
            "{signature}"
        );
    }
}

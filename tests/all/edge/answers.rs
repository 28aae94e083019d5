//! Answers that don't come, come late, in part, or again and again, in the process of the test: with little patience.

use std::time::{Duration, Instant};

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use billctl_aws::{Options, SdkConfig};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::iam::Simulation;
use billctl_core::service::{Gate, GateSettings, Kind, Result, ServiceError, Services};
use serde_json::json;

use super::server::{Reply, Request, Server};
use crate::adapters::replay::{Answer, cbor_answer, json_answer, replay, replay_as, xml_answer};

const PATIENCE: Duration = Duration::from_millis(300);

/// Services that go to this server, with little patience and one retry.
fn services(server: &Server) -> Services {
    let config = SdkConfig::builder()
        .behavior_version(billctl_aws::behavior())
        .region(Region::new("us-east-1"))
        .endpoint_url(server.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKID", "secret", None, None, "test",
        )))
        .http_client(Builder::new().build_http())
        .build();
    let options = Options {
        patience: PATIENCE,
        ..Options::default()
    };
    let gate = Gate::new(GateSettings {
        max_retries: 1,
        first_pause: Duration::from_micros(1),
        longest_pause: Duration::from_micros(10),
        ..GateSettings::default()
    });
    billctl_aws::connect_with(&config, &options, gate)
}

fn identity() -> String {
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>X</UserId>\
     <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        .to_owned()
}

async fn who(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Result<()>, usize, Duration) {
    let server = Server::start(handler);
    let begun = Instant::now();
    let answer = services(&server).sts.get_caller_identity().await.map(drop);
    (answer, server.seen().len(), begun.elapsed())
}

#[tokio::test]
async fn an_answer_that_drips_stalls_or_never_comes_is_given_up_in_time() {
    let handlers: [fn(&Request) -> Reply; 3] = [
        |_| Reply::Drip(identity().into_bytes(), Duration::from_millis(20)),
        |_| Reply::Drip(identity().into_bytes(), Duration::from_secs(20)),
        |_| Reply::Silence(Duration::from_secs(20)),
    ];
    for handler in handlers {
        let (answer, calls, taken) = who(handler).await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
        assert!(error.message.contains("within 0.3 seconds"), "{error}");
        assert_eq!(calls, 2);
        assert!(taken >= PATIENCE * 2 && taken < Duration::from_secs(10), "{taken:?}");
    }
}

#[tokio::test]
async fn an_answer_of_ten_megabytes_is_read_and_one_without_end_isn_t() {
    let padded = |bytes: usize| identity().replace("<Account>", &format!("<!--{}--><Account>", "x".repeat(bytes)));
    let wire = replay(vec![(200, vec![], padded(10_000_000).into_bytes())]);
    assert!(wire.services.sts.get_caller_identity().await.is_ok());
    let wire = replay(vec![(200, vec![], padded(70_000_000).into_bytes())]);
    let error = wire.services.sts.get_caller_identity().await.unwrap_err();
    assert!(error.message.contains("longer than 64 MB"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_on_the_way_is_asked_for_again() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let (answer, calls, _) = who(
        move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Reply::Cut(200, identity().into_bytes(), 40),
            _ => Reply::text(200, identity()),
        },
    )
    .await;
    assert_eq!((answer, calls), (Ok(()), 2));
}

/// What reads this list, and a whole answer to it.
async fn lists(services: &Services, number: usize) -> Result<usize> {
    let parent = "r-abcd".parse().unwrap();
    Ok(match number {
        0 => services.organizations.list_roots(None).await?.items.len(),
        1 => services
            .organizations
            .list_accounts_for_parent(&parent, None)
            .await?
            .items
            .len(),
        2 => {
            let page = services.cloudformation.list_stack_instances("s", None, None).await?;
            page.items.len()
        }
        3 => {
            let page = services
                .cloudwatch
                .list_metrics("n", "m", &Default::default(), None)
                .await?;
            page.items.len()
        }
        _ => services.eventbridge.list_targets("b", "r").await?.len(),
    })
}

fn whole_lists() -> [Answer; 5] {
    [
        json_answer(json!({"Roots": [{"Id": "r-abcd", "Name": "Root"}, {"Id": "r-abce", "Name": "R"}]})),
        json_answer(json!({"Accounts": [{"Id": "111122223333", "Name": "a"}, {"Id": "111122223334", "Name": "b"}]})),
        xml_answer(
            "ListStackInstances",
            "<Summaries><member><Account>111122223333</Account><Region>us-east-1</Region><Status>CURRENT</Status></member>\
             <member><Account>111122223334</Account><Region>us-east-1</Region><Status>CURRENT</Status></member></Summaries>",
        ),
        cbor_answer(
            200,
            json!({"Metrics": [{"Namespace": "n", "MetricName": "m"}, {"Namespace": "n", "MetricName": "o"}]}),
        ),
        json_answer(
            json!({"Targets": [{"Id": "a", "Arn": "arn:aws:sqs:us-east-1:111122223333:q"},
            {"Id": "b", "Arn": "arn:aws:sqs:us-east-1:111122223333:p"}]}),
        ),
    ]
}

#[tokio::test]
async fn a_list_that_stops_anywhere_in_the_middle_is_never_taken_for_a_short_one() {
    for (number, (status, headers, body)) in whole_lists().into_iter().enumerate() {
        let wire = replay(vec![(status, headers.clone(), body.clone())]);
        assert_eq!(lists(&wire.services, number).await, Ok(2), "list {number}");
        for end in 0..body.len() {
            let wire = replay(vec![(status, headers.clone(), body[..end].to_vec())]);
            let answer = lists(&wire.services, number).await;
            assert!(
                answer.is_err(),
                "list {number}, {end} of {} bytes: {answer:?}",
                body.len()
            );
        }
    }
}

#[tokio::test]
async fn a_server_s_error_is_retried_whatever_its_body() {
    for body in [
        "",
        "busy",
        "<html><body>Http/1.1 Service Unavailable</body></html>",
        "{",
        "{}",
        "\u{0}",
    ] {
        for status in [500, 502, 503, 504] {
            for (number, whole) in whole_lists().into_iter().enumerate() {
                let trouble = || {
                    (
                        status,
                        vec![("content-type", "text/html".to_owned())],
                        body.as_bytes().to_vec(),
                    )
                };
                let wire = replay_as(CallAs::Own, 3, vec![trouble(), trouble(), whole]);
                let answer = lists(&wire.services, number).await;
                assert_eq!((answer, wire.count()), (Ok(2), 3), "list {number}: {status} {body}");
            }
        }
    }
}

/// The operation that a listing is made of, which is read by hand inside the adapter.
async fn read_to_the_end(services: &Services, number: usize) -> Result<()> {
    let account = "111122223333".parse().unwrap();
    let role = "arn:aws:iam::111122223333:role/x".parse().unwrap();
    match number {
        0 => services.organizations.list_account_tags(account).await.map(drop),
        1 => services.eventbridge.list_targets("b", "r").await.map(drop),
        2 => services.billing.billing_alerts_enabled().await.map(drop),
        3 => services.iam.list_role_policies("r").await.map(drop),
        4 => services.iam.list_attached_role_policies("r").await.map(drop),
        5 => {
            let simulation = Simulation {
                principal: role,
                actions: vec!["a:B".to_owned()],
                resources: vec!["*".to_owned()],
                context: Default::default(),
            };
            services.iam.denied_actions(&simulation).await.map(drop)
        }
        _ => services.cloudwatch.describe_alarms(&["a".to_owned()]).await.map(drop),
    }
}

#[tokio::test]
async fn a_token_that_comes_again_is_an_error_in_every_list_that_is_read_to_its_end() {
    let page = |number: usize, token: &str| match number {
        0 => json_answer(json!({"Tags": [], "NextToken": token})),
        1 => json_answer(json!({"Targets": [], "NextToken": token})),
        2 => json_answer(json!({"billingPreferences": [], "nextToken": token})),
        3 => xml_answer(
            "ListRolePolicies",
            &format!("<PolicyNames/><IsTruncated>true</IsTruncated><Marker>{token}</Marker>"),
        ),
        4 => xml_answer(
            "ListAttachedRolePolicies",
            &format!("<AttachedPolicies/><IsTruncated>true</IsTruncated><Marker>{token}</Marker>"),
        ),
        5 => xml_answer(
            "SimulatePrincipalPolicy",
            &format!("<EvaluationResults/><IsTruncated>true</IsTruncated><Marker>{token}</Marker>"),
        ),
        _ => cbor_answer(
            200,
            json!({"MetricAlarms": [], "CompositeAlarms": [], "NextToken": token}),
        ),
    };
    let operations = [
        "organizations:ListTagsForResource",
        "events:ListTargetsByRule",
        "billing:GetBillingPreferences",
        "iam:ListRolePolicies",
        "iam:ListAttachedRolePolicies",
        "iam:SimulatePrincipalPolicy",
        "cloudwatch:DescribeAlarms",
    ];
    for (number, operation) in operations.into_iter().enumerate() {
        for cycle in [1, 2] {
            let answers = (0..9).map(|call| page(number, &format!("t{}", call % cycle))).collect();
            let wire = replay(answers);
            let error: ServiceError = read_to_the_end(&wire.services, number).await.unwrap_err();
            assert_eq!(error.operation.to_string(), operation);
            assert!(error.message.contains("page token came twice"), "{error}");
            assert_eq!(wire.count(), cycle + 1, "{operation}");
        }
    }
}

//! Whose a thing is: what billctl didn't make is changed only when it was named, and never removed.

use std::collections::BTreeMap;

use billctl::config::Config;
use billctl::observe;
use billctl::resource::{self, Kind, Naming};
use billctl_core::service::eventbridge::EventBus;
use billctl_core::service::iam::NewRole;
use billctl_core::service::sesv2::EmailTemplate;
use billctl_core::service::{Services, Tags};
use serde_json::json;

use crate::support::home::Home;

const CONFIG: &str = "[mail]\nfrom = \"billing@example.com\"\n";

fn home() -> (Home, Services) {
    let home = Home::demo();
    home.config(CONFIG);
    let sandbox = home.sandbox();
    (home, sandbox.services())
}

/// Things of other teams under billctl's names, one of each kind that has a name of its own.
async fn things_of_others(aws: &Services) {
    let none = Tags::new();
    aws.sqs
        .create_queue("billctl-undelivered", &BTreeMap::new(), &none)
        .await
        .unwrap();
    aws.eventbridge.create_event_bus("billctl", &none).await.unwrap();
    aws.sesv2.create_configuration_set("billctl", &none).await.unwrap();
    aws.sesv2
        .create_email_template(&EmailTemplate {
            name: "billctl-spend-alarm".into(),
            subject: "theirs".into(),
            html: "theirs".into(),
            text: "theirs".into(),
            tags: none,
        })
        .await
        .unwrap();
    aws.iam
        .create_role(&NewRole {
            name: "billctl-notifier".into(),
            trust_policy: json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
            ]}),
            description: "of another team".into(),
            tags: BTreeMap::new(),
            permissions_boundary: None,
        })
        .await
        .unwrap();
}

const THEIRS: [&str; 5] = [
    "queue billctl-undelivered",
    "event bus billctl",
    "configuration set billctl",
    "mail template billctl-spend-alarm",
    "role billctl-notifier",
];

#[tokio::test]
async fn what_others_made_is_named_and_changed_only_with_adopt() {
    let (home, aws) = home();
    things_of_others(&aws).await;

    let plan = home.succeeds(&["bootstrap", "--plan"]);
    for thing in THEIRS {
        assert!(
            plan.contains(&format!("~ {thing} (billctl didn't make it")),
            "{thing} in\n{plan}"
        );
    }
    for arguments in [vec!["bootstrap"], vec!["--yes", "bootstrap"]] {
        let output = home.run(&arguments);
        let (_, err) = output.texts();
        assert_eq!(output.code, 2, "{err}");
        for thing in THEIRS {
            assert!(err.contains(thing), "{thing} in\n{err}");
        }
        assert!(err.contains("--adopt"), "{err}");
    }
    let template = aws.sesv2.get_email_template("billctl-spend-alarm").await;
    assert_eq!(template.unwrap().subject, "theirs", "something was changed");

    home.succeeds(&["bootstrap", "--adopt"]);
    let again = home.succeeds(&["bootstrap", "--plan"]);
    assert!(again.contains("nothing to change"), "{again}");
}

#[tokio::test]
async fn doctor_looks_for_everything_that_bootstrap_makes() {
    let (home, aws) = home();
    home.succeeds(&["bootstrap"]);
    let config = Config::parse("c", CONFIG).unwrap();
    let facts = observe::billing::facts(&aws, &config).await.unwrap();
    let naming = Naming {
        config: &config,
        facts: &facts,
    };
    let readings = observe::doctor::readings(&aws, &config, false).await;
    for (label, thing) in &readings.things {
        assert!(matches!(thing, Ok(Some(_))), "{label}: {thing:?}");
    }
    let found: Vec<String> = readings.things.into_iter().map(|(label, _)| label).collect();
    let made = resource::desired(&naming).into_iter().map(|thing| thing.id());
    // These two have checks of their own.
    let wanted: Vec<String> = made
        .filter(|id| !matches!(id.kind, Kind::TrustedAccess | Kind::Identity))
        .map(|id| id.to_string())
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn what_was_taken_over_is_left_by_destroy_which_says_so() {
    let (home, aws) = home();
    things_of_others(&aws).await;
    home.succeeds(&["bootstrap", "--adopt"]);
    let organization = aws.organizations.describe_organization().await.unwrap().id;
    let out = home.succeeds(&["destroy", "--organization", organization.as_str()]);
    for thing in THEIRS {
        assert!(
            out.contains(&format!("= {thing} stays: billctl didn't make it")),
            "{thing} in\n{out}"
        );
    }
    let bus: EventBus = aws.eventbridge.describe_event_bus("billctl").await.unwrap();
    assert_eq!(bus.name, "billctl");
    let again = home.succeeds(&["destroy", "--plan"]);
    assert!(again.contains("nothing to change"), "{again}");
}

#[tokio::test]
async fn what_billctl_made_is_its_own_and_goes_without_a_trace() {
    let (home, aws) = home();
    home.succeeds(&["bootstrap"]);
    let plan = home.succeeds(&["bootstrap", "--plan"]);
    assert!(!plan.contains("didn't make it"), "{plan}");
    let organization = aws.organizations.describe_organization().await.unwrap().id;
    home.succeeds(&["destroy", "--organization", organization.as_str()]);
    let out = home.succeeds(&["destroy", "--plan"]);
    assert!(
        out.contains("nothing to change") && !out.contains("didn't make it"),
        "{out}"
    );
}

#[test]
fn policies_attached_by_hand_are_shown_and_detached() {
    let (home, _) = home();
    home.succeeds(&["bootstrap"]);
    let attached = ["ReadOnlyAccess", "PowerUserAccess"].map(|name| format!("arn:aws:iam::aws:policy/{name}"));
    home.change(|world| {
        for arn in &attached {
            assert!(world.iam.attach("billctl-notifier", arn.parse().unwrap()));
        }
    });
    let plan = home.succeeds(&["bootstrap", "--plan"]);
    for arn in &attached {
        assert!(plan.contains(&format!("attached[{arn}]: true -> (none)")), "{plan}");
    }
    home.succeeds(&["bootstrap"]);
    let again = home.succeeds(&["bootstrap", "--plan"]);
    assert!(again.contains("nothing to change"), "{again}");
}

#[tokio::test]
async fn a_role_with_an_attached_policy_can_be_destroyed() {
    let (home, aws) = home();
    home.succeeds(&["bootstrap"]);
    home.change(|world| {
        let policy = "arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap();
        assert!(world.iam.attach("billctl-notifier", policy));
    });
    let organization = aws.organizations.describe_organization().await.unwrap().id;
    home.succeeds(&["destroy", "--organization", organization.as_str()]);
    assert!(aws.iam.get_role("billctl-notifier").await.is_err());
}

/// The config with an OU of few accounts, and its alarms rolled out.
fn deployed() -> (Home, Services, String) {
    let (home, aws) = home();
    home.config(&format!("[deploy]\nous = [\"Security\"]\n{CONFIG}"));
    let organization = home.sandbox().world().organizations.organization().id.to_string();
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    (home, aws, organization)
}

#[test]
fn a_destroy_that_died_anywhere_is_finished_by_the_next() {
    let (home, _, organization) = deployed();
    let whole = std::fs::read(home.file("sandbox.json")).unwrap();
    let destroy = ["destroy", "--organization", &organization];
    for call in (30..110).step_by(16) {
        for after in [&["--after"][..], &[]] {
            std::fs::write(home.file("sandbox.json"), &whole).unwrap();
            let call = call.to_string();
            let die = ["sandbox", "fail", "die-at", &call];
            home.succeeds(&[&die, after].concat());
            let died = home.run(&destroy).code;
            home.succeeds(&["sandbox", "fail", "none"]);
            // Where there were fewer calls, the first run did it all.
            assert!(died == 137 || died == 0, "{call}: {died:?}");
            home.succeeds(&destroy);
            let left = home.succeeds(&["destroy", "--plan"]);
            assert!(
                left.contains("nothing to change") && !left.contains("StackSet billctl"),
                "after {call} calls:\n{left}"
            );
        }
    }
}

#[tokio::test]
async fn a_stack_set_that_somebody_else_made_stays() {
    let (home, aws, organization) = deployed();
    let mut spec = billctl::resource::stack_set::desired(
        &billctl::config::Config::parse("c", CONFIG).unwrap(),
        "100000000011".parse().unwrap(),
    );
    spec.tags = Tags::new();
    // The mark is gone, as if another tool had made it.
    aws.cloudformation
        .update_stack_set(
            &spec,
            None,
            &billctl::config::Config::parse("c", CONFIG).unwrap().deploy.preferences,
            &billctl_core::service::cloudformation::OperationId("theirs".into()),
        )
        .await
        .unwrap();
    aws.clock.sleep(std::time::Duration::from_secs(3_600)).await;
    let out = home.succeeds(&["destroy", "--organization", &organization]);
    assert!(
        out.contains("= StackSet billctl stays: billctl didn't make it"),
        "{out}"
    );
    assert!(aws.cloudformation.describe_stack_set("billctl").await.is_ok());
}

#[test]
fn roles_get_the_boundary_of_the_config_here_and_in_members_and_keep_somebodys_own() {
    let text = |bootstrap: &str, members: &str| {
        format!(
            "[bootstrap]\n{bootstrap}\n[members]\n{members}\n[deploy]\nous = [\"Staging\"]\n\
             [mail]\nfrom = \"billing@example.com\"\n"
        )
    };
    let bounded = "permissions-boundary = \"/teams/Boundary\"";
    let home = Home::with_sandbox(&text("", ""));
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    // A boundary that isn't there is refused, and said.
    home.config(&text(bounded, bounded));
    let ended = home.run(&["bootstrap"]).code(1);
    assert!(ended.stderr.contains("policy/teams/Boundary"), "{}", ended.stderr);
    let payer = home.sandbox().world().management_account();
    let arn: billctl_core::model::Arn = format!("arn:aws:iam::{payer}:policy/teams/Boundary").parse().unwrap();
    home.change(|world| {
        let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        world.iam.add_policy(arn.clone(), all);
    });
    let plan = home.succeeds(&["bootstrap", "--plan"]);
    assert!(
        plan.contains("2 to change") && plan.contains("boundary: (none) ->"),
        "{plan}"
    );
    home.succeeds(&["bootstrap"]);
    home.succeeds(&["deploy"]);
    let roles = ["billctl-notifier", "billctl-start-notifier"];
    let boundaries = || roles.map(|role| home.sandbox().world().iam.boundary(role).cloned());
    assert_eq!(boundaries(), [Some(arn.clone()), Some(arn.clone())]);
    let world = home.sandbox().world();
    let members = world
        .organizations
        .account_ids()
        .filter_map(|account| world.member_role(account));
    let members: Vec<_> = members
        .map(|role| role.boundary.map(|arn| arn.resource().to_owned()))
        .collect();
    assert_eq!(members, vec![Some("policy/teams/Boundary".to_owned()); 5]);
    assert!(home.succeeds(&["bootstrap", "--plan"]).contains("nothing to change"));
    // Made anew with it, too; and one that config doesn't name is somebody's own, and only takes away.
    home.config(&text("", bounded));
    assert!(home.succeeds(&["bootstrap", "--plan"]).contains("nothing to change"));
    assert_eq!(boundaries(), [Some(arn.clone()), Some(arn)]);
    home.succeeds(&["status"]);
}

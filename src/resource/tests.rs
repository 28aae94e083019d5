use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Measure};
use billctl_core::model::Usd;

pub(crate) fn config() -> Config {
    let text = r#"
        [mail]
        from = "billing@example.com"
        identity = "example.com"
        mail-from-domain = "bounce.example.com"
        cc = ["a@example.com", "b@example.com"]
    "#;
    Config::parse("test.toml", text).unwrap()
}

pub(crate) fn facts() -> Facts {
    Facts {
        organization: "o-a1b2c3d4e5".parse().unwrap(),
        management_account: "111111111111".parse().unwrap(),
        own_threshold: Usd::dollars(250),
        chat: Chat::default(),
    }
}

/// Of one kind, what there should be.
fn desired_of<T: Thing>(config: &Config) -> Vec<T> {
    let facts = &facts();
    T::desired(&Naming { config, facts })
}

/// The statements of what a role may do.
fn statements(role: &Role) -> Vec<Value> {
    role.policies["billctl"]["Statement"].as_array().unwrap().clone()
}

/// What the notifier's role may do.
fn notifier_statements(config: &Config, facts: &Facts) -> Vec<Value> {
    let mut roles = Role::desired(&Naming { config, facts });
    roles.retain(|role| role.name == "billctl-notifier");
    statements(&roles[0])
}

fn shipped() -> Value {
    serde_json::from_str(notifier::DEFINITION).unwrap()
}

fn walk(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, see)),
        _ => {}
    }
}

#[test]
fn no_placeholder_is_left_in_the_state_machine_and_none_is_unused() {
    let (config, facts) = (&config(), &facts());
    let naming = Naming { config, facts };
    let mut wanted = BTreeSet::new();
    walk(&shipped(), &mut |text| {
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            wanted.insert(name.to_owned());
        }
    });
    let given: BTreeSet<String> = naming.notifier_values().into_keys().map(str::to_owned).collect();
    assert_eq!(given, wanted);
    walk(&definition(&naming), &mut |text| {
        assert!(!text.contains("${"), "{text}");
    });
}

#[test]
fn the_notifier_may_call_exactly_what_the_state_machine_calls() {
    let mut facts = facts();
    facts.chat.default = "arn:aws:sns:us-east-1:111111111111:spend".parse().ok();
    let mut allowed = BTreeSet::new();
    for statement in notifier_statements(&config(), &facts) {
        walk(&statement["Action"], &mut |action| {
            allowed.insert(action.to_lowercase());
        });
    }
    let mut called = BTreeSet::new();
    walk(&shipped(), &mut |text| {
        if let Some(call) = text.strip_prefix("arn:aws:states:::aws-sdk:") {
            called.insert(call.replace("sesv2", "ses").to_lowercase());
            // SES checks the older API's action as well when a stored template is sent.
            if call == "sesv2:sendEmail" {
                called.insert("ses:sendtemplatedemail".to_owned());
            }
        } else if text == "arn:aws:states:::states:startExecution" {
            called.insert("states:startexecution".to_owned());
        }
    });
    assert_eq!(allowed, called);
}

#[test]
fn no_policy_has_a_wildcard_action_or_an_open_resource_that_could_be_closed() {
    for statement in desired_of::<Role>(&config()).iter().flat_map(statements) {
        walk(&statement["Action"], &mut |action| {
            assert!(!action.contains('*'), "{action}");
        });
        let open = statement["Resource"] == json!("*");
        assert_eq!(open, statement["Sid"] == json!("WhatWasSpent"), "{statement}");
    }
}

#[test]
fn the_notifier_may_publish_to_the_topics_of_the_config_alone_and_to_none_without() {
    let config = config();
    let mut facts = facts();
    let statement = |facts: &Facts| {
        let mut statements = notifier_statements(&config, facts).into_iter();
        statements.find(|statement| statement["Sid"] == "WriteToTheChat")
    };
    assert_eq!(statement(&facts), None);
    let topic = |name: &str| -> billctl_core::model::Arn {
        format!("arn:aws:sns:us-east-1:111111111111:{name}").parse().unwrap()
    };
    facts.chat.default = Some(topic("a"));
    facts.chat.ous = [("ou-ab12-c3d4e5f6", "b"), ("ou-ab12-c3d4e5f7", "a")]
        .map(|(ou, name)| (ou.parse().unwrap(), topic(name)))
        .into();
    let found = statement(&facts).unwrap();
    assert_eq!(found["Action"], "sns:Publish");
    assert_eq!(found["Resource"], json!([topic("a"), topic("b")]));
}

#[test]
fn mail_is_sent_as_the_configured_address_alone_from_its_identity_alone() {
    let mut config = config();
    let statement = |config: &Config| {
        let mut statements = notifier_statements(config, &facts()).into_iter();
        statements
            .find(|statement| statement["Sid"] == "WriteToTheOwner")
            .unwrap()
    };
    let here = statement(&config);
    assert_eq!(
        here["Condition"]["StringEquals"]["ses:FromAddress"],
        "billing@example.com"
    );
    assert_eq!(
        here["Resource"][0],
        "arn:aws:ses:us-east-1:111111111111:identity/example.com"
    );
    let elsewhere = "arn:aws:ses:us-east-1:222222222222:identity/core.example.com";
    config.mail.identity_arn = Some(elsewhere.parse().unwrap());
    assert_eq!(statement(&config)["Resource"][0], elsewhere);
    assert!(desired_of::<EmailIdentity>(&config).is_empty());
}

#[test]
fn a_rule_comes_after_what_it_starts_and_before_the_alarm_that_fires_it() {
    let (config, facts) = (&config(), &facts());
    let all = desired(&Naming { config, facts });
    let order: Vec<String> = all.iter().map(|resource| resource.id().to_string()).collect();
    let place = |id: &str| {
        order
            .iter()
            .position(|other| other == id)
            .unwrap_or_else(|| panic!("{id} in {order:?}"))
    };
    assert!(place("role billctl-notifier") < place("state machine billctl-notifier"));
    assert!(place("state machine billctl-notifier") < place("rule billctl/billctl-member-alarms"));
    assert!(place("rule default/billctl-own-alarm") < place("alarm Billing-Alarm"));
    assert!(place("event bus billctl") < place("rule billctl/billctl-member-alarms"));
    let unique: BTreeSet<&String> = order.iter().collect();
    assert_eq!(unique.len(), order.len());
}

#[test]
fn the_default_bus_has_one_rule_and_keeps_the_statements_of_others() {
    let mut config = config();
    config.names.event_bus = "default".into();
    assert_eq!(
        desired_of::<Rule>(&config).len(),
        2,
        "the members' rule and the one for failed mails"
    );
    let others = json!({"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "333333333333"},
        "Action": "events:PutEvents", "Resource": "*"});
    let observed = Resource::EventBus(Bus {
        name: "default".into(),
        policy: Some(json!({"Version": "2012-10-17", "Statement": [others]})),
        tags: Default::default(),
    });
    let bus = Resource::EventBus(desired_of(&config).remove(0));
    let changes = document::diff(&observed.document(), &bus.beside(&observed).document());
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, [format!("policy.Statement[{BUS_STATEMENT}]")]);
}

#[test]
fn only_this_organisations_forwarded_alarms_may_enter_the_bus() {
    let policy = desired_of::<Bus>(&config()).remove(0).policy.unwrap();
    insta::assert_json_snapshot!(policy);
}

#[test]
fn the_own_alarm_watches_the_management_accounts_own_series() {
    for (measure, period, queries) in [
        (Measure::Daily, 86_400, 2),
        (Measure::SixHourly, 21_600, 2),
        (Measure::MonthToDate, 21_600, 1),
    ] {
        let mut config = config();
        config.alarm.measure = measure;
        let mut alarms = desired_of::<Alarm>(&config).into_iter();
        let alarm = alarms.find(|alarm| alarm.name() == "Billing-Alarm").unwrap().0;
        assert_eq!(alarm.metrics.len(), queries);
        let text = serde_json::to_string(&alarm.metrics).unwrap();
        assert!(text.contains(r#""LinkedAccount":"111111111111""#), "{text}");
        assert!(text.contains(&format!(r#""period":{period}"#)), "{text}");
        assert_eq!(alarm.threshold, 250.0);
    }
}

#[test]
fn the_members_and_the_own_alarm_compute_spend_the_same_way() {
    let template = include_str!("../../assets/member-template.yaml");
    assert!(template.contains(&format!("Expression: {SPEND_EXPRESSION}")));
}

#[test]
fn dns_records_are_what_ses_asks_for() {
    let identity = EmailIdentity {
        name: "example.com".into(),
        dkim_tokens: vec!["aaa".into(), "bbb".into(), "ccc".into()],
        mail_from_domain: Some("bounce.example.com".into()),
        ..EmailIdentity::default()
    };
    let lines: Vec<String> = mail_setup::dns_records(&identity)
        .into_iter()
        .map(|record| format!("{} {} {}", record.name, record.kind, record.value))
        .collect();
    assert_eq!(
        lines,
        [
            "aaa._domainkey.example.com CNAME aaa.dkim.amazonses.com.",
            "bbb._domainkey.example.com CNAME bbb.dkim.amazonses.com.",
            "ccc._domainkey.example.com CNAME ccc.dkim.amazonses.com.",
            "bounce.example.com MX 10 feedback-smtp.us-east-1.amazonses.com.",
            "bounce.example.com TXT \"v=spf1 include:amazonses.com ~all\"",
        ]
    );
    // Newer identities sign in a zone of their own.
    let elsewhere = EmailIdentity {
        signing_hosted_zone: Some("dkim.zone.example.".into()),
        ..identity
    };
    assert_eq!(mail_setup::dns_records(&elsewhere)[0].value, "aaa.dkim.zone.example.");
}

#[test]
fn no_policy_has_a_placeholder_left() {
    let (config, facts) = (&config(), &facts());
    let naming = Naming { config, facts };
    for (file, policy) in policies::all(&naming) {
        assert!(policy.is_object(), "{file}");
        walk(&policy, &mut |text| assert!(!text.contains("${"), "{file}: {text}"));
    }
}

#[test]
fn the_dashboard_is_one_that_cloudwatch_takes() {
    let dashboard = desired_of::<Dashboard>(&config()).remove(0);
    let widgets = dashboard.body["widgets"].as_array().unwrap();
    let number = |widget: &Value, field: &str| widget[field].as_u64().unwrap();
    let place = |widget: &Value| {
        let (x, y) = (number(widget, "x"), number(widget, "y"));
        (x, y, x + number(widget, "width"), y + number(widget, "height"))
    };
    let mut lines = 0;
    for (index, widget) in widgets.iter().enumerate() {
        let (left, top, right, bottom) = place(widget);
        // The grid is 24 wide (CloudWatch user guide, "Dashboard body structure and syntax").
        assert!(right <= 24, "{widget}");
        for other in &widgets[..index] {
            let (other_left, other_top, other_right, other_bottom) = place(other);
            let apart = right <= other_left || other_right <= left || bottom <= other_top || other_bottom <= top;
            assert!(apart, "{widget} lies over {other}");
        }
        if widget["type"] == "text" {
            assert!(widget["properties"]["markdown"].is_string());
            continue;
        }
        let properties = &widget["properties"];
        assert_eq!(properties["region"], "us-east-1", "{widget}");
        let views = ["timeSeries", "singleValue", "bar"];
        assert!(views.contains(&properties["view"].as_str().unwrap()), "{widget}");
        let mut ids = BTreeSet::new();
        let mut most = 0;
        for metric in properties["metrics"].as_array().unwrap() {
            let parts = metric.as_array().unwrap();
            let options = parts.last().unwrap();
            if let Some(id) = options["id"].as_str() {
                assert!(id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
                assert!(ids.insert(id), "{id} twice");
            }
            match options["expression"].as_str() {
                // A SEARCH loads what it finds, whatever is shown of it.
                Some(expression) if expression.contains("SEARCH(") => most += 500,
                Some(expression) if expression.starts_with("SELECT ") => {
                    assert!(expression.ends_with("LIMIT 20"), "{expression}");
                    most += 20;
                }
                Some(_) => assert_eq!(parts.len(), 1),
                // Namespace, name, then dimensions in pairs, then options.
                None => {
                    let texts = parts.iter().filter(|part| part.is_string()).count();
                    assert!(texts >= 2 && texts % 2 == 0, "{metric}");
                    most += 1;
                }
            }
        }
        // Metrics a widget and a dashboard (docs/aws-facts.md, "GetMetricData").
        assert!(most <= 500, "{widget}");
        lines += most;
    }
    assert!(lines <= 2_500, "{lines}");
}

use serde_json::json;

use super::*;

const BUS: &str = "arn:aws:events:us-east-1:111122223333:event-bus/billctl";

fn bus_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "members", "Effect": "Allow", "Principal": "*",
            "Action": "events:PutEvents", "Resource": BUS,
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "events:source": "aws.cloudwatch"},
                "Bool": {"events:eventBusInvocation": "true"}
            }
        }]
    })
}

fn ask(policy: &Value, context: &RequestContext) -> Decision {
    evaluate(
        policy,
        Request::by_role("arn:aws:iam::444455556666:role/r", "events:PutEvents", BUS, context),
    )
}

fn member() -> RequestContext {
    RequestContext::default()
        .with("events:source", "aws.cloudwatch")
        .with("events:eventBusInvocation", true)
}

#[test]
fn a_member_of_the_organisation_is_allowed() {
    let context = member().with("aws:PrincipalOrgID", "o-a1b2c3d4e5");
    assert_eq!(ask(&bus_policy(), &context), Decision::Allowed);
}

#[test]
fn an_account_of_no_or_another_organisation_is_not() {
    assert_eq!(ask(&bus_policy(), &member()), Decision::ImplicitDeny);
    let other = member().with("aws:PrincipalOrgID", "o-zzzzzzzzzz");
    assert_eq!(ask(&bus_policy(), &other), Decision::ImplicitDeny);
}

#[test]
fn a_deny_wins_over_an_allow() {
    let mut policy = bus_policy();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Effect": "Deny", "Principal": {"AWS": "444455556666"}, "Action": "events:*", "Resource": "*"
    }));
    let context = member().with("aws:PrincipalOrgID", "o-a1b2c3d4e5");
    assert_eq!(ask(&policy, &context), Decision::Denied);
}

#[test]
fn a_service_is_meant_by_its_name() {
    let trust = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/b*"}}
    }});
    let assume = |service, rule: &str| {
        let context = RequestContext::default().with("aws:SourceArn", rule);
        evaluate(&trust, Request::by_service(service, "sts:AssumeRole", "*", &context))
    };
    let rule = "arn:aws:events:us-east-1:111122223333:rule/billctl";
    assert_eq!(assume("events.amazonaws.com", rule), Decision::Allowed);
    assert_eq!(assume("states.amazonaws.com", rule), Decision::ImplicitDeny);
    assert_eq!(
        assume("events.amazonaws.com", "arn:aws:events:us-east-1:111122223333:rule/x"),
        Decision::ImplicitDeny
    );
}

#[test]
fn an_operator_that_is_not_known_lets_nothing_through() {
    let policy = json!({"Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    }});
    assert_eq!(ask(&policy, &member()), Decision::ImplicitDeny);
}

#[test]
fn an_operator_that_is_not_known_holds_where_it_denies() {
    let denies = |condition: Value| {
        let policy = json!({"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Principal": "*", "Action": "events:*", "Resource": "*", "Condition": condition},
        ]});
        ask(&policy, &member()) == Decision::Denied
    };
    let address = json!({"aws:SourceIp": "10.0.0.0/8"});
    assert!(denies(json!({"NotIpAddress": address})));
    assert!(denies(json!({"ForSomeValues:StringEquals": {"events:source": "x"}})));
    assert!(denies(json!({"StringEquals": "no keys"})));
    assert!(denies(json!("no operators")));
    // What surely isn't met takes the statement away, whatever else it says.
    assert!(!denies(
        json!({"NotIpAddress": address, "StringEquals": {"events:source": "aws.ec2"}})
    ));
    assert!(!denies(
        json!({"StringEquals": {"events:source": "aws.ec2"}, "NotIpAddress": address})
    ));
}

#[test]
fn a_policy_with_an_operator_that_iam_does_not_know_is_malformed() {
    let policy = |condition: Value| {
        let statement = json!({"Effect": "Deny", "Action": "events:*", "Resource": "*", "Condition": condition});
        check(&json!({"Statement": statement}), PolicyKind::Identity)
    };
    for (operator, is_known) in [
        ("IpAddress", true),
        ("DateLessThanIfExists", true),
        ("ForAllValues:StringLike", true),
        ("Null", true),
        ("ArnNotLike", true),
        ("StringEqual", false),
        ("ForSomeValues:StringEquals", false),
        ("NullIfExists", false),
        ("IfExists", false),
        ("", false),
    ] {
        let checked = policy(json!({operator: {"aws:CurrentTime": "x"}}));
        assert_eq!(checked.is_ok(), is_known, "{operator}");
    }
    assert!(policy(json!({"StringEquals": "x"})).is_err());
    assert!(policy(json!(["StringEquals"])).is_err());
}

#[test]
fn an_arn_in_a_condition_is_compared_part_by_part() {
    let from = |arn: &str| RequestContext::default().with("aws:SourceArn", arn);
    let rule = from("arn:aws:events:us-east-1:111122223333:rule/billctl:1");
    for operator in ["ArnLike", "ArnEquals"] {
        let wants = |pattern: &str| json!({operator: {"aws:SourceArn": pattern}});
        assert!(
            met(wants("arn:aws:events:*:111122223333:rule/b*"), &rule),
            "the last part may hold colons"
        );
        assert!(met(wants("arn:aws:*:*:*:*"), &rule));
        assert!(met(wants("*"), &rule));
        assert!(!met(wants("arn:aws:events:*:444455556666:rule/b*"), &rule));
        // The star would have to take a colon with it.
        assert!(!met(wants("arn:aws:events:*:rule/billctl:1"), &rule));
        let other = from("arn:aws:events:us-east-1:999999999999:x:111122223333:rule/b");
        assert!(!met(wants("arn:aws:events:*:111122223333:rule/b"), &other));
    }
}

#[test]
fn for_any_value_of_an_absent_key_is_not_met_even_if_exists() {
    let condition = json!({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "team"}});
    assert!(!met(condition, &RequestContext::default()));
    let condition = json!({"StringEqualsIfExists": {"aws:TagKeys": "team"}});
    assert!(met(condition, &RequestContext::default()));
}

#[test]
fn stars_and_question_marks_match_as_in_iam() {
    assert!(like(
        "arn:aws:ses:*:1:template/b*",
        "arn:aws:ses:us-east-1:1:template/billctl"
    ));
    assert!(like("a?c*", "abc"));
    assert!(!like("a?c", "ac"));
    assert!(!like("*x", "xy"));
}

#[test]
fn a_policy_of_the_wrong_kind_is_malformed() {
    let trust = json!({"Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"
    }]});
    assert!(check(&trust, PolicyKind::Trust).is_ok());
    assert!(check(&trust, PolicyKind::Identity).is_err());
    assert!(check(&trust, PolicyKind::Resource).is_err());
    assert!(check(&json!({"Version": "2020-01-01", "Statement": []}), PolicyKind::Trust).is_err());
    assert!(check(&json!("text"), PolicyKind::Identity).is_err());
}

/// Whether a statement with these conditions allows what this context says.
fn met(conditions: Value, context: &RequestContext) -> bool {
    let policy = json!({"Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS,
        "Condition": conditions,
    }});
    ask(&policy, context) == Decision::Allowed
}

#[test]
fn for_all_values_lets_an_absent_key_through_and_null_keeps_it_out() {
    let none = RequestContext::default();
    let one = RequestContext::default().with("events:source", "aws.cloudwatch");
    let two = one.clone().with("events:source", "aws.ec2");
    let all = json!({"ForAllValues:StringEquals": {"events:source": "aws.cloudwatch"}});
    assert!(met(all.clone(), &none), "as IAM has it");
    assert!(met(all.clone(), &one));
    assert!(!met(all.clone(), &two));
    let mut there = all;
    there["Null"] = json!({"events:source": false});
    assert!(!met(there.clone(), &none));
    assert!(met(there.clone(), &one));
    assert!(!met(there, &two));
    let absent = json!({"Null": {"events:source": "true"}});
    assert!(met(absent.clone(), &none) && !met(absent, &one));
}

#[test]
fn for_any_value_wants_a_value_that_meets_it() {
    let none = RequestContext::default();
    let two = RequestContext::default()
        .with("events:source", "aws.cloudwatch")
        .with("events:source", "aws.ec2");
    let any = json!({"ForAnyValue:StringEquals": {"events:source": "aws.ec2"}});
    assert!(met(any.clone(), &two) && !met(any, &none));
    let other = json!({"ForAnyValue:StringNotEquals": {"events:source": "aws.ec2"}});
    assert!(met(other.clone(), &two) && !met(other, &none));
    let unknown = json!({"ForSomeValues:StringEquals": {"events:source": "aws.ec2"}});
    assert!(!met(unknown, &two));
}

#[test]
fn the_shipped_bus_policy_wants_source_and_detail_type() {
    let shipped = include_str!("../../../../assets/policies/bus.json")
        .replace("${AccountId}", "111122223333")
        .replace("${EventBusName}", "billctl")
        .replace("${OrganizationId}", "o-a1b2c3d4e5");
    let policy: Value = serde_json::from_str(&shipped).unwrap();
    let source = ("events:source", "aws.cloudwatch");
    let kind = ("events:detail-type", "CloudWatch Alarm State Change");
    let asked = |keys: &[(&str, &str)]| {
        let known = RequestContext::default()
            .with("aws:PrincipalOrgID", "o-a1b2c3d4e5")
            .with("events:eventBusInvocation", true);
        let context = keys
            .iter()
            .fold(known, |context, (key, value)| context.with(key, value));
        ask(&policy, &context)
    };
    assert_eq!(asked(&[source, kind]), Decision::Allowed);
    for wrong in [
        &[][..],
        &[source],
        &[kind],
        &[source, ("events:detail-type", "billctl Test Alarm")],
        &[("events:source", "billctl.test"), kind],
        // A batch of which one event isn't an alarm's.
        &[source, kind, ("events:source", "billctl.test")],
    ] {
        assert_eq!(asked(wrong), Decision::ImplicitDeny, "{wrong:?}");
    }
}

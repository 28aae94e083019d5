use super::*;
use billctl_core::service::cloudwatch::QuerySource;

/// The template that is shipped.
const MEMBER: &str = include_str!("../../../../assets/member-template.yaml");

fn account() -> AccountId {
    "222222222222".parse().unwrap()
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    [
        ("Threshold", "100"),
        ("EventBusArn", "arn:aws:events:us-east-1:111111111111:event-bus/billctl"),
    ]
    .iter()
    .chain(pairs)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect()
}

fn member(pairs: &[(&str, &str)]) -> Result<Vec<Resource>> {
    Template::parse(MEMBER)?.resolve(&parameters(pairs), account(), "StackSet-billctl-1")
}

fn resolved(template: &str) -> Result<Vec<Resource>> {
    let template = Template::parse(template).unwrap();
    template.resolve(&Parameters::new(), account(), "s")
}

fn of<'a>(resources: &'a [Resource], resource_type: &str) -> &'a Resource {
    resources
        .iter()
        .find(|resource| resource.resource_type == resource_type)
        .unwrap()
}

#[test]
fn the_shipped_template_makes_an_alarm_with_the_threshold_given() {
    let resources = member(&[("Threshold", "12.5")]).unwrap();
    let alarm = alarm(of(&resources, ALARM)).unwrap();
    assert_eq!(alarm.name, "Billing-Alarm");
    assert_eq!(alarm.threshold, 12.5);
    assert_eq!(alarm.metrics.len(), 2);
    assert!(alarm.description.contains("12.5"), "{}", alarm.description);
    let QuerySource::Stat { period, metric, .. } = &alarm.metrics[1].source else {
        panic!("not a metric");
    };
    assert_eq!(*period, 86_400);
    assert_eq!(metric.dimensions["Currency"], "USD");
    assert!(!of(&resources, ALARM).account_bound);
}

#[test]
fn another_measure_takes_another_branch() {
    let resources = member(&[("Measure", "month-to-date")]).unwrap();
    let alarm = alarm(of(&resources, ALARM)).unwrap();
    assert_eq!(alarm.metrics.len(), 1);
    let QuerySource::Stat { period, .. } = &alarm.metrics[0].source else {
        panic!("not a metric");
    };
    assert_eq!(*period, 21_600);
}

#[test]
fn the_rule_matches_the_alarm_of_its_own_account_and_sends_with_its_role() {
    let resources = member(&[]).unwrap();
    let rule = rule(of(&resources, RULE)).unwrap();
    assert_eq!(
        rule.pattern["resources"][0],
        "arn:aws:cloudwatch:us-east-1:222222222222:alarm:Billing-Alarm"
    );
    let role = role(of(&resources, ROLE), account()).unwrap();
    assert_eq!(rule.role.unwrap(), role.arn);
    assert_eq!(
        role.trust_policy["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"],
        "arn:aws:events:us-east-1:222222222222:rule/billctl-forward-alarm"
    );
    assert_eq!(
        role.policies["put-events-on-billing-bus"]["Statement"][0]["Resource"],
        rule.target.as_str()
    );
    assert!(of(&resources, ROLE).account_bound);
}

#[test]
fn the_shipped_template_needs_the_capability_for_named_roles() {
    let resources = member(&[]).unwrap();
    assert!(of(&resources, ROLE).properties.get("RoleName").is_some());
}

#[test]
fn parameters_are_checked_as_cloudformation_does() {
    for (pairs, said) in [
        (&[("Thresold", "5")][..], "[Thresold] do not exist"),
        (&[("Threshold", "much")][..], "must be a number"),
        (&[("Threshold", "0")][..], "between MinValue and MaxValue"),
        (&[("Measure", "weekly")][..], "must be one of AllowedValues"),
        (&[("AlarmName", "two words")][..], "letters, digits, dot"),
        (&[("EventBusArn", "x")][..], "the ARN of an event bus"),
    ] {
        let error = member(pairs).unwrap_err();
        assert!(error.0.contains(said), "{error}");
    }
    let template = Template::parse(MEMBER).unwrap();
    let error = template.check_parameters(&Parameters::new()).unwrap_err();
    assert_eq!(error.0, "Parameters: [EventBusArn, Threshold] must have values");
}

#[test]
fn what_stacksets_refuse_or_nobody_knows_is_an_error() {
    for (text, said) in [
        ("", "Template format error"),
        ("just text", "Template format error"),
        ("Resources: {}", "At least one Resources member"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {}", "transforms"),
        (
            "Resources: {N: {Type: 'AWS::CloudFormation::Stack'}}",
            "Unrecognized resource types",
        ),
        (
            "Resources: {A: {Type: 'AWS::CloudWatch::Alarm', Properties: {Threshold: !Ref Nobody}}}",
            "Unresolved resource dependencies [Nobody]",
        ),
        (": : :", "Template format error"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert!(error.0.contains(said), "{text}: {error}");
    }
}

#[test]
fn an_unknown_property_fails_the_resource() {
    let text = "
Resources:
  A:
    Type: AWS::CloudWatch::Alarm
    Properties: {Treshold: 5, ComparisonOperator: GreaterThanThreshold}
";
    let error = resolved(text).unwrap_err();
    assert!(error.0.contains("Properties validation failed"), "{error}");
    assert!(error.0.contains("Treshold"), "{error}");
}

#[test]
fn references_in_a_circle_are_an_error() {
    let text = "
Resources:
  A:
    Type: AWS::IAM::Role
    Properties: {RoleName: !Ref B, AssumeRolePolicyDocument: {}}
  B:
    Type: AWS::IAM::Role
    Properties: {RoleName: !Ref A, AssumeRolePolicyDocument: {}}
";
    let error = resolved(text).unwrap_err();
    assert!(error.0.contains("Circular dependency"), "{error}");
}

#[test]
fn short_and_long_function_names_and_json_mean_the_same() {
    let short = r#"
Parameters: {P: {Type: String, Default: x}}
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Join ["-", [!Ref P, !Sub "${AWS::Region}-${!kept}"]]
      AssumeRolePolicyDocument: {}
"#;
    let long = r#"{"Parameters": {"P": {"Type": "String", "Default": "x"}}, "Resources": {"R": {
        "Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}, "RoleName":
        {"Fn::Join": ["-", [{"Ref": "P"}, {"Fn::Sub": "${AWS::Region}-${!kept}"}]]}}}}}"#;
    for text in [short, long] {
        assert_eq!(resolved(text).unwrap()[0].name, "x-us-east-1-${kept}");
    }
}

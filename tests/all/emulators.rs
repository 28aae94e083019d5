//! What the tests on emulators rely on: that the emulators start, keep tenants apart, speak
//! the protocols that the SDK speaks, and behave as `docs/emulators.md` says.

use std::process::Command;

use serde_json::json;

use crate::support::emulator::{Endpoints, shared};
use crate::support::venv;

#[test]
fn the_linters_of_templates_and_policies_are_installed() {
    let Some(venv) = venv::shared("linters") else {
        return;
    };
    for tool in ["cfn-lint", "parliament"] {
        let output = Command::new(venv.tool(tool))
            .arg("--version")
            .output()
            .expect("the tool runs");
        assert!(output.status.success(), "{tool}: {output:?}");
    }
}

#[test]
fn a_tenant_is_its_own_account_on_every_emulator() {
    let Some(emulators) = shared("tenants are accounts") else {
        return;
    };
    let tenant = emulators.tenant();
    for endpoints in [
        Endpoints::Ministack,
        Endpoints::Moto,
        Endpoints::Closest,
        Endpoints::EnforcingIam,
    ] {
        let seen = tenant.boto3(endpoints, "result = client('sts').get_caller_identity()['Account']");
        assert_eq!(seen, json!(tenant.account()), "{endpoints:?}");
    }
}

#[test]
fn a_tenant_does_not_see_what_another_made() {
    let Some(emulators) = shared("tenants are apart") else {
        return;
    };
    let (one, other) = (emulators.tenant(), emulators.tenant());
    for endpoints in [Endpoints::Ministack, Endpoints::Moto] {
        one.boto3(
            endpoints,
            "client('events').create_event_bus(Name='mine')\n\
             client('sqs').create_queue(QueueName='mine')",
        );
        let seen = other.boto3(
            endpoints,
            "result = [[b['Name'] for b in client('events').list_event_buses()['EventBuses']],\n\
             code_of(client('sqs').get_queue_url, QueueName='mine')]",
        );
        assert_eq!(
            seen,
            json!([["default"], "AWS.SimpleQueueService.NonExistentQueue"]),
            "{endpoints:?}"
        );
    }
}

#[test]
fn moto_is_called_in_cbor_and_keeps_the_metric_math_of_an_alarm() {
    let Some(emulators) = shared("CloudWatch in CBOR on moto") else {
        return;
    };
    // botocore prefers JSON; the SDK speaks only CBOR, so it is forced here.
    let snippet = r"
import boto3, botocore.session
session = botocore.session.get_session()
loader = session.get_component('data_loader')
load = loader.load_service_model
def cbor_only(name, kind, *rest, **more):
    model = load(name, kind, *rest, **more)
    if (name, kind) == ('cloudwatch', 'service-2'):
        model['metadata'].update(protocol='smithy-rpc-v2-cbor', protocols=['smithy-rpc-v2-cbor'])
    return model
loader.load_service_model = cbor_only
cw = boto3.Session(botocore_session=session).client('cloudwatch')
metrics = [
    {'Id': 'e1', 'Expression': 'RATE(m1) * PERIOD(m1)', 'ReturnData': True},
    {'Id': 'm1', 'ReturnData': False, 'MetricStat': {'Period': 86400, 'Stat': 'Maximum',
        'Metric': {'Namespace': 'AWS/Billing', 'MetricName': 'EstimatedCharges',
            'Dimensions': [{'Name': 'Currency', 'Value': 'USD'}]}}}]
cw.put_metric_alarm(AlarmName='a', EvaluationPeriods=1, Threshold=100.0,
    ComparisonOperator='GreaterThanThreshold', Metrics=metrics)
alarm = cw.describe_alarms(AlarmNames=['a'])['MetricAlarms'][0]
result = {
    'protocol': cw.meta.service_model.resolved_protocol,
    'threshold': alarm['Threshold'],
    'expressions': [m.get('Expression') for m in alarm['Metrics']],
    'dated': alarm['AlarmConfigurationUpdatedTimestamp'].year > 2000,
    'absent': code_of(cw.get_dashboard, DashboardName='none'),
}
";
    let seen = emulators.tenant().boto3(Endpoints::Moto, snippet);
    assert_eq!(
        seen,
        json!({
            "protocol": "smithy-rpc-v2-cbor",
            "threshold": 100.0,
            "expressions": ["RATE(m1) * PERIOD(m1)", null],
            "dated": true,
            "absent": "ResourceNotFound",
        })
    );
}

#[test]
fn ministack_enforces_iam_where_asked() {
    let Some(emulators) = shared("IAM enforcement on ministack") else {
        return;
    };
    let tenant = emulators.tenant();
    let key = tenant.boto3(
        Endpoints::EnforcingIam,
        r#"
iam = client('iam')
iam.create_user(UserName='operator')
iam.put_user_policy(UserName='operator', PolicyName='p', PolicyDocument=json.dumps({
    'Version': '2012-10-17',
    'Statement': [{'Effect': 'Allow', 'Action': 'sqs:CreateQueue',
                   'Resource': 'arn:aws:sqs:us-east-1:*:billctl-*'}]}))
key = iam.create_access_key(UserName='operator')['AccessKey']
result = [key['AccessKeyId'], key['SecretAccessKey']]
"#,
    );
    let mut env = tenant.env(Endpoints::EnforcingIam);
    for (name, value) in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .into_iter()
        .zip(key.as_array().expect("key and secret"))
    {
        let value = value.as_str().expect("text").to_owned();
        env.insert(name.to_owned(), value);
    }
    let seen = tenant.boto3_with(
        &env,
        "sqs = client('sqs')\n\
         result = [code_of(sqs.create_queue, QueueName='billctl-dlq'),\n\
                   code_of(sqs.create_queue, QueueName='other'),\n\
                   code_of(sqs.list_queues)]",
    );
    assert_eq!(seen, json!([null, "AccessDenied", "AccessDenied"]));
}

/// The gaps around which other tests are built. Where a newer emulator closes one, the test
/// fails, and `docs/emulators.md` and the detours can go.
#[test]
fn ministack_has_the_gaps_that_the_docs_name() {
    let Some(emulators) = shared("the gaps of ministack") else {
        return;
    };
    let seen = emulators.tenant().boto3(
        Endpoints::Ministack,
        r#"
events, ses, cw = client('events'), client('sesv2'), client('cloudwatch')
events.create_event_bus(Name='b')
statement = {'Sid': 's', 'Effect': 'Allow', 'Principal': '*', 'Action': 'events:PutEvents',
             'Resource': '*', 'Condition': {'StringEquals': {'aws:PrincipalOrgID': 'o-1'}}}
events.put_permission(EventBusName='b', Policy=json.dumps(
    {'Version': '2012-10-17', 'Statement': [statement]}))
policy = json.loads(events.describe_event_bus(Name='b')['Policy'])
ses.create_email_template(TemplateName='t', TemplateContent={'Subject': 's', 'Text': 't'})
cw.put_metric_alarm(AlarmName='a', EvaluationPeriods=1, Threshold=1.0,
    ComparisonOperator='GreaterThanThreshold',
    Metrics=[{'Id': 'e1', 'Expression': 'TIME_SERIES(1)', 'ReturnData': True}])
result = {
    'bus policy condition': policy['Statement'][0].get('Condition'),
    'render': code_of(ses.test_render_email_template, TemplateName='t', TemplateData='{}'),
    'alarm metrics': cw.describe_alarms(AlarmNames=['a'])['MetricAlarms'][0].get('Metrics'),
    'stack sets': code_of(client('cloudformation').describe_stack_set, StackSetName='s'),
}
"#,
    );
    assert_eq!(
        seen,
        json!({
            "bus policy condition": null,
            "render": "NotFoundException",
            "alarm metrics": null,
            "stack sets": "InvalidAction",
        })
    );
}

#[test]
fn moto_has_the_gaps_that_the_docs_name() {
    let Some(emulators) = shared("the gaps of moto") else {
        return;
    };
    let seen = emulators.tenant().boto3(
        Endpoints::Moto,
        r#"
org, cfn = client('organizations'), client('cloudformation')
org.create_organization(FeatureSet='ALL')
root = org.list_roots()['Roots'][0]['Id']
parent, ous = root, []
for name in ['one', 'two', 'three']:
    ous.append(org.create_organizational_unit(ParentId=parent, Name=name)['OrganizationalUnit']['Id'])
    parent = ous[-1]
ids = []
for number, ou in enumerate([ous[0], ous[0], ous[1], ous[2]]):
    status = org.create_account(AccountName=f'a{number}', Email=f'a{number}@example.org')
    ids.append(status['CreateAccountStatus']['AccountId'])
    org.move_account(AccountId=ids[-1], SourceParentId=root, DestinationParentId=ou)
cfn.create_stack_set(StackSetName='s', PermissionModel='SERVICE_MANAGED', TemplateBody=json.dumps({
    'Parameters': {'T': {'Type': 'Number', 'Default': 1}},
    'Resources': {'Q': {'Type': 'AWS::SQS::Queue'}}}))
one = {'OrganizationalUnitIds': [ous[0]], 'Accounts': [ids[0]], 'AccountFilterType': 'INTERSECTION'}
def overrides(value):
    return [{'ParameterKey': 'T', 'ParameterValue': value}]
operation = cfn.create_stack_instances(StackSetName='s', DeploymentTargets=one, Regions=['us-east-1'],
    ParameterOverrides=overrides('5'), OperationId='mine')['OperationId']
cfn.update_stack_instances(StackSetName='s', DeploymentTargets=one, Regions=['us-east-1'],
    ParameterOverrides=overrides('7'))
instance = cfn.describe_stack_instance(StackSetName='s', StackInstanceAccount=ids[0],
    StackInstanceRegion='us-east-1')['StackInstance']
covered = {i['Account'] for i in cfn.list_stack_instances(StackSetName='s')['Summaries']}
result = {
    'covered': [account in covered for account in ids],
    'kept our operation id': operation == 'mine',
    'override after update': instance['ParameterOverrides'][0]['ParameterValue'],
}
"#,
    );
    assert_eq!(
        seen,
        json!({
            "covered": [true, true, true, false],
            "kept our operation id": false,
            "override after update": "5",
        })
    );
}

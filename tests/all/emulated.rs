//! The built binary against emulators that nobody here wrote, read back by another client.

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::support::emulator::{Endpoints, Tenant, shared};
use crate::support::home::{Ended, Home};

/// The built binary in an environment that reaches this tenant and nothing else.
fn billctl(tenant: &Tenant, endpoints: Endpoints, home: &Home) -> Command {
    let mut command = home.command();
    command.envs(tenant.env(endpoints));
    command
}

const CONFIG: &str = r#"
[alarm]
threshold = 120

[mail]
from = "billing@example.com"
"#;

/// An organisation on moto: Root/{Production/{Payments}, Sandboxes}, with two accounts in Production, one below it.
const ORGANIZATION: &str = r#"
org = client('organizations')
org.create_organization(FeatureSet='ALL')
root = org.list_roots()['Roots'][0]['Id']
def ou(parent, name):
    return org.create_organizational_unit(ParentId=parent, Name=name)['OrganizationalUnit']['Id']
def account(parent, name):
    id = org.create_account(AccountName=name, Email=name + '@example.com')['CreateAccountStatus']['AccountId']
    org.move_account(AccountId=id, SourceParentId=root, DestinationParentId=parent)
    return id
production, sandboxes = ou(root, 'Production'), ou(root, 'Sandboxes')
payments = ou(production, 'Payments')
result = {
    'production': production,
    'accounts': sorted([account(production, 'web'), account(production, 'api'), account(payments, 'ledger')]),
    'other': account(sandboxes, 'play'),
}
"#;

#[test]
fn deploy_makes_the_stack_set_and_an_instance_in_every_account_of_the_ou() {
    let Some(emulators) = shared("deploy and status on moto") else {
        return;
    };
    let tenant = emulators.tenant();
    let made = tenant.boto3(Endpoints::Moto, ORGANIZATION);
    let home = Home::with_config(CONFIG);
    let deploy = || {
        let mut command = billctl(&tenant, Endpoints::Moto, &home);
        command.args(["deploy", "--ou", "Production"]);
        home.end(&mut command)
    };

    let Ended { code, stdout, stderr } = deploy();
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let set = tenant.boto3(
        Endpoints::Moto,
        "cfn = client('cloudformation')\n\
         s = cfn.describe_stack_set(StackSetName='billctl')['StackSet']\n\
         i = cfn.list_stack_instances(StackSetName='billctl')['Summaries']\n\
         result = {'model': s['PermissionModel'],\n\
                   'threshold': [p['ParameterValue'] for p in s['Parameters'] if p['ParameterKey'] == 'Threshold'],\n\
                   'accounts': sorted(x['Account'] for x in i), 'regions': sorted({x['Region'] for x in i}),\n\
                   'operations': len(cfn.list_stack_set_operations(StackSetName='billctl')['Summaries'])}",
    );
    assert_eq!(set["model"], "SERVICE_MANAGED");
    assert_eq!(set["threshold"], json!(["120"]));
    assert_eq!(set["accounts"], made["accounts"]);
    assert_eq!(set["regions"], json!(["us-east-1"]));

    // Again: nothing differs, so no operation is started.
    let Ended { code, stdout, stderr } = deploy();
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert!(stdout.contains("nothing to change"), "{stdout}");
    let operations = tenant.boto3(
        Endpoints::Moto,
        "result = len(client('cloudformation').list_stack_set_operations(StackSetName='billctl')['Summaries'])",
    );
    assert_eq!(operations, set["operations"]);

    // Status, as a program reads it.
    let mut command = billctl(&tenant, Endpoints::Moto, &home);
    command.args(["status", "--format", "json"]);
    let Ended { code, stdout, stderr } = home.end(&mut command);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let status: Value = serde_json::from_str(&stdout).expect("JSON");
    let of = |account: &str| {
        status["accounts"]
            .as_array()
            .and_then(|all| all.iter().find(|line| line["account"] == account))
            .cloned()
            .unwrap_or_default()
    };
    for account in made["accounts"].as_array().expect("accounts") {
        let line = of(account.as_str().unwrap_or_default());
        assert_eq!(line["coverage"], "covered", "{line}");
        assert_eq!(line["effective"], 120.0);
    }
    assert_eq!(
        of(made["other"].as_str().unwrap_or_default())["coverage"],
        "not-targeted"
    );
}

#[test]
fn bootstrap_makes_the_billing_side_once_and_repairs_each_field_that_somebody_changed() {
    let Some(emulators) = shared("bootstrap on ministack and moto") else {
        return;
    };
    let tenant = emulators.tenant();
    tenant.boto3(
        Endpoints::Moto,
        "client('organizations').create_organization(FeatureSet='ALL')\nresult = None",
    );
    let home = Home::with_config(CONFIG);
    let bootstrap = |more: &[&str]| {
        let mut command = billctl(&tenant, Endpoints::Closest, &home);
        command.arg("bootstrap").args(more);
        home.end(&mut command)
    };

    let Ended { code, stdout, stderr } = bootstrap(&[]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let read = "arn = client('sts').get_caller_identity()['Account']\n\
         machine = f'arn:aws:states:us-east-1:{arn}:stateMachine:billctl-notifier'\n\
         result = {\n\
          'role': client('iam').get_role(RoleName='billctl-notifier')['Role']['AssumeRolePolicyDocument'],\n\
          'machine': client('stepfunctions').describe_state_machine(stateMachineArn=machine)['definition'],\n\
          'subject': client('sesv2').get_email_template(TemplateName='billctl-spend-alarm')['TemplateContent']['Subject'],\n\
          'policies': client('iam').get_role_policy(RoleName='billctl-notifier', PolicyName='billctl')['PolicyDocument'],\n\
          'pattern': client('events').describe_rule(Name='billctl-member-alarms', EventBusName='billctl')['EventPattern'],\n\
          'targets': client('events').list_targets_by_rule(Rule='billctl-member-alarms', EventBusName='billctl')['Targets'],\n\
          'policy': client('events').describe_event_bus(Name='billctl')['Policy'],\n\
          'queue': client('sqs').get_queue_url(QueueName='billctl-undelivered')['QueueUrl'],\n\
          'alarm': client('cloudwatch').describe_alarms(AlarmNames=['Billing-Alarm'])['MetricAlarms'][0]['Threshold'],\n\
          'dashboard': client('cloudwatch').get_dashboard(DashboardName='billctl')['DashboardBody'],\n\
         }";
    let made = tenant.boto3(Endpoints::Closest, read);
    assert!(made["role"].to_string().contains("states.amazonaws.com"), "{made}");
    assert!(
        made["machine"].as_str().unwrap_or_default().contains("JSONata"),
        "{made}"
    );
    assert!(
        made["targets"][0]["Arn"].to_string().contains("billctl-notifier"),
        "{made}"
    );
    assert!(made["policy"].to_string().contains("aws:PrincipalOrgID"), "{made}");
    assert_eq!(made["alarm"], 120.0);

    // Again: nothing changed, and no write call.
    let Ended { code, stdout, stderr } = bootstrap(&["-v"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert!(stdout.contains("nothing to change"), "{stdout}");
    assert!(!stderr.contains(" write "), "{stderr}");

    // Each field changed by hand is shown as exactly that one, repaired, and then as it was.
    for (change, shown) in CHANGES {
        tenant.boto3(Endpoints::Closest, change);
        assert_ne!(tenant.boto3(Endpoints::Closest, read), made, "{change}");
        let Ended { code, stdout, stderr } = bootstrap(&["--plan"]);
        assert_eq!(code, 0, "{stdout}\n{stderr}");
        assert!(stdout.contains("1 to change"), "{stdout}");
        assert_eq!(stdout.matches(" -> ").count(), 1, "{stdout}");
        assert!(stdout.contains(shown), "{shown}\n{stdout}");
        let Ended { code, stdout, stderr } = bootstrap(&[]);
        assert_eq!(code, 0, "{stdout}\n{stderr}");
        assert_eq!(tenant.boto3(Endpoints::Closest, read), made);
    }

    // Status sees the same billing side, and that no StackSet is there yet.
    let mut command = billctl(&tenant, Endpoints::Closest, &home);
    command.args(["status", "--format", "json"]);
    let Ended { code, stdout, stderr } = home.end(&mut command);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let status: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(status["billing"]["state"], "read", "{stdout}");
    assert_eq!(status["billing"]["plan"]["steps"], json!([]), "{stdout}");
    assert_eq!(status["exists"], false);
}

/// What somebody else changes with boto3, and how the plan shows it.
const CHANGES: [(&str, &str); 4] = [
    (
        r#"
events = client('events')
rule = events.describe_rule(Name='billctl-member-alarms', EventBusName='billctl')
pattern = json.loads(rule['EventPattern'])
pattern['detail']['alarmName'] = ['Another']
events.put_rule(Name=rule['Name'], EventBusName='billctl', Description=rule['Description'],
                State=rule['State'], EventPattern=json.dumps(pattern))
"#,
        r#"pattern.detail.alarmName: ["Another"] -> ["Billing-Alarm"]"#,
    ),
    (
        r#"
iam = client('iam')
name = {'RoleName': 'billctl-notifier', 'PolicyName': 'billctl'}
policy = iam.get_role_policy(**name)['PolicyDocument']
for statement in policy['Statement']:
    if statement['Sid'] == 'WriteToTheOwner':
        statement['Resource'] = '*'
iam.put_role_policy(**name, PolicyDocument=json.dumps(policy))
"#,
        r#"policy.Statement[WriteToTheOwner].Resource: "*" -> "#,
    ),
    (
        r#"
ses = client('sesv2')
content = ses.get_email_template(TemplateName='billctl-spend-alarm')['TemplateContent']
ses.update_email_template(TemplateName='billctl-spend-alarm', TemplateContent={**content, 'Subject': 'mine'})
"#,
        r#"subject: "mine" -> "{{subject}}""#,
    ),
    (
        r#"
events = client('events')
rule = {'Rule': 'billctl-member-alarms', 'EventBusName': 'billctl'}
[target] = events.list_targets_by_rule(**rule)['Targets']
target['RoleArn'] = target['RoleArn'].replace('billctl-start-notifier', 'other')
events.put_targets(**rule, Targets=[target])
"#,
        r#"targets[notifier].role: "arn:aws:iam::"#,
    ),
];

//! The adapters against AWS-compatible endpoints that nobody here wrote, read back with boto3.

use std::collections::BTreeMap;

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use billctl_aws::{Options, SdkConfig};
use billctl_core::model::Arn;
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, ConcurrencyMode, CountOrPercent, InstanceStatus, InstancesRequest,
    LIST_STACK_INSTANCES, OperationId, Preferences, StackSetSpec, Targets,
};
use billctl_core::service::cloudwatch::{DataRequest, LIST_METRICS, Metric, MetricQuery, QuerySource};
use billctl_core::service::eventbridge::{Rule, Target};
use billctl_core::service::iam::NewRole;
use billctl_core::service::organizations::LIST_ACCOUNTS_FOR_PARENT;
use billctl_core::service::sesv2::EmailTemplate;
use billctl_core::service::sfn::NewStateMachine;
use billctl_core::service::{Gate, Kind, Services, all_pages};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::emulator::{Endpoints, Tenant, shared};

/// Services on one emulator, in this tenant's account.
fn services(tenant: &Tenant<'_>, endpoints: Endpoints) -> Services {
    let env = tenant.env(endpoints);
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let keys = Credentials::new(&env["AWS_ACCESS_KEY_ID"], "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(billctl_aws::behavior())
        .region(Region::new("us-east-1"))
        .endpoint_url(&env["AWS_ENDPOINT_URL"])
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(http)
        .build();
    billctl_aws::connect_with(&config, &Options::default(), Gate::default())
}

fn tags() -> BTreeMap<String, String> {
    [("made-by".into(), "billctl".into())].into()
}

#[tokio::test]
async fn roles_and_queues_on_ministack() {
    let Some(emulators) = shared("roles and queues") else {
        return;
    };
    let tenant = emulators.tenant();
    let aws = services(&tenant, Endpoints::Ministack);
    let identity = aws.sts.get_caller_identity().await.unwrap();
    assert_eq!(identity.account.to_string(), tenant.account());

    let role = NewRole {
        name: "billctl-notifier".into(),
        trust_policy: json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }]}),
        description: "Mails 100 % of them".into(),
        tags: tags(),
        permissions_boundary: None,
    };
    let absent = aws.iam.get_role(&role.name).await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    let arn = aws.iam.create_role(&role).await.unwrap();
    let again = aws.iam.create_role(&role).await.unwrap_err();
    assert_eq!(again.kind, Kind::Exists, "{again}");
    let found = aws.iam.get_role(&role.name).await.unwrap();
    assert_eq!((&found.arn, &found.trust_policy), (&arn, &role.trust_policy));
    assert_eq!((found.description, found.tags), (role.description, role.tags));
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"},
    ]});
    aws.iam.put_role_policy(&role.name, "send", &policy).await.unwrap();
    assert_eq!(aws.iam.list_role_policies(&role.name).await, Ok(vec!["send".into()]));
    assert_eq!(aws.iam.get_role_policy(&role.name, "send").await, Ok(policy.clone()));
    let seen = tenant.boto3(
        Endpoints::Ministack,
        "result = client('iam').get_role_policy(\
         RoleName='billctl-notifier', PolicyName='send')['PolicyDocument']",
    );
    assert_eq!(seen, policy);
    aws.iam.delete_role_policy(&role.name, "send").await.unwrap();
    aws.iam.delete_role(&role.name).await.unwrap();

    let absent = aws.sqs.get_queue_url("undelivered").await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    let attributes = [("MessageRetentionPeriod".into(), "1209600".into())].into();
    let url = aws.sqs.create_queue("undelivered", &attributes, &tags()).await.unwrap();
    assert_eq!(aws.sqs.get_queue_url("undelivered").await, Ok(url.clone()));
    let found = aws.sqs.get_queue_attributes(&url).await.unwrap();
    assert_eq!(found["MessageRetentionPeriod"], "1209600");
    let seen = tenant.boto3(
        Endpoints::Ministack,
        "sqs = client('sqs')\n\
         url = sqs.get_queue_url(QueueName='undelivered')['QueueUrl']\n\
         result = sqs.list_queue_tags(QueueUrl=url)['Tags']",
    );
    assert_eq!(seen, json!({"made-by": "billctl"}));
    aws.sqs.delete_queue(&url).await.unwrap();
}

#[tokio::test]
async fn a_topic_on_both_engines() {
    let Some(emulators) = shared("a topic") else {
        return;
    };
    for endpoints in [Endpoints::Ministack, Endpoints::Moto] {
        let tenant = emulators.tenant();
        let aws = services(&tenant, endpoints);
        let arn: Arn = format!("arn:aws:sns:us-east-1:{}:ops", tenant.account())
            .parse()
            .unwrap();
        let absent = aws.sns.get_topic_attributes(&arn).await.unwrap_err();
        assert_eq!(absent.kind, Kind::NotFound, "{absent}");
        assert_eq!(aws.sns.create_topic("ops", &tags()).await, Ok(arn.clone()));
        aws.sns.subscribe(&arn, "email", "ops@example.com").await.unwrap();
        assert_eq!(aws.sns.list_topic_tags(&arn).await, Ok(tags()));
        let page = aws.sns.list_subscriptions(&arn, None).await.unwrap();
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.items[0].endpoint, "ops@example.com");
        // Unlike on AWS, where somebody has to click first (docs/emulators.md).
        assert!(page.items[0].confirmed, "{endpoints:?}");
        let seen = tenant.boto3(
            endpoints,
            "result = [topic['TopicArn'] for topic in client('sns').list_topics()['Topics']]",
        );
        assert_eq!(seen, json!([arn.to_string()]));
        aws.sns.delete_topic(&arn).await.unwrap();
        let gone = aws.sns.get_topic_attributes(&arn).await.unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound, "{gone}");
    }
}

#[tokio::test]
async fn buses_and_state_machines_on_ministack() {
    let Some(emulators) = shared("buses and state machines") else {
        return;
    };
    let tenant = emulators.tenant();
    let aws = services(&tenant, Endpoints::Ministack);
    let absent = aws.eventbridge.describe_event_bus("billctl").await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    let bus = aws.eventbridge.create_event_bus("billctl", &tags()).await.unwrap();
    let again = aws.eventbridge.create_event_bus("billctl", &tags()).await.unwrap_err();
    assert_eq!(again.kind, Kind::Exists, "{again}");
    assert_eq!(aws.eventbridge.describe_event_bus("billctl").await.unwrap().arn, bus);

    let role = format!("arn:aws:iam::{}:role/billctl-notifier", tenant.account());
    let machine = NewStateMachine {
        name: "billctl-notifier".into(),
        definition: json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        role_arn: role.parse().unwrap(),
        tags: tags(),
    };
    let machine_arn = aws.sfn.create_state_machine(&machine).await.unwrap();
    let found = aws.sfn.describe_state_machine(&machine_arn).await.unwrap();
    assert_eq!((found.name, found.definition), (machine.name, machine.definition));
    let other = format!("{machine_arn}x").parse().unwrap();
    let absent = aws.sfn.describe_state_machine(&other).await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");

    let rule = Rule {
        name: "billctl-member-alarms".into(),
        bus: "billctl".into(),
        pattern: json!({"source": ["aws.cloudwatch"]}),
        enabled: true,
        description: "Alarms".into(),
    };
    aws.eventbridge.put_rule(&rule).await.unwrap();
    assert_eq!(
        aws.eventbridge.describe_rule("billctl", &rule.name).await,
        Ok(rule.clone())
    );
    let target = Target {
        id: "notifier".into(),
        arn: machine_arn.clone(),
        role_arn: Some(role.parse().unwrap()),
        dead_letter_arn: Some("arn:aws:sqs:us-east-1:111111111111:q".parse().unwrap()),
        extras: None,
    };
    aws.eventbridge
        .put_targets("billctl", &rule.name, std::slice::from_ref(&target))
        .await
        .unwrap();
    let targets = aws.eventbridge.list_targets("billctl", &rule.name).await;
    assert_eq!(targets, Ok(vec![target]));
    let seen = tenant.boto3(
        Endpoints::Ministack,
        "target = client('events').list_targets_by_rule(\
         EventBusName='billctl', Rule='billctl-member-alarms')['Targets'][0]\n\
         result = [target['Id'], target['DeadLetterConfig']['Arn']]",
    );
    assert_eq!(seen, json!(["notifier", "arn:aws:sqs:us-east-1:111111111111:q"]));
    let ids = ["notifier".to_owned()];
    aws.eventbridge
        .remove_targets("billctl", &rule.name, &ids)
        .await
        .unwrap();
    aws.eventbridge.delete_rule("billctl", &rule.name).await.unwrap();
    aws.eventbridge.delete_event_bus("billctl").await.unwrap();
    aws.sfn.delete_state_machine(&machine_arn).await.unwrap();
}

#[tokio::test]
async fn mail_on_ministack() {
    let Some(emulators) = shared("mail") else {
        return;
    };
    let tenant = emulators.tenant();
    let aws = services(&tenant, Endpoints::Ministack);
    aws.sesv2.get_account().await.unwrap();
    let mut template = EmailTemplate {
        name: "billctl-spend-alarm".into(),
        subject: "{{account}} spent {{amount}}".into(),
        html: "<p>é {{amount}}</p>".into(),
        text: "{{amount}}".into(),
        tags: tags(),
    };
    let absent = aws.sesv2.get_email_template(&template.name).await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    aws.sesv2.create_email_template(&template).await.unwrap();
    let again = aws.sesv2.create_email_template(&template).await.unwrap_err();
    assert_eq!(again.kind, Kind::Exists, "{again}");
    template.subject = "{{amount}}".into();
    aws.sesv2.update_email_template(&template).await.unwrap();
    assert_eq!(aws.sesv2.get_email_template(&template.name).await, Ok(template));
    let seen = tenant.boto3(
        Endpoints::Ministack,
        "result = client('sesv2').get_email_template(\
         TemplateName='billctl-spend-alarm')['TemplateContent']",
    );
    assert_eq!(
        (&seen["Subject"], &seen["Html"]),
        (&json!("{{amount}}"), &json!("<p>é {{amount}}</p>"))
    );
    let absent = aws.sesv2.get_configuration_set("billctl").await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    aws.sesv2.create_configuration_set("billctl", &tags()).await.unwrap();
    assert_eq!(
        aws.sesv2.get_configuration_set("billctl").await.unwrap().name,
        "billctl"
    );
    aws.sesv2
        .create_email_identity("billing@example.com", &tags())
        .await
        .unwrap();
    let identity = aws.sesv2.get_email_identity("billing@example.com").await.unwrap();
    assert_eq!(identity.name, "billing@example.com");
}

#[tokio::test]
async fn metrics_on_ministack() {
    let Some(emulators) = shared("metrics") else {
        return;
    };
    let tenant = emulators.tenant();
    let aws = services(&tenant, Endpoints::Ministack);
    // Lately: ministack forgets old datapoints, as CloudWatch does in the end.
    let day = SignedDuration::from_hours(24);
    let today = Timestamp::now().as_second().div_euclid(day.as_secs()) * day.as_secs();
    let today = Timestamp::from_second(today).unwrap();
    let (first, second) = (today - day * 3, today - day * 2);
    tenant.boto3(
        Endpoints::Ministack,
        &format!(
            "at = lambda time, value: dict(MetricName='EstimatedCharges', Timestamp=time, Value=value,\
               Dimensions=[dict(Name='Currency', Value='USD'), dict(Name='LinkedAccount', Value='222222222222')])\n\
             client('cloudwatch').put_metric_data(Namespace='AWS/Billing',\
               MetricData=[at({}, 12.5), at({}, 20.0)])",
            first.as_second(),
            second.as_second(),
        ),
    );
    let dimensions = BTreeMap::from([
        ("Currency".to_owned(), "USD".to_owned()),
        ("LinkedAccount".to_owned(), "222222222222".to_owned()),
    ]);
    let filter = dimensions
        .iter()
        .map(|(name, value)| (name.clone(), Some(value.clone())));
    let filter = filter.collect();
    let metrics = all_pages(LIST_METRICS, |token| {
        aws.cloudwatch
            .list_metrics("AWS/Billing", "EstimatedCharges", &filter, token)
    });
    let metric = Metric {
        namespace: "AWS/Billing".into(),
        name: "EstimatedCharges".into(),
        dimensions,
    };
    assert_eq!(metrics.await, Ok(vec![metric.clone()]));
    let request = DataRequest {
        queries: vec![MetricQuery {
            id: "m1".into(),
            source: QuerySource::Stat {
                metric,
                period: 86_400,
                stat: "Maximum".into(),
            },
            return_data: true,
            label: None,
        }],
        start: first,
        end: today,
    };
    let page = aws.cloudwatch.get_metric_data(&request, None).await.unwrap();
    assert_eq!(page.items[0].points, [(first, 12.5), (second, 20.0)]);
    let absent = aws.cloudwatch.get_dashboard("billctl").await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    let body = json!({"widgets": []});
    aws.cloudwatch.put_dashboard("billctl", &body).await.unwrap();
    assert_eq!(aws.cloudwatch.get_dashboard("billctl").await, Ok(body));
    aws.cloudwatch.delete_dashboards(&["billctl".into()]).await.unwrap();
}

#[tokio::test]
async fn the_organisation_and_a_stack_set_on_moto() {
    let Some(emulators) = shared("the organisation and a stack set") else {
        return;
    };
    let tenant = emulators.tenant();
    let aws = services(&tenant, Endpoints::Moto);
    let outside = aws.organizations.describe_organization().await.unwrap_err();
    assert_eq!(outside.kind, Kind::NotFound, "{outside}");
    let made = tenant.boto3(
        Endpoints::Moto,
        "o = client('organizations')\n\
         o.create_organization(FeatureSet='ALL')\n\
         root = o.list_roots()['Roots'][0]['Id']\n\
         ou = o.create_organizational_unit(ParentId=root, Name='Production')['OrganizationalUnit']['Id']\n\
         ids = [o.create_account(AccountName=f'a{n}', Email=f'a{n}@example.com')\
           ['CreateAccountStatus']['AccountId'] for n in range(23)]\n\
         [o.move_account(AccountId=i, SourceParentId=root, DestinationParentId=ou) for i in ids]\n\
         o.tag_resource(ResourceId=ids[0], Tags=[dict(Key='owner', Value='jo@example.com')])\n\
         result = dict(root=root, ou=ou, ids=ids)",
    );
    let organization = aws.organizations.describe_organization().await.unwrap();
    assert_eq!(organization.management_account.to_string(), tenant.account());
    assert!(organization.all_features);
    let roots = aws.organizations.list_roots(None).await.unwrap().items;
    assert_eq!(roots[0].id.as_str(), made["root"]);
    let ous = aws
        .organizations
        .list_ous_for_parent(&roots[0].id, None)
        .await
        .unwrap()
        .items;
    assert_eq!(
        (ous[0].id.as_str(), ous[0].name.as_str()),
        (made["ou"].as_str().unwrap(), "Production")
    );
    let accounts = all_pages(LIST_ACCOUNTS_FOR_PARENT, |token| {
        aws.organizations.list_accounts_for_parent(&ous[0].id, token)
    })
    .await
    .unwrap();
    assert_eq!(accounts.len(), 23);
    let first = made["ids"][0].as_str().unwrap().parse().unwrap();
    let account = aws.organizations.describe_account(first).await.unwrap();
    assert_eq!(account.email, "a0@example.com");
    let tags_found = aws.organizations.list_account_tags(first).await.unwrap();
    assert_eq!(tags_found["owner"], "jo@example.com");

    let absent = aws.cloudformation.describe_stack_set("billctl").await.unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound, "{absent}");
    // Not implemented by moto.
    let unknown = aws.cloudformation.describe_organizations_access().await.unwrap_err();
    assert_eq!(unknown.code.as_deref(), Some("InvalidAction"), "{unknown}");
    let spec = StackSetSpec {
        name: "billctl".into(),
        description: "Spend alarms".into(),
        template: json!({
            "Parameters": {"Threshold": {"Type": "Number", "Default": 100}},
            "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        })
        .to_string(),
        parameters: [("Threshold".into(), "100".into())].into(),
        tags: tags(),
        auto_deployment: AutoDeployment {
            enabled: true,
            retain_stacks: false,
        },
    };
    aws.cloudformation.create_stack_set(&spec, "token-1").await.unwrap();
    let found = aws.cloudformation.describe_stack_set("billctl").await.unwrap();
    assert_eq!((&found.template, &found.parameters), (&spec.template, &spec.parameters));
    assert_eq!((found.tags, found.service_managed), (spec.tags, true));
    let request = InstancesRequest {
        stack_set: "billctl".into(),
        targets: Targets {
            ous: vec![ous[0].id.clone()],
            accounts: AccountFilter::None,
        },
        overrides: None,
        preferences: Preferences {
            tolerance: CountOrPercent::Percent(10),
            concurrency: CountOrPercent::Count(5),
            mode: ConcurrencyMode::Soft,
        },
        operation_id: OperationId("op-1".into()),
    };
    let operation = aws.cloudformation.create_stack_instances(&request).await.unwrap();
    let done = aws
        .cloudformation
        .describe_operation("billctl", &operation)
        .await
        .unwrap();
    assert!(done.status.is_over());
    let instances = all_pages(LIST_STACK_INSTANCES, |token| {
        aws.cloudformation.list_stack_instances("billctl", None, token)
    })
    .await
    .unwrap();
    assert_eq!(instances.len(), 23);
    assert!(instances.iter().all(|one| one.status == InstanceStatus::Current));
    let seen = tenant.boto3(
        Endpoints::Moto,
        "result = len(client('cloudformation').list_stack_instances(StackSetName='billctl')['Summaries'])",
    );
    assert_eq!(seen, json!(23));
}

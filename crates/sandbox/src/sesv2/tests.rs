use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::policy::{Request, RequestContext, allowed_by};
use crate::seed;
use billctl_core::service::Services;

async fn with_template(html: &str) -> (Sandbox, Services) {
    let sandbox = Sandbox::in_memory(seed::demo());
    let services = sandbox.services();
    let ses = &services.sesv2;
    ses.create_email_identity("billing@example.com", &Tags::new())
        .await
        .unwrap();
    ses.create_configuration_set("set", &Tags::new()).await.unwrap();
    ses.create_email_template(&EmailTemplate {
        name: "t".into(),
        subject: "{{subject}}".into(),
        html: html.into(),
        text: "{{subject}}".into(),
        tags: Tags::new(),
    })
    .await
    .unwrap();
    services.clock.sleep(Duration::from_secs(600)).await;
    (sandbox, services)
}

fn mail(sandbox: &Sandbox, to: &str, data: &Value) -> Result<String> {
    let request = json!({
        "FromEmailAddress": "Billing <billing@example.com>",
        "Destination": {"ToAddresses": [to]},
        "Content": {"Template": {"TemplateName": "t", "TemplateData": data.to_string()}},
        "ConfigurationSetName": "set",
        "EmailTags": [{"Name": "billctl-account", "Value": "111122223333"}],
    });
    let request = SendRequest::parse(request.as_object().unwrap()).unwrap();
    let sent = sandbox.change(|world| Ok(send(world, &request))).unwrap();
    sent.map_err(|refusal| refusal.of(SEND_EMAIL))
}

/// Has the payer's bus of this name told of these events.
async fn tell(sandbox: &Sandbox, event_type: &str, bus: &str) -> Result<()> {
    let bus = sandbox.peek(|world| world.own_arn("events", &format!("event-bus/{bus}")));
    let destination = EventDestination {
        name: "d".into(),
        enabled: true,
        event_types: vec![event_type.into()],
        event_bus_arn: Some(bus),
    };
    sandbox.create_event_destination("set", &destination).await
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> String {
    answer.unwrap_err().code.unwrap()
}

#[tokio::test]
async fn a_mail_is_rendered_into_the_outbox_without_escaping() {
    let (sandbox, _) = with_template("<p>{{subject}}</p>").await;
    mail(&sandbox, "a@example.org", &json!({"subject": "a & b"})).unwrap();
    sandbox.peek(|world| {
        let mails = world.sesv2.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].html, "<p>a & b</p>");
        assert_eq!(mails[0].account(), Some("111122223333"));
    });
}

#[tokio::test]
async fn a_missing_variable_is_accepted_never_delivered_and_told_to_the_default_bus() {
    let (sandbox, services) = with_template("<p>{{missing}}</p>").await;
    let told = tell(&sandbox, "RENDERING_FAILURE", "default").await;
    told.unwrap();
    mail(&sandbox, "a@example.org", &json!({"subject": "s"})).unwrap();
    sandbox.peek(|world| {
        assert!(world.sesv2.mails().is_empty());
        assert_eq!(world.eventbridge.log().len(), 1);
    });
    let rendered = services
        .sesv2
        .test_render_email_template("t", "{\"subject\": \"s\"}")
        .await;
    assert_eq!(code(rendered), "BadRequestException");
    let whole = services
        .sesv2
        .test_render_email_template("t", "{\"subject\": \"s\", \"missing\": \"there\"}")
        .await
        .unwrap();
    assert!(whole.contains("<p>there</p>"));
}

#[tokio::test]
async fn only_the_default_bus_can_be_told() {
    let (sandbox, _) = with_template("").await;
    let answer = tell(&sandbox, "BOUNCE", "billctl").await;
    assert_eq!(code(answer), "BadRequestException");
}

#[tokio::test]
async fn who_is_not_verified_neither_sends_nor_receives_in_the_ses_sandbox() {
    let (sandbox, services) = with_template("").await;
    let data = json!({"subject": "s"});
    sandbox
        .change(|world| {
            world.sesv2.production_access = false;
            Ok(())
        })
        .unwrap();
    assert_eq!(code(mail(&sandbox, "a@example.org", &data)), "MessageRejected");
    mail(&sandbox, "success@simulator.amazonses.com", &data).unwrap();
    sandbox
        .change(|world| {
            let now = world.now + SignedDuration::from_secs(2);
            world.advance_to(now);
            world.sesv2.verify("example.org", now);
            Ok(())
        })
        .unwrap();
    mail(&sandbox, "a@example.org", &data).unwrap();
    services
        .sesv2
        .delete_email_identity("billing@example.com")
        .await
        .unwrap();
    assert_eq!(code(mail(&sandbox, "a@example.org", &data)), "MessageRejected");
}

#[tokio::test]
async fn more_mails_a_second_than_allowed_are_throttled() {
    let (sandbox, _) = with_template("").await;
    let data = json!({"subject": "s"});
    for _ in 0..14 {
        mail(&sandbox, "a@example.org", &data).unwrap();
    }
    assert_eq!(code(mail(&sandbox, "a@example.org", &data)), "TooManyRequestsException");
}

#[tokio::test]
async fn what_is_there_or_not_there_is_said_by_its_name() {
    let (_, services) = with_template("").await;
    let ses = &services.sesv2;
    assert_eq!(
        code(ses.create_email_identity("billing@example.com", &Tags::new()).await),
        "AlreadyExistsException"
    );
    assert_eq!(code(ses.get_email_identity("x@example.com").await), "NotFoundException");
    assert_eq!(code(ses.get_email_template("x").await), "NotFoundException");
    assert_eq!(code(ses.delete_configuration_set("x").await), "NotFoundException");
    assert_eq!(
        code(ses.create_email_identity("no address", &Tags::new()).await),
        "BadRequestException"
    );
    ses.create_email_identity("example.net", &Tags::new()).await.unwrap();
    let identity = ses.get_email_identity("example.net").await.unwrap();
    assert_eq!(identity.dkim_tokens.len(), 3);
    assert!(!identity.verified);
    assert_eq!(
        code(ses.put_mail_from("example.net", Some("mail.example.com".into())).await),
        "BadRequestException"
    );
}

#[tokio::test]
async fn in_the_ses_sandbox_the_recipients_identity_has_to_be_allowed_too() {
    let (sandbox, _) = with_template("").await;
    let asked = |production_access: bool| {
        let answer = sandbox.change(|world| {
            world.sesv2.production_access = production_access;
            let now = world.now;
            world.sesv2.verify("ann@example.org", now);
            world.sesv2.verify("example.net", now);
            let request = json!({
                "FromEmailAddress": "billing@example.com",
                "Destination": {"ToAddresses": ["Ann <ann@example.org>", "bob@example.net", "eve@example.edu"]},
                "Content": {"Template": {"TemplateName": "t", "TemplateData": "{}"}},
            });
            let request = SendRequest::parse(request.as_object().unwrap()).unwrap();
            let account = world.management_account();
            Ok((request.resources(world), account))
        });
        answer.unwrap()
    };
    let (resources, account) = asked(false);
    let identity = |name: &str| format!("arn:aws:ses:us-east-1:{account}:identity/{name}");
    let sender = identity("billing@example.com");
    assert_eq!(
        resources[..3],
        [sender.clone(), identity("ann@example.org"), identity("example.net")]
    );
    // A role that may use the sender's identity alone is refused there.
    let may = |allowed: &[String], resources: &[String]| {
        let policy = json!({"Statement": {
            "Effect": "Allow", "Action": "ses:SendEmail", "Resource": allowed,
        }});
        resources.iter().all(|resource| {
            let context = RequestContext::default();
            let role = "arn:aws:iam::111122223333:role/r";
            allowed_by([&policy], Request::by_role(role, "ses:SendEmail", resource, &context))
        })
    };
    let template = format!("arn:aws:ses:us-east-1:{account}:template/t");
    let narrow = [sender, template.clone()];
    assert!(!may(&narrow, &resources));
    assert!(may(&[identity("*"), template], &resources));
    let (outside, _) = asked(true);
    assert!(may(&narrow, &outside));
}

use billctl_core::service::sesv2::{
    ConfigurationSet, EmailIdentity, EmailTemplate, EventDestination, OutgoingMail, SesAccount, SesV2,
};
use serde_json::{Value, json};

use super::replay::{Wire, json as answer};

const BUS: &str = "arn:aws:events:us-east-1:111111111111:event-bus/default";

fn aws(wire: &Wire) -> &dyn SesV2 {
    wire.services.sesv2.as_ref()
}

fn tags() -> billctl_core::service::Tags {
    [("made-by".into(), "billctl".into())].into()
}

fn tags_on_the_wire() -> Value {
    json!([{"Key": "made-by", "Value": "billctl"}])
}

#[tokio::test]
async fn get_account() {
    let wire = answer(json!({
        "ProductionAccessEnabled": false,
        "SendingEnabled": true,
        "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 3.0},
    }));
    let account = aws(&wire).get_account().await;
    wire.sent_rest("GET", "/v2/email/account", Value::Null);
    let expected = SesAccount {
        production_access: false,
        sending_enabled: true,
        max_24_hour_send: 200.0,
        sent_last_24_hours: 3.0,
        max_send_rate: 1.0,
    };
    assert_eq!(account, Ok(expected));
}

#[tokio::test]
async fn get_email_identity_of_a_domain() {
    let wire = answer(json!({
        "IdentityType": "DOMAIN",
        "VerifiedForSendingStatus": true,
        "VerificationStatus": "SUCCESS",
        "DkimAttributes": {
            "SigningEnabled": true,
            "Status": "SUCCESS",
            "Tokens": ["a", "b", "c"],
            "SigningHostedZone": "dkim.us-east-1.example",
        },
        "MailFromAttributes": {
            "MailFromDomain": "bounce.example.com",
            "MailFromDomainStatus": "PENDING",
            "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
        },
        "Tags": tags_on_the_wire(),
    }));
    let identity = aws(&wire).get_email_identity("example.com").await;
    wire.sent_rest("GET", "/v2/email/identities/example.com", Value::Null);
    let expected = EmailIdentity {
        name: "example.com".into(),
        verified: true,
        verification_status: "SUCCESS".into(),
        dkim_tokens: vec!["a".into(), "b".into(), "c".into()],
        dkim_status: Some("SUCCESS".into()),
        signing_hosted_zone: Some("dkim.us-east-1.example".into()),
        mail_from_domain: Some("bounce.example.com".into()),
        mail_from_status: Some("PENDING".into()),
        tags: tags(),
    };
    assert_eq!(identity, Ok(expected));
}

#[tokio::test]
async fn get_email_identity_of_an_address() {
    let wire = answer(json!({"IdentityType": "EMAIL_ADDRESS", "VerifiedForSendingStatus": false}));
    let identity = aws(&wire).get_email_identity("billing@example.com").await;
    wire.sent_rest("GET", "/v2/email/identities/billing%40example.com", Value::Null);
    let expected = EmailIdentity {
        name: "billing@example.com".into(),
        verified: false,
        verification_status: "PENDING".into(),
        dkim_tokens: vec![],
        dkim_status: None,
        signing_hosted_zone: None,
        mail_from_domain: None,
        mail_from_status: None,
        tags: [].into(),
    };
    assert_eq!(identity, Ok(expected));
}

#[tokio::test]
async fn create_email_identity() {
    let wire = answer(json!({"IdentityType": "DOMAIN", "VerifiedForSendingStatus": false}));
    aws(&wire).create_email_identity("example.com", &tags()).await.unwrap();
    wire.sent_rest(
        "POST",
        "/v2/email/identities",
        json!({"EmailIdentity": "example.com", "Tags": tags_on_the_wire()}),
    );
}

#[tokio::test]
async fn delete_email_identity() {
    let wire = answer(json!({}));
    aws(&wire).delete_email_identity("example.com").await.unwrap();
    wire.sent_rest("DELETE", "/v2/email/identities/example.com", Value::Null);
}

#[tokio::test]
async fn put_mail_from() {
    for (domain, body) in [
        (
            Some("bounce.example.com".to_owned()),
            json!({
                "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
                "MailFromDomain": "bounce.example.com",
            }),
        ),
        (None, json!({"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"})),
    ] {
        let wire = answer(json!({}));
        aws(&wire).put_mail_from("example.com", domain).await.unwrap();
        wire.sent_rest("PUT", "/v2/email/identities/example.com/mail-from", body);
    }
}

fn template() -> EmailTemplate {
    EmailTemplate {
        name: "billctl-spend-alarm".into(),
        subject: "{{account}} spent {{amount}}".into(),
        html: "<p>{{amount}}</p>".into(),
        text: "{{amount}}".into(),
        tags: tags(),
    }
}

fn template_on_the_wire() -> Value {
    json!({
        "Subject": "{{account}} spent {{amount}}",
        "Html": "<p>{{amount}}</p>",
        "Text": "{{amount}}",
    })
}

#[tokio::test]
async fn get_email_template() {
    let wire = answer(json!({
        "TemplateName": "billctl-spend-alarm",
        "TemplateContent": template_on_the_wire(),
        "Tags": tags_on_the_wire(),
    }));
    let found = aws(&wire).get_email_template("billctl-spend-alarm").await;
    wire.sent_rest("GET", "/v2/email/templates/billctl-spend-alarm", Value::Null);
    assert_eq!(found, Ok(template()));
}

#[tokio::test]
async fn create_email_template() {
    let wire = answer(json!({}));
    aws(&wire).create_email_template(&template()).await.unwrap();
    let body = json!({
        "TemplateName": "billctl-spend-alarm",
        "TemplateContent": template_on_the_wire(),
        "Tags": tags_on_the_wire(),
    });
    wire.sent_rest("POST", "/v2/email/templates", body);
}

#[tokio::test]
async fn update_email_template() {
    let wire = answer(json!({}));
    aws(&wire).update_email_template(&template()).await.unwrap();
    let body = json!({"TemplateContent": template_on_the_wire()});
    wire.sent_rest("PUT", "/v2/email/templates/billctl-spend-alarm", body);
}

#[tokio::test]
async fn delete_email_template() {
    let wire = answer(json!({}));
    aws(&wire).delete_email_template("t").await.unwrap();
    wire.sent_rest("DELETE", "/v2/email/templates/t", Value::Null);
}

#[tokio::test]
async fn test_render_email_template() {
    let wire = answer(json!({"RenderedTemplate": "Subject: hello"}));
    let rendered = aws(&wire).test_render_email_template("t", "{\"a\":1}").await;
    wire.sent_rest(
        "POST",
        "/v2/email/templates/t/render",
        json!({"TemplateData": "{\"a\":1}"}),
    );
    assert_eq!(rendered, Ok("Subject: hello".into()));
}

#[tokio::test]
async fn get_configuration_set() {
    let wire = answer(json!({"ConfigurationSetName": "billctl", "Tags": tags_on_the_wire()}));
    let found = aws(&wire).get_configuration_set("billctl").await;
    wire.sent_rest("GET", "/v2/email/configuration-sets/billctl", Value::Null);
    let expected = ConfigurationSet {
        name: "billctl".into(),
        tags: tags(),
    };
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn create_configuration_set() {
    let wire = answer(json!({}));
    aws(&wire).create_configuration_set("billctl", &tags()).await.unwrap();
    let body = json!({"ConfigurationSetName": "billctl", "Tags": tags_on_the_wire()});
    wire.sent_rest("POST", "/v2/email/configuration-sets", body);
}

#[tokio::test]
async fn delete_configuration_set() {
    let wire = answer(json!({}));
    aws(&wire).delete_configuration_set("billctl").await.unwrap();
    wire.sent_rest("DELETE", "/v2/email/configuration-sets/billctl", Value::Null);
}

fn destination() -> EventDestination {
    EventDestination {
        name: "failures".into(),
        enabled: true,
        event_types: vec!["BOUNCE".into(), "RENDERING_FAILURE".into()],
        event_bus_arn: Some(BUS.parse().unwrap()),
    }
}

fn destination_on_the_wire() -> Value {
    json!({
        "Enabled": true,
        "MatchingEventTypes": ["BOUNCE", "RENDERING_FAILURE"],
        "EventBridgeDestination": {"EventBusArn": BUS},
    })
}

const DESTINATIONS: &str = "/v2/email/configuration-sets/billctl/event-destinations";

#[tokio::test]
async fn get_event_destinations_sorts_the_event_types() {
    let wire = answer(json!({"EventDestinations": [{
        "Name": "failures",
        "Enabled": true,
        "MatchingEventTypes": ["RENDERING_FAILURE", "BOUNCE"],
        "EventBridgeDestination": {"EventBusArn": BUS},
    }]}));
    let found = aws(&wire).get_event_destinations("billctl").await;
    wire.sent_rest("GET", DESTINATIONS, Value::Null);
    assert_eq!(found, Ok(vec![destination()]));
}

#[tokio::test]
async fn create_event_destination() {
    let wire = answer(json!({}));
    aws(&wire)
        .create_event_destination("billctl", &destination())
        .await
        .unwrap();
    let body = json!({
        "EventDestinationName": "failures",
        "EventDestination": destination_on_the_wire(),
    });
    wire.sent_rest("POST", DESTINATIONS, body);
}

#[tokio::test]
async fn update_event_destination() {
    let wire = answer(json!({}));
    aws(&wire)
        .update_event_destination("billctl", &destination())
        .await
        .unwrap();
    let body = json!({"EventDestination": destination_on_the_wire()});
    wire.sent_rest("PUT", &format!("{DESTINATIONS}/failures"), body);
}

#[tokio::test]
async fn send_email() {
    let wire = answer(json!({"MessageId": "0100019a-1"}));
    let mail = OutgoingMail {
        from: "billing@example.com".into(),
        identity_arn: Some(
            "arn:aws:ses:us-east-1:222222222222:identity/example.com"
                .parse()
                .unwrap(),
        ),
        to: vec!["finops@example.com".into()],
        reply_to: Some("platform@example.com".into()),
        configuration_set: Some("billctl".into()),
        subject: "Grüße".into(),
        html: "<p>Hello</p>".into(),
        text: "Hello".into(),
        tags: [("billctl-kind".into(), "digest".into())].into(),
    };
    let sent = aws(&wire).send_email(&mail).await;
    let part = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
    wire.sent_rest(
        "POST",
        "/v2/email/outbound-emails",
        json!({
            "FromEmailAddress": "billing@example.com",
            "FromEmailAddressIdentityArn": "arn:aws:ses:us-east-1:222222222222:identity/example.com",
            "Destination": {"ToAddresses": ["finops@example.com"]},
            "ReplyToAddresses": ["platform@example.com"],
            "Content": {"Simple": {
                "Subject": part("Grüße"),
                "Body": {"Html": part("<p>Hello</p>"), "Text": part("Hello")},
            }},
            "EmailTags": [{"Name": "billctl-kind", "Value": "digest"}],
            "ConfigurationSetName": "billctl",
        }),
    );
    assert_eq!(sent, Ok("0100019a-1".to_owned()));
}

#[tokio::test]
async fn get_suppressed_destination() {
    let wire = answer(json!({"SuppressedDestination": {
        "EmailAddress": "finops@example.com",
        "Reason": "BOUNCE",
        "LastUpdateTime": 1_764_200_000.0,
    }}));
    let found = aws(&wire).get_suppressed_destination("finops@example.com").await;
    wire.sent_rest(
        "GET",
        "/v2/email/suppression/addresses/finops%40example.com",
        Value::Null,
    );
    assert_eq!(found, Ok("BOUNCE".to_owned()));
}

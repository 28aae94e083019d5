use billctl_core::model::Arn;
use billctl_core::service::Page;
use billctl_core::service::sns::{Attributes, Subscription};

use super::replay::xml;

const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:billctl-operations";

fn topic() -> Arn {
    TOPIC.parse().unwrap()
}

#[tokio::test]
async fn get_topic_attributes() {
    let wire = xml(
        "GetTopicAttributes",
        "<Attributes><entry><key>KmsMasterKeyId</key><value>alias/aws/sns</value></entry>\
         <entry><key>SubscriptionsConfirmed</key><value>1</value></entry></Attributes>",
    );
    let found = wire.services.sns.get_topic_attributes(&topic()).await;
    wire.sent_form("GetTopicAttributes", &[("TopicArn", TOPIC)]);
    let expected: Attributes = [
        ("KmsMasterKeyId".into(), "alias/aws/sns".into()),
        ("SubscriptionsConfirmed".into(), "1".into()),
    ]
    .into();
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn list_topic_tags() {
    let wire = xml(
        "ListTagsForResource",
        "<Tags><member><Key>managed-by</Key><Value>billctl</Value></member></Tags>",
    );
    let tags = wire.services.sns.list_topic_tags(&topic()).await;
    wire.sent_form("ListTagsForResource", &[("ResourceArn", TOPIC)]);
    assert_eq!(tags, Ok([("managed-by".into(), "billctl".into())].into()));
}

#[tokio::test]
async fn list_subscriptions_tells_pending_ones_and_leaves_out_deleted_ones() {
    let member = |arn: &str, endpoint: &str| {
        format!(
            "<member><SubscriptionArn>{arn}</SubscriptionArn><Owner>111111111111</Owner>\
             <Protocol>email</Protocol><Endpoint>{endpoint}</Endpoint><TopicArn>{TOPIC}</TopicArn></member>"
        )
    };
    let body = format!(
        "<Subscriptions>{}{}{}</Subscriptions><NextToken>more</NextToken>",
        member("PendingConfirmation", "a@example.com"),
        member(&format!("{TOPIC}:1"), "b@example.com"),
        member("Deleted", "c@example.com"),
    );
    let wire = xml("ListSubscriptionsByTopic", &body);
    let page = wire.services.sns.list_subscriptions(&topic(), Some("t".into())).await;
    wire.sent_form("ListSubscriptionsByTopic", &[("TopicArn", TOPIC), ("NextToken", "t")]);
    let one = |endpoint: &str, confirmed| Subscription {
        protocol: "email".into(),
        endpoint: endpoint.into(),
        confirmed,
    };
    assert_eq!(
        page,
        Ok(Page {
            items: vec![one("a@example.com", false), one("b@example.com", true)],
            next: Some("more".into())
        })
    );
}

#[tokio::test]
async fn create_topic() {
    let wire = xml("CreateTopic", &format!("<TopicArn>{TOPIC}</TopicArn>"));
    let tags = [("managed-by".into(), "billctl".into())].into();
    let made = wire.services.sns.create_topic("billctl-operations", &tags).await;
    wire.sent_form(
        "CreateTopic",
        &[
            ("Name", "billctl-operations"),
            ("Tags.member.1.Key", "managed-by"),
            ("Tags.member.1.Value", "billctl"),
        ],
    );
    assert_eq!(made, Ok(topic()));
}

#[tokio::test]
async fn subscribe() {
    let wire = xml("Subscribe", "<SubscriptionArn>pending confirmation</SubscriptionArn>");
    let done = wire.services.sns.subscribe(&topic(), "email", "a@example.com").await;
    wire.sent_form(
        "Subscribe",
        &[
            ("TopicArn", TOPIC),
            ("Protocol", "email"),
            ("Endpoint", "a@example.com"),
        ],
    );
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn delete_topic() {
    let wire = xml("DeleteTopic", "");
    wire.services.sns.delete_topic(&topic()).await.unwrap();
    wire.sent_form("DeleteTopic", &[("TopicArn", TOPIC)]);
}

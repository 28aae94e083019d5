use billctl_core::service::sqs::{Attributes, Message, Received};
use serde_json::json;

use super::replay::json;

const URL: &str = "https://sqs.us-east-1.amazonaws.com/111111111111/billctl-undelivered";

#[tokio::test]
async fn get_queue_url() {
    let wire = json(json!({"QueueUrl": URL}));
    let url = wire.services.sqs.get_queue_url("billctl-undelivered").await;
    wire.sent_json("AmazonSQS.GetQueueUrl", json!({"QueueName": "billctl-undelivered"}));
    assert_eq!(url, Ok(URL.into()));
}

#[tokio::test]
async fn get_queue_attributes() {
    let wire = json(json!({"Attributes": {"Policy": "{}", "ApproximateNumberOfMessages": "2", "New": "x"}}));
    let found = wire.services.sqs.get_queue_attributes(URL).await;
    wire.sent_json(
        "AmazonSQS.GetQueueAttributes",
        json!({"QueueUrl": URL, "AttributeNames": ["All"]}),
    );
    let expected: Attributes = [
        ("ApproximateNumberOfMessages".into(), "2".into()),
        ("New".into(), "x".into()),
        ("Policy".into(), "{}".into()),
    ]
    .into();
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn list_queue_tags() {
    let wire = json(json!({"Tags": {"managed-by": "billctl"}}));
    let tags = wire.services.sqs.list_queue_tags(URL).await;
    wire.sent_json("AmazonSQS.ListQueueTags", json!({"QueueUrl": URL}));
    assert_eq!(tags, Ok([("managed-by".into(), "billctl".into())].into()));
}

#[tokio::test]
async fn a_queue_without_tags_has_none() {
    let wire = json(json!({}));
    let tags = wire.services.sqs.list_queue_tags(URL).await;
    assert_eq!(tags, Ok(Default::default()));
}

#[tokio::test]
async fn create_queue() {
    let wire = json(json!({"QueueUrl": URL}));
    let attributes = [("MessageRetentionPeriod".into(), "1209600".into())].into();
    let tags = [("made-by".into(), "billctl".into())].into();
    let url = wire.services.sqs.create_queue("q", &attributes, &tags).await;
    wire.sent_json(
        "AmazonSQS.CreateQueue",
        json!({
            "QueueName": "q",
            "Attributes": {"MessageRetentionPeriod": "1209600"},
            "tags": {"made-by": "billctl"},
        }),
    );
    assert_eq!(url, Ok(URL.into()));
}

#[tokio::test]
async fn set_queue_attributes() {
    let wire = json(json!({}));
    let attributes = [("Policy".into(), "{}".into())].into();
    wire.services.sqs.set_queue_attributes(URL, &attributes).await.unwrap();
    wire.sent_json(
        "AmazonSQS.SetQueueAttributes",
        json!({"QueueUrl": URL, "Attributes": {"Policy": "{}"}}),
    );
}

#[tokio::test]
async fn delete_queue() {
    let wire = json(json!({}));
    wire.services.sqs.delete_queue(URL).await.unwrap();
    wire.sent_json("AmazonSQS.DeleteQueue", json!({"QueueUrl": URL}));
}

#[tokio::test]
async fn peek_messages() {
    let wire = json(json!({"Messages": [
        {"MessageId": "1", "Body": "{}", "MessageAttributes": {
            "ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"},
            "ODD": {"DataType": "Binary", "BinaryValue": "AAA="},
        }},
        {"MessageId": "2"},
    ]}));
    let found = wire.services.sqs.peek_messages(URL).await;
    wire.sent_json(
        "AmazonSQS.ReceiveMessage",
        json!({
            "QueueUrl": URL,
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "VisibilityTimeout": 0,
        }),
    );
    let message = |body: &str, attributes: Attributes| Message {
        body: body.into(),
        attributes,
    };
    assert_eq!(
        found,
        Ok(vec![
            message("{}", [("ERROR_CODE".into(), "NO_PERMISSIONS".into())].into()),
            message("", Attributes::new()),
        ])
    );
}

#[tokio::test]
async fn an_empty_queue_has_no_messages() {
    let wire = json(json!({}));
    assert_eq!(wire.services.sqs.peek_messages(URL).await, Ok(Vec::new()));
}

#[tokio::test]
async fn receive_messages() {
    let wire = json(json!({"Messages": [{"MessageId": "1", "Body": "{}", "ReceiptHandle": "r"}]}));
    let found = wire.services.sqs.receive_messages(URL, 60).await;
    wire.sent_json(
        "AmazonSQS.ReceiveMessage",
        json!({
            "QueueUrl": URL,
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "VisibilityTimeout": 60,
            "WaitTimeSeconds": 1,
        }),
    );
    let message = Message {
        body: "{}".into(),
        attributes: Attributes::new(),
    };
    let receipt = "r".into();
    assert_eq!(found, Ok(vec![Received { message, receipt }]));
}

#[tokio::test]
async fn change_message_visibility() {
    let wire = json(json!({}));
    let sqs = &wire.services.sqs;
    sqs.change_message_visibility(URL, "r", 0).await.unwrap();
    wire.sent_json(
        "AmazonSQS.ChangeMessageVisibility",
        json!({"QueueUrl": URL, "ReceiptHandle": "r", "VisibilityTimeout": 0}),
    );
}

#[tokio::test]
async fn delete_message() {
    let wire = json(json!({}));
    wire.services.sqs.delete_message(URL, "r").await.unwrap();
    wire.sent_json(
        "AmazonSQS.DeleteMessage",
        json!({"QueueUrl": URL, "ReceiptHandle": "r"}),
    );
}

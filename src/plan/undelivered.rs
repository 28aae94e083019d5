//! What lies in the queue: events that EventBridge could not deliver, and SES's reports of mails that failed.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use billctl_core::service::sqs::Message;

/// How the report of a mail begins whose template and data do not fit.
pub const NOT_RENDERED: &str = "not rendered";

/// What the queue holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct QueueContents {
    /// How many messages there are, about.
    pub waiting: u64,
    /// Some of them, newest first: SQS shows ten at a time, of its own choice.
    pub messages: Vec<Undelivered>,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Undelivered {
    /// When the event happened, in its own words.
    #[schemars(with = "Option<billctl_core::model::Time>")]
    pub at: Option<Timestamp>,
    /// What became of what, such as `bounced: the mail about account 123456789012`.
    pub what: String,
    /// Why, in AWS's or the recipient's words; may be empty.
    pub why: String,
    /// The event's id.
    pub event_id: String,
    /// SES's id of the mail, if the message is about one.
    pub message_id: Option<String>,
}

impl Undelivered {
    /// What the message tells. Anything may stand in it: an alarm's event is what a member account made it.
    pub fn of(message: &Message) -> Self {
        let event: Value = serde_json::from_str(&message.body).unwrap_or(Value::Null);
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let attribute = |name: &str| message.attributes.get(name).map_or("", String::as_str);
        let (what, why) = if text("/source") == "aws.ses" {
            let about = match text("/detail/mail/tags/billctl-account/0") {
                "" => "a mail".to_owned(),
                account => format!("the mail about account {account}"),
            };
            let what = format!("{}: {about}", mail_failure(text("/detail-type")));
            (what, mail_reason(&event))
        } else {
            let rule = attribute("RULE_ARN").rsplit('/').next().unwrap_or_default();
            let from = match text("/account") {
                "" => "an event".to_owned(),
                account => format!("an event of account {account}"),
            };
            let mut why = vec![attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")];
            why.retain(|part| !part.is_empty());
            (format!("not delivered by rule {rule}: {from}"), why.join(": "))
        };
        Self {
            at: text("/time").parse().ok(),
            what,
            why,
            event_id: text("/id").to_owned(),
            message_id: event
                .pointer("/detail/mail/messageId")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }
    }
}

/// Detail types (SES developer guide, "Monitoring using EventBridge").
fn mail_failure(detail_type: &str) -> &str {
    match detail_type {
        "Email Bounced" => "bounced",
        "Email Complaint Received" => "marked as spam",
        "Email Rejected" => "rejected by SES",
        "Email Rendering Failed" => NOT_RENDERED,
        other => other,
    }
}

/// Where each kind of report says why.
fn mail_reason(event: &Value) -> String {
    [
        "/detail/failure/errorMessage",
        "/detail/bounce/bouncedRecipients/0/diagnosticCode",
        "/detail/bounce/bounceType",
        "/detail/complaint/complaintFeedbackType",
        "/detail/reject/reason",
    ]
    .into_iter()
    .find_map(|path| event.pointer(path)?.as_str())
    .unwrap_or_default()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(body: impl ToString, attributes: &[(&str, &str)]) -> Undelivered {
        Undelivered::of(&Message {
            body: body.to_string(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        })
    }

    #[test]
    fn a_bounce_names_the_account_and_the_reason() {
        let found = message(
            json!({
                "id": "e", "source": "aws.ses", "detail-type": "Email Bounced", "time": "2026-11-23T12:20:00Z",
                "detail": {
                    "mail": {"messageId": "0100", "tags": {"billctl-account": ["123456789012"]}},
                    "bounce": {"bounceType": "Permanent",
                        "bouncedRecipients": [{"emailAddress": "a@b.example", "diagnosticCode": "550 no such user"}]},
                },
            }),
            &[],
        );
        assert_eq!(found.what, "bounced: the mail about account 123456789012");
        assert_eq!(found.why, "550 no such user");
        assert_eq!(found.message_id.as_deref(), Some("0100"));
        assert_eq!(found.at, "2026-11-23T12:20:00Z".parse().ok());
    }

    #[test]
    fn an_event_that_reached_nobody_names_the_rule_and_the_error() {
        let found = message(
            json!({"id": "e", "source": "aws.cloudwatch", "account": "123456789012"}),
            &[
                ("RULE_ARN", "arn:aws:events:us-east-1:999999999999:rule/billctl/members"),
                ("ERROR_CODE", "NO_PERMISSIONS"),
                ("ERROR_MESSAGE", "not authorized"),
            ],
        );
        assert_eq!(
            found.what,
            "not delivered by rule members: an event of account 123456789012"
        );
        assert_eq!(found.why, "NO_PERMISSIONS: not authorized");
    }

    #[test]
    fn a_message_that_is_no_event_is_told_all_the_same() {
        for body in ["", "[]", "nonsense", r#"{"source": 5, "detail": "aws.ses"}"#] {
            let found = message(body, &[]);
            assert_eq!(found.what, "not delivered by rule : an event");
            assert_eq!((found.at, found.message_id), (None, None));
        }
    }
}

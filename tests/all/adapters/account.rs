use billctl_core::service::Kind;
use serde_json::json;

use super::replay::{json_answer, replay};

#[tokio::test]
async fn get_alternate_contact() {
    for (member, sent) in [
        (
            Some("222222222222"),
            json!({"AccountId": "222222222222", "AlternateContactType": "BILLING"}),
        ),
        (None, json!({"AlternateContactType": "BILLING"})),
    ] {
        let contact = json!({"AlternateContactType": "BILLING", "EmailAddress": "bills@example.com", "Name": "Ann",
            "PhoneNumber": "1", "Title": "Dr"});
        let wire = replay(vec![json_answer(json!({"AlternateContact": contact}))]);
        let member = member.map(|id| id.parse().unwrap());
        let found = wire.services.account.billing_contact(member).await;
        assert_eq!(found, Ok("bills@example.com".to_owned()));
        wire.sent_rest("POST", "/getAlternateContact", sent);
    }
}

#[tokio::test]
async fn an_account_without_such_a_contact_has_none() {
    let id = ("x-amzn-errortype", "ResourceNotFoundException".to_owned());
    let body = json!({"message": "No contact of the inputted alternate contact type found."});
    let wire = replay(vec![(404, vec![id], body.to_string().into())]);
    let error = wire.services.account.billing_contact(None).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

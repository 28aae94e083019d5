use serde_json::{Value, json};

use super::replay::{json_answer, replay};

fn preference(value: &str) -> Value {
    json!({"feature": "BILLING_ALERTS", "key": "any", "value": value})
}

#[tokio::test]
async fn get_billing_preferences() {
    for (found, expected) in [
        (vec![preference("ENABLED")], Some(true)),
        (vec![preference("DISABLED")], Some(false)),
        (vec![preference("DISABLED"), preference("ENABLED")], Some(true)),
        // Neither of these says anything about billing alerts.
        (Vec::new(), None),
        (
            vec![json!({"feature": "RI_SHARING", "key": "any", "value": "ENABLED"})],
            None,
        ),
    ] {
        let wire = replay(vec![json_answer(json!({"billingPreferences": found}))]);
        let enabled = wire.services.billing.billing_alerts_enabled().await;
        wire.sent_json(
            "AWSBilling.GetBillingPreferences",
            json!({"features": ["BILLING_ALERTS"]}),
        );
        assert_eq!(enabled, Ok(expected));
    }
}

#[tokio::test]
async fn every_page_of_the_preferences_counts() {
    let pages = [
        json!({"billingPreferences": [preference("ENABLED")], "nextToken": "more"}),
        json!({"billingPreferences": [preference("DISABLED")], "nextToken": ""}),
    ];
    let wire = replay(pages.map(json_answer).to_vec());
    let enabled = wire.services.billing.billing_alerts_enabled().await;
    assert_eq!(enabled, Ok(Some(true)));
    let second = wire.bodies().last().unwrap_or_default();
    assert!(second.contains(r#""nextToken":"more""#), "{second}");
}

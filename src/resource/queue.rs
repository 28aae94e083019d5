use serde_json::{Value, json};

use super::names::{self, Naming};
use super::{Thing, document, policies};
use billctl_core::service::Tags;
use billctl_core::service::sqs::Attributes;

/// Fourteen days, SQS's longest (SQS API reference, `MessageRetentionPeriod`): what failed on a Friday must still
/// be there after a holiday.
const RETENTION_SECONDS: u32 = 14 * 86_400;

/// The queue for what reached nobody: events that couldn't be delivered, and SES's reports of failed mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its attributes, by SQS's names: only those that billctl sets are compared.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
}

impl Thing for Queue {
    fn desired(naming: &Naming) -> Vec<Self> {
        vec![Self {
            name: naming.config.names.queue.clone(),
            attributes: Attributes::from([
                ("MessageRetentionPeriod".into(), RETENTION_SECONDS.to_string()),
                ("SqsManagedSseEnabled".into(), "true".into()),
                ("Policy".into(), policies::queue(naming).to_string()),
            ]),
            tags: names::tags(),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The attributes that billctl sets; the policy as a document, numbers as numbers.
    fn document(&self) -> Value {
        let parsed = |name: &str| {
            let text = self.attributes.get(name).filter(|text| !text.is_empty())?;
            Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())))
        };
        document::without_nulls(json!({
            "MessageRetentionPeriod": parsed("MessageRetentionPeriod"),
            "SqsManagedSseEnabled": parsed("SqsManagedSseEnabled"),
            "policy": parsed("Policy").map(|policy| document::policy(&policy)),
        }))
    }
}

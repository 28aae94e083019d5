use serde_json::{Map, Value, json};

use super::Thing;
use super::names::{self, Naming};
use crate::config::Operations;
use billctl_core::model::Arn;
use billctl_core::service::Tags;
use billctl_core::service::sns::{EMAIL, Subscription};

/// The topic that billctl makes where the config has an address under `[operations]`: its health alarms act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Who gets what is published to it, confirmed or not.
    pub subscriptions: Vec<Subscription>,
    /// Its tags.
    pub tags: Tags,
}

impl Topic {
    /// The subscription of this address, if it is subscribed by mail.
    pub fn subscription(&self, address: &str) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .find(|one| one.protocol == EMAIL && one.endpoint.eq_ignore_ascii_case(address))
    }
}

impl Thing for Topic {
    /// None where the config names no address: a topic that somebody has is theirs.
    fn desired(naming: &Naming) -> Vec<Self> {
        let mut all = Self::possible(naming);
        all.retain(|topic| !topic.subscriptions.is_empty());
        all
    }

    /// The topic of that name, also where the config names no address any more.
    fn possible(naming: &Naming) -> Vec<Self> {
        let subscriptions = match &naming.config.operations {
            Some(Operations::Mail(address)) => vec![Subscription {
                protocol: EMAIL.to_owned(),
                endpoint: address.clone(),
                confirmed: false,
            }],
            _ => Vec::new(),
        };
        vec![Self {
            name: naming.config.names.operations_topic.clone(),
            arn: naming.operations_topic_arn(),
            subscriptions,
            tags: names::tags(),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The same, with whoever is subscribed already: who subscribed them can't be known, so nobody is taken off.
    fn beside(mut self, observed: &Self) -> Self {
        let wanted = std::mem::take(&mut self.subscriptions);
        self.subscriptions.clone_from(&observed.subscriptions);
        for one in wanted {
            if self.subscription(&one.endpoint).is_none() {
                self.subscriptions.push(one);
            }
        }
        self
    }

    /// Subscriptions by their addresses. Whether one is confirmed is not billctl's to change.
    fn document(&self) -> Value {
        let subscriptions: Map<String, Value> = self
            .subscriptions
            .iter()
            .map(|one| (format!("[{}]", one.endpoint), json!(one.protocol)))
            .collect();
        json!({"subscriptions": subscriptions})
    }
}

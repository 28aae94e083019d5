use serde_json::{Map, Value, json};

use super::names::{self, Scope};
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
    /// Who gets what it is told, confirmed or not.
    pub subscriptions: Vec<Subscription>,
    /// Its tags.
    pub tags: Tags,
}

impl Topic {
    /// None where the config names no address: a topic that somebody has is theirs.
    pub(super) fn desired(scope: &Scope) -> Option<Self> {
        let Some(Operations::Mail(address)) = &scope.config.operations else {
            return None;
        };
        Some(Self {
            name: scope.config.names.operations_topic.clone(),
            arn: scope.operations_topic_arn(),
            subscriptions: vec![Subscription {
                protocol: EMAIL.to_owned(),
                endpoint: address.clone(),
                confirmed: false,
            }],
            tags: names::tags(),
        })
    }

    /// The topic of that name as far as it matters where the config wants none, for `destroy`.
    pub(super) fn possible(scope: &Scope) -> Self {
        Self {
            name: scope.config.names.operations_topic.clone(),
            arn: scope.operations_topic_arn(),
            subscriptions: Vec::new(),
            tags: names::tags(),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The subscription of this address, if it is subscribed by mail.
    pub fn subscription(&self, address: &str) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .find(|one| one.protocol == EMAIL && one.endpoint.eq_ignore_ascii_case(address))
    }

    /// The same, with whoever is subscribed already: who subscribed them can't be told, so nobody is taken off.
    pub(super) fn beside(mut self, observed: &Self) -> Self {
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
    pub(super) fn document(&self) -> Value {
        let subscriptions: Map<String, Value> = self
            .subscriptions
            .iter()
            .map(|one| (format!("[{}]", one.endpoint), json!(one.protocol)))
            .collect();
        json!({"subscriptions": subscriptions})
    }
}

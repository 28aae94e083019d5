use serde_json::{Value, json};

use super::names::{self, Naming};
use super::{NOT_OURS, Thing, document, policies};
use billctl_core::service::Tags;
use billctl_core::service::eventbridge::DEFAULT_BUS;

/// The statement of the bus policy that is billctl's; on the default bus others may stand beside it.
pub const BUS_STATEMENT: &str = "BillctlAlarmsOfThisOrganisation";

/// The event bus that receives the members' alarms, with its policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// Who may put events on it.
    pub policy: Option<Value>,
    /// Its tags; those of the default bus aren't looked at.
    pub tags: Tags,
}

impl Bus {
    /// Whether this is the bus that every account has, and that billctl shares with others.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_BUS
    }
}

impl Thing for Bus {
    /// Only accounts of this organisation, only alarm state changes, only forwarded by a rule
    /// (docs/aws-facts.md, "Events between accounts"). No statement for the billing account itself: its own identities
    /// need no bus policy.
    fn desired(naming: &Naming) -> Vec<Self> {
        vec![Self {
            name: naming.config.names.event_bus.clone(),
            policy: Some(policies::bus(naming)),
            tags: names::tags(),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    /// The default bus came with the account, and so is nobody's to take over.
    fn is_ours(&self) -> bool {
        self.is_default() || names::are_ours(&self.tags)
    }

    /// Of the default bus only billctl's statement goes.
    fn stays(&self) -> Option<&'static str> {
        if self.is_default() {
            let has_ours = statements(self.policy.as_ref()).iter().any(is_ours);
            return (!has_ours).then_some("billctl's statement isn't in its policy");
        }
        (!self.is_ours()).then_some(NOT_OURS)
    }

    /// The same, with the statements of others that are on the default bus: they are not billctl's to remove.
    fn beside(mut self, observed: &Self) -> Self {
        if !self.is_default() {
            return self;
        }
        let others = statements(observed.policy.as_ref()).into_iter();
        let wanted = self.policy.as_mut().and_then(|policy| policy.get_mut("Statement"));
        if let Some(Value::Array(wanted)) = wanted {
            wanted.extend(others.filter(|statement| !is_ours(statement)));
        }
        self
    }

    fn document(&self) -> Value {
        document::without_nulls(json!({"policy": self.policy.as_ref().map(document::policy)}))
    }
}

fn is_ours(statement: &Value) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(BUS_STATEMENT)
}

fn statements(policy: Option<&Value>) -> Vec<Value> {
    match policy.and_then(|policy| policy.get("Statement")) {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

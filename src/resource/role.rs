use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::{self, DESCRIPTION_MARK, Naming};
use super::{Thing, document, policies};
use billctl_core::model::Arn;
use billctl_core::service::Tags;

/// The one inline policy of each role.
const POLICY_NAME: &str = "billctl";

/// A role with one purpose, its trust policy and its inline policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// Who may assume it.
    pub trust: Value,
    /// Its inline policies by name.
    pub policies: BTreeMap<String, Value>,
    /// Managed policies attached to it: billctl attaches none.
    pub attached: Vec<Arn>,
    /// The managed policy that limits what its own can allow: `[bootstrap] permissions-boundary`.
    pub boundary: Option<Arn>,
}

impl Role {
    fn new(naming: &Naming, name: &str, purpose: &str, trust: Value, policy: Value) -> Self {
        Self {
            name: name.to_owned(),
            description: format!("{DESCRIPTION_MARK}{purpose}"),
            tags: names::tags(),
            trust,
            policies: BTreeMap::from([(POLICY_NAME.to_owned(), policy)]),
            attached: Vec::new(),
            boundary: names::boundary_arn(naming),
        }
    }
}

impl Thing for Role {
    fn desired(naming: &Naming) -> Vec<Self> {
        let names = &naming.config.names;
        vec![
            // Exactly what the state machine calls.
            Self::new(
                naming,
                &names.notifier_role,
                "what the notifier may do: read accounts and charges, send the mail",
                policies::notifier_role_trust(naming),
                policies::notifier_role(naming),
            ),
            Self::new(
                naming,
                &names.rule_role,
                "lets the alarm rules start the notifier",
                policies::rule_role_trust(naming),
                policies::rule_role(naming),
            ),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags) || self.description.starts_with(DESCRIPTION_MARK)
    }

    /// Trust and inline policies. The description isn't compared: it decides nothing.
    fn document(&self) -> Value {
        let mut fields = Map::from_iter([("trust".to_owned(), document::policy(&self.trust))]);
        for (name, policy) in &self.policies {
            let field = if name == POLICY_NAME {
                "policy".to_owned()
            } else {
                format!("policies[{name}]")
            };
            fields.insert(field, document::policy(policy));
        }
        for policy in &self.attached {
            fields.insert(format!("attached[{policy}]"), json!(true));
        }
        if let Some(boundary) = &self.boundary {
            fields.insert("boundary".to_owned(), json!(boundary));
        }
        Value::Object(fields)
    }

    fn limited(&self) -> Option<String> {
        let boundary = self.boundary.as_ref()?;
        Some(format!(
            "its permissions boundary {boundary} isn't billctl's and may take away what it needs"
        ))
    }

    /// A boundary that somebody else set only takes away: it stays where config wants none.
    fn beside(mut self, observed: &Self) -> Self {
        self.boundary = self.boundary.or_else(|| observed.boundary.clone());
        self
    }
}

use serde_json::{Value, json};

use super::Thing;
use super::names::Naming;
use billctl_core::service::cloudformation::OrganizationsAccess;

/// Trusted access of StackSets in the organisation: without it no service-managed StackSet
/// (docs/aws-facts.md, "StackSets: setup").
impl Thing for OrganizationsAccess {
    fn desired(_scope: &Naming) -> Vec<Self> {
        vec![Self::Enabled]
    }

    /// There is one.
    fn name(&self) -> String {
        "StackSets".to_owned()
    }

    /// The organisation's, and so nobody's to take over.
    fn is_ours(&self) -> bool {
        true
    }

    fn stays(&self) -> Option<&'static str> {
        Some("other StackSets may use it")
    }

    fn document(&self) -> Value {
        json!({"state": self})
    }
}

use serde_json::{Value, json};

use super::{Kind, ResourceId};
use billctl_core::service::cloudformation::OrganizationsAccess;

/// Trusted access of StackSets in the organisation: without it no service-managed StackSet
/// (docs/aws-facts.md, "StackSets: setup").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// On or off.
    pub state: OrganizationsAccess,
}

impl Access {
    pub(super) const fn desired() -> Self {
        Self {
            state: OrganizationsAccess::Enabled,
        }
    }

    /// There is one.
    pub fn id() -> ResourceId {
        ResourceId {
            kind: Kind::TrustedAccess,
            name: "StackSets".to_owned(),
        }
    }

    pub(super) fn document(self) -> Value {
        json!({"state": self.state})
    }
}

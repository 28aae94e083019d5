//! The billing side's plan: what to make, change or remove, field by field. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::resource::document::{FieldChange, all_fields, diff};
use crate::resource::{self, Naming, Resource, ResourceId};

/// What is there, by id, and what couldn't be read.
#[derive(Debug, Clone, Default)]
pub struct Present {
    resources: BTreeMap<ResourceId, Resource>,
    unreadable: BTreeMap<ResourceId, String>,
}

impl Present {
    /// The thing of this id, if it is there.
    pub fn get(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.get(id)
    }

    /// That it isn't known whether this is there, and why: it is then left alone.
    pub fn set_unreadable(&mut self, id: ResourceId, why: String) {
        self.unreadable.insert(id, why);
    }

    /// Everything that is there.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }
}

impl Extend<Resource> for Present {
    fn extend<T: IntoIterator<Item = Resource>>(&mut self, resources: T) {
        let keyed = resources.into_iter().map(|resource| (resource.id(), resource));
        self.resources.extend(keyed);
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Makes it.
    Create,
    /// Changes fields.
    Update,
    /// Removes it.
    Delete,
}

/// One thing to make, change or remove.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// To what.
    #[serde(flatten)]
    pub id: ResourceId,
    /// The fields that change.
    pub fields: Vec<FieldChange>,
    /// Whether it bears no mark of billctl: somebody else may have made it.
    pub foreign: bool,
    /// How it should be, or, when it is removed, how it is.
    #[serde(skip)]
    pub resource: Resource,
}

/// Steps in the order in which they can be carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// What to do; empty when everything is as it should be.
    pub steps: Vec<Step>,
    /// What is as it should be.
    pub unchanged: Vec<ResourceId>,
    /// What is left as it is on purpose, and why.
    pub kept: Vec<Kept>,
}

/// Something left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Kept {
    /// Which thing.
    #[serde(flatten)]
    pub id: ResourceId,
    /// Why.
    pub reason: String,
    /// Whether that may keep it from its work.
    #[serde(skip)]
    pub limited: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Steps of this action.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    /// What would be taken over although billctl's mark is missing: whoever made it has to be asked first.
    pub fn takeovers(&self) -> impl Iterator<Item = &Step> {
        self.steps
            .iter()
            .filter(|step| step.action == Action::Update && step.foreign)
    }
}

/// What it takes to get from what is there to what should be.
pub fn plan(desired: Vec<Resource>, present: &Present) -> Plan {
    let mut plan = Plan::default();
    for wanted in desired {
        let id = wanted.id();
        if let Some(why) = present.unreadable.get(&id) {
            plan.kept.push(Kept {
                id,
                reason: format!("it couldn't be read: {why}"),
                limited: false,
            });
            continue;
        }
        let Some(observed) = present.get(&id) else {
            plan.steps.push(Step {
                action: Action::Create,
                fields: all_fields(&wanted.document()),
                id,
                foreign: false,
                resource: wanted,
            });
            continue;
        };
        // What it has and wasn't asked for.
        if let Some(reason) = observed.limited().filter(|_| wanted.limited().is_none()) {
            plan.kept.push(Kept {
                id: id.clone(),
                reason,
                limited: true,
            });
        }
        let wanted = wanted.beside(observed);
        let fields = diff(&observed.document(), &wanted.document());
        if fields.is_empty() {
            plan.unchanged.push(id);
            continue;
        }
        plan.steps.push(Step {
            action: Action::Update,
            id,
            fields,
            foreign: !observed.is_ours(),
            resource: wanted,
        });
    }
    plan
}

/// What it takes to remove billctl from the billing account: last made, first removed. What bears no mark of
/// billctl stays, and so does trusted access, which other StackSets may use.
pub fn removal(naming: &Naming, present: &Present) -> Plan {
    let mut plan = Plan::default();
    for wanted in resource::possible(naming).into_iter().rev() {
        let id = wanted.id();
        let Some(observed) = present.get(&id) else {
            continue;
        };
        if let Some(reason) = observed.stays() {
            plan.kept.push(Kept {
                id,
                reason: reason.to_owned(),
                limited: false,
            });
        } else {
            plan.steps.push(Step {
                action: Action::Delete,
                id,
                fields: Vec::new(),
                foreign: false,
                resource: observed.clone(),
            });
        }
    }
    plan
}

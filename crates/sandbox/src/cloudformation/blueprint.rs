//! Stacks' resources, evaluated once for all accounts with the same template and parameters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::State;
use super::record::stack_name;
use crate::latency::unpoisoned;
use crate::member::Stack;
use crate::template::{self, Resource, Template, TemplateError};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::Parameters;
use billctl_core::service::cloudwatch::Alarm;

/// What has been evaluated so far. Never saved: it follows from the revisions.
#[derive(Debug, Default)]
pub(super) struct Blueprints {
    templates: Mutex<HashMap<u32, Arc<Template>>>,
    stacks: Mutex<HashMap<(u32, Parameters), Arc<Blueprint>>>,
}

/// A stack as it is in whichever account was evaluated first.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) resources: Vec<Resource>,
    /// The alarm, if it is the same in every account.
    alarm: Option<Arc<Alarm>>,
}

impl Clone for Blueprints {
    /// A copy of a world evaluates for itself.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl State {
    pub(super) fn template(&self, revision: u32) -> Result<Arc<Template>, TemplateError> {
        if let Some(known) = unpoisoned(&self.blueprints.templates).get(&revision) {
            return Ok(known.clone());
        }
        let text = self
            .revisions
            .get(&revision)
            .map_or("", |revision| revision.template.as_str());
        let template = Arc::new(Template::parse(text)?);
        unpoisoned(&self.blueprints.templates).insert(revision, template.clone());
        Ok(template)
    }

    /// The resources of a stack with an instance's overrides; those that the template no longer has are dropped.
    fn resolve(
        &self,
        revision: u32,
        overrides: &Parameters,
        account: AccountId,
        stack_name: &str,
    ) -> Result<Vec<Resource>, TemplateError> {
        let template = self.template(revision)?;
        let known = self.revisions.get(&revision);
        let mut parameters = known.map(|known| known.parameters.clone()).unwrap_or_default();
        let kept = overrides.iter().filter(|(name, _)| template.has_parameter(name));
        parameters.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        template.resolve(&parameters, account, stack_name)
    }

    /// What a stack of this revision with these overrides is made of, as far as the account doesn't matter.
    pub(super) fn blueprint(
        &self,
        revision: u32,
        overrides: &Parameters,
        account: AccountId,
    ) -> Result<Arc<Blueprint>, TemplateError> {
        let key = (revision, overrides.clone());
        if let Some(known) = unpoisoned(&self.blueprints.stacks).get(&key) {
            return Ok(known.clone());
        }
        let resources = self.resolve(revision, overrides, account, "StackSet")?;
        let alarm = resources
            .iter()
            .find(|resource| resource.resource_type == template::ALARM && !resource.account_bound)
            .map(|resource| template::alarm(resource).map(Arc::new))
            .transpose()?;
        let blueprint = Arc::new(Blueprint { resources, alarm });
        unpoisoned(&self.blueprints.stacks).insert(key, blueprint.clone());
        Ok(blueprint)
    }

    /// A stack's resources in its account as the template has them.
    pub(super) fn resources(&self, account: AccountId, stack: &Stack) -> Result<Vec<Resource>, TemplateError> {
        let name = stack_name(&stack.stack_set, stack.serial);
        self.resolve(stack.revision, &stack.overrides, account, &name)
    }

    /// The alarm of a stack as the template has it, without evaluating where that can be avoided.
    pub(super) fn shared_alarm(&self, account: AccountId, stack: &Stack) -> Option<Arc<Alarm>> {
        self.blueprint(stack.revision, &stack.overrides, account)
            .ok()?
            .alarm
            .clone()
    }
}

//! What operations, and people, do in a member account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::record::{Instance, stack_id};
use crate::World;
use crate::faults::hash;
use crate::json::as_text;
use crate::member::{Edit, MemberAlarmState, MemberRole, MemberRule, Stack};
use crate::template::{self, Resource};
use billctl_core::error::Error;
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{Parameters, PropertyDifference, ResourceDrift};
use billctl_core::service::cloudwatch::Alarm;

/// What a person does to a member's resource, past CloudFormation.
#[derive(Debug, Clone, PartialEq)]
pub enum HandEdit {
    /// Deletes the alarm.
    DeleteAlarm,
    /// Gives the alarm another threshold.
    AlarmThreshold(f64),
    /// Deletes the role.
    DeleteRole,
    /// Switches the rule off.
    DisableRule,
    /// Deletes the stacks that were left behind when their instances were deleted.
    DeleteRetainedStacks,
}

/// A resource handler's message that the resource `is` so, as it reaches a StackSet's results: with a token that
/// differs each time.
fn handler_message(resource: &Resource, account: AccountId, is: &str, code: &str) -> String {
    let (kind, name) = (&resource.resource_type, &resource.name);
    let message = &format!("Resource of type '{kind}' with identifier '{name}' {is}.");
    let token = hash(&[&account.to_string(), &resource.logical_id, message]);
    format!(
        "ResourceLogicalId:{}, ResourceType:{kind}, ResourceStatusReason:Resource handler returned message: \"{message}\" \
         (RequestToken: {:08x}-{:04x}-4000-8000-{:012x}, HandlerErrorCode: {code}).",
        resource.logical_id,
        token >> 32,
        token & 0xffff,
        token >> 16
    )
}

/// Makes or updates the stack of an instance; answers its serial number.
///
/// # Errors
/// The reason as CloudFormation gives it. The stack is as it was then: CloudFormation rolls back.
pub(super) fn put_stack(
    world: &mut World,
    stack_set: &str,
    revision: u32,
    account: AccountId,
    instance: &Instance,
) -> Result<u64, String> {
    if let Some(reason) = world.faults.accounts.get(&account) {
        return Err(reason.clone());
    }
    // Evaluated first: a template that doesn't work here changes nothing.
    let blueprint = world
        .cloudformation
        .blueprint(revision, &instance.overrides, account)
        .map_err(|error| error.0)?;
    match instance.stack {
        Some(serial) => update_stack(world, stack_set, revision, account, serial, &instance.overrides),
        None => {
            if let Some(taken) = collision(world, account, &blueprint.resources) {
                return Err(taken);
            }
            let serial = world.cloudformation.next_serial();
            world.members.entry(account).or_default().stacks.push(Stack {
                stack_set: stack_set.to_owned(),
                serial,
                revision,
                overrides: instance.overrides.clone(),
                retained: false,
                edits: BTreeMap::new(),
            });
            Ok(serial)
        }
    }
}

/// Why the account can't get these resources: another stack has one of that name.
fn collision(world: &World, account: AccountId, resources: &[Resource]) -> Option<String> {
    for stack in world.stacks(account) {
        let there = world.cloudformation.resources(account, stack).ok()?;
        let taken = resources.iter().find(|new| {
            there.iter().any(|old| {
                old.resource_type == new.resource_type
                    && old.name == new.name
                    && stack.edits.get(&old.logical_id) != Some(&Edit::Deleted)
            })
        });
        if let Some(taken) = taken {
            return Some(handler_message(taken, account, "already exists", "AlreadyExists"));
        }
    }
    None
}

fn update_stack(
    world: &mut World,
    stack_set: &str,
    revision: u32,
    account: AccountId,
    serial: u64,
    overrides: &Parameters,
) -> Result<u64, String> {
    let Some(old) = world.stack(account, serial) else {
        return Err(format!(
            "Stack [{}] does not exist",
            stack_id(stack_set, account, serial)
        ));
    };
    let mut new = Stack {
        revision,
        overrides: overrides.clone(),
        ..old.clone()
    };
    if !old.edits.is_empty() {
        let before = world.cloudformation.resources(account, old).map_err(|error| error.0)?;
        let after = world.cloudformation.resources(account, &new).map_err(|error| error.0)?;
        // CloudFormation compares templates, not the account: only what the template changes is touched, and to
        // touch what is gone fails.
        for resource in &after {
            let same = before
                .iter()
                .any(|old| old.logical_id == resource.logical_id && old.properties == resource.properties);
            if same {
                continue;
            }
            if old.edits.get(&resource.logical_id) == Some(&Edit::Deleted) {
                return Err(handler_message(resource, account, "was not found", "NotFound"));
            }
            new.edits.remove(&resource.logical_id);
        }
    }
    if let Some(stack) = world.stack_mut(account, serial) {
        *stack = new;
    }
    Ok(serial)
}

/// Deletes the stack of an instance, or leaves it behind. What is gone already doesn't matter.
///
/// # Errors
/// The reason as CloudFormation gives it; nothing was deleted then.
pub(super) fn delete_stack(
    world: &mut World,
    account: AccountId,
    serial: Option<u64>,
    retain: bool,
) -> Result<(), String> {
    if !retain && let Some(reason) = world.faults.accounts.get(&account) {
        return Err(reason.clone());
    }
    let Some(member) = world.members.get_mut(&account) else {
        return Ok(());
    };
    if retain {
        member
            .stacks
            .iter_mut()
            .filter(|stack| Some(stack.serial) == serial)
            .for_each(|stack| stack.retained = true);
    } else {
        member.stacks.retain(|stack| Some(stack.serial) != serial);
        forget_empty(world, account);
    }
    Ok(())
}

/// An account without stacks has no alarm, and so no alarm's state.
fn forget_empty(world: &mut World, account: AccountId) {
    if world.stacks(account).next().is_none() {
        world.members.remove(&account);
    }
}

/// How each resource of a stack compares with its template; `None` if there is no such stack.
pub(super) fn drifts(world: &World, account: AccountId, serial: u64) -> Option<Vec<ResourceDrift>> {
    let stack = world.stack(account, serial)?;
    let expected = world.cloudformation.resources(account, stack).ok()?;
    Some(
        expected
            .iter()
            .map(|resource| {
                let mut differences = Vec::new();
                let status = match live(stack, resource) {
                    None => "DELETED",
                    Some(actual) => {
                        compare("", &resource.properties, &actual.properties, &mut differences);
                        if differences.is_empty() { "IN_SYNC" } else { "MODIFIED" }
                    }
                };
                ResourceDrift {
                    logical_id: resource.logical_id.clone(),
                    resource_type: resource.resource_type.clone(),
                    status: status.into(),
                    differences,
                }
            })
            .collect(),
    )
}

/// Collects where two values differ, by JSON pointer.
fn compare(path: &str, expected: &Value, actual: &Value, found: &mut Vec<PropertyDifference>) {
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                compare(
                    &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")),
                    left.get(name).unwrap_or(&Value::Null),
                    right.get(name).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        (left, right) if left == right => {}
        (left, right) => found.push(PropertyDifference {
            path: path.to_owned(),
            expected: as_text(left),
            actual: as_text(right),
        }),
    }
}

/// A resource as it is in the account, after what people did to it; `None` if it is gone.
fn live(stack: &Stack, resource: &Resource) -> Option<Resource> {
    match stack.edits.get(&resource.logical_id) {
        None => Some(resource.clone()),
        Some(Edit::Deleted) => None,
        Some(Edit::Changed(changed)) => {
            let mut resource = resource.clone();
            if let Value::Object(properties) = &mut resource.properties {
                for (name, value) in changed {
                    if value.is_null() {
                        properties.shift_remove(name);
                    } else {
                        properties.insert(name.clone(), value.clone());
                    }
                }
            }
            Some(resource)
        }
    }
}

impl World {
    /// The spend alarm in a member account as it is now, with its state. Equal alarms are one in memory.
    pub fn member_alarm(&self, account: AccountId) -> Option<(Arc<Alarm>, &MemberAlarmState)> {
        let member = self.members.get(&account)?;
        let alarm = member.stacks.iter().find_map(|stack| {
            if stack.edits.is_empty()
                && let Some(shared) = self.cloudformation.shared_alarm(account, stack)
            {
                return Some(shared);
            }
            let resource = self.live_resource(account, stack, template::ALARM)?;
            template::alarm(&resource).ok().map(Arc::new)
        })?;
        Some((alarm, &member.alarm_state))
    }

    /// Puts the member's alarm in a state.
    pub fn set_member_alarm_state(&mut self, account: AccountId, state: MemberAlarmState) {
        if let Some(member) = self.members.get_mut(&account) {
            member.alarm_state = state;
        }
    }

    /// The rule that forwards the alarm in a member account, as it is now.
    pub fn member_rule(&self, account: AccountId) -> Option<MemberRule> {
        self.stacks(account)
            .find_map(|stack| template::rule(&self.live_resource(account, stack, template::RULE)?).ok())
    }

    /// The role that the rule sends with in a member account, as it is now.
    pub fn member_role(&self, account: AccountId) -> Option<MemberRole> {
        self.stacks(account)
            .find_map(|stack| template::role(&self.live_resource(account, stack, template::ROLE)?, account).ok())
    }

    fn stack(&self, account: AccountId, serial: u64) -> Option<&Stack> {
        self.stacks(account).find(|stack| stack.serial == serial)
    }

    fn stack_mut(&mut self, account: AccountId, serial: u64) -> Option<&mut Stack> {
        let mut stacks = self.members.get_mut(&account)?.stacks.iter_mut();
        stacks.find(|stack| stack.serial == serial)
    }

    fn stacks(&self, account: AccountId) -> impl Iterator<Item = &Stack> {
        let member = self.members.get(&account);
        member.into_iter().flat_map(|member| &member.stacks)
    }

    fn live_resource(&self, account: AccountId, stack: &Stack, resource_type: &str) -> Option<Resource> {
        self.cloudformation
            .resources(account, stack)
            .ok()?
            .iter()
            .find(|resource| resource.resource_type == resource_type)
            .and_then(|resource| live(stack, resource))
    }

    /// Changes a member's resources past CloudFormation, as a person with a console does.
    ///
    /// # Errors
    /// The account has no stack with such a resource.
    pub fn edit_member(&mut self, account: AccountId, edit: &HandEdit) -> Result<(), Error> {
        let nothing = || Error::usage(format!("account {account} has nothing of that kind"));
        let (resource_type, change) = match edit {
            HandEdit::DeleteAlarm => (template::ALARM, None),
            HandEdit::AlarmThreshold(usd) => (template::ALARM, Some(("Threshold", Value::from(*usd)))),
            HandEdit::DeleteRole => (template::ROLE, None),
            HandEdit::DisableRule => (template::RULE, Some(("State", Value::from("DISABLED")))),
            HandEdit::DeleteRetainedStacks => {
                let member = self.members.get_mut(&account).ok_or_else(nothing)?;
                member.stacks.retain(|stack| !stack.retained);
                forget_empty(self, account);
                return Ok(());
            }
        };
        let (serial, logical_id) = self
            .stacks(account)
            .find_map(|stack| {
                let resource = self.live_resource(account, stack, resource_type)?;
                Some((stack.serial, resource.logical_id))
            })
            .ok_or_else(nothing)?;
        let stack = self.stack_mut(account, serial).ok_or_else(nothing)?;
        match change {
            None => {
                stack.edits.insert(logical_id, Edit::Deleted);
            }
            Some((name, value)) => {
                let edit = stack
                    .edits
                    .entry(logical_id)
                    .or_insert_with(|| Edit::Changed(BTreeMap::new()));
                if let Edit::Changed(changed) = edit {
                    changed.insert(name.to_owned(), value);
                }
            }
        }
        if *edit == HandEdit::DeleteAlarm {
            self.set_member_alarm_state(account, MemberAlarmState::default());
        }
        Ok(())
    }
}

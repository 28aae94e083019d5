//! IAM in memory: roles, their policies, and whether a policy allows something.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::is_name;
use super::policy::{PolicyKind, Request, RequestContext, allowed_by, check};
use super::refusal::{Answer, Refusal};
use super::{Sandbox, World};
use billctl_core::model::Arn;
use billctl_core::service::iam::{
    CREATE_ROLE, DELETE_ROLE, DELETE_ROLE_POLICY, DETACH_ROLE_POLICY, GET_ROLE, GET_ROLE_POLICY, Iam,
    LIST_ATTACHED_ROLE_POLICIES, LIST_ROLE_POLICIES, NewRole, PUT_ROLE_PERMISSIONS_BOUNDARY, PUT_ROLE_POLICY, Role,
    SIMULATE_PRINCIPAL_POLICY, Simulation, UPDATE_ASSUME_ROLE_POLICY,
};
use billctl_core::service::{Kind, Result, Tags};

/// How long other services don't see a new role yet. AWS names no number ("eventual consistency"); callers have to
/// wait until it works, however long it takes.
const PROPAGATION: SignedDuration = SignedDuration::from_secs(8);

/// Roles of the billing account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    roles: BTreeMap<String, StoredRole>,
    /// Managed policies that somebody made: what a permissions boundary can be.
    #[serde(default)]
    policies: BTreeMap<Arn, Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredRole {
    arn: Arn,
    trust: Value,
    description: String,
    tags: Tags,
    created: Timestamp,
    inline: BTreeMap<String, Value>,
    /// Managed policies; what they allow isn't known here.
    #[serde(default)]
    attached: BTreeSet<Arn>,
    #[serde(default)]
    boundary: Option<Arn>,
}

impl State {
    fn role(&self, name: &str) -> Answer<&StoredRole> {
        self.roles.get(name).ok_or_else(|| no_such_role(name))
    }

    fn role_mut(&mut self, name: &str) -> Answer<&mut StoredRole> {
        self.roles.get_mut(name).ok_or_else(|| no_such_role(name))
    }

    /// Attaches a managed policy, as a person does by hand. False where there is no such role.
    pub fn attach(&mut self, role: &str, policy: Arn) -> bool {
        self.roles
            .get_mut(role)
            .map(|role| role.attached.insert(policy))
            .is_some()
    }

    /// Makes a managed policy, as a person does by hand.
    pub fn add_policy(&mut self, arn: Arn, document: Value) {
        self.policies.insert(arn, document);
    }

    /// The permissions boundary of a role.
    pub fn boundary(&self, role: &str) -> Option<&Arn> {
        self.roles.get(role)?.boundary.as_ref()
    }

    /// That a boundary can be set (CreateRole and PutRolePermissionsBoundary, API reference).
    fn attachable(&self, policy: &Arn) -> Answer<()> {
        match self.policies.contains_key(policy) {
            true => Ok(()),
            false => Err(Refusal::not_found(
                "NoSuchEntity",
                format!("Scope ARN: {policy} does not exist or is not attachable."),
            )),
        }
    }

    fn by_arn(&self, arn: &Arn) -> Option<&StoredRole> {
        let name = arn.resource().rsplit('/').next()?;
        self.roles.get(name).filter(|role| role.arn == *arn)
    }

    /// Whether a role of this ARN exists, for policies that name it.
    pub(super) fn exists(&self, arn: &Arn) -> bool {
        self.by_arn(arn).is_some()
    }

    /// Whether the service can assume the role at this time, with these condition values.
    pub(super) fn assumable(&self, arn: &Arn, service: &str, context: &RequestContext, now: Timestamp) -> bool {
        self.by_arn(arn).is_some_and(|role| {
            let request = Request::by_service(service, "sts:AssumeRole", role.arn.as_str(), context);
            now.duration_since(role.created) >= PROPAGATION && allowed_by([&role.trust], request)
        })
    }

    /// Whether the role's policies allow an action.
    pub(super) fn allows(&self, arn: &Arn, action: &str, resource: &str, context: &RequestContext) -> bool {
        self.by_arn(arn).is_some_and(|role| {
            let request = Request::by_role(arn.as_str(), action, resource, context);
            let boundary = role.boundary.as_ref();
            boundary.is_none_or(|boundary| allowed_by(self.policies.get(boundary), request))
                && allowed_by(role.inline.values(), request)
        })
    }
}

fn no_such_role(name: &str) -> Refusal {
    Refusal::not_found("NoSuchEntity", format!("The role with name {name} cannot be found."))
}

fn well_formed(document: &Value, kind: PolicyKind) -> Answer<()> {
    check(document, kind).map_err(|why| Refusal::invalid("MalformedPolicyDocument", why))
}

/// IAM's rule for names of roles and policies: `[\w+=,.@-]`, up to a length.
fn valid_name(name: &str, longest: usize) -> Answer<()> {
    if is_name(name, longest, "_+=,.@-") {
        return Ok(());
    }
    let why = format!("The specified value for the name `{name}` is invalid.");
    Err(Refusal::invalid("ValidationError", why))
}

#[async_trait]
impl Iam for Sandbox {
    async fn get_role(&self, name: &str) -> Result<Role> {
        self.call(GET_ROLE, |world| {
            let role = world.iam.role(name)?;
            Ok(Role {
                name: name.to_owned(),
                arn: role.arn.clone(),
                trust_policy: role.trust.clone(),
                description: role.description.clone(),
                tags: role.tags.clone(),
                permissions_boundary: role.boundary.clone(),
            })
        })
        .await
    }

    async fn create_role(&self, role: &NewRole) -> Result<Arn> {
        self.call(CREATE_ROLE, |world| create_role(world, role)).await
    }

    async fn update_trust_policy(&self, role: &str, policy: &Value) -> Result<()> {
        self.call(UPDATE_ASSUME_ROLE_POLICY, |world| {
            well_formed(policy, PolicyKind::Trust)?;
            world.iam.role_mut(role)?.trust = policy.clone();
            Ok(())
        })
        .await
    }

    async fn put_role_permissions_boundary(&self, role: &str, policy: &Arn) -> Result<()> {
        self.call(PUT_ROLE_PERMISSIONS_BOUNDARY, |world| {
            world.iam.attachable(policy)?;
            let stored = world.iam.role_mut(role)?;
            stored.boundary = Some(policy.clone());
            Ok(())
        })
        .await
    }

    async fn delete_role(&self, name: &str) -> Result<()> {
        self.call(DELETE_ROLE, |world| {
            let role = world.iam.role(name)?;
            if !role.inline.is_empty() || !role.attached.is_empty() {
                let why = "Cannot delete entity, must delete or detach policies first.";
                return Err(Refusal::new(Kind::Other, "DeleteConflict", why));
            }
            world.iam.roles.remove(name);
            Ok(())
        })
        .await
    }

    async fn list_role_policies(&self, role: &str) -> Result<Vec<String>> {
        self.call(LIST_ROLE_POLICIES, |world| {
            let role = world.iam.role(role)?;
            Ok(role.inline.keys().cloned().collect())
        })
        .await
    }

    async fn get_role_policy(&self, role: &str, policy: &str) -> Result<Value> {
        self.call(GET_ROLE_POLICY, |world| {
            let stored = world.iam.role(role)?;
            stored.inline.get(policy).cloned().ok_or_else(|| no_such_policy(policy))
        })
        .await
    }

    async fn put_role_policy(&self, role: &str, policy: &str, document: &Value) -> Result<()> {
        self.call(PUT_ROLE_POLICY, |world| {
            valid_name(policy, 128)?;
            let stored = world.iam.role_mut(role)?;
            well_formed(document, PolicyKind::Identity)?;
            stored.inline.insert(policy.to_owned(), document.clone());
            Ok(())
        })
        .await
    }

    async fn delete_role_policy(&self, role: &str, policy: &str) -> Result<()> {
        self.call(DELETE_ROLE_POLICY, |world| {
            let stored = world.iam.role_mut(role)?;
            let removed = stored.inline.remove(policy);
            removed.map(drop).ok_or_else(|| no_such_policy(policy))
        })
        .await
    }

    async fn list_attached_role_policies(&self, role: &str) -> Result<Vec<Arn>> {
        self.call(LIST_ATTACHED_ROLE_POLICIES, |world| {
            let role = world.iam.role(role)?;
            Ok(role.attached.iter().cloned().collect())
        })
        .await
    }

    async fn detach_role_policy(&self, role: &str, policy: &Arn) -> Result<()> {
        self.call(DETACH_ROLE_POLICY, |world| {
            let stored = world.iam.role_mut(role)?;
            match stored.attached.remove(policy) {
                true => Ok(()),
                false => Err(no_such_policy(policy.as_str())),
            }
        })
        .await
    }

    async fn denied_actions(&self, simulation: &Simulation) -> Result<Vec<String>> {
        self.call(SIMULATE_PRINCIPAL_POLICY, |world| {
            // It takes several where they have the same kinds of resource, which isn't known here
            // (docs/aws-facts.md, "IAM").
            if simulation.actions.len() > 1 {
                return Err(Refusal::invalid(
                    "InvalidInput",
                    format!(
                        "Invalid Input Actions: [{}] require different authorization information.",
                        simulation.actions.join("] and [")
                    ),
                ));
            }
            let role = world.iam.by_arn(&simulation.principal);
            let mut context = RequestContext::default();
            for (key, value) in &simulation.context {
                context = context.with(key, value);
            }
            let allowed = |action: &str| match role {
                Some(role) => simulation
                    .resources
                    .iter()
                    .any(|one| world.iam.allows(&role.arn, action, one, &context)),
                // Whoever uses the sandbox is its administrator, as far as the sandbox lets them.
                None => !world.faults.denies(action),
            };
            Ok(simulation
                .actions
                .iter()
                .filter(|action| !allowed(action))
                .cloned()
                .collect())
        })
        .await
    }
}

fn create_role(world: &mut World, role: &NewRole) -> Answer<Arn> {
    valid_name(&role.name, 64)?;
    well_formed(&role.trust_policy, PolicyKind::Trust)?;
    if world.iam.roles.contains_key(&role.name) {
        let why = format!("Role with name {} already exists.", role.name);
        return Err(Refusal::exists("EntityAlreadyExists", why));
    }
    if let Some(boundary) = &role.permissions_boundary {
        world.iam.attachable(boundary)?;
    }
    let payer = world.management_account();
    let arn = Arn::new("iam", "", payer, &format!("role/{}", role.name));
    world.iam.roles.insert(
        role.name.clone(),
        StoredRole {
            arn: arn.clone(),
            trust: role.trust_policy.clone(),
            description: role.description.clone(),
            tags: role.tags.clone(),
            created: world.now,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            boundary: role.permissions_boundary.clone(),
        },
    );
    Ok(arn)
}

/// A role that this service may assume.
#[cfg(test)]
pub(super) fn trusting(service: &str) -> NewRole {
    NewRole {
        name: "r".into(),
        trust_policy: serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"
        }]}),
        description: String::new(),
        tags: Tags::new(),
        permissions_boundary: None,
    }
}

fn no_such_policy(policy: &str) -> Refusal {
    let why = format!("The role policy with name {policy} cannot be found.");
    Refusal::not_found("NoSuchEntity", why)
}

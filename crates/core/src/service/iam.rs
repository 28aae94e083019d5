//! IAM: roles with their trust and inline policies.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::operation::operations;
use super::{Result, Tags};
use crate::model::Arn;

operations!(Iam:
    CREATE_ROLE = write "CreateRole";
    DELETE_ROLE = write "DeleteRole";
    DELETE_ROLE_POLICY = write "DeleteRolePolicy";
    DETACH_ROLE_POLICY = write "DetachRolePolicy";
    GET_ROLE = read "GetRole";
    GET_ROLE_POLICY = read "GetRolePolicy";
    LIST_ATTACHED_ROLE_POLICIES = read "ListAttachedRolePolicies";
    LIST_ROLE_POLICIES = read "ListRolePolicies";
    PUT_ROLE_PERMISSIONS_BOUNDARY = write "PutRolePermissionsBoundary";
    PUT_ROLE_POLICY = write "PutRolePolicy";
    SIMULATE_PRINCIPAL_POLICY = read "SimulatePrincipalPolicy";
    UPDATE_ASSUME_ROLE_POLICY = write "UpdateAssumeRolePolicy";
);

/// A role. Policy documents are JSON values: the adapter undoes IAM's URL encoding.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// Who may assume it.
    pub trust_policy: Value,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// The managed policy that limits what its own policies can allow.
    pub permissions_boundary: Option<Arn>,
}

/// What [`Iam::create_role`] takes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// Who may assume it.
    pub trust_policy: Value,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// The managed policy that limits what its own policies can allow.
    pub permissions_boundary: Option<Arn>,
}

/// What [`Iam::denied_actions`] asks: every action on every resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// The user or role.
    pub principal: Arn,
    /// What it may want to do, as `service:Action`.
    pub actions: Vec<String>,
    /// To what: ARNs, or `*`.
    pub resources: Vec<String>,
    /// The values of condition keys.
    pub context: BTreeMap<String, String>,
}

/// The operations of IAM that billctl uses.
#[async_trait]
pub trait Iam: Send + Sync {
    /// `GetRole`.
    async fn get_role(&self, name: &str) -> Result<Role>;
    /// `CreateRole`.
    async fn create_role(&self, role: &NewRole) -> Result<Arn>;
    /// `UpdateAssumeRolePolicy`.
    async fn update_trust_policy(&self, role: &str, policy: &Value) -> Result<()>;
    /// `PutRolePermissionsBoundary`: gives the role a boundary, or another one.
    async fn put_role_permissions_boundary(&self, role: &str, policy: &Arn) -> Result<()>;
    /// `DeleteRole`. Its inline policies have to go first.
    async fn delete_role(&self, name: &str) -> Result<()>;
    /// `ListRolePolicies`: the names of the inline policies (all: a role holds few).
    async fn list_role_policies(&self, role: &str) -> Result<Vec<String>>;
    /// `GetRolePolicy`.
    async fn get_role_policy(&self, role: &str, policy: &str) -> Result<Value>;
    /// `PutRolePolicy`: makes or replaces it.
    async fn put_role_policy(&self, role: &str, policy: &str, document: &Value) -> Result<()>;
    /// `DeleteRolePolicy`.
    async fn delete_role_policy(&self, role: &str, policy: &str) -> Result<()>;
    /// `ListAttachedRolePolicies`: ARNs of managed policies, which billctl never attaches.
    async fn list_attached_role_policies(&self, role: &str) -> Result<Vec<Arn>>;
    /// `DetachRolePolicy`.
    async fn detach_role_policy(&self, role: &str, policy: &Arn) -> Result<()>;
    /// `SimulatePrincipalPolicy`: which of the actions are allowed on none of the resources.
    async fn denied_actions(&self, simulation: &Simulation) -> Result<Vec<String>>;
}

use async_trait::async_trait;
use aws_sdk_iam::{Client, types as sdk};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::call::{Caller, built, json, parsed, required, unusable};
use super::convert::page;
use billctl_core::model::Arn;
use billctl_core::service::iam::{
    CREATE_ROLE, DELETE_ROLE, DELETE_ROLE_POLICY, DETACH_ROLE_POLICY, GET_ROLE, GET_ROLE_POLICY, Iam,
    LIST_ATTACHED_ROLE_POLICIES, LIST_ROLE_POLICIES, NewRole, PUT_ROLE_PERMISSIONS_BOUNDARY, PUT_ROLE_POLICY, Role,
    SIMULATE_PRINCIPAL_POLICY, Simulation, UPDATE_ASSUME_ROLE_POLICY,
};
use billctl_core::service::{Operation, Result, all_pages};

#[async_trait]
impl Iam for Caller<Client> {
    async fn get_role(&self, name: &str) -> Result<Role> {
        let op = GET_ROLE;
        let request = self.client.get_role().role_name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        let role = required(op, answer.role(), "Role")?;
        let trust = required(op, role.assume_role_policy_document(), "AssumeRolePolicyDocument")?;
        Ok(Role {
            name: role.role_name().to_owned(),
            arn: parsed(op, Some(role.arn()), "Arn")?,
            trust_policy: document(op, trust, "AssumeRolePolicyDocument")?,
            description: role.description().unwrap_or_default().to_owned(),
            tags: role
                .tags()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect(),
            permissions_boundary: role
                .permissions_boundary()
                .and_then(|boundary| boundary.permissions_boundary_arn())
                .map(|arn| parsed(op, Some(arn), "PermissionsBoundaryArn"))
                .transpose()?,
        })
    }

    async fn create_role(&self, role: &NewRole) -> Result<Arn> {
        let op = CREATE_ROLE;
        let tags = role
            .tags
            .iter()
            .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        let request = self
            .client
            .create_role()
            .role_name(&role.name)
            .assume_role_policy_document(role.trust_policy.to_string())
            .description(&role.description)
            .set_permissions_boundary(role.permissions_boundary.as_ref().map(ToString::to_string))
            .set_tags(Some(built(op, tags)?));
        let answer = self.call(op, || request.clone().send()).await?;
        let created = required(op, answer.role(), "Role")?;
        parsed(op, Some(created.arn()), "Arn")
    }

    async fn update_trust_policy(&self, role: &str, policy: &Value) -> Result<()> {
        let request = self
            .client
            .update_assume_role_policy()
            .role_name(role)
            .policy_document(policy.to_string());
        self.command(UPDATE_ASSUME_ROLE_POLICY, || request.clone().send()).await
    }

    async fn put_role_permissions_boundary(&self, role: &str, policy: &Arn) -> Result<()> {
        let request = self
            .client
            .put_role_permissions_boundary()
            .role_name(role)
            .permissions_boundary(policy.as_str());
        self.command(PUT_ROLE_PERMISSIONS_BOUNDARY, || request.clone().send())
            .await
    }

    async fn delete_role(&self, name: &str) -> Result<()> {
        let request = self.client.delete_role().role_name(name);
        self.command(DELETE_ROLE, || request.clone().send()).await
    }

    async fn list_role_policies(&self, role: &str) -> Result<Vec<String>> {
        let op = LIST_ROLE_POLICIES;
        let list = |marker| async move {
            let request = self.client.list_role_policies().role_name(role).set_marker(marker);
            let answer = self.call(op, || request.clone().send()).await?;
            page(answer.policy_names().iter().cloned().map(Ok), answer.marker())
        };
        all_pages(op, list).await
    }

    async fn get_role_policy(&self, role: &str, policy: &str) -> Result<Value> {
        let op = GET_ROLE_POLICY;
        let request = self.client.get_role_policy().role_name(role).policy_name(policy);
        let answer = self.call(op, || request.clone().send()).await?;
        document(op, answer.policy_document(), "PolicyDocument")
    }

    async fn put_role_policy(&self, role: &str, policy: &str, document: &Value) -> Result<()> {
        let request = self
            .client
            .put_role_policy()
            .role_name(role)
            .policy_name(policy)
            .policy_document(document.to_string());
        self.command(PUT_ROLE_POLICY, || request.clone().send()).await
    }

    async fn delete_role_policy(&self, role: &str, policy: &str) -> Result<()> {
        let request = self.client.delete_role_policy().role_name(role).policy_name(policy);
        self.command(DELETE_ROLE_POLICY, || request.clone().send()).await
    }

    async fn list_attached_role_policies(&self, role: &str) -> Result<Vec<Arn>> {
        let op = LIST_ATTACHED_ROLE_POLICIES;
        let list = |marker| async move {
            let request = self
                .client
                .list_attached_role_policies()
                .role_name(role)
                .set_marker(marker);
            let answer = self.call(op, || request.clone().send()).await?;
            let arns = answer.attached_policies().iter().map(|policy| policy.policy_arn());
            page(arns.map(|arn| parsed(op, arn, "PolicyArn")), answer.marker())
        };
        all_pages(op, list).await
    }

    async fn detach_role_policy(&self, role: &str, policy: &Arn) -> Result<()> {
        let request = self
            .client
            .detach_role_policy()
            .role_name(role)
            .policy_arn(policy.as_str());
        self.command(DETACH_ROLE_POLICY, || request.clone().send()).await
    }

    async fn denied_actions(&self, simulation: &Simulation) -> Result<Vec<String>> {
        let op = SIMULATE_PRINCIPAL_POLICY;
        let context = simulation.context.iter().map(|(key, value)| {
            sdk::ContextEntry::builder()
                .context_key_name(key)
                .context_key_values(value)
                .context_key_type(sdk::ContextKeyTypeEnum::String)
                .build()
        });
        let request = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(simulation.principal.as_str())
            .set_action_names(Some(simulation.actions.clone()))
            .set_resource_arns(Some(simulation.resources.clone()))
            .set_context_entries(Some(context.collect()));
        let list = |marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let answer = self.call(op, || request.clone().send()).await?;
                page(answer.evaluation_results().iter().cloned().map(Ok), answer.marker())
            }
        };
        let mut actions = simulation.actions.clone();
        for result in all_pages(op, list).await? {
            // Several resources are answered as one result each, or as parts of one (unverified which:
            // docs/aws-facts.md, "IAM").
            let mut parts = result.resource_specific_results().iter();
            let yes = sdk::PolicyEvaluationDecisionType::Allowed;
            if result.eval_decision() == &yes || parts.any(|part| part.eval_resource_decision() == &yes) {
                actions.retain(|action| action != result.eval_action_name());
            }
        }
        Ok(actions)
    }
}

/// A policy document: percent-encoded by IAM (RFC 3986), plain from some endpoints.
fn document(op: Operation, text: &str, name: &str) -> Result<Value> {
    if text.trim_start().starts_with('{') {
        return json(op, text, name);
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|error| unusable(op, format!("{name}: {error}")))?;
    json(op, &decoded, name)
}

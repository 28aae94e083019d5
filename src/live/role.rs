use futures::future::try_join_all;
use futures::try_join;

use super::{
    Arn, Error, FieldChange, Live, OrAbsent, Result, Services, Writer, changes, exists_or, removed_keys, service,
};
use crate::resource::Role;
use billctl_core::service::ServiceError;
use billctl_core::service::iam::NewRole;

impl Live for Role {
    async fn read(&self, services: &Services) -> service::Result<Option<Self>> {
        let (iam, name) = (&services.iam, &self.name);
        let Some(role) = iam.get_role(name).await.or_absent()? else {
            return Ok(None);
        };
        let (names, attached) = try_join!(iam.list_role_policies(name), iam.list_attached_role_policies(name))?;
        let policies = try_join_all(names.into_iter().map(|policy| async move {
            let document = iam.get_role_policy(name, &policy).await.or_absent()?;
            Ok::<_, ServiceError>(document.map(|document| (policy, document)))
        }))
        .await?;
        Ok(Some(Self {
            name: role.name,
            description: role.description,
            tags: role.tags,
            trust: role.trust_policy,
            policies: policies.into_iter().flatten().collect(),
            attached,
            boundary: role.permissions_boundary,
        }))
    }

    async fn create(&self, writer: &mut Writer<'_>) -> Result<()> {
        let iam = &writer.services.iam;
        writer.fresh_roles.insert(self.name.clone());
        let made = iam
            .create_role(&NewRole {
                name: self.name.clone(),
                trust_policy: self.trust.clone(),
                description: self.description.clone(),
                tags: self.tags.clone(),
                permissions_boundary: self.boundary.clone(),
            })
            .await;
        if exists_or(made)?.is_none() {
            iam.update_trust_policy(&self.name, &self.trust).await?;
            self.bound(writer).await?;
        }
        for (name, policy) in &self.policies {
            iam.put_role_policy(&self.name, name, policy).await?;
        }
        Ok(())
    }

    async fn update(&self, fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        let iam = &writer.services.iam;
        writer.fresh_roles.insert(self.name.clone());
        // First: it limits what the policies then allow.
        if changes(fields, "boundary") {
            self.bound(writer).await?;
        }
        if changes(fields, "trust") {
            iam.update_trust_policy(&self.name, &self.trust).await?;
        }
        if changes(fields, "policy") {
            for (name, policy) in &self.policies {
                iam.put_role_policy(&self.name, name, policy).await?;
            }
        }
        for extra in removed_keys(fields, "policies") {
            iam.delete_role_policy(&self.name, &extra).await?;
        }
        for extra in removed_keys(fields, "attached") {
            // It was an ARN before it was shown.
            let policy: Arn = extra
                .parse()
                .map_err(|_| Error::failed(format!("{extra} is not an ARN")))?;
            iam.detach_role_policy(&self.name, &policy).await.or_absent()?;
        }
        Ok(())
    }

    async fn delete(&self, services: &Services) -> service::Result<()> {
        let iam = &services.iam;
        for policy in self.policies.keys() {
            iam.delete_role_policy(&self.name, policy).await.or_absent()?;
        }
        for policy in &self.attached {
            iam.detach_role_policy(&self.name, policy).await.or_absent()?;
        }
        iam.delete_role(&self.name).await
    }
}

impl Role {
    async fn bound(&self, writer: &Writer<'_>) -> Result<()> {
        let Some(boundary) = &self.boundary else { return Ok(()) };
        let iam = &writer.services.iam;
        iam.put_role_permissions_boundary(&self.name, boundary).await?;
        Ok(())
    }
}

use async_trait::async_trait;
use aws_sdk_organizations::{Client, types as sdk};

use super::call::{Caller, parsed, required};
use super::convert::{page, timestamp};
use billctl_core::model::{Account, AccountId, AccountState, OrganizationalUnit, OuId};
use billctl_core::service::organizations::{
    DESCRIBE_ACCOUNT, DESCRIBE_ORGANIZATION, LIST_ACCOUNTS_FOR_PARENT, LIST_DELEGATED_ADMINISTRATORS,
    LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, LIST_ROOTS, LIST_TAGS_FOR_RESOURCE, OrganizationInfo, Organizations,
    PAGE_SIZE,
};
use billctl_core::service::{Operation, Page, Result, Tags, all_pages};
use billctl_core::words::{meaning, meaning_or};

/// The service whose administrators can be delegated: StackSets for members (CloudFormation user guide,
/// "Register a delegated administrator").
const STACKSETS_PRINCIPAL: &str = "member.org.stacksets.cloudformation.amazonaws.com";
const PAGE: i32 = PAGE_SIZE as i32;

#[async_trait]
impl Organizations for Caller<Client> {
    async fn describe_organization(&self) -> Result<OrganizationInfo> {
        let op = DESCRIBE_ORGANIZATION;
        let request = self.client.describe_organization();
        let answer = self.call(op, || request.clone().send()).await?;
        let organization = required(op, answer.organization(), "Organization")?;
        Ok(OrganizationInfo {
            id: parsed(op, organization.id(), "Id")?,
            arn: parsed(op, organization.arn(), "Arn")?,
            management_account: parsed(op, organization.master_account_id(), "MasterAccountId")?,
            all_features: organization.feature_set() == Some(&sdk::OrganizationFeatureSet::All),
        })
    }

    async fn list_roots(&self, token: Option<String>) -> Result<Page<OrganizationalUnit>> {
        let op = LIST_ROOTS;
        let request = self.client.list_roots().max_results(PAGE).set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.roots().iter().map(|root| {
            Ok(OrganizationalUnit {
                id: parsed(op, root.id(), "Id")?,
                name: root.name().unwrap_or("Root").to_owned(),
                parent: None,
            })
        });
        page(items, answer.next_token())
    }

    async fn list_ous_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<OrganizationalUnit>> {
        let op = LIST_ORGANIZATIONAL_UNITS_FOR_PARENT;
        let request = self
            .client
            .list_organizational_units_for_parent()
            .parent_id(parent.as_str())
            .max_results(PAGE)
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.organizational_units().iter().map(|ou| {
            let id: OuId = parsed(op, ou.id(), "Id")?;
            Ok(OrganizationalUnit {
                name: ou.name().unwrap_or(id.as_str()).to_owned(),
                parent: Some(parent.clone()),
                id,
            })
        });
        page(items, answer.next_token())
    }

    async fn list_accounts_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<Account>> {
        let op = LIST_ACCOUNTS_FOR_PARENT;
        let request = self
            .client
            .list_accounts_for_parent()
            .parent_id(parent.as_str())
            .max_results(PAGE)
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer.accounts().iter().map(|found| account(op, found));
        page(items, answer.next_token())
    }

    async fn describe_account(&self, id: AccountId) -> Result<Account> {
        let op = DESCRIBE_ACCOUNT;
        let request = self.client.describe_account().account_id(id);
        let answer = self.call(op, || request.clone().send()).await?;
        account(op, required(op, answer.account(), "Account")?)
    }

    /// All pages: an account holds at most 50 tags, and what wants them wants them all.
    async fn list_account_tags(&self, account: AccountId) -> Result<Tags> {
        let op = LIST_TAGS_FOR_RESOURCE;
        let list = |token| async move {
            let request = self
                .client
                .list_tags_for_resource()
                .resource_id(account)
                .set_next_token(token);
            let answer = self.call(op, || request.clone().send()).await?;
            let tags = answer.tags().iter();
            let tags = tags.map(|tag| Ok((tag.key().to_owned(), tag.value().to_owned())));
            page(tags, answer.next_token())
        };
        Ok(all_pages(op, list).await?.into_iter().collect())
    }

    async fn list_stacksets_administrators(&self, token: Option<String>) -> Result<Page<AccountId>> {
        let op = LIST_DELEGATED_ADMINISTRATORS;
        let request = self
            .client
            .list_delegated_administrators()
            .service_principal(STACKSETS_PRINCIPAL)
            .max_results(PAGE)
            .set_next_token(token);
        let answer = self.call(op, || request.clone().send()).await?;
        let items = answer
            .delegated_administrators()
            .iter()
            .map(|administrator| parsed(op, administrator.id(), "Id"));
        page(items, answer.next_token())
    }
}

fn account(op: Operation, found: &sdk::Account) -> Result<Account> {
    let id: AccountId = parsed(op, found.id(), "Id")?;
    Ok(Account {
        name: found.name().map_or_else(|| id.to_string(), str::to_owned),
        email: found.email().unwrap_or_default().to_owned(),
        state: state(found),
        joined: found.joined_timestamp().and_then(timestamp),
        id,
    })
}

/// `State`, or the older `Status` where an endpoint doesn't know `State` yet. A state that isn't known here counts
/// as active: better an account that is shown as uncovered than one that is silently left out.
fn state(found: &sdk::Account) -> AccountState {
    let state = found.state().and_then(|state| meaning(state.as_str()));
    state.unwrap_or_else(|| meaning_or(found.status(), AccountState::Active))
}

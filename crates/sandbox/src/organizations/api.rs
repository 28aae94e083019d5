//! What the Organizations API answers about the state, page by page, and whom it refuses.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::State;
use crate::faults::hash;
use crate::refusal::{Answer, Refusal};
use crate::{Sandbox, World, metrics};
use billctl_core::model::{Account, AccountId, Arn, OrganizationalUnit, OuId};
use billctl_core::service::organizations::{
    DESCRIBE_ACCOUNT, DESCRIBE_ORGANIZATION, LIST_ACCOUNTS_FOR_PARENT, LIST_DELEGATED_ADMINISTRATORS,
    LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, LIST_ROOTS, LIST_TAGS_FOR_RESOURCE, OrganizationInfo, PAGE_SIZE,
};
use billctl_core::service::{Operation, Organizations, Page, Result, Tags};

/// Reading the organisation is for the management account and delegated administrators only
/// (docs/aws-facts.md, "Organizations").
fn may_read(world: &World) -> Answer<&State> {
    let state = &world.organizations;
    if !state.in_use {
        return Err(not_in_use());
    }
    if world.caller == state.management_account || state.stacksets_administrators.contains(&world.caller) {
        Ok(state)
    } else {
        let why = "You don't have permissions to access this resource.";
        Err(Refusal::denied("AccessDeniedException", why))
    }
}

fn not_in_use() -> Refusal {
    let why = "Your account is not a member of an organization.";
    Refusal::not_found("AWSOrganizationsNotInUseException", why)
}

fn absent(code: &'static str, what: impl std::fmt::Display) -> Refusal {
    Refusal::not_found(code, format!("You specified {what}, which doesn't exist."))
}

/// A page of `items`, which are in order. A token is the key after which the page begins.
///
/// One list in eight begins with an empty page that carries a token: AWS does that
/// (docs/aws-facts.md, "Organizations"), and who takes an empty page for the end must notice.
fn page<K: Clone + Ord + std::fmt::Display + std::str::FromStr>(
    operation: Operation,
    list: &str,
    items: &BTreeSet<K>,
    token: Option<&str>,
) -> Answer<(Vec<K>, Option<String>)> {
    use std::ops::Bound;
    let after: Bound<K> = match token {
        None if hash(&[operation.name, list]).is_multiple_of(8) => {
            return Ok((Vec::new(), Some("begin".into())));
        }
        None | Some("begin") => Bound::Unbounded,
        Some(token) => token
            .strip_prefix("after:")
            .and_then(|key| key.parse().ok())
            .map(Bound::Excluded)
            .ok_or_else(|| Refusal::invalid("InvalidInputException", "You provided an invalid NextToken."))?,
    };
    let rest = items.range((after, Bound::Unbounded));
    let mut keys: Vec<K> = rest.take(PAGE_SIZE + 1).cloned().collect();
    let more = keys.len() > PAGE_SIZE;
    keys.truncate(PAGE_SIZE);
    let next = keys.last().filter(|_| more).map(|key| format!("after:{key}"));
    Ok((keys, next))
}

#[async_trait]
impl Organizations for Sandbox {
    async fn describe_organization(&self) -> Result<OrganizationInfo> {
        self.read(DESCRIBE_ORGANIZATION, |world| {
            let state = &world.organizations;
            if !state.in_use {
                return Err(not_in_use());
            }
            Ok(OrganizationInfo {
                id: state.id.clone(),
                arn: Arn::new(
                    "organizations",
                    "",
                    state.management_account,
                    &format!("organization/{}", state.id),
                ),
                management_account: state.management_account,
                all_features: state.all_features,
            })
        })
        .await
    }

    async fn list_roots(&self, _token: Option<String>) -> Result<Page<OrganizationalUnit>> {
        self.read(LIST_ROOTS, |world| {
            let state = may_read(world)?;
            let root = state.units.get(&state.root);
            Ok(Page::last(
                root.map(|unit| State::described(&state.root, unit))
                    .into_iter()
                    .collect(),
            ))
        })
        .await
    }

    async fn list_ous_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<OrganizationalUnit>> {
        self.read(LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, |world| {
            let state = may_read(world)?;
            let found = state.units.get(parent);
            let unit = found.ok_or_else(|| absent("ParentNotFoundException", parent))?;
            let (ids, next) = page(
                LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
                parent.as_str(),
                &unit.units,
                token.as_deref(),
            )?;
            let items = ids
                .iter()
                .filter_map(|id| Some(State::described(id, state.units.get(id)?)))
                .collect();
            Ok(Page { items, next })
        })
        .await
    }

    async fn list_accounts_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<Account>> {
        self.read(LIST_ACCOUNTS_FOR_PARENT, |world| {
            let state = may_read(world)?;
            let found = state.units.get(parent);
            let unit = found.ok_or_else(|| absent("ParentNotFoundException", parent))?;
            let (ids, next) = page(
                LIST_ACCOUNTS_FOR_PARENT,
                parent.as_str(),
                &unit.accounts,
                token.as_deref(),
            )?;
            let accounts = ids.iter().filter_map(|id| state.account(*id));
            let items = accounts.map(|account| Account {
                joined: metrics::opened(world, account.id),
                ..account
            });
            let items = items.collect();
            Ok(Page { items, next })
        })
        .await
    }

    async fn describe_account(&self, account: AccountId) -> Result<Account> {
        self.read(DESCRIBE_ACCOUNT, |world| {
            may_read(world)?
                .account(account)
                .ok_or_else(|| absent("AccountNotFoundException", account))
        })
        .await
    }

    async fn account_joined(&self, account: AccountId) -> Result<Option<Timestamp>> {
        self.read(DESCRIBE_ACCOUNT, |world| {
            let organizations = may_read(world)?;
            match organizations.tags(account) {
                Some(_) => Ok(metrics::opened(world, account)),
                None => Err(absent("AccountNotFoundException", account)),
            }
        })
        .await
    }

    async fn list_account_tags(&self, account: AccountId) -> Result<Tags> {
        self.read(LIST_TAGS_FOR_RESOURCE, |world| {
            may_read(world)?
                .tags(account)
                .cloned()
                .ok_or_else(|| absent("TargetNotFoundException", account))
        })
        .await
    }

    async fn list_stacksets_administrators(&self, token: Option<String>) -> Result<Page<AccountId>> {
        self.read(LIST_DELEGATED_ADMINISTRATORS, |world| {
            let state = may_read(world)?;
            let (items, next) = page(
                LIST_DELEGATED_ADMINISTRATORS,
                "stacksets",
                &state.stacksets_administrators,
                token.as_deref(),
            )?;
            Ok(Page { items, next })
        })
        .await
    }
}

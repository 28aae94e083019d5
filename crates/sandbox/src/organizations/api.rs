//! What the Organizations API answers about the state, page by page, and whom it refuses.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::State;
use crate::faults::hash;
use crate::refusal::{Answer, Refusal};
use crate::{Sandbox, World, listing, metrics};
use billctl_core::model::{Account, AccountId, Arn, OrganizationalUnit, OuId};
use billctl_core::service::organizations::{
    DESCRIBE_ACCOUNT, DESCRIBE_ORGANIZATION, LIST_ACCOUNTS_FOR_PARENT, LIST_DELEGATED_ADMINISTRATORS,
    LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, LIST_ROOTS, LIST_TAGS_FOR_RESOURCE, OrganizationInfo, PAGE_SIZE,
};
use billctl_core::service::{Operation, Organizations, Page, Result, Tags};

/// Reading the organisation is for the management account and delegated administrators only
/// (docs/aws-facts.md, "Organizations").
fn may_read(world: &World) -> Answer<&State> {
    let state = in_use(world)?;
    if world.caller == state.management_account || state.stacksets_administrators.contains(&world.caller) {
        Ok(state)
    } else {
        let why = "You don't have permissions to access this resource.";
        Err(Refusal::denied("AccessDeniedException", why))
    }
}

fn in_use(world: &World) -> Answer<&State> {
    if world.organizations.in_use {
        return Ok(&world.organizations);
    }
    let why = "Your account is not a member of an organization.";
    Err(Refusal::not_found("AWSOrganizationsNotInUseException", why))
}

fn no_parent(parent: &OuId) -> Refusal {
    absent("ParentNotFoundException", parent)
}

fn absent(code: &'static str, what: impl Display) -> Refusal {
    Refusal::not_found(code, format!("You specified {what}, which doesn't exist."))
}

/// A page of what `item` gives for each of `keys`.
///
/// One list in eight begins with an empty page that carries a token: AWS does that
/// (docs/aws-facts.md, "Organizations"), and who takes an empty page for the end must notice.
fn page<K: Ord + Display + FromStr, T>(
    operation: Operation,
    list: &str,
    keys: &BTreeSet<K>,
    token: Option<&str>,
    item: impl Fn(&K) -> Option<T>,
) -> Answer<Page<T>> {
    let token = match token {
        None if hash(&[operation.name, list]).is_multiple_of(8) => {
            let (items, next) = (Vec::new(), Some("begin".into()));
            return Ok(Page { items, next });
        }
        Some("begin") => None,
        other => other,
    };
    let after: Bound<K> = listing::after(token)
        .ok_or_else(|| Refusal::invalid("InvalidInputException", "You provided an invalid NextToken."))?;
    let rest = keys.range((after, Bound::Unbounded));
    Ok(listing::page(rest.filter_map(|key| Some((key, item(key)?))), PAGE_SIZE))
}

#[async_trait]
impl Organizations for Sandbox {
    async fn describe_organization(&self) -> Result<OrganizationInfo> {
        self.read(DESCRIBE_ORGANIZATION, |world| {
            let state = in_use(world)?;
            let resource = format!("organization/{}", state.id);
            Ok(OrganizationInfo {
                id: state.id.clone(),
                arn: Arn::new("organizations", "", state.management_account, &resource),
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
            let described = root.map(|unit| unit.described(&state.root));
            Ok(Page::last(described.into_iter().collect()))
        })
        .await
    }

    async fn list_ous_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<OrganizationalUnit>> {
        self.read(LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, |world| {
            let (units, token) = (&may_read(world)?.units, token.as_deref());
            let of = &units.get(parent).ok_or_else(|| no_parent(parent))?.units;
            page(LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, parent.as_str(), of, token, |id| {
                Some(units.get(id)?.described(id))
            })
        })
        .await
    }

    async fn list_accounts_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<Account>> {
        self.read(LIST_ACCOUNTS_FOR_PARENT, |world| {
            let (state, token) = (may_read(world)?, token.as_deref());
            let of = &state.units.get(parent).ok_or_else(|| no_parent(parent))?.accounts;
            page(LIST_ACCOUNTS_FOR_PARENT, parent.as_str(), of, token, |id| {
                let joined = metrics::opened(world, *id);
                Some(Account {
                    joined,
                    ..state.account(*id)?
                })
            })
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
        self.read(DESCRIBE_ACCOUNT, |world| match may_read(world)?.has_account(account) {
            true => Ok(metrics::opened(world, account)),
            false => Err(absent("AccountNotFoundException", account)),
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
            let (of, token) = (&may_read(world)?.stacksets_administrators, token.as_deref());
            page(LIST_DELEGATED_ADMINISTRATORS, "stacksets", of, token, |id| Some(*id))
        })
        .await
    }
}

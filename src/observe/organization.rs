use std::collections::BTreeMap;

use futures::stream::{BoxStream, SelectAll, StreamExt, TryStreamExt};
use futures::try_join;

use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{Account, AccountId, Organization, OrganizationalUnit, OuId};
use billctl_core::service::organizations::{
    LIST_ACCOUNTS_FOR_PARENT, LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, LIST_ROOTS, OrganizationInfo,
};
use billctl_core::service::{self, Services, all_pages, pages};

/// A page of what is directly below an OU.
enum Found {
    Ous(Vec<OrganizationalUnit>),
    Accounts(OuId, Vec<Account>),
}

/// More than Organizations allows below the root (five).
const MOST_LEVELS: usize = 10;

type Below<'a> = BoxStream<'a, service::Result<Found>>;

/// OUs and accounts, as listed.
pub struct Tree {
    ous: Vec<OrganizationalUnit>,
    accounts: Vec<(Account, OuId)>,
}

impl Tree {
    /// Every account's id.
    pub fn account_ids(&self) -> impl Iterator<Item = AccountId> {
        self.accounts.iter().map(|(account, _)| account.id)
    }

    /// The organisation that they belong to.
    ///
    /// # Errors
    /// The organisation lacks what StackSets need.
    pub fn organization(self, info: OrganizationInfo) -> Result<Organization> {
        if !info.all_features {
            return Err(Error::failed("the organisation has only consolidated billing features")
                .remedy("enable all features in the Organizations console: service-managed StackSets need them"));
        }
        Ok(Organization::new(
            info.id,
            info.management_account,
            self.ous,
            self.accounts,
        ))
    }
}

/// Reads the whole organisation.
///
/// # Errors
/// No organisation, no permission, or AWS's answer to any of the listings.
pub async fn organization(services: &Services) -> Result<Organization> {
    let info = async {
        let info = services.organizations.describe_organization().await;
        info.while_trying("read the organisation")
    };
    let (info, tree) = try_join!(info, tree(services))?;
    tree.organization(info)
}

/// Reads what is in the organisation: every OU's children and accounts at the same time, each as soon as the page that
/// names it is there, so that the time it takes is that of the longest chain of pages that AWS forces, not of all of
/// them (ListAccounts would be one long chain of pages of 20).
///
/// # Errors
/// No permission, or AWS's answer to any of the listings.
pub async fn tree(services: &Services) -> Result<Tree> {
    let organizations = &services.organizations;
    let roots = all_pages(LIST_ROOTS, |token| organizations.list_roots(token))
        .await
        .while_trying("read the organisation")?;

    let ous_below = |parent: OuId| -> Below<'_> {
        pages(LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, move |token| {
            let parent = parent.clone();
            async move { organizations.list_ous_for_parent(&parent, token).await }
        })
        .map_ok(Found::Ous)
        .boxed()
    };
    let accounts_below = |parent: OuId| -> Below<'_> {
        let below = parent.clone();
        pages(LIST_ACCOUNTS_FOR_PARENT, move |token| {
            let parent = below.clone();
            async move { organizations.list_accounts_for_parent(&parent, token).await }
        })
        .map_ok(move |found| Found::Accounts(parent.clone(), found))
        .boxed()
    };
    let mut open: SelectAll<Below<'_>> = SelectAll::new();
    // Only what isn't AWS lists an OU below itself, or OUs without end.
    let mut levels: BTreeMap<OuId, usize> = BTreeMap::new();
    let mut ous = Vec::new();
    let mut accounts = Vec::new();
    let mut found = Found::Ous(roots);
    loop {
        match found {
            Found::Ous(units) => {
                for ou in units {
                    let above = ou.parent.as_ref().and_then(|parent| levels.get(parent));
                    let level = above.map_or(0, |above| above + 1);
                    if level > MOST_LEVELS || levels.insert(ou.id.clone(), level).is_some() {
                        return Err(Error::failed(format!(
                            "{} is listed twice, or deeper than OUs can be: the organisation is no tree",
                            ou.id
                        ))
                        .remedy("check AWS_ENDPOINT_URL: AWS doesn't answer like this"));
                    }
                    open.push(ous_below(ou.id.clone()));
                    open.push(accounts_below(ou.id.clone()));
                    ous.push(ou);
                }
            }
            Found::Accounts(parent, found) => {
                accounts.extend(found.into_iter().map(|account| (account, parent.clone())));
            }
        }
        match open.next().await {
            Some(next) => found = next.while_trying("read the organisation")?,
            None => break,
        }
    }
    drop(open);
    Ok(Tree { ous, accounts })
}

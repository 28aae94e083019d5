use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, try_join};

use crate::error::{Context, Error, Result};
use crate::model::{Account, Organization, OrganizationalUnit, OuId};
use crate::service::{self, Services, all_pages};

/// What one listing found below an OU.
enum Found {
    Ous(Vec<OrganizationalUnit>),
    Accounts(OuId, Vec<Account>),
}

/// Reads the whole organisation: every OU's children and accounts at the same time, so that the time it takes is
/// that of the deepest chain of pages, not of all of them (ListAccounts would be one long chain of pages of 20).
///
/// # Errors
/// No organisation, no permission, or AWS's answer to any of the listings.
pub async fn organization(services: &Services) -> Result<Organization> {
    let organizations = &services.organizations;
    let (info, roots) = try_join!(
        organizations.describe_organization(),
        all_pages(|token| organizations.list_roots(token)),
    )
    .while_trying("read the organisation")?;
    if !info.all_features {
        return Err(Error::failed("the organisation has only consolidated billing features")
            .hint("enable all features in the Organizations console: service-managed StackSets need them"));
    }

    let mut open: FuturesUnordered<BoxFuture<'_, service::Result<Found>>> = FuturesUnordered::new();
    let mut ous = Vec::new();
    let mut accounts = Vec::new();
    let list = |parent: &OuId, open: &FuturesUnordered<_>| {
        let below = parent.clone();
        open.push(
            async move {
                let found =
                    all_pages(|token| organizations.list_ous_for_parent(&below, token)).await;
                found.map(Found::Ous)
            }
            .boxed(),
        );
        let parent = parent.clone();
        open.push(
            async move {
                let found =
                    all_pages(|token| organizations.list_accounts_for_parent(&parent, token)).await;
                found.map(|accounts| Found::Accounts(parent, accounts))
            }
            .boxed(),
        );
    };
    for root in roots {
        list(&root.id, &open);
        ous.push(root);
    }
    while let Some(found) = open.next().await {
        match found.while_trying("read the organisation")? {
            Found::Ous(found) => {
                for ou in found {
                    list(&ou.id, &open);
                    ous.push(ou);
                }
            }
            Found::Accounts(parent, found) => {
                accounts.extend(found.into_iter().map(|account| (account, parent.clone())));
            }
        }
    }
    drop(open);
    Ok(Organization::new(
        info.id,
        info.management_account,
        ous,
        accounts,
    ))
}

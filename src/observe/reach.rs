//! Whom SES's sandbox lets be written to: only addresses that are verified, or whose domain is.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::recipients;
use crate::config::MailConfig;
use crate::plan::status::Reach;
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::{Account, AccountId};
use billctl_core::service::{self, OrAbsent, Services};

/// Accounts whose owners are looked up without being asked to: two or three calls each.
pub const LOOKED_UP_WITHOUT_ASKING: usize = 50;
/// Lookups at once before the gate paces them.
const PARALLEL: usize = 16;

/// Whether SES's sandbox lets mails through to the owners of these accounts, `most` of them. SES
/// refuses a mail as a whole for one recipient, those of copies among them.
///
/// # Errors
/// AWS's answer to any of the reads.
pub async fn reach(
    services: &Services,
    mail: &MailConfig,
    own: AccountId,
    accounts: &[&Account],
    most: usize,
) -> Result<Reach> {
    let copies = || mail.cc.iter().map(|address| address.to_lowercase());
    let looked_up = accounts.iter().take(most).map(|account| (*account).clone());
    let read = recipients::read(services, mail, own, looked_up.collect())
        .await
        .while_trying("read the owners' addresses")?;
    let owners: BTreeMap<AccountId, Vec<String>> = read
        .accounts
        .into_iter()
        .map(|(account, (_, recipients))| (account, recipients.addresses.into_iter().chain(copies()).collect()))
        .collect();
    let domain = |address: &str| address.rsplit('@').next().unwrap_or_default().to_owned();
    let addresses: BTreeSet<&String> = owners.values().flatten().collect();
    let domains = verified(services, addresses.iter().map(|address| domain(address)).collect()).await?;
    let others = addresses.iter().filter(|address| !domains.contains(&domain(address)));
    let known = verified(services, others.map(|address| (*address).clone()).collect()).await?;
    let may_get = |address: &String| domains.contains(&domain(address)) || known.contains(address);
    Ok(Reach {
        unreachable: owners
            .iter()
            .filter(|(_, addresses)| !addresses.iter().all(may_get))
            .map(|(account, _)| *account)
            .collect(),
        not_looked_at: accounts.len().saturating_sub(most),
    })
}

/// Which of these identities are verified.
async fn verified(services: &Services, names: BTreeSet<String>) -> Result<BTreeSet<String>> {
    let found: Vec<Option<String>> = stream::iter(names)
        .map(|name| async move {
            let identity = services.sesv2.get_email_identity(&name).await.or_absent()?;
            service::Result::Ok(identity.is_some_and(|identity| identity.verified).then_some(name))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
        .while_trying("see which addresses SES's sandbox lets be written to")?;
    Ok(found.into_iter().flatten().collect())
}

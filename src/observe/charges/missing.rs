//! Who has no charges, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{account_of, listed};
use crate::spend::{Evidence, Missing, missing};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::{AccountId, AccountState, Organization};
use billctl_core::service::charges::{self, ACCOUNT};
use billctl_core::service::{self, Kind, PARALLEL, Services};

/// What the payer's series tell of accounts' alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// It would have taken more than one call to know.
    NotRead,
    /// There is no series of any account: not one alarm has data.
    Nobodys,
    /// These accounts have none though they are old enough, and so no data for their alarm.
    MissingOf(BTreeSet<AccountId>),
}

/// Which of `accounts` have no series in the payer, and so no data for their alarm; more than one page of the list
/// is only read for `all`. Metrics are listed while they have data in the last two weeks.
///
/// # Errors
/// AWS's answer.
pub async fn absence(
    services: &Services,
    organization: &Organization,
    accounts: &BTreeSet<AccountId>,
    all: bool,
) -> Result<Absence> {
    let linked = charges::filter(None, &[ACCOUNT]);
    let mut without_data = accounts.clone();
    let mut any = false;
    let mut token = None;
    loop {
        let page = services
            .cloudwatch
            .list_metrics(charges::NAMESPACE, charges::METRIC, &linked, token)
            .await
            .while_trying("list the accounts' charges")?;
        for account in page.items.iter().filter_map(account_of) {
            any = true;
            without_data.remove(&account);
        }
        token = page.next;
        if token.is_none() || without_data.is_empty() {
            break;
        }
        if !all {
            return Ok(Absence::NotRead);
        }
    }
    if !any {
        return Ok(Absence::Nobodys);
    }
    let without_data: Vec<AccountId> = without_data.into_iter().collect();
    let mut missing = reasons(services, organization, &without_data, true, services.clock.now()).await?;
    missing.retain(|_, missing| *missing != Missing::TooNew);
    Ok(Absence::MissingOf(missing.into_keys().collect()))
}

/// What the billing account says about why accounts have no data. Where some of those asked for have data, nothing is
/// asked; what may not be asked stays unknown.
///
/// # Errors
/// AWS's answers, but for a missing permission.
pub(super) async fn evidence(services: &Services, organization: &Organization, some_data: bool) -> Result<Evidence> {
    if some_data {
        return Ok(Evidence {
            some_account_has_data: true,
            ..Evidence::default()
        });
    }
    let (caller, alerts, linked, all) = futures::join!(
        services.sts.get_caller_identity(),
        services.billing.billing_alerts_enabled(),
        is_listed(services, &[ACCOUNT]),
        is_listed(services, &[]),
    );
    let caller = caller.while_trying("find out whose credentials are in use")?;
    let payer = caller.account == organization.management_account;
    Ok(Evidence {
        // Others have data, only those asked for have none.
        some_account_has_data: payer && linked.while_trying("list the billing metrics")? == Some(true),
        payer,
        // Whatever stands in the way (a permission, an engine without this call): it stays unknown.
        alerts: alerts.ok().flatten(),
        any_metric: all.while_trying("list the billing metrics")?,
    })
}

/// Whether CloudWatch lists a metric of charges with these dimensions; `None` where that may not be asked.
async fn is_listed(services: &Services, dimensions: &[&str]) -> service::Result<Option<bool>> {
    let found = listed(services, None, dimensions).try_any(|metrics| ready(!metrics.is_empty()));
    known(found.await)
}

/// Why each of `without_data`, which have no data, has none; `some_data` says whether others that were asked for have.
/// Accounts in use are asked when they joined, if that can matter.
///
/// # Errors
/// AWS's answers, but for a missing permission and for an account that has left since it was listed.
pub async fn reasons(
    services: &Services,
    organization: &Organization,
    without_data: &[AccountId],
    some_data: bool,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Missing>> {
    if without_data.is_empty() {
        return Ok(BTreeMap::new());
    }
    let evidence = evidence(services, organization, some_data).await?;
    let listed = without_data
        .iter()
        .filter_map(|id| organization.account(*id))
        .map(|(account, _)| (account.id, account.state));
    stream::iter(listed)
        .map(|(id, state)| async move {
            let joined = match evidence.some_account_has_data && state == AccountState::Active {
                true => known(services.organizations.account_joined(id).await)?.flatten(),
                false => None,
            };
            service::Result::Ok((id, missing(state, joined, now, evidence)))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("find out when accounts without charges joined")
}

/// The answer, unless it may not be asked for or is about what is gone.
fn known<T>(answer: service::Result<T>) -> service::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind, Kind::Denied | Kind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

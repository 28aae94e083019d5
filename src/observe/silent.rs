//! Which accounts have no charges that an alarm could see.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use billctl_core::error::{Context, Error, Result};
use billctl_core::model::AccountId;
use billctl_core::service::cloudwatch::LIST_METRICS;
use billctl_core::service::{Kind, Services, Tokens};

/// An account that is younger may have no data yet: charges are published within a day or so (AWS-FACTS 1).
const YOUNG: SignedDuration = SignedDuration::from_hours(48);
/// Accounts asked for before the gate paces them: it lets fewer through.
const PARALLEL: usize = 64;

/// What the payer's series tell of accounts' alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charges {
    /// It would have taken more than one call to know.
    NotRead,
    /// There is no series of any account: not one alarm has data.
    Nobodys,
    /// These accounts have none, and so no data for their alarm.
    MissingOf(BTreeSet<AccountId>),
}

/// Which of `accounts` have no series in the payer, and so no data for their alarm; more than one page of the list
/// is only read for `all`. Metrics are listed while they have data in the last two weeks.
///
/// # Errors
/// AWS's answer.
pub async fn silent(services: &Services, accounts: &BTreeSet<AccountId>, all: bool) -> Result<Charges> {
    let linked = BTreeMap::from([
        ("Currency".to_owned(), Some("USD".to_owned())),
        ("LinkedAccount".to_owned(), None),
    ]);
    let mut silent = accounts.clone();
    let mut any = false;
    let mut tokens = Tokens::new(LIST_METRICS);
    let mut token = None;
    loop {
        let page = services
            .cloudwatch
            .list_metrics("AWS/Billing", "EstimatedCharges", &linked, token)
            .await
            .while_trying("list the accounts' charges")?;
        for metric in page.items {
            let account = metric.dimensions.get("LinkedAccount");
            if let Some(account) = account.and_then(|account| account.parse().ok()) {
                any = true;
                silent.remove(&account);
            }
        }
        token = tokens.next(page.next).while_trying("list the accounts' charges")?;
        if token.is_none() || silent.is_empty() {
            break;
        }
        if !all {
            return Ok(Charges::NotRead);
        }
    }
    if !any {
        return Ok(Charges::Nobodys);
    }
    let now = services.clock.now();
    let silent: Vec<Option<AccountId>> = stream::iter(silent)
        .map(|account| async move {
            let joined = match services.organizations.account_joined(account).await {
                Err(error) if matches!(error.kind, Kind::Denied | Kind::NotFound) => None,
                answer => answer.while_trying("find out when accounts without charges joined")?,
            };
            Ok::<_, Error>(Some(account).filter(|_| !is_young(joined, now)))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Charges::MissingOf(silent.into_iter().flatten().collect()))
}

fn is_young(joined: Option<Timestamp>, now: Timestamp) -> bool {
    joined.is_some_and(|joined| now.duration_since(joined) < YOUNG)
}

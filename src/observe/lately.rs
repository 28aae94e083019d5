//! What accounts have spent lately: what a new alarm will lead to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::spend::{Series, Window, ledgers};
use crate::config::Measure;
use crate::spend::Subject;
use billctl_core::error::Result;
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::Services;

/// What each account has spent in the time that its limit is about, up to its newest publication; accounts without data
/// are left out. Each account is one metric on AWS's bill.
///
/// # Errors
/// AWS's answer.
pub async fn spent_lately(
    services: &Services,
    accounts: impl IntoIterator<Item = AccountId>,
    measure: Measure,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Usd>> {
    let series: Vec<Series> = accounts.into_iter().map(Series::Account).collect();
    let window = Window::of_days(1, measure, now);
    let read = ledgers(services, &series, &window).await?;
    Ok(read
        .into_iter()
        .filter_map(|(subject, ledger)| match subject {
            Subject::Account(account) => Some((account, ledger.measured?.amount)),
            Subject::Service(_) => None,
        })
        .collect())
}

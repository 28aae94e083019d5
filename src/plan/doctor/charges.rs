//! Whether the charges that alarms and mails are made of are there.

use std::collections::BTreeSet;

use super::{Check, active_members};
use billctl_core::model::{AccountId, Organization};
use billctl_core::service::Result;
use billctl_core::service::organizations::OrganizationInfo;

const SWITCH_ON: &str = "console of the management account: Billing and Cost Management > Billing preferences > Alert \
                         preferences > Edit > Receive CloudWatch billing alerts; first data comes after about 15 minutes";

/// How many of a list are named.
const NAMED: usize = 5;

pub(super) fn billing_alerts(alerts: &Result<Option<bool>>, series: &Result<BTreeSet<AccountId>>) -> Check {
    const NAME: &str = "billing-alerts";
    let seen = series.as_ref().is_ok_and(|series| !series.is_empty());
    match alerts {
        Ok(Some(true)) => Check::ok(NAME, "on"),
        Ok(Some(false)) => Check::failed(NAME, "off: AWS publishes no charges to CloudWatch").remedy(SWITCH_ON),
        // Without them there would be no series.
        _ if seen => Check::ok(NAME, "on: the charges are there"),
        Ok(None) => Check::warning(NAME, "AWS doesn't say, and no charges are there").remedy(SWITCH_ON),
        Err(error) => Check::unread(NAME, error),
    }
}

pub(super) fn account_series(series: &Result<BTreeSet<AccountId>>, alerts: &Result<Option<bool>>) -> Check {
    const NAME: &str = "account-charges";
    match series {
        Ok(series) if series.is_empty() && matches!(alerts, Ok(Some(false))) => {
            Check::skipped(NAME, "needs billing alerts")
        }
        Ok(series) if series.is_empty() => {
            Check::failed(NAME, "no account's charges are in AWS/Billing").remedy(SWITCH_ON)
        }
        Ok(series) => Check::ok(
            NAME,
            format!("of {} accounts, in the payer's AWS/Billing metrics", series.len()),
        ),
        Err(error) => Check::unread(NAME, error),
    }
}

pub(super) fn own_series(series: &Result<BTreeSet<AccountId>>, organization: &Result<OrganizationInfo>) -> Check {
    const NAME: &str = "own-charges";
    match (series, organization) {
        (Ok(series), _) if series.is_empty() => Check::skipped(NAME, "needs the accounts' charges"),
        (Ok(series), Ok(found)) if series.contains(&found.management_account) => {
            Check::ok(NAME, "the management account's own charges are there")
        }
        (Ok(_), Ok(_)) => Check::warning(
            NAME,
            "no charges of the management account itself: its own alarm has no data",
        )
        .remedy("nothing to do if it has no costs of its own; data appears with the first ones"),
        (Err(error), _) | (_, Err(error)) => Check::unread(NAME, error),
    }
}

/// `young` joined too lately for charges to be expected.
pub(super) fn member_series(
    series: &Result<BTreeSet<AccountId>>,
    tree: &std::result::Result<Organization, String>,
    young: &BTreeSet<AccountId>,
) -> Check {
    const NAME: &str = "member-charges";
    let (series, tree) = match (series, tree) {
        (Ok(series), Ok(tree)) => (series, tree),
        (Err(error), _) => return Check::unread(NAME, error),
        (_, Err(error)) => {
            return Check::skipped(NAME, format!("needs the list of accounts: {error}"));
        }
    };
    if series.is_empty() {
        return Check::skipped(NAME, "needs the accounts' charges");
    }
    let active: Vec<_> = active_members(tree).collect();
    let missing: Vec<String> = active
        .iter()
        .filter(|id| !series.contains(id) && !young.contains(id))
        .map(ToString::to_string)
        .collect();
    if missing.is_empty() {
        let but = match young.len() {
            0 => String::new(),
            1 => ", except one that is new: data comes within two days".to_owned(),
            some => format!(", except {some} that are new: data comes within two days"),
        };
        return Check::ok(
            NAME,
            format!(
                "the billing account has charges of all {} active members{but}",
                active.len()
            ),
        );
    }
    let named = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if missing.len() > NAMED { ", ..." } else { "" };
    Check::warning(
        NAME,
        format!(
            "of {} of {} active members the billing account has none: {named}{more}",
            missing.len(),
            active.len()
        ),
    )
    .remedy("nothing to do for accounts that cost nothing; accounts of the AWS Partner Network never get any")
}

//! Whether the charges that alarms and mails are made of are there.

use std::collections::BTreeSet;

use super::members::list;
use super::{Check, Tree, active_members, in_tree};
use billctl_core::model::{AccountId, Organization};
use billctl_core::service::Result;
use billctl_core::service::organizations::OrganizationInfo;

const SWITCH_ON: &str = "console of the management account: Billing and Cost Management > Billing preferences > Alert \
                         preferences > Edit > Receive CloudWatch billing alerts; first data comes after about 15 minutes";

pub(super) fn billing_alerts(alerts: &Result<Option<bool>>, series: &Result<BTreeSet<AccountId>>) -> Check {
    let seen = series.as_ref().is_ok_and(|series| !series.is_empty());
    match alerts {
        Ok(Some(true)) => Check::ok("on"),
        Ok(Some(false)) => Check::failed("off: AWS publishes no charges to CloudWatch").remedy(SWITCH_ON),
        // Without them there would be no series.
        _ if seen => Check::ok("on: the charges are there"),
        Ok(None) => Check::warning("AWS doesn't say, and no charges are there").remedy(SWITCH_ON),
        Err(error) => Check::unread(error),
    }
}

pub(super) fn account_series(series: &Result<BTreeSet<AccountId>>, alerts: &Result<Option<bool>>) -> Check {
    match series {
        Ok(series) if series.is_empty() && matches!(alerts, Ok(Some(false))) => Check::skipped("needs billing alerts"),
        Ok(series) if series.is_empty() => Check::failed("no account's charges are in AWS/Billing").remedy(SWITCH_ON),
        Ok(series) => Check::ok(format!(
            "of {} accounts, in the payer's AWS/Billing metrics",
            series.len()
        )),
        Err(error) => Check::unread(error),
    }
}

pub(super) fn own_series(series: &Result<BTreeSet<AccountId>>, organization: &Result<OrganizationInfo>) -> Check {
    match (series, organization) {
        (Ok(series), _) if series.is_empty() => Check::skipped("needs the accounts' charges"),
        (Ok(series), Ok(found)) if series.contains(&found.management_account) => {
            Check::ok("the management account's own charges are there")
        }
        (Ok(_), Ok(_)) => Check::warning("no charges of the management account itself: its own alarm has no data")
            .remedy("nothing to do if it has no costs of its own; data appears with the first ones"),
        (Err(error), _) | (_, Err(error)) => Check::unread(error),
    }
}

/// `young` joined too lately for charges to be expected.
pub(super) fn member_series(series: &Result<BTreeSet<AccountId>>, tree: &Tree, young: &BTreeSet<AccountId>) -> Check {
    match series {
        Ok(series) => in_tree(tree, |tree| of_members(series, tree, young)),
        Err(error) => Check::unread(error),
    }
}

fn of_members(series: &BTreeSet<AccountId>, tree: &Organization, young: &BTreeSet<AccountId>) -> Check {
    if series.is_empty() {
        return Check::skipped("needs the accounts' charges");
    }
    let active: Vec<_> = active_members(tree).collect();
    let has_none = |id: &&AccountId| !series.contains(id) && !young.contains(id);
    let missing: Vec<&AccountId> = active.iter().filter(has_none).collect();
    if missing.is_empty() {
        let but = match young.len() {
            0 => String::new(),
            1 => ", except one that is new: data comes within two days".to_owned(),
            some => format!(", except {some} that are new: data comes within two days"),
        };
        return Check::ok(format!(
            "the billing account has charges of all {} active members{but}",
            active.len()
        ));
    }
    Check::warning(format!(
        "of {} of {} active members the billing account has none: {}",
        missing.len(),
        active.len(),
        list(missing)
    ))
    .remedy("nothing to do for accounts that cost nothing; accounts of the AWS Partner Network never get any")
}

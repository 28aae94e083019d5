use std::collections::BTreeSet;

use super::parts::Part;
use super::roll::desired_of;
use crate::cli::Context;
use crate::plan::Thresholds;
use crate::plan::rollout::{Observed, broken};
use billctl_core::error::Result;
use billctl_core::model::{AccountId, Organization};
use billctl_core::text::plural;

/// How many accounts are named.
const NAMED: usize = 5;

/// Looks through the instances of the run for what no update fixes: the accounts whose instances are removed and made
/// anew, and notes on how far that can be relied on.
///
/// # Errors
/// A selector that doesn't name exactly one OU.
pub(super) fn look(
    context: &Context,
    observed: &Observed,
    organization: &Organization,
    thresholds: &Thresholds,
    parts: &[Part],
) -> Result<(BTreeSet<AccountId>, Vec<String>)> {
    let (mut found, mut notes) = (BTreeSet::new(), Vec::new());
    let mut looked_at = BTreeSet::new();
    for part in parts {
        let desired = desired_of(context, organization, thresholds, part)?;
        found.extend(broken(&desired, observed));
        looked_at.extend(desired.accounts.into_keys());
    }
    // A run that ended between the two halves of a repair leaves such; nothing tells them from those that never had one.
    let absent: Vec<String> = looked_at
        .iter()
        .filter(|account| !observed.instances.contains_key(account))
        .map(ToString::to_string)
        .collect();
    if !absent.is_empty() {
        let named = match absent.len() {
            0..=NAMED => format!(": {}", absent.join(", ")),
            _ => String::new(),
        };
        let have = match absent.len() {
            1 => "1 account has".to_owned(),
            some => format!("{some} accounts have"),
        };
        notes.push(format!(
            "{have} no instance, and a repair makes none: `billctl deploy --account N` does, for N alone{named}"
        ));
    }
    let checked: Vec<_> = looked_at
        .iter()
        .filter_map(|account| observed.instances.get(account))
        .map(|instance| instance.listed.drift_checked)
        .collect();
    let never = checked.iter().filter(|checked| checked.is_none()).count();
    if let Some(oldest) = checked.iter().flatten().min() {
        let at = oldest.strftime("%Y-%m-%d %H:%M UTC");
        notes.push(format!(
            "drift was last looked for on {at}: `billctl status --drift` looks again"
        ));
    }
    if never > 0 {
        let instances = plural(never, "instance");
        notes.push(format!(
            "drift of {instances} was never looked for: `billctl status --drift` looks"
        ));
    }
    Ok((found, notes))
}

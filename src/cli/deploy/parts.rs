use std::collections::BTreeSet;

use super::DeployArgs;
use crate::config::Config;
use crate::plan::rollout::{Extent, Scope};
use billctl_core::error::{Error, Result};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::Preferences;

/// A part of the rollout that goes as one: a wave, or all.
#[derive(Debug)]
pub(super) struct Part {
    /// The wave's name in config.
    pub name: Option<String>,
    /// What it is about.
    pub scope: Scope,
    /// How much of the StackSet itself it may change.
    pub extent: Extent,
    /// How carefully it goes.
    pub preferences: Preferences,
}

/// The parts, in order: the waves of config, then everything with the StackSet itself; one part if the command line
/// names OUs. `accounts` are those that the run is about, where it isn't about all.
///
/// # Errors
/// Nothing is targeted.
pub(super) fn parts(args: &DeployArgs, config: &Config, accounts: Option<&BTreeSet<AccountId>>) -> Result<Vec<Part>> {
    let configured = config.deploy.preferences;
    let part = |name: Option<&String>, ous: &[String], extent, tolerance| Part {
        name: name.cloned(),
        extent: if accounts.is_none() { extent } else { Extent::Accounts },
        scope: Scope {
            ous: ous.to_vec(),
            accounts: accounts.cloned(),
        },
        preferences: Preferences {
            tolerance: args.tolerance.or(tolerance).unwrap_or(configured.tolerance),
            concurrency: args.concurrency.unwrap_or(configured.concurrency),
            mode: configured.mode,
        },
    };
    if !args.ou.is_empty() {
        return Ok(vec![part(None, &args.ou, Extent::Accounts, None)]);
    }
    let mut parts: Vec<Part> = config
        .waves
        .iter()
        .map(|wave| part(Some(&wave.name), &wave.ous, Extent::Wave, wave.tolerance))
        .collect();
    let all: Vec<String> = config.ous().cloned().collect();
    if !all.is_empty() {
        parts.push(part(None, &all, Extent::Everything, None));
    }
    if parts.is_empty() {
        return Err(
            Error::usage("config targets no OU, and none was given").remedy("pass --ou, or list OUs in [deploy] ous")
        );
    }
    Ok(parts)
}

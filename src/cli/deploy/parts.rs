use std::collections::BTreeSet;

use super::DeployArgs;
use crate::config::Config;
use crate::plan::rollout::Scope;
use billctl_core::error::{Error, Result};
use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::Preferences;

/// A part of the rollout that goes as one: a wave, or all.
#[derive(Debug)]
pub struct Part {
    /// The wave's name in config.
    pub name: Option<String>,
    /// What it is about.
    pub scope: Scope,
    /// How carefully it goes.
    pub preferences: Preferences,
}

/// The parts, in order: the waves of config, then its other OUs; one part if the command line names OUs.
///
/// # Errors
/// Nothing is targeted.
pub fn parts(args: &DeployArgs, config: &Config) -> Result<Vec<Part>> {
    let accounts: BTreeSet<AccountId> = args.account.iter().copied().collect();
    let configured = config.deploy.preferences;
    let part = |name: Option<&String>, ous: &[String], tolerance| Part {
        name: name.cloned(),
        scope: Scope {
            ous: ous.to_vec(),
            accounts: accounts.clone(),
        },
        preferences: Preferences {
            tolerance: args.tolerance.or(tolerance).unwrap_or(configured.tolerance),
            concurrency: args.concurrency.unwrap_or(configured.concurrency),
            mode: configured.mode,
        },
    };
    if !args.ou.is_empty() {
        return Ok(vec![part(None, &args.ou, None)]);
    }
    let mut parts: Vec<Part> = config
        .waves
        .iter()
        .map(|wave| part(Some(&wave.name), &wave.ous, wave.tolerance))
        .collect();
    if !config.deploy.ous.is_empty() {
        parts.push(part(None, &config.deploy.ous, None));
    }
    if parts.is_empty() {
        return Err(
            Error::usage("config targets no OU, and none was given").hint("pass --ou, or list OUs in [deploy] ous")
        );
    }
    Ok(parts)
}

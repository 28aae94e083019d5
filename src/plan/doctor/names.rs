//! Whether names are free, and quotas large enough. Of what AWS limits, only StackSets' instances, SES's mails a
//! day and the dashboard's search grow with the organisation: policies name the organisation and no account, and
//! operations are cut to 50 OUs each.

use super::{Check, Readings, active_members};
use crate::config::Config;
use crate::plan::Thresholds;
use crate::resource::{LIMITED, MOST_SEARCHED, Resource, are_ours};
use billctl_core::model::Organization;
use billctl_core::service::Result;
use billctl_core::service::cloudformation::StackSet;

/// Most stack instances of one StackSet (docs/aws-facts.md, "StackSets: setup").
const MAX_INSTANCES: usize = 100_000;

/// Share of a quota from which on it is worth a warning.
const NEARLY: f64 = 0.8;

pub(super) fn collisions(config: &Config, things: &[(String, Result<Option<Resource>>)]) -> Check {
    if config.bootstrap.permissions_boundary.is_none() {
        let limited = things.iter().find_map(|(label, thing)| {
            let limited = thing.as_ref().ok()?.as_ref()?.limited()?;
            Some((label, limited))
        });
        if let Some((label, limited)) = limited {
            return Check::warning(format!("{label}: {limited}")).remedy(LIMITED);
        }
    }
    let foreign: Vec<&str> = things
        .iter()
        .filter(|(_, thing)| matches!(thing, Ok(Some(resource)) if !resource.is_ours()))
        .map(|(label, _)| label.as_str())
        .collect();
    if !foreign.is_empty() {
        return Check::warning(format!("not made by billctl: {}", foreign.join(", ")))
            .remedy("choose other names under [names] or [alarm]; `billctl bootstrap --adopt` would take them over");
    }
    match things.iter().find_map(|(_, thing)| thing.as_ref().err()) {
        Some(error) => Check::unread(error),
        None => Check::ok("free, or billctl's own"),
    }
}

/// That the organisation's OUs and accounts can be listed, which most of billctl's work begins with.
pub(super) fn accounts(readings: &Readings) -> Check {
    match (&readings.tree, &readings.organization, readings.caller_to_the_end()) {
        (Ok(tree), ..) => {
            let (all, active) = (tree.accounts().count(), active_members(tree).count());
            Check::ok(format!("{all}, of which {active} active members"))
        }
        (Err(_), Err(_), _) | (Err(_), _, Err(_)) => {
            Check::skipped("needs credentials of an account in an organisation")
        }
        (Err(error), Ok(_), Ok(_)) => Check::failed(format!("not known: {error}")).remedy(
            "let this identity list the organisation's accounts (`billctl policy status` is enough), or run it again if \
             AWS was at fault",
        ),
    }
}

pub(super) fn stack_set(config: &Config, stack_set: &Result<Option<StackSet>>) -> Check {
    let name = &config.deploy.stack_set;
    let elsewhere = "choose another name: stack-set under [deploy]";
    match stack_set {
        Ok(None) => Check::ok(format!("{name} is free")),
        Ok(Some(found)) if !found.service_managed => {
            Check::failed(format!("{name} is there, with self-managed permissions")).remedy(elsewhere)
        }
        Ok(Some(found)) if !are_ours(&found.tags) => {
            Check::failed(format!("{name} is there, and billctl didn't make it")).remedy(elsewhere)
        }
        Ok(Some(_)) => Check::ok(format!("{name} is billctl's own")),
        Err(error) => Check::unread(error),
    }
}

/// That the OUs and accounts of the config are in the organisation.
pub(super) fn targets(config: &Config, tree: &Organization) -> Check {
    let faults: Vec<String> = Thresholds::resolve(config, tree)
        .err()
        .iter()
        .flatten()
        .map(|problem| match config.source.line(problem) {
            Some(line) => format!("line {line}: {}", problem.message),
            None => problem.message.clone(),
        })
        .collect();
    if !faults.is_empty() {
        return Check::failed(faults.join("; "))
            .remedy("fix the config; `billctl init --config new.toml` writes one with the OUs that there are");
    }
    let covered: Vec<_> = config
        .ous()
        .filter_map(|ou| Some(tree.select(ou).ok()?.id.clone()))
        .collect();
    if covered.is_empty() {
        return Check::ok("the config names no OU: `deploy --ou` has to");
    }
    let accounts = tree.accounts_below(&covered).len();
    Check::ok(format!("{accounts} accounts in the OUs of the config"))
}

pub(super) fn instances_quota(tree: &Organization) -> Check {
    let members = active_members(tree).count();
    let finding = format!("{members} active members; a StackSet holds {MAX_INSTANCES} instances");
    if members > MAX_INSTANCES {
        Check::failed(finding).remedy("deploy to some OUs only, or raise the quota in Service Quotas > CloudFormation")
    } else if members as f64 > NEARLY * MAX_INSTANCES as f64 {
        Check::warning(finding).remedy("raise the quota in Service Quotas > CloudFormation")
    } else {
        Check::ok(finding)
    }
}

/// How many accounts the dashboard's daily graph shows.
pub(super) fn dashboard_quota(tree: &Organization) -> Check {
    let accounts = tree.accounts().count();
    let finding = format!("{accounts} accounts; a search in a graph finds {MOST_SEARCHED}");
    if accounts > MOST_SEARCHED as usize {
        Check::warning(finding).remedy("`billctl spend` shows every account by day, the dashboard only some")
    } else {
        Check::ok(finding)
    }
}

//! What a few members look like from inside, and whom their owner tags name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Members};
use crate::config::Config;
use crate::plan::probe::{Inside, Look, make_again, way_in_remedy};
use crate::plan::recipients::{Owners, RecipientFrom};
use crate::resource::bus_arn;
use billctl_core::model::{AccountId, owner_addresses};
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::{Kind, Result};

/// How many of a list are named.
const NAMED: usize = 5;

pub(super) fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let mut named: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    let more = if named.len() > NAMED { ", ..." } else { "" };
    named.truncate(NAMED);
    format!("{}{more}", named.join(", "))
}

/// The members that were entered.
fn entered(members: &Members) -> BTreeMap<AccountId, &Inside> {
    let looks = members.looks.iter();
    looks
        .filter_map(|(account, look)| match look {
            Look::Inside(inside) => Some((*account, &**inside)),
            Look::NoWay(_) => None,
        })
        .collect()
}

/// Whether there is a way into members. Without it nothing below is known, and nothing is claimed.
pub(super) fn access(config: &Config, members: &Members) -> Check {
    if members.looks.is_empty() {
        return Check::skipped("needs the list of accounts, and an active member");
    }
    let role = &config.members.role;
    let shut: Vec<(&AccountId, _)> = members
        .looks
        .iter()
        .filter_map(|(account, look)| match look {
            Look::NoWay(error) => Some((account, error)),
            Look::Inside(_) => None,
        })
        .collect();
    let Some((_, error)) = shut.first() else {
        return Check::ok(format!("looked into {} by role {role}", list(members.looks.keys())));
    };
    if error.kind == Kind::Credentials {
        return Check::skipped("needs credentials");
    }
    Check::warning(format!(
        "no way into {} of {} members tried ({}), so nothing is known of their alarms: {error}",
        shut.len(),
        members.looks.len(),
        list(shut.iter().map(|(account, _)| *account)),
    ))
    .remedy(way_in_remedy(error, role))
}

/// Whether the members' own series have data: whether members get any is disputed
/// (docs/aws-facts.md, "Charges of linked accounts").
pub(super) fn data(members: &Members) -> Check {
    let entered = entered(members);
    if entered.is_empty() {
        return Check::skipped("needs a way into a member");
    }
    let unread = entered.values().find_map(|inside| inside.has_data.as_ref().err());
    if let Some(error) = unread {
        return Check::unread(error);
    }
    let without_data: Vec<&AccountId> = entered
        .iter()
        .filter(|(_, inside)| !matches!(inside.has_data, Ok(true)))
        .map(|(account, _)| account)
        .collect();
    if without_data.is_empty() {
        return Check::ok(format!(
            "{} members looked into saw charges of their own in the last two days",
            entered.len()
        ));
    }
    Check::warning(format!(
        "the series of {} of {} looked into is empty, so an alarm there can't fire: {}",
        without_data.len(),
        entered.len(),
        list(without_data),
    ))
    .remedy(
        "nothing to do for accounts that cost nothing; else `billctl spend --tell` covers them from the billing account's \
         figures, and AWS Support can say why the member gets none",
    )
}

/// Whether the alarms and rules there are as the rollout made them.
pub(super) fn alarms(config: &Config, members: &Members, organization: &Result<OrganizationInfo>) -> Check {
    match members.covered {
        Some(true) => {}
        Some(false) => return Check::moot("nothing is rolled out yet"),
        None => return Check::skipped("needs the list of accounts and the StackSet's instances"),
    }
    let entered = entered(members);
    let (false, Ok(organization)) = (entered.is_empty(), organization) else {
        return Check::skipped("needs a way into a member");
    };
    let bus = bus_arn(config, organization.management_account);
    let mut faults = Vec::new();
    let mut broken = BTreeSet::new();
    for (account, inside) in &entered {
        let alarm = match &inside.alarm {
            Ok(Some(_)) => None,
            Ok(None) => Some("no alarm"),
            Err(error) => return Check::unread(error),
        };
        let rule = match &inside.rule {
            Ok(Some(rule)) if !rule.enabled => Some("rule off"),
            Ok(Some(rule)) if !rule.targets.contains(&bus) => Some("rule sends elsewhere"),
            Ok(Some(_)) => None,
            Ok(None) => Some("no rule"),
            Err(error) => return Check::unread(error),
        };
        let found = alarm.into_iter().chain(rule);
        broken.extend(alarm.or(rule).map(|_| *account));
        faults.extend(found.map(|fault| format!("{account}: {fault}")));
    }
    if faults.is_empty() {
        return Check::ok(format!(
            "alarm and rule are there in the {} members looked into",
            entered.len()
        ));
    }
    Check::failed(faults.join(", ")).remedy(format!(
        "{} makes their stacks again; `billctl status --probe` looks into all",
        make_again(broken)
    ))
}

/// The owners that were looked up, or why a check of them can't be made.
fn looked_up(members: &Members) -> std::result::Result<&Owners, Check> {
    match &members.owners {
        Ok(owners) if owners.accounts.is_empty() => {
            Err(Check::skipped("needs the list of accounts, and an active member"))
        }
        Ok(owners) => Ok(owners),
        Err(error) => Err(Check::unread(error)),
    }
}

/// Whom the owner tags name: a tag without an address that can be used counts as none.
pub(super) fn owners(config: &Config, members: &Members) -> Check {
    let owners = match looked_up(members) {
        Ok(owners) => owners,
        Err(check) => return check,
    };
    let tags = || {
        owners
            .accounts
            .iter()
            .filter_map(|(account, (tag, _))| Some((account, tag.as_ref()?)))
    };
    let tag = &config.mail.owner_tag;
    let unusable: Vec<String> = tags()
        .filter(|(_, text)| owner_addresses(text).is_empty())
        .map(|(account, text)| format!("{account} (`{text}`)"))
        .collect();
    let tagged = tags().count();
    let of = format!("{} accounts looked at", owners.accounts.len());
    if unusable.is_empty() {
        return Check::ok(format!("{tagged} of {of} name an owner in tag `{tag}`"));
    }
    Check::warning(format!(
        "{} of {of} have a tag `{tag}` that holds no address that can be used: {}",
        unusable.len(),
        list(&unusable),
    ))
    .remedy(format!(
        "write an address such as ann@example.com into the tag: aws organizations tag-resource --resource-id N --tags \
         Key={tag},Value=ann@example.com"
    ))
}

/// How many accounts' mails go to whom.
pub(super) fn recipients(config: &Config, members: &Members) -> Check {
    let owners = match looked_up(members) {
        Ok(owners) => owners,
        Err(check) => return check,
    };
    let mut counts: BTreeMap<RecipientFrom, usize> = BTreeMap::new();
    for (_, recipients) in owners.accounts.values() {
        *counts.entry(recipients.from).or_default() += 1;
    }
    let each: Vec<String> = counts
        .iter()
        .map(|(from, count)| format!("{count} to the {}", from.word()))
        .collect();
    let of = format!(
        "of {} accounts looked at, mails go: {}",
        owners.accounts.len(),
        each.join(", ")
    );
    let of = of.replace("to the nobody", "to nobody");
    let to_nobody = owners
        .accounts
        .iter()
        .filter(|(_, (_, to))| to.from == RecipientFrom::Nobody);
    let nobody: Vec<&AccountId> = to_nobody.map(|(account, _)| account).collect();
    if !nobody.is_empty() {
        return Check::warning(format!("{of} ({})", list(nobody))).remedy(format!(
            "give them the tag `{}` with an address, or set fallback under [mail]",
            config.mail.owner_tag
        ));
    }
    match &owners.no_contacts {
        // Nobody has to have it: mails go to the next in the rule.
        Some(error) => Check::ok(format!("{of}; billing contacts can't be read: {error}")).remedy(
            "to write to them: Organizations console > Services > AWS Account Management > Enable trusted access; else \
             set billing-contact = false under [mail]",
        ),
        None => Check::ok(of),
    }
}

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

pub(super) fn list<'a>(accounts: impl IntoIterator<Item = &'a AccountId>) -> String {
    let all: Vec<String> = accounts.into_iter().map(ToString::to_string).collect();
    let more = if all.len() > NAMED { ", ..." } else { "" };
    let named: Vec<String> = all.into_iter().take(NAMED).collect();
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
    const NAME: &str = "member-access";
    if members.looks.is_empty() {
        return Check::skipped(NAME, "needs the list of accounts, and an active member");
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
        return Check::ok(
            NAME,
            format!("looked into {} by role {role}", list(members.looks.keys())),
        );
    };
    if error.kind == Kind::Credentials {
        return Check::skipped(NAME, "needs credentials");
    }
    Check::warning(
        NAME,
        format!(
            "no way into {} of {} members tried ({}), so nothing is known of their alarms: {error}",
            shut.len(),
            members.looks.len(),
            list(shut.iter().map(|(account, _)| *account)),
        ),
    )
    .remedy(way_in_remedy(error, role))
}

/// Whether the members' own series have data: whether members get any is disputed
/// (docs/aws-facts.md, "Charges of linked accounts").
pub(super) fn data(members: &Members) -> Check {
    const NAME: &str = "member-data";
    let entered = entered(members);
    if entered.is_empty() {
        return Check::skipped(NAME, "needs a way into a member");
    }
    let unread = entered.values().find_map(|inside| inside.has_data.as_ref().err());
    if let Some(error) = unread {
        return Check::unread(NAME, error);
    }
    let without_data: Vec<&AccountId> = entered
        .iter()
        .filter(|(_, inside)| !matches!(inside.has_data, Ok(true)))
        .map(|(account, _)| account)
        .collect();
    if without_data.is_empty() {
        return Check::ok(
            NAME,
            format!(
                "{} members looked into saw charges of their own in the last two days",
                entered.len()
            ),
        );
    }
    Check::warning(
        NAME,
        format!(
            "the series of {} of {} looked into is empty, so an alarm there can't fire: {}",
            without_data.len(),
            entered.len(),
            list(without_data),
        ),
    )
    .remedy(
        "nothing to do for accounts that cost nothing; else `billctl spend --tell` covers them from the billing account's \
         figures, and AWS Support can say why the member gets none",
    )
}

/// Whether the alarms and rules there are as the rollout made them.
pub(super) fn alarms(config: &Config, members: &Members, organization: &Result<OrganizationInfo>) -> Check {
    const NAME: &str = "member-alarms";
    match members.covered {
        Some(true) => {}
        Some(false) => return Check::moot(NAME, "nothing is rolled out yet"),
        None => return Check::skipped(NAME, "needs the list of accounts and the StackSet's instances"),
    }
    let entered = entered(members);
    let (false, Ok(organization)) = (entered.is_empty(), organization) else {
        return Check::skipped(NAME, "needs a way into a member");
    };
    let bus = bus_arn(config, organization.management_account);
    let mut faults = Vec::new();
    let mut broken = BTreeSet::new();
    for (account, inside) in &entered {
        let alarm = match &inside.alarm {
            Ok(Some(_)) => None,
            Ok(None) => Some("no alarm"),
            Err(error) => return Check::unread(NAME, error),
        };
        let rule = match &inside.rule {
            Ok(Some(rule)) if !rule.enabled => Some("rule off"),
            Ok(Some(rule)) if !rule.targets.contains(&bus) => Some("rule sends elsewhere"),
            Ok(Some(_)) => None,
            Ok(None) => Some("no rule"),
            Err(error) => return Check::unread(NAME, error),
        };
        let found = alarm.into_iter().chain(rule);
        broken.extend(alarm.or(rule).map(|_| *account));
        faults.extend(found.map(|fault| format!("{account}: {fault}")));
    }
    if faults.is_empty() {
        return Check::ok(
            NAME,
            format!("alarm and rule are there in the {} members looked into", entered.len()),
        );
    }
    Check::failed(NAME, faults.join(", ")).remedy(format!(
        "{} makes their stacks again; `billctl status --probe` looks into all",
        make_again(broken)
    ))
}

/// The owners that were looked up, or why a check of them can't be made.
fn looked_up<'a>(name: &'static str, members: &'a Members) -> std::result::Result<&'a Owners, Check> {
    match &members.owners {
        Ok(owners) if owners.accounts.is_empty() => {
            Err(Check::skipped(name, "needs the list of accounts, and an active member"))
        }
        Ok(owners) => Ok(owners),
        Err(error) => Err(Check::unread(name, error)),
    }
}

/// Whom the owner tags name: a tag without an address that can be used counts as none.
pub(super) fn owners(config: &Config, members: &Members) -> Check {
    const NAME: &str = "owner-tags";
    let owners = match looked_up(NAME, members) {
        Ok(owners) => owners,
        Err(check) => return check,
    };
    let tags = owners.accounts.iter().map(|(account, (tag, _))| (account, tag));
    let tags: BTreeMap<&AccountId, &Option<String>> = tags.collect();
    let tag = &config.mail.owner_tag;
    let unusable: Vec<String> = tags
        .iter()
        .filter_map(|(account, text)| {
            let text = text.as_ref()?;
            owner_addresses(text)
                .is_empty()
                .then(|| format!("{account} (`{text}`)"))
        })
        .collect();
    let tagged = tags.values().filter(|tag| tag.is_some()).count();
    let of = format!("{} accounts looked at", tags.len());
    if unusable.is_empty() {
        return Check::ok(NAME, format!("{tagged} of {of} name an owner in tag `{tag}`"));
    }
    let more = if unusable.len() > NAMED { ", ..." } else { "" };
    let named: Vec<&str> = unusable.iter().take(NAMED).map(String::as_str).collect();
    Check::warning(
        NAME,
        format!(
            "{} of {of} have a tag `{tag}` that holds no address that can be used: {}{more}",
            unusable.len(),
            named.join(", "),
        ),
    )
    .remedy(format!(
        "write an address such as ann@example.com into the tag: aws organizations tag-resource --resource-id N --tags \
         Key={tag},Value=ann@example.com"
    ))
}

/// How many accounts' mails go to whom.
pub(super) fn recipients(config: &Config, members: &Members) -> Check {
    const NAME: &str = "recipients";
    let owners = match looked_up(NAME, members) {
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
    let nobody = owners
        .accounts
        .iter()
        .filter(|(_, (_, to))| to.from == RecipientFrom::Nobody);
    let nobody: Vec<&AccountId> = nobody.map(|(account, _)| account).collect();
    if !nobody.is_empty() {
        return Check::warning(NAME, format!("{of} ({})", list(nobody))).remedy(format!(
            "give them the tag `{}` with an address, or set fallback under [mail]",
            config.mail.owner_tag
        ));
    }
    match &owners.no_contacts {
        // Nobody has to have it: mails go to the next in the rule.
        Some(error) => Check::ok(NAME, format!("{of}; billing contacts can't be read: {error}")).remedy(
            "to write to them: Organizations console > Services > AWS Account Management > Enable trusted access; else \
             set billing-contact = false under [mail]",
        ),
        None => Check::ok(NAME, of),
    }
}

//! Whether the owner tag holds addresses.

use super::Check;
use crate::config::{Config, is_address};
use crate::model::AccountId;
use crate::service::Result;

/// Most accounts named.
const MOST_NAMED: usize = 5;

/// What was seen of the owner tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Accounts whose tags were read, each with the owner tag's text if it has one.
    pub tags: Vec<(AccountId, Option<String>)>,
    /// Active accounts in all.
    pub accounts: usize,
}

/// Whether a tag's text holds an address to write to: one alone, several, or one in `Name <address>`. The notifier
/// takes them out in the same way (docs/notifier.md).
fn holds_address(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "<>,;/:\"()".contains(c))
        .any(is_address)
}

pub(super) fn owners(config: &Config, owners: &Result<Owners>) -> Check {
    const NAME: &str = "owners";
    let tag = &config.mail.owner_tag;
    let owners = match owners {
        Ok(owners) => owners,
        Err(error) => return Check::unread(NAME, error),
    };
    let tagged: Vec<(AccountId, &str)> = owners
        .tags
        .iter()
        .filter_map(|(account, text)| Some((*account, text.as_deref()?)))
        .collect();
    let unusable: Vec<String> = tagged
        .iter()
        .filter(|(_, text)| !holds_address(text))
        .map(|(account, _)| account.to_string())
        .collect();
    let looked_at = if owners.tags.len() < owners.accounts {
        format!(
            "{} of {} accounts looked at",
            owners.tags.len(),
            owners.accounts
        )
    } else {
        format!("{} accounts", owners.accounts)
    };
    if !unusable.is_empty() {
        let named = unusable[..unusable.len().min(MOST_NAMED)].join(", ");
        let more = match unusable.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Check::warning(
            NAME,
            format!("the tag `{tag}` holds no address that can be used: {named}{more}, of {looked_at}"),
        )
        .cure(
            "write addresses such as ann@example.com into the tag, separated by spaces; until then mails go to the \
             account's own address",
        );
    }
    if tagged.is_empty() {
        let finding = format!(
            "no account has the tag `{tag}`: mails go to the accounts' own addresses ({looked_at})"
        );
        return Check::ok(NAME, finding);
    }
    Check::ok(
        NAME,
        format!(
            "{} have an address in the tag `{tag}`, of {looked_at}",
            tagged.len()
        ),
    )
}

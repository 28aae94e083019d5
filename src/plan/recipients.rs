//! Whom the notifier writes to about an account: the same rule as its own, `assets/notifier.asl.yaml`.

use std::collections::BTreeMap;

use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::config::MailConfig;
use billctl_core::model::{Account, AccountId, AccountState, owner_addresses};
use billctl_core::service::ServiceError;

/// Where an account's recipients come from, in the order of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientFrom {
    /// The owner tag.
    OwnerTag,
    /// AWS's alternate contact for bills.
    BillingContact,
    /// The account's own address.
    AccountEmail,
    /// The config's fallback.
    Fallback,
    /// There is nobody.
    Nobody,
}

impl RecipientFrom {
    /// By the notifier's own name of it.
    pub fn named(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }

    /// In a few words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OwnerTag => "owner tag",
            Self::BillingContact => "billing contact",
            Self::AccountEmail => "account's address",
            Self::Fallback => "fallback",
            Self::Nobody => "nobody",
        }
    }
}

/// Whom the notifier writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipients {
    /// Where they come from.
    pub from: RecipientFrom,
    /// Their addresses, in lower case.
    pub addresses: Vec<String>,
}

impl Recipients {
    /// By the account's tag and billing contact, as they were read. An account that isn't active writes to the fallback,
    /// where there is one.
    pub fn of(mail: &MailConfig, account: &Account, tag: Option<&str>, contact: Option<&str>) -> Self {
        use RecipientFrom::*;
        let active = matches!(account.state, AccountState::Active | AccountState::PendingActivation);
        let contact = contact.filter(|_| mail.billing_contact);
        let ranked = [
            (Fallback, mail.fallback.as_deref().filter(|_| !active)),
            (OwnerTag, tag),
            (BillingContact, contact),
            (AccountEmail, Some(account.email.as_str())),
            (Fallback, mail.fallback.as_deref()),
        ];
        let each = ranked
            .into_iter()
            .filter_map(|(from, text)| Some((from, owner_addresses(text?))));
        let first = each.into_iter().find(|(_, addresses)| !addresses.is_empty());
        let (from, addresses) = first.unwrap_or((Nobody, Vec::new()));
        Self { from, addresses }
    }
}

/// Whom the notifier would write to about some accounts.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// By account: the owner tag's text, and who would get the mail.
    pub accounts: BTreeMap<AccountId, (Option<String>, Recipients)>,
    /// Why billing contacts can't be read, where one was asked for: the notifier does without, as this did.
    pub no_contacts: Option<ServiceError>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_first_that_can_be_written_to_is_and_the_fallback_for_what_isnt_active() {
        let config = |more: &str| {
            let text = format!("[mail]\nfrom = \"b@example.com\"\n{more}");
            Config::parse("config.toml", &text).unwrap().mail
        };
        let account = |email: &str, state| Account {
            id: "123456789012".parse().unwrap(),
            name: "shop".into(),
            email: email.into(),
            state,
            joined: None,
        };
        let of = |more: &str, email: &str, state, tag, contact| {
            let found = Recipients::of(&config(more), &account(email, state), tag, contact);
            (found.from, found.addresses.join(" "))
        };
        use AccountState::{Active, Suspended};
        use RecipientFrom::*;
        const FALLBACK: &str = "fallback = \"f@example.com\"\n";
        for (got, from, to) in [
            (
                of(FALLBACK, "a@x.io", Active, Some("O@x.io p@x.io"), Some("c@x.io")),
                OwnerTag,
                "o@x.io p@x.io",
            ),
            (
                of(FALLBACK, "a@x.io", Active, Some("the team"), Some("c@x.io")),
                BillingContact,
                "c@x.io",
            ),
            (of(FALLBACK, "a@x.io", Active, None, None), AccountEmail, "a@x.io"),
            (
                of("billing-contact = false\n", "a@x.io", Active, None, Some("c@x.io")),
                AccountEmail,
                "a@x.io",
            ),
            (
                of(FALLBACK, "none", Active, None, Some("none")),
                Fallback,
                "f@example.com",
            ),
            (of("", "none", Active, None, None), Nobody, ""),
            (
                of(FALLBACK, "a@x.io", Suspended, Some("o@x.io"), None),
                Fallback,
                "f@example.com",
            ),
            (of("", "a@x.io", Suspended, Some("o@x.io"), None), OwnerTag, "o@x.io"),
        ] {
            assert_eq!(got, (from, to.to_owned()));
        }
    }
}

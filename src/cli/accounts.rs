use std::collections::BTreeSet;

use crate::observe;
use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountId, OrgId, Organization};
use billctl_core::service::Services;
use billctl_core::{similar, text};

/// How much of what was given as an account is repeated, in characters.
const SHOWN: usize = 200;
/// What is wrong with a text of digits that is no id.
const NO_ID: &str = "an account id has twelve digits, leading zeros included";

/// The account that a text names: its id, or its name where only one bears it, in capitals or not. An id is never taken
/// for a name: an account could be called like another's id.
///
/// # Errors
/// There is none, or several.
pub(super) fn account(organization: &Organization, text: &str) -> Result<AccountId> {
    let all = || organization.accounts().map(|(account, _)| account);
    if let Ok(id) = text.parse::<AccountId>() {
        let found = organization.account(id).map(|_| id);
        return found.ok_or_else(|| stranger(id, &organization.id));
    }
    let wanted = text.to_lowercase();
    let named: Vec<AccountId> = all()
        .filter(|account| account.name.to_lowercase() == wanted)
        .map(|account| account.id)
        .collect();
    let shown: String = text.chars().take(SHOWN).collect();
    let shown = text::visible(&shown);
    match named.as_slice() {
        [id] => Ok(*id),
        [] => {
            let near = similar::nearest(&shown, all().map(|account| account.name.as_str()));
            let error = Error::usage(format!("no account of the organisation is called `{shown}`"));
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            Err(match near {
                _ if digits => error.remedy(NO_ID),
                Some(name) => error.remedy(format!("did you mean {}?", text::visible(name))),
                None => error.remedy("`billctl spend` lists the accounts; an account can also be given by its id"),
            })
        }
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(
                Error::usage(format!("several accounts are called `{shown}`: {}", ids.join(", ")))
                    .remedy("give the account's id"),
            )
        }
    }
}

/// There is no such account.
pub(super) fn stranger(id: AccountId, organization: &OrgId) -> Error {
    Error::usage(format!("account {id} isn't in the organisation {organization}"))
        .remedy("`billctl spend` lists its accounts")
}

/// The same for several.
///
/// # Errors
/// The first that isn't one account.
pub(super) fn accounts(organization: &Organization, texts: &[String]) -> Result<BTreeSet<AccountId>> {
    texts.iter().map(|text| account(organization, text)).collect()
}

/// The same where the organisation isn't read anyway: only a name needs that.
///
/// # Errors
/// AWS's answer; there is no such account, or there are several.
pub(super) async fn id_or_name(services: &Services, text: &str) -> Result<AccountId> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => account(&observe::organization(services).await?, text),
    }
}

#[cfg(test)]
mod tests {
    use billctl_core::model::{Account, AccountState, OrganizationalUnit, OuId};

    use super::*;

    fn company(names: &[&str]) -> Organization {
        let root: OuId = "r-ab12".parse().unwrap();
        let accounts = names.iter().enumerate().map(|(index, name)| {
            let account = Account {
                id: AccountId::from_number(index as u64 + 1).unwrap(),
                name: (*name).to_owned(),
                email: "owner@example.com".to_owned(),
                state: AccountState::Active,
                joined: None,
            };
            (account, root.clone())
        });
        let ou = OrganizationalUnit {
            id: root.clone(),
            name: "Root".to_owned(),
            parent: None,
        };
        let payer = AccountId::from_number(1).unwrap();
        Organization::new("o-a1b2c3d4e5".parse().unwrap(), payer, [ou], accounts)
    }

    #[test]
    fn a_name_is_found_whatever_its_case_and_never_where_two_bear_it() {
        let company = company(&["billing", "Payments Prod", "data", "DATA", "000000000001"]);
        let found = |text: &str| account(&company, text).map(|id| id.to_string());
        assert_eq!(found("payments prod").unwrap(), "000000000002");
        assert_eq!(found("000000000002").unwrap(), "000000000002");
        // The fifth account is called like the first one's id.
        assert_eq!(found("000000000001").unwrap(), "000000000001");
        // Even where one is written exactly so: whoever makes the other mustn't decide which is meant.
        for text in ["data", "DATA", "Data"] {
            let said = found(text).unwrap_err().to_string();
            assert!(said.contains("000000000003, 000000000004"), "{said}");
        }
        let near = found("paymentsprod").unwrap_err();
        assert_eq!(near.remedy.as_deref(), Some("did you mean Payments Prod?"));
        assert_eq!(found("12345").unwrap_err().remedy.as_deref(), Some(NO_ID));
        let hostile = found("\u{1b}[2Jx\u{202e}").unwrap_err().to_string();
        assert!(hostile.contains("\\u{1b}[2Jx\\u{202e}"), "{hostile}");
    }
}

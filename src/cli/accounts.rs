use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountId, Organization};
use billctl_core::similar;

/// The account that a text names: its id, or its name where only one bears it.
///
/// # Errors
/// There is none, or several.
pub(super) fn account(organization: &Organization, text: &str) -> Result<AccountId> {
    let all = || organization.accounts().map(|(account, _)| account);
    if let Ok(id) = text.parse::<AccountId>() {
        return match organization.account(id) {
            Some(_) => Ok(id),
            None => Err(
                Error::usage(format!("account {id} isn't in the organisation {}", organization.id))
                    .remedy("`billctl spend` lists its accounts"),
            ),
        };
    }
    let named: Vec<AccountId> = all()
        .filter(|account| account.name == text)
        .map(|account| account.id)
        .collect();
    match named.as_slice() {
        [id] => Ok(*id),
        [] => {
            let near = similar::nearest(text, all().map(|account| account.name.as_str()));
            let error = Error::usage(format!(
                "no account of the organisation is called `{}`",
                text.escape_debug()
            ));
            Err(match near {
                Some(name) => error.remedy(format!("did you mean {}?", name.escape_debug())),
                None => error.remedy("`billctl spend` lists the accounts; an account can also be given by its id"),
            })
        }
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::usage(format!(
                "several accounts are called `{}`: {}",
                text.escape_debug(),
                ids.join(", ")
            ))
            .remedy("give the account's id"))
        }
    }
}

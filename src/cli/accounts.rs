use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountId, Organization};

/// Below this likeness (of 0 to 1) another name helps nobody.
const ALIKE: f64 = 0.6;

/// The account that a text names: its id, or its name where only one bears it.
///
/// # Errors
/// There is none, or several.
pub fn account(organization: &Organization, text: &str) -> Result<AccountId> {
    let all = || organization.accounts().map(|(account, _)| account);
    if let Ok(id) = text.parse::<AccountId>() {
        return match organization.account(id) {
            Some(_) => Ok(id),
            None => Err(
                Error::usage(format!("account {id} isn't in the organisation {}", organization.id))
                    .hint("`billctl spend` lists its accounts"),
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
            let near = all()
                .map(|account| (strsim::normalized_damerau_levenshtein(text, &account.name), account))
                .filter(|(alike, _)| *alike >= ALIKE)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let error = Error::usage(format!(
                "no account of the organisation is called `{}`",
                text.escape_debug()
            ));
            Err(match near {
                Some((_, account)) => error.hint(format!(
                    "did you mean {} ({})?",
                    account.name.escape_debug(),
                    account.id
                )),
                None => error.hint("`billctl spend` lists the accounts; an account can also be given by its id"),
            })
        }
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::usage(format!(
                "several accounts are called `{}`: {}",
                text.escape_debug(),
                ids.join(", ")
            ))
            .hint("give the account's id"))
        }
    }
}

//! How times, shares and accounts are given.

use std::time::Duration;

use clap::Args;
use jiff::{Span, SpanRelativeTo};

use crate::error::{Error, Result};
use crate::model::AccountId;
use crate::sandbox::World;

/// An account, by id or by name.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Who {
    /// The account's id.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// The account's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Who {
    /// The account that a text names: its id if it is one, else its name.
    pub(super) fn of(text: &str) -> Self {
        let account = text.parse().ok();
        Self {
            name: account.is_none().then(|| text.to_owned()),
            account,
        }
    }

    /// The account's id and name.
    ///
    /// # Errors
    /// There is no such account; near names are offered.
    pub(super) fn find(&self, world: &World) -> Result<(AccountId, String)> {
        let accounts: Vec<(AccountId, String)> = world
            .organizations
            .accounts()
            .map(|(account, _)| (account.id, account.name))
            .collect();
        let found = accounts.iter().find(|(id, name)| {
            self.account == Some(*id) || self.name.as_ref().is_some_and(|wanted| wanted == name)
        });
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let Some(wanted) = &self.name else {
            return Err(Error::usage(format!(
                "there is no account {} in the sandbox",
                self.account.map(|id| id.to_string()).unwrap_or_default()
            ))
            .hint("`billctl sandbox show` lists them"));
        };
        let near = accounts
            .iter()
            .map(|(_, name)| (strsim::normalized_damerau_levenshtein(wanted, name), name))
            .filter(|(alike, _)| *alike > 0.5)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let error = Error::usage(format!(
            "there is no account named `{wanted}` in the sandbox"
        ));
        Err(match near {
            Some((_, name)) => error.hint(format!("did you mean {name}?")),
            None => error.hint("`billctl sandbox show` lists them"),
        })
    }
}

/// A length of time: `50ms`, `6h`, `2d`, `1d 12h`.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let said = |why: &dyn std::fmt::Display| format!("{why}; write it as 50ms, 6h or 2d");
    let span: Span = text.parse().map_err(|error: jiff::Error| said(&error))?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| said(&error))
        .and_then(|length| Duration::try_from(length).map_err(|_| said(&"time goes forward only")))
}

/// A share of all calls: `30%`.
pub(super) fn share(text: &str) -> std::result::Result<f64, String> {
    text.strip_suffix('%')
        .unwrap_or(text)
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "write a share as 0% to 100%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_days_and_milliseconds() {
        assert_eq!(duration("2d"), Ok(Duration::from_secs(2 * 86_400)));
        assert_eq!(duration("6h"), Ok(Duration::from_secs(6 * 3_600)));
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        for wrong in ["", "soon", "-3h", "5"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_percentages_of_at_most_all() {
        assert_eq!(share("30%"), Ok(0.3));
        assert_eq!(share("100"), Ok(1.0));
        for wrong in ["", "130%", "-1%", "NaN", "some"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}

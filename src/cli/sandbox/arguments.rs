//! How times, shares and accounts are given.

use std::time::Duration;

use clap::Args;
use jiff::{Span, SpanRelativeTo};

use crate::cli::accounts::account;
use crate::cli::complete;
use billctl_core::error::Result;
use billctl_core::model::AccountId;
use billctl_core::text;
use billctl_sandbox::World;
use billctl_sandbox::metrics::Hours;
use billctl_sandbox::publications::Publications;
use billctl_sandbox::world::LONGEST_LATENCY;

/// An account, by id or by name.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// The account: its id, or its name if it is unique.
    #[arg(long, visible_alias = "name", value_name = "ACCOUNT", add = complete::accounts())]
    account: String,
}

impl Who {
    /// The account's id, and its name to be shown.
    ///
    /// # Errors
    /// There is no such account, or there are several.
    pub(super) fn find(&self, world: &World) -> Result<(AccountId, String)> {
        find(&self.account, world)
    }
}

/// The same of a text that names an account.
///
/// # Errors
/// There is no such account, or there are several.
pub(super) fn find(text: &str, world: &World) -> Result<(AccountId, String)> {
    let organization = world.organizations.organization();
    let id = account(&organization, text)?;
    let name = organization.account(id).map(|(account, _)| text::line(&account.name));
    Ok((id, name.unwrap_or_default()))
}

/// A length of time: `50ms`, `6h`, `2d`, `1d 12h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let said = |why: &dyn std::fmt::Display| format!("{why}; write it as 50ms, 6h or 2d");
    let span: Span = text.parse().map_err(|error: jiff::Error| said(&error))?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| said(&error))
        .and_then(|length| Duration::try_from(length).map_err(|_| said(&"time goes forward only")))
}

/// How long a call takes: `50ms`.
pub(super) fn latency(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        latency if latency <= LONGEST_LATENCY => Ok(latency),
        _ => Err(format!("an API call takes at most {} s", LONGEST_LATENCY.as_secs())),
    }
}

/// How far time goes on at once: `6h`, `2d`.
pub(super) fn advance(text: &str) -> Result<Duration, String> {
    /// A year and what is left of its last month: more takes minutes, and nobody waits for it.
    const MOST_DAYS: u64 = 400;
    match duration(text)? {
        by if by <= Duration::from_secs(MOST_DAYS * 86_400) => Ok(by),
        _ => Err(format!("time goes on by at most {MOST_DAYS}d at once")),
    }
}

/// A share of all calls: `30%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    text.strip_suffix('%')
        .unwrap_or(text)
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "write a share as 0% to 100%".to_owned())
}

/// A share of all publications: `10%`.
pub(super) fn missing(text: &str) -> Result<f64, String> {
    let share = share(text).unwrap_or(f64::NAN);
    Publications::default().with_missing(share).map(|_| share)
}

/// How late the payer is: `2h`.
pub(super) fn payer_late(text: &str) -> Result<Duration, String> {
    let late = duration(text)?;
    Publications::default().with_payer_late(late).map(|_| late)
}

/// A time of the day, as hours that begin and end there: `13:30`.
pub(super) fn time_of_day(text: &str) -> Result<Hours, String> {
    let at = seconds_of_day(text).ok_or_else(|| "write the time as 13:30".to_owned())?;
    Ok(Hours { from: at, to: at })
}

/// Hours of the day: `08:00-20:00`, and `22:00-06:00` over midnight.
pub(super) fn hours(text: &str) -> Result<Hours, String> {
    let found = text.split_once('-').and_then(|(from, to)| {
        Some(Hours {
            from: seconds_of_day(from)?,
            to: seconds_of_day(to)?,
        })
    });
    found
        .filter(|hours| hours.from != hours.to)
        .ok_or_else(|| "write the hours as 08:00-20:00, two different times of a day".to_owned())
}

fn seconds_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, limit: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| digits);
        number.filter(|number| *number < limit)
    };
    Some(number(hour, 24)? * 3_600 + number(minute, 60)? * 60)
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

    #[test]
    fn times_and_hours_of_a_day_are_as_on_a_clock() {
        let at = |from, to| Hours { from, to };
        assert_eq!(time_of_day("13:30"), Ok(at(48_600, 48_600)));
        assert_eq!(hours("08:00-20:00"), Ok(at(28_800, 72_000)));
        assert_eq!(hours("22:00-06:00"), Ok(at(79_200, 21_600)));
        for wrong in ["", "24:00", "1:30", "12", "12:60", "+1:30", "noon"] {
            assert!(time_of_day(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "08:00", "08:00-08:00", "08:00-25:00", "08:00~20:00"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }
}

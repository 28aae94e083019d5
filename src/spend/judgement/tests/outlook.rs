//! What the month comes to, as the notifier's fragments work it out: an independent reckoning for the table of cases.

use super::*;
use crate::spend::{Figures, SpendHistory, mean};

/// Whole days before today that say what a usual day costs.
const USUAL_DAYS: usize = 13;

/// What the month comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outlook {
    /// If it goes on as in the time that was measured.
    pub(super) goes_on: Usd,
    /// If it stops now, and every day left costs what a day within the limit usually did.
    pub(super) stops: Usd,
}

impl Outlook {
    /// Of an account with this limit; `None` while the month to date isn't known.
    pub(super) fn of(history: &SpendHistory, limit: Usd, measure: Measure, now: Timestamp) -> Option<Self> {
        let (month, measured) = history.month_to_date.zip(history.measured)?;
        let Some(span) = measure.span() else {
            let forecast = Figures::of(history, now).forecast;
            return Some(Self {
                goes_on: forecast.unwrap_or(month),
                stops: month,
            });
        };
        let left = Month::of(now).end() - measured.at.as_second();
        let of_a_day = share(limit, DAY, span);
        let usual: Vec<Usd> = history
            .days
            .iter()
            .rev()
            .skip(1)
            .take(USUAL_DAYS)
            .flatten()
            .map(|day| day.usd)
            .filter(|usd| *usd <= of_a_day)
            .collect();
        let base = mean(&usual).unwrap_or(of_a_day);
        Some(Self {
            goes_on: month + share(measured.amount.max(Usd::ZERO), left, span),
            stops: month + share(base.max(Usd::ZERO), left, DAY),
        })
    }
}

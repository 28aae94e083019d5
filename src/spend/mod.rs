//! What an account spends in a day, from a metric that only says what it has spent this month. Pure arithmetic on
//! exact amounts; `docs/spend.md` explains every rule.
//!
//! `EstimatedCharges` is cumulative since the month began (UTC), is published about every six hours, and starts again
//! with the next month (docs/aws-facts.md, "EstimatedCharges"). `increments` turns publications into what was spent
//! between them, `buckets` gives that to days or quarters of days, and the rest of this module reads those: averages
//! and forecast ([`Figures`]), whether an account is above its limit ([`Measured`]), days that stand out ([`Usual`]),
//! thresholds ([`suggest`]), and what to say where there is nothing to read ([`Missing`]).

use billctl_core::model::Usd;

mod buckets;
mod figures;
mod grid;
mod group;
mod increments;
mod judgement;
mod missing;
mod outlier;
mod report;
mod standing;
mod suggest;
mod sum;
mod window;

pub use buckets::Amount;
pub use figures::{Figures, Growth, SpendHistory};
pub use grid::{Grid, Interval};
pub use group::{GroupedThreshold, group};
pub use increments::Publication;
pub use judgement::{Measured, Verdict, reading_from};
pub use missing::{Evidence, Missing, missing};
pub use outlier::{MIN_BASELINE, StandsOut, Usual};
pub use report::{Band, By, Key, MonthSoFar, NEAR, Nested, Note, Report, ReportInput, Row, Subject, report};
pub use standing::{Charges, Standing};
pub use suggest::{MINIMUM, Suggestion, nice, suggest};
pub use sum::sum;
pub use window::Window;

/// What falls to `part` of `whole`; the fraction of a millionth is dropped.
fn share(amount: Usd, part: i64, whole: i64) -> Usd {
    let micros = i128::from(amount.micros()) * i128::from(part) / i128::from(whole.max(1));
    let end = if micros < 0 { i64::MIN } else { i64::MAX };
    Usd::from_micros(i64::try_from(micros).unwrap_or(end))
}

/// The mean; `None` of nothing.
fn mean(amounts: &[Usd]) -> Option<Usd> {
    let sum: i128 = amounts.iter().map(|amount| i128::from(amount.micros())).sum();
    let mean = sum.checked_div(amounts.len() as i128)?;
    // It lies between the amounts, so it fits.
    i64::try_from(mean).ok().map(Usd::from_micros)
}

/// What tests start from.
#[cfg(test)]
mod fixture {
    use super::{Amount, Publication, Usd};

    /// Publications of 2026 by their hours, such as `11-23T06`, with the month to date in dollars.
    pub(super) fn series(points: &[(&str, f64)]) -> Vec<Publication> {
        points
            .iter()
            .map(|(at, usd)| Publication {
                at: format!("2026-{at}:00:00Z").parse().unwrap(),
                month_to_date: Usd::from_f64(*usd).unwrap(),
            })
            .collect()
    }

    /// Buckets of so many dollars each; None where nothing is known.
    pub(super) fn spent<T: Copy + Into<Option<f64>>>(dollars: &[T]) -> Vec<Option<Amount>> {
        dollars
            .iter()
            .map(|dollars| {
                let usd = Usd::from_f64((*dollars).into()?).unwrap();
                Some(Amount { usd, estimated: false })
            })
            .collect()
    }
}

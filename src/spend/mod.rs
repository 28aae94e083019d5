//! What an account spends in a day, from a metric that only says what it has spent this month. Pure arithmetic on
//! exact amounts; `docs/spend.md` explains every rule.
//!
//! `EstimatedCharges` is cumulative since the month began (UTC), is published about every six hours, and starts
//! again with the next month (AWS-FACTS 1). [`increments`] turns publications into what was spent between them,
//! [`slots`] gives that to days or quarters of days, and the rest of this module reads those: averages and forecast
//! ([`Figures`]), days that stand out ([`Usual`]), thresholds ([`suggest`]), and what to say where there is nothing
//! to read ([`Missing`]).

mod figures;
mod grid;
mod group;
mod increments;
mod missing;
mod month;
mod outlier;
mod report;
mod slots;
mod suggest;
mod sum;

pub use figures::{Figures, Ledger};
pub use grid::{Grid, Interval};
pub use group::{Rule, group};
pub use increments::{Increment, LATE, Publication, increments};
pub use missing::{Evidence, Missing, missing};
pub use month::Month;
pub use outlier::{MIN_BASELINE, StandsOut, Usual};
pub use report::{Band, By, Key, Material, MonthSoFar, NEAR, Note, Report, Row, Subject, report};
pub use slots::{Amount, slots};
pub use suggest::{MINIMUM, Suggestion, nice, suggest};
pub use sum::sum;

/// Seconds in a day; UTC days have no others.
pub const DAY: i64 = 86_400;

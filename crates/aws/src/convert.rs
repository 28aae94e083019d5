use aws_smithy_types::DateTime;
use jiff::Timestamp;

use billctl_core::service::{Page, Result};

/// AWS's time as ours; `None` for what lies outside the years that jiff knows.
pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}

/// Our time as AWS's.
pub(super) fn datetime(time: Timestamp) -> DateTime {
    DateTime::from_secs_and_nanos(
        time.as_second(),
        // Never negative for times since 1970; clamped, because earlier ones have no billing data anyway.
        u32::try_from(time.subsec_nanosecond()).unwrap_or(0),
    )
}

/// Periods, counts and percentages: far below the limit.
pub(super) fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A page of what an answer holds, if all of it can be read. A token that is there but empty means the end, as some
/// endpoints write it.
pub(super) fn page<T>(items: impl Iterator<Item = Result<T>>, next: Option<&str>) -> Result<Page<T>> {
    Ok(Page {
        items: items.collect::<Result<_>>()?,
        next: next.filter(|token| !token.is_empty()).map(str::to_owned),
    })
}

use aws_smithy_types::DateTime;
use jiff::Timestamp;

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

/// A token that is there but empty means the end, as some endpoints write it.
pub(super) fn token(next: Option<String>) -> Option<String> {
    next.filter(|token| !token.is_empty())
}

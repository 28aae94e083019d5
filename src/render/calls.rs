use std::collections::BTreeMap;
use std::time::Duration;

use super::{Format, Table};
use billctl_core::service::{Access, CallCount, ConcurrencyReport, Operation};

/// The API calls of a command by operation, with retries, and the time they took together.
pub fn calls(counts: &BTreeMap<Operation, CallCount>, concurrency: &[ConcurrencyReport], elapsed: Duration) -> String {
    let mut table = Table::new(Format::Table, &["call", "", "count", "retries", "throttled"]).right(&[2, 3, 4]);
    let mut total = CallCount::default();
    for (operation, count) in counts {
        let access = match operation.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        table.row([
            operation.to_string(),
            access.to_owned(),
            count.calls.to_string(),
            count.retries.to_string(),
            count.throttled.to_string(),
        ]);
        total.calls += count.calls;
        total.retries += count.retries;
        total.throttled += count.throttled;
    }
    let mut lines = vec![
        table.render(),
        format!(
            "{} API calls ({} retries, {} throttled) in {:.1} s",
            total.calls,
            total.retries,
            total.throttled,
            elapsed.as_secs_f64()
        ),
    ];
    // Where nothing was throttled, the number of calls at once is no news.
    lines.extend(concurrency.iter().filter(|report| report.cuts > 0).map(|report| {
        format!(
            "throttled by {}: from {} calls at once to {}",
            report.service.iam_prefix(),
            report.peak,
            report.limit
        )
    }));
    lines.join("\n")
}

use crate::spend::{Key, Report, Row, Verdict};
use billctl_core::error::{Error, Result};
use billctl_core::model::Usd;
use billctl_core::text;

/// The columns, in this order for good; new ones come at the end (docs/spend.md).
const COLUMNS: [&str; 13] = [
    "slot_start",
    "interval",
    "key",
    "name",
    "ou",
    "spend_usd",
    "quality",
    "stands_out",
    "threshold_usd",
    "missing",
    "last_24_hours_usd",
    "last_24_hours_until",
    "verdict",
];

/// A line for each row and bucket: what spreadsheets and databases take best. Unknown spend is an empty field.
///
/// # Errors
/// None that can happen in memory; the writer's type asks for them.
pub fn spend_csv(report: &Report) -> Result<String> {
    let failed = |error: csv::Error| Error::failed(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(failed)?;
    let starts: Vec<String> = report.grid.starts().map(|at| at.to_string()).collect();
    let newest = starts.len().saturating_sub(1);
    for row in &report.rows {
        let last = row.figures.last_24_hours;
        let until = last.map_or_else(String::new, |measured| measured.at.to_string());
        for (bucket, start) in starts.iter().enumerate() {
            let amount = row.buckets.get(bucket).copied().flatten();
            let quality = match amount {
                None => "unknown",
                Some(_) if bucket == newest => "so-far",
                Some(amount) if amount.estimated => "estimated",
                Some(_) => "published",
            };
            let stands_out = row.outliers.iter().any(|found| found.bucket == bucket);
            let usd = |usd: Option<Usd>| usd.map_or_else(String::new, Usd::to_decimal);
            writer
                .write_record([
                    start.as_str(),
                    report.grid.interval().name(),
                    &key(row),
                    &text::csv(&row.name),
                    &text::csv(row.ou.as_deref().unwrap_or_default()),
                    &usd(amount.map(|amount| amount.usd)),
                    quality,
                    &stands_out.to_string(),
                    &usd(row.threshold),
                    row.missing.map_or("", crate::spend::Missing::code),
                    &usd(last.map(|measured| measured.amount)),
                    &until,
                    row.verdict.map_or("", Verdict::name),
                ])
                .map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| Error::failed(error.to_string()))?;
    // Every field was a String.
    String::from_utf8(bytes).map_err(|error| Error::failed(error.to_string()))
}

fn key(row: &Row) -> String {
    match &row.key {
        Key::Account(id) => id.to_string(),
        Key::Ou(id) => id.to_string(),
        Key::Service(name) => text::csv(name),
        Key::Total => String::new(),
    }
}

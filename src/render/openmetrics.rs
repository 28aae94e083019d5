//! The report for Prometheus and its kin, as a file that a textfile collector reads: OpenMetrics 1.0 as far as the older
//! text format agrees with it. (node_exporter's collector takes `# UNIT` and `# EOF` for comments, and refuses timestamps.)

use std::fmt::Write as _;

use crate::spend::{Key, Report, Row};
use billctl_core::model::Usd;
use billctl_core::text;

/// What is shown of a row.
struct Metric {
    /// Its name after `billctl_account_`, `billctl_ou_` or `billctl_service_`; it ends with the unit, if it has one.
    name: &'static str,
    help: &'static str,
    value: fn(&Row) -> Option<String>,
}

/// In this order for good; new ones come at the end (docs/spend.md).
const METRICS: [Metric; 8] = [
    Metric {
        name: "spend_usd",
        help: "Spend of the 24 hours up to the newest publication of charges.",
        value: |row| usd(row.figures.last_24_hours.map(|measured| measured.amount)),
    },
    Metric {
        name: "spend_yesterday_usd",
        help: "Spend of yesterday, a UTC day.",
        value: |row| usd(row.figures.yesterday.map(|amount| amount.usd)),
    },
    Metric {
        name: "spend_today_usd",
        help: "Spend of today (UTC) as far as it has been published.",
        value: |row| usd(row.figures.today.map(|amount| amount.usd)),
    },
    Metric {
        name: "spend_average_usd",
        help: "Average spend of the last seven whole days.",
        value: |row| usd(row.figures.average),
    },
    Metric {
        name: "month_to_date_usd",
        help: "Spend of this month so far.",
        value: |row| usd(row.figures.month_to_date),
    },
    Metric {
        name: "month_forecast_usd",
        help: "Spend of this month if each day left costs the average.",
        value: |row| usd(row.figures.forecast),
    },
    Metric {
        name: "threshold_usd",
        help: "The threshold of the account's alarm, from the config.",
        value: |row| usd(row.threshold),
    },
    Metric {
        name: "above_threshold",
        help: "1 where the account is above its threshold by billctl's judgement, else 0.",
        value: |row| row.verdict.map(|verdict| u8::from(verdict.is_above()).to_string()),
    },
];

/// The report as metrics. What isn't known has no sample.
pub fn spend_openmetrics(report: &Report) -> String {
    let mut text = String::new();
    let family = report.by.name();
    let labels: Vec<String> = report.rows.iter().map(labels).collect();
    for metric in &METRICS {
        let name = format!("billctl_{family}_{}", metric.name);
        let samples = report.rows.iter().zip(&labels).filter_map(|(row, labels)| {
            let value = (metric.value)(row)?;
            Some(format!("{name}{{{labels}}} {value}\n"))
        });
        let samples: String = samples.collect();
        if !samples.is_empty() {
            head(&mut text, &name, metric.help);
            text.push_str(&samples);
        }
    }
    let times = [
        (
            "billctl_charges_published_timestamp_seconds",
            "When AWS last published charges.",
            report.published,
        ),
        (
            "billctl_report_timestamp_seconds",
            "When billctl read them.",
            Some(report.now),
        ),
    ];
    for (name, help, at) in times {
        if let Some(at) = at {
            head(&mut text, name, help);
            let _ = writeln!(text, "{name} {}", at.as_second());
        }
    }
    text.push_str("# EOF\n");
    text
}

fn head(text: &mut String, name: &str, help: &str) {
    // Writing to a text can't fail.
    let _ = writeln!(text, "# TYPE {name} gauge");
    if let Some((_, unit @ ("usd" | "seconds"))) = name.rsplit_once('_') {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {help}");
}

fn labels(row: &Row) -> String {
    let pairs: Vec<(&str, String)> = match &row.key {
        Key::Account(id) => vec![
            ("account", id.to_string()),
            ("name", row.name.clone()),
            ("ou", row.ou.clone().unwrap_or_default()),
        ],
        Key::Ou(id) => vec![("ou_id", id.to_string()), ("ou", row.name.clone())],
        Key::Service(name) => vec![("service", name.clone())],
        Key::Total => Vec::new(),
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    pairs.join(",")
}

/// A label's value: backslashes, quotation marks and line ends are escaped (OpenMetrics 1.0, "Escaping"); of the last,
/// cleaning leaves none.
fn escaped(text: &str) -> String {
    text::line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn usd(usd: Option<Usd>) -> Option<String> {
    usd.map(Usd::to_decimal)
}

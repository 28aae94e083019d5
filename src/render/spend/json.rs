use serde::Serialize;

use super::notes;
use crate::config::Measure;
use crate::plan::tell::Tellings;
use crate::spend::{Amount, Key, Note, Report, Row, StandsOut, Verdict};
use billctl_core::model::Usd;

/// The JSON answer; documented field by field in docs/spend.md.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::render) struct Json<'a> {
    generated_at: String,
    published_until: Option<String>,
    organization: String,
    currency: &'static str,
    by: &'static str,
    interval: &'static str,
    measure: Measure,
    #[serde(rename = "slots")]
    buckets: Vec<String>,
    rows: Vec<JsonRow>,
    rows_left_out: usize,
    total: JsonRow,
    notes: Vec<JsonNote>,
    metrics_requested: usize,
    cost_usd: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<&'a Tellings>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct JsonRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ou_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ou: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<billctl_core::model::AccountState>,
    yesterday: Option<Usd>,
    today_so_far: Option<Usd>,
    average_7_days: Option<Usd>,
    month_to_date: Option<Usd>,
    forecast: Option<Usd>,
    last_24_hours: Option<JsonMeasured>,
    threshold: Option<Usd>,
    compared_with_threshold: Option<Usd>,
    verdict: Option<&'static str>,
    over_threshold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts_over_threshold: Option<usize>,
    stands_out: Option<JsonOutlier>,
    missing: Option<&'static str>,
    spend: Vec<Option<Usd>>,
    estimated_slots: Vec<usize>,
    outlier_slots: Vec<usize>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct JsonMeasured {
    spend: Usd,
    until: String,
}

#[derive(Serialize, schemars::JsonSchema)]
struct JsonOutlier {
    #[serde(rename = "slot")]
    bucket: String,
    spend: Usd,
    usual: Usd,
}

#[derive(Serialize, schemars::JsonSchema)]
struct JsonNote {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<usize>,
    text: String,
}

impl<'a> Json<'a> {
    pub(super) fn of(report: &Report, told: Option<&'a Tellings>) -> Self {
        let buckets: Vec<String> = report.grid.starts().map(|at| at.to_string()).collect();
        let row = |row: &Row| json_row(row, &buckets);
        Self {
            generated_at: report.now.to_string(),
            published_until: report.published.map(|at| at.to_string()),
            organization: report.organization.clone(),
            currency: "USD",
            by: report.by.name(),
            interval: report.grid.interval().name(),
            measure: report.measure,
            rows: report.rows.iter().map(row).collect(),
            rows_left_out: report.left_out,
            total: row(&report.total),
            notes: report
                .notes
                .iter()
                .zip(notes(report))
                .map(|(note, text)| JsonNote {
                    code: note_code(note),
                    accounts: match note {
                        Note::Missing(_, count) => Some(*count),
                        _ => None,
                    },
                    text,
                })
                .collect(),
            metrics_requested: report.metrics,
            cost_usd: report.cost().to_f64(),
            buckets,
            told,
        }
    }
}

fn json_row(row: &Row, buckets: &[String]) -> JsonRow {
    let usd = |amount: Option<Amount>| amount.map(|amount| amount.usd);
    let outlier = |found: StandsOut| JsonOutlier {
        bucket: buckets.get(found.bucket).cloned().unwrap_or_default(),
        spend: found.spent,
        usual: found.usual,
    };
    JsonRow {
        account: match &row.key {
            Key::Account(id) => Some(id.to_string()),
            _ => None,
        },
        ou_id: match &row.key {
            Key::Ou(id) => Some(id.to_string()),
            _ => None,
        },
        service: match &row.key {
            Key::Service(name) => Some(name.clone()),
            _ => None,
        },
        name: row.name.clone(),
        ou: row.ou.clone(),
        state: row.state,
        yesterday: usd(row.figures.yesterday),
        today_so_far: usd(row.figures.today),
        average_7_days: row.figures.average,
        month_to_date: row.figures.month_to_date,
        forecast: row.figures.forecast,
        last_24_hours: row.figures.last_24_hours.map(|measured| JsonMeasured {
            spend: measured.amount,
            until: measured.at.to_string(),
        }),
        threshold: row.threshold,
        compared_with_threshold: row.compared.filter(|_| row.threshold.is_some()),
        verdict: row.verdict.map(Verdict::name),
        over_threshold: row.over(),
        accounts_over_threshold: matches!(row.key, Key::Ou(_) | Key::Total).then_some(row.members_over),
        stands_out: row.stands_out.map(outlier),
        missing: row.missing.map(crate::spend::Missing::code),
        spend: row.buckets.iter().map(|bucket| usd(*bucket)).collect(),
        estimated_slots: row
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, bucket)| bucket.is_some_and(|amount| amount.estimated))
            .map(|(index, _)| index)
            .collect(),
        outlier_slots: row.outliers.iter().map(|found| found.bucket).collect(),
    }
}

const fn note_code(note: &Note) -> &'static str {
    match note {
        Note::Missing(missing, _) => missing.code(),
        Note::Stale(_) => "stale",
        Note::NoMonthYet => "month-not-published-yet",
        Note::NoConfig => "no-config",
        Note::Measure(_) => "measure",
        Note::NoServices => "no-services",
        Note::WholeOrganization => "whole-organization",
    }
}

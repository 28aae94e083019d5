use serde::Serialize;

use super::style::{self, paint};
use super::{Table, clean, json, plural};
use crate::cli::Format;
use crate::config::Measure;
use crate::model::Usd;
use crate::observe::spend::cost;
use crate::spend::{Amount, By, Interval, Key, NEAR, Note, Report, Row, StandsOut};

/// What every account spends, as a table or as JSON.
pub fn spend(format: Format, report: &Report) -> String {
    match format {
        Format::Json => json("spend", &Json::of(report)),
        Format::Table | Format::Markdown => text(format, report),
    }
}

fn text(format: Format, report: &Report) -> String {
    let accounts = report.by == By::Account;
    let headings: Vec<&str> = [
        "",
        report.by.name(),
        if accounts { "name" } else { "accounts" },
        "ou",
        "yesterday",
        "today so far",
        "7-day avg",
        "month",
        "forecast",
        if accounts { "threshold" } else { "over" },
        "used",
        "",
    ]
    .into_iter()
    .collect();
    let span = span(report);
    let columns = Columns::of(report.by);
    let mut headings = columns.pick(headings);
    if let Some(last) = headings.last_mut() {
        *last = &span;
    }
    let numbers: Vec<usize> = headings
        .iter()
        .enumerate()
        .filter(|(_, heading)| NUMBERS.contains(heading))
        .map(|(index, _)| index)
        .collect();
    let mut table = Table::new(format, &headings).right(&numbers);
    for row in &report.rows {
        table.row(columns.pick(cells(format, report, row)));
    }
    if report.left_out > 0 {
        let more = format!("{} more", report.left_out);
        table.row(columns.pick(vec![String::new(), more]));
    }
    table.row(columns.pick(total_cells(format, report)));
    let mut lines = vec![table.render(), String::new()];
    lines.extend(legend(report));
    lines.extend(notes(report).into_iter().map(|note| match format {
        Format::Markdown => format!("- {note}"),
        _ => note,
    }));
    lines.push(cost_line(report));
    lines.join("\n")
}

const NUMBERS: [&str; 9] = [
    "accounts",
    "yesterday",
    "today so far",
    "7-day avg",
    "month",
    "forecast",
    "threshold",
    "over",
    "used",
];

/// Which of the twelve columns a kind of row has.
struct Columns(&'static [usize]);

impl Columns {
    const fn of(by: By) -> Self {
        match by {
            By::Account => Self(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
            By::Ou => Self(&[0, 1, 2, 4, 5, 6, 7, 8, 9, 11]),
            By::Service => Self(&[0, 1, 4, 5, 6, 7, 8, 11]),
        }
    }

    fn pick<T: Default>(&self, mut all: Vec<T>) -> Vec<T> {
        all.resize_with(12, T::default);
        let mut index = 0;
        all.retain(|_| {
            index += 1;
            self.0.contains(&(index - 1))
        });
        all
    }
}

fn span(report: &Report) -> String {
    let days = report
        .grid
        .count()
        .div_ceil(report.grid.interval().per_day());
    match report.grid.interval() {
        Interval::Day => format!("{days} days"),
        Interval::SixHours => format!("{days} days by 6 h"),
    }
}

fn cells(format: Format, report: &Report, row: &Row) -> Vec<String> {
    let (mark, style) = mark(row);
    let paint = |style, text: String| painted(format, style, text);
    let name = clean(&row.name);
    let (first, second) = match &row.key {
        Key::Account(id) => (id.to_string(), name),
        Key::Ou(_) => (name, row.members.to_string()),
        Key::Service(_) | Key::Total => (name, String::new()),
    };
    let used = match row.percent() {
        Some(percent) if row.over() => paint(style::BAD, format!("{percent}%")),
        Some(percent) if percent >= NEAR => paint(style::WARN, format!("{percent}%")),
        Some(percent) => format!("{percent}%"),
        None => String::new(),
    };
    let limit = match (report.by, row.threshold) {
        (By::Account, Some(threshold)) => threshold.to_string(),
        (By::Ou, _) if row.members_over > 0 => paint(style::BAD, row.members_over.to_string()),
        _ => String::new(),
    };
    let last = match row.missing {
        Some(missing) => paint(style::FAINT, missing.short().to_owned()),
        None => sparkline(format, row),
    };
    vec![
        paint(style, mark.to_owned()),
        first,
        second,
        row.ou.as_deref().map(clean).unwrap_or_default(),
        amount(row.figures.yesterday),
        amount(row.figures.today),
        plain(row.figures.average),
        plain(row.figures.month_to_date),
        forecast(row.figures.forecast),
        limit,
        used,
        last,
    ]
}

fn total_cells(format: Format, report: &Report) -> Vec<String> {
    let total = &report.total;
    let mut cells = cells(format, report, total);
    let label = |text: String| painted(format, style::STRONG, text);
    let members = match report.by {
        By::Service => plural(total.members, "service"),
        By::Account | By::Ou => plural(total.members, "account"),
    };
    let over = match total.members_over {
        0 => String::new(),
        over => painted(format, style::BAD, format!("{over} over")),
    };
    for (index, text) in [
        (0, String::new()),
        (1, label("Total".to_owned())),
        (2, members),
        (9, over),
    ] {
        if let Some(cell) = cells.get_mut(index) {
            *cell = text;
        }
    }
    cells
}

/// What a row's first cell says: above the threshold, standing out, near the threshold, no data.
fn mark(row: &Row) -> (&'static str, anstyle::Style) {
    if row.missing.is_some() {
        ("?", style::FAINT)
    } else if row.over() || row.members_over > 0 {
        ("!", style::BAD)
    } else if row.stands_out.is_some() {
        ("▲", style::WARN)
    } else if row.percent().is_some_and(|percent| percent >= NEAR) {
        ("·", style::WARN)
    } else {
        ("", style::FAINT)
    }
}

fn painted(format: Format, style: anstyle::Style, text: String) -> String {
    if format == Format::Markdown || text.is_empty() {
        text
    } else {
        paint(style, text)
    }
}

pub(super) fn amount(amount: Option<Amount>) -> String {
    match amount {
        Some(amount) if amount.estimated => format!("~{}", amount.usd),
        Some(amount) => amount.usd.to_string(),
        None => "-".to_owned(),
    }
}

pub(super) fn plain(usd: Option<Usd>) -> String {
    usd.map_or_else(|| "-".to_owned(), |usd| usd.to_string())
}

pub(super) fn forecast(usd: Option<Usd>) -> String {
    usd.map_or_else(|| "-".to_owned(), |usd| format!("~{usd}"))
}

/// One character a slot, scaled to the row's own highest; a dot where nothing is known.
fn sparkline(format: Format, row: &Row) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = row
        .slots
        .iter()
        .flatten()
        .map(|amount| amount.usd.micros())
        .max()
        .unwrap_or_default()
        .max(1);
    let mut line = String::new();
    for (slot, amount) in row.slots.iter().enumerate() {
        let Some(amount) = amount else {
            line.push('·');
            continue;
        };
        let step = i128::from(amount.usd.micros().max(0)) * 7 / i128::from(highest);
        let bar = usize::try_from(step).ok().and_then(|step| BARS.get(step));
        let bar = bar.copied().unwrap_or('█').to_string();
        if row.outliers.iter().any(|found| found.slot == slot) {
            line.push_str(&painted(format, style::WARN, bar));
        } else {
            line.push_str(&bar);
        }
    }
    line
}

/// What the marks mean, for those that are there.
fn legend(report: &Report) -> Vec<String> {
    let mut parts = Vec::new();
    let rows = || report.rows.iter();
    if rows().any(|row| mark(row).0 == "!") {
        parts.push("! above the threshold");
    }
    if rows().any(|row| mark(row).0 == "▲") {
        parts.push("▲ well above its own usual spend");
    }
    if rows().any(|row| mark(row).0 == "·") {
        parts.push("· near the threshold");
    }
    parts.push("~ estimated");
    let estimated = parts.join("   ");
    let published = match report.published {
        Some(at) => format!("published until {}", minute(at)),
        None => "nothing published".to_owned(),
    };
    vec![format!("{estimated}   days are UTC days, {published}")]
}

/// `2026-11-23 04:00 UTC`.
pub(super) fn minute(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What else there is to say, each in a sentence.
pub(super) fn notes(report: &Report) -> Vec<String> {
    report
        .notes
        .iter()
        .map(|note| match note {
            Note::Missing(missing, _) if missing.everywhere() => {
                format!("No spend to show: {}.", missing.advice())
            }
            Note::Missing(missing, count) => format!(
                "{} without data: {}.",
                plural(*count, "account"),
                missing.advice()
            ),
            Note::Stale(at) => format!(
                "AWS has published nothing since {}: it should every six hours or so. The days since then are unknown, not zero.",
                minute(*at)
            ),
            Note::NoMonthYet => {
                "This month's first publication isn't out yet, so there is no month to date and no forecast.".to_owned()
            }
            Note::NoConfig => {
                "There is no config.toml, so no thresholds are shown; `billctl spend --suggest` proposes some.".to_owned()
            }
            Note::Measure(Measure::SixHourly) => {
                "The alarm measures six hours: thresholds are compared with the highest six hours since yesterday.".to_owned()
            }
            Note::Measure(Measure::MonthToDate) => {
                "The alarm measures the month: thresholds are compared with the month to date.".to_owned()
            }
            Note::Measure(Measure::Daily) => {
                "Thresholds are compared with the higher of yesterday and today so far.".to_owned()
            }
            Note::WholeOrganization => {
                "Services are summed over the whole organisation, with accounts that left it this month.".to_owned()
            }
        })
        .collect()
}

/// How many metrics were asked for, and about what that costs.
pub(super) fn cost_line(report: &Report) -> String {
    let price = if report.metrics < 1_000 {
        "less than a cent".to_owned()
    } else {
        format!("about {}", cost(report.metrics))
    };
    format!(
        "{} read from CloudWatch: {price} ($0.01 for 1,000).",
        plural(report.metrics, "metric")
    )
}

/// The JSON answer; documented field by field in docs/spend.md.
#[derive(Serialize)]
struct Json {
    generated_at: String,
    published_until: Option<String>,
    organization: String,
    currency: &'static str,
    by: &'static str,
    interval: &'static str,
    measure: Measure,
    slots: Vec<String>,
    rows: Vec<JsonRow>,
    rows_left_out: usize,
    total: JsonRow,
    notes: Vec<JsonNote>,
    metrics_requested: usize,
    cost_usd: f64,
}

#[derive(Serialize)]
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
    state: Option<crate::model::AccountState>,
    yesterday: Option<Usd>,
    today_so_far: Option<Usd>,
    average_7_days: Option<Usd>,
    month_to_date: Option<Usd>,
    forecast: Option<Usd>,
    threshold: Option<Usd>,
    compared_with_threshold: Option<Usd>,
    over_threshold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts_over_threshold: Option<usize>,
    stands_out: Option<JsonOutlier>,
    missing: Option<&'static str>,
    spend: Vec<Option<Usd>>,
    estimated_slots: Vec<usize>,
    outlier_slots: Vec<usize>,
}

#[derive(Serialize)]
struct JsonOutlier {
    slot: String,
    spend: Usd,
    usual: Usd,
}

#[derive(Serialize)]
struct JsonNote {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<usize>,
    text: String,
}

impl Json {
    fn of(report: &Report) -> Self {
        let slots: Vec<String> = report.grid.starts().map(|at| at.to_string()).collect();
        let row = |row: &Row| json_row(row, &slots);
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
            cost_usd: cost(report.metrics).to_f64(),
            slots,
        }
    }
}

fn json_row(row: &Row, slots: &[String]) -> JsonRow {
    let usd = |amount: Option<Amount>| amount.map(|amount| amount.usd);
    let outlier = |found: StandsOut| JsonOutlier {
        slot: slots.get(found.slot).cloned().unwrap_or_default(),
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
        threshold: row.threshold,
        compared_with_threshold: row.compared.filter(|_| row.threshold.is_some()),
        over_threshold: row.over(),
        accounts_over_threshold: matches!(row.key, Key::Ou(_) | Key::Total)
            .then_some(row.members_over),
        stands_out: row.stands_out.map(outlier),
        missing: row.missing.map(crate::spend::Missing::code),
        spend: row.slots.iter().map(|slot| usd(*slot)).collect(),
        estimated_slots: row
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_some_and(|amount| amount.estimated))
            .map(|(index, _)| index)
            .collect(),
        outlier_slots: row.outliers.iter().map(|found| found.slot).collect(),
    }
}

const fn note_code(note: &Note) -> &'static str {
    match note {
        Note::Missing(missing, _) => missing.code(),
        Note::Stale(_) => "stale",
        Note::NoMonthYet => "month-not-published-yet",
        Note::NoConfig => "no-config",
        Note::Measure(_) => "measure",
        Note::WholeOrganization => "whole-organization",
    }
}

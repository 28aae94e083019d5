//! The report as one self-contained page. What it shows is worked out here as texts and SVG paths; the template only
//! places them, and escapes every text.

mod chart;

use handlebars::Handlebars;
use serde::Serialize;

use self::chart::{DayChart, MonthChart, RowChart};
use super::plural;
use super::spend::{amount, cost_line, forecast, last_24_hours, minute, notes, plain};
use crate::spend::{By, Interval, Key, Report, Row};
use billctl_core::error::{Error, Result};
use billctl_core::text;

const TEMPLATE: &str = include_str!("../../assets/report.html");

/// The report as an HTML page that needs nothing else: no network, no other file.
///
/// # Errors
/// A fault in the template, which a test excludes.
pub fn spend_html(report: &Report) -> Result<String> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(text::html);
    engine
        .render_template(TEMPLATE, &Page::of(report))
        .map_err(|error| Error::failed(format!("the report's template is faulty: {error}")))
}

#[derive(Serialize)]
struct Page {
    title: String,
    organization: String,
    hot: bool,
    headline: String,
    headline_note: String,
    verdict: String,
    tiles: Vec<Tile>,
    notes: Vec<String>,
    day_chart: DayChart,
    month: MonthChart,
    table_title: String,
    find: &'static str,
    has_ou: bool,
    has_threshold: bool,
    has_limit: bool,
    caption: String,
    row_name: &'static str,
    chart_name: String,
    bucket_noun: &'static str,
    columns: Vec<Column>,
    rows: Vec<PageRow>,
    total: PageRow,
    footer: String,
}

#[derive(Serialize)]
struct Tile {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Column {
    nth: usize,
    name: &'static str,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    hot: bool,
}

#[derive(Serialize)]
struct PageRow {
    class: &'static str,
    name: String,
    under: String,
    ou: String,
    odd: String,
    missing: &'static str,
    #[serde(flatten)]
    chart: RowChart,
    cells: Vec<Cell>,
}

impl Page {
    fn of(report: &Report) -> Self {
        let total = &report.total;
        let has_threshold = report.by == By::Account && report.rows.iter().any(|row| row.threshold.is_some());
        let over = total.members_over;
        let day = report.now.strftime("%-d %B %Y").to_string();
        let members = match report.by {
            By::Service => plural(total.members, "service"),
            By::Account | By::Ou => plural(total.members, "account"),
        };
        let row_name = match report.by {
            By::Account => "Account",
            By::Ou => "OU",
            By::Service => "Service",
        };
        let what = row_name_in_text(report.by);
        Self {
            title: format!("Daily spend, {day}"),
            organization: report.organization.clone(),
            hot: over > 0,
            headline: dash(amount(total.figures.yesterday)),
            headline_note: format!("spent yesterday, {}, in {members}", yesterday(report)),
            verdict: verdict(report),
            tiles: vec![
                tile("Today so far", amount(total.figures.today)),
                tile("7-day average", plain(total.figures.average)),
                tile("Month to date", plain(total.figures.month_to_date)),
                tile("Month\u{2019}s forecast", forecast(total.figures.forecast)),
            ],
            notes: notes(report),
            day_chart: DayChart::of(report),
            month: MonthChart::of(report),
            table_title: match report.left_out {
                0 => format!("Every {what}"),
                _ => format!("The {} most interesting {what}s", report.rows.len()),
            },
            find: match report.by {
                By::Account => "Name, id or OU",
                By::Ou | By::Service => "Name",
            },
            has_ou: report.by == By::Account,
            has_threshold,
            has_limit: has_threshold && chart::comparable(report),
            caption: caption(report, has_threshold),
            row_name,
            chart_name: chart::span(report),
            bucket_noun: match report.grid.interval() {
                Interval::Day => "a day",
                Interval::SixHours => "six hours",
            },
            columns: columns(has_threshold),
            rows: report
                .rows
                .iter()
                .map(|row| PageRow::of(report, row, has_threshold))
                .collect(),
            total: PageRow {
                name: match report.left_out {
                    0 => format!("Total of {members}"),
                    left_out => format!("Total of {members}, {left_out} of them not shown"),
                },
                ..PageRow::of(report, total, has_threshold)
            },
            footer: footer(report),
        }
    }
}

const fn row_name_in_text(by: By) -> &'static str {
    match by {
        By::Account => "account",
        By::Ou => "OU",
        By::Service => "service",
    }
}

fn tile(name: &'static str, value: String) -> Tile {
    Tile {
        name,
        value: dash(value),
    }
}

/// A longer dash where nothing is known.
fn dash(text: String) -> String {
    if text == "-" { "\u{2013}".to_owned() } else { text }
}

fn yesterday(report: &Report) -> String {
    let day = jiff::Timestamp::from_second(report.now.as_second() - billctl_core::model::DAY);
    // A day before now is in range; were it not, today's date would do no harm.
    day.unwrap_or(report.now).strftime("%-d %B").to_string()
}

fn verdict(report: &Report) -> String {
    let what = row_name_in_text(report.by);
    let is_odd = |row: &&Row| row.stands_out.is_some() && !row.over();
    let odd = report.rows.iter().filter(is_odd).count();
    let over = report.total.members_over;
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    let thresholds = report.rows.iter().any(|row| row.threshold.is_some()) || over > 0;
    let first = match (over, thresholds) {
        (0, true) => "No account is above its threshold".to_owned(),
        (0, false) => String::new(),
        _ => {
            format!(
                "{} {} above {} threshold",
                plural(over, "account"),
                verb(over),
                if over == 1 { "its" } else { "their" }
            ) + &names(report.rows.iter().filter(|row| row.over()))
        }
    };
    let spends = if odd == 1 { "spends" } else { "spend" };
    let second = match odd {
        0 => String::new(),
        _ => {
            format!(
                "{} {spends} well above {} usual",
                plural(odd, what),
                if odd == 1 { "its" } else { "their" }
            ) + &names(report.rows.iter().filter(is_odd))
        }
    };
    match (first.is_empty(), second.is_empty()) {
        (true, true) => "Nothing stands out.".to_owned(),
        (false, true) => format!("{first}."),
        (true, false) => format!("{second}."),
        (false, false) => format!("{first}; {second}."),
    }
}

/// `: data-lake, prod-web`, for as many as one still reads.
fn names<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    const FEW: usize = 3;
    let names: Vec<String> = rows.map(|row| row.name.clone()).take(FEW + 1).collect();
    match names.len() {
        1..=FEW => format!(": {}", names.join(", ")),
        _ => String::new(),
    }
}

fn caption(report: &Report, thresholds: bool) -> String {
    let what = row_name_in_text(report.by);
    let order = if thresholds {
        "first what is above its threshold, then what stands out, then by cost"
    } else {
        "first what stands out, then by cost"
    };
    format!("Spend per {what} in US dollars, {order}.")
}

fn columns(has_threshold: bool) -> Vec<Column> {
    let mut names = vec![
        "Yesterday",
        "Today so far",
        "7-day avg.",
        "Month",
        "Forecast",
        "Last 24 h",
    ];
    if has_threshold {
        names.extend(["Threshold", "Used"]);
    }
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| Column { nth: index + 3, name })
        .collect()
}

impl PageRow {
    fn of(report: &Report, row: &Row, has_threshold: bool) -> Self {
        let cell = |text: String| Cell {
            text: dash(text),
            hot: false,
        };
        let mut cells = vec![
            cell(amount(row.figures.yesterday)),
            cell(amount(row.figures.today)),
            cell(plain(row.figures.average)),
            cell(plain(row.figures.month_to_date)),
            cell(forecast(row.figures.forecast)),
            cell(last_24_hours(row)),
        ];
        let total = row.key == Key::Total;
        if has_threshold && !total {
            cells.push(cell(plain(row.threshold)));
            cells.push(Cell {
                text: row.times().unwrap_or_else(|| "\u{2013}".to_owned()),
                hot: row.over(),
            });
        } else if has_threshold {
            cells.extend([String::new(), String::new()].map(cell));
        }
        let under = match &row.key {
            Key::Account(id) => id.to_string(),
            Key::Ou(_) => plural(row.members, "account"),
            Key::Service(_) | Key::Total => String::new(),
        };
        Self {
            class: if row.missing.is_some() {
                ""
            } else if row.over() || row.members_over > 0 {
                "over"
            } else if row.stands_out.is_some() {
                "odd"
            } else if row.percent().is_some_and(|percent| percent >= crate::spend::NEAR) {
                "near"
            } else {
                ""
            },
            name: row.name.clone(),
            under,
            ou: row.ou.as_deref().map(str::to_owned).unwrap_or_default(),
            odd: row.stands_out.map_or_else(String::new, |found| {
                format!(
                    "\u{25b2} {} {}, usually {}",
                    found.spent,
                    chart::on(report, found.bucket),
                    found.usual
                )
            }),
            missing: row.missing.map_or("", crate::spend::Missing::short),
            chart: RowChart::of(row, chart::comparable(report)),
            cells,
        }
    }
}

fn footer(report: &Report) -> String {
    let published = match report.published {
        Some(at) => format!("AWS\u{2019}s newest publication is of {}", minute(at)),
        None => "AWS has published nothing".to_owned(),
    };
    format!(
        "Made by billctl on {}. {published}. {}",
        minute(report.now),
        cost_line(report)
    )
}

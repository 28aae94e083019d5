//! The report as one self-contained page. What it shows is worked out here as texts and SVG paths; the template only
//! places them, and escapes every text.

mod chart;

use std::collections::{BTreeMap, HashMap};

use handlebars::Handlebars;
use serde::Serialize;

use self::chart::{DayChart, MonthChart, RowChart, RowScale, to_cents};
use super::spend::{NO_ALARM, amount, cost_line, forecast, has_thresholds, last_24_hours, minute, notes, plain};
use crate::resource::day_of;
use crate::spend::{Amount, By, Figures, Interval, Key, Report, Row};
use billctl_core::error::{Error, Result};
use billctl_core::model::Usd;
use billctl_core::text;
use billctl_core::text::plural;

/// Rows that are there at once; the others are data until somebody wants to see them.
const FIRST: usize = 50;

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
        .render_template(TEMPLATE, &Page::of(report)?)
        .map_err(|error| Error::failed(format!("the report's template is faulty: {error}")))
}

#[derive(Serialize)]
struct Page {
    title: String,
    heading: String,
    print_name: String,
    lead: String,
    hot: bool,
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
    has_broken: bool,
    caption: String,
    row_name: &'static str,
    chart_name: String,
    bucket_noun: &'static str,
    columns: Vec<Column>,
    /// The first rows, so that the page says something without its script and before it.
    rows: Vec<PageRow>,
    total: PageRow,
    /// Everything else for the script, as JSON that no text can end.
    data: String,
    footer: String,
}

#[derive(Serialize)]
struct Tile {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Column {
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
    /// How far an OU is indented.
    depth: usize,
    under: String,
    says: &'static str,
    missing: &'static str,
    #[serde(flatten)]
    chart: RowChart,
    cells: Vec<Cell>,
}

impl Page {
    fn of(report: &Report) -> Result<Self> {
        let total = &report.total;
        let has_threshold = has_thresholds(report);
        let has_limit = has_threshold && chart::comparable(report);
        let day = report.now.strftime("%-d %B %Y").to_string();
        let members = match report.by {
            By::Service => plural(total.members, "service"),
            By::Account | By::Ou => plural(total.members, "account"),
        };
        let what = row_name_in_text(report.by);
        let scale = RowScale::of(report);
        let charts: Vec<RowChart> = report
            .rows
            .iter()
            .map(|row| RowChart::of(row, has_limit, scale))
            .collect();
        let data = data(report, &charts, scale);
        let row = |(row, chart)| PageRow::of(row, chart, has_threshold);
        Ok(Self {
            title: format!("AWS spend of {}, {day}", report.organization),
            heading: format!("AWS spend by {what}, {day}"),
            print_name: print_name(report),
            lead: lead(report, &members),
            hot: total.members_over > 0,
            verdict: verdict(report),
            tiles: vec![
                tile(
                    format!("Yesterday, {}", yesterday(report)),
                    amount(total.figures.yesterday),
                ),
                tile("Today so far", amount(total.figures.today)),
                tile("Last 24 hours", last_24_hours(total)),
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
            has_limit,
            has_broken: data.broken,
            caption: caption(report, has_threshold, scale),
            row_name: match report.by {
                By::Account => "Account",
                By::Ou => "OU",
                By::Service => "Service",
            },
            chart_name: chart::span(report),
            bucket_noun: match report.grid.interval() {
                Interval::Day => "a day",
                Interval::SixHours => "six hours",
            },
            columns: columns(has_threshold),
            data: data.json()?,
            rows: report.rows.iter().zip(charts).take(FIRST).map(row).collect(),
            total: PageRow {
                name: match report.left_out {
                    0 => format!("Total of {members}"),
                    left_out => format!("Total of {members}, {left_out} of them not shown"),
                },
                ..PageRow::of(total, RowChart::of(total, false, scale), has_threshold)
            },
            footer: footer(report),
        })
    }
}

/// What the report is of, for whom, and from when its figures are.
fn lead(report: &Report, members: &str) -> String {
    let scope = report
        .scope
        .as_ref()
        .map_or_else(String::new, |scope| format!(", only {scope}"));
    let published = match report.published {
        Some(at) => format!("from what AWS had published until {}", minute(at)),
        None => "when AWS had published nothing".to_owned(),
    };
    format!(
        "Organisation {}{scope}: {members}. Made on {}, {published}.",
        report.organization,
        minute(report.now)
    )
}

/// For the foot of each printed page: a text of CSS, which has its own way out of a text.
fn print_name(report: &Report) -> String {
    let name = format!("AWS spend of {}, {}", report.organization, minute(report.now));
    name.chars()
        .filter(|it| it.is_ascii_alphanumeric() || " -,:".contains(*it))
        .collect()
}

/// Figures in cents, in the order of [`figures`].
type Cents = [Option<i64>; 6];

/// What the page's script works on.
#[derive(Serialize)]
struct Data {
    by: &'static str,
    /// The highest small bar, in cents.
    top: i64,
    limits: bool,
    thresholds: bool,
    /// When each bucket of the small charts begins.
    buckets: Vec<String>,
    ous: Vec<String>,
    rows: Vec<DataRow>,
    /// Cost Explorer's address for [`ACCOUNT`] and the days of the report; none where rows are no accounts.
    cost: Option<String>,
    /// Services by the account's id.
    services: BTreeMap<String, Vec<(String, Cents)>>,
    #[serde(skip)]
    broken: bool,
}

/// Name, id or what else is below it, OU's place in the list, class, buckets, figures in cents, which are estimated
/// (1: yesterday, 2: today), threshold, percent of it used, what stands out, why there is no data, depth and own name of
/// an OU, and how often the threshold goes into the amount.
#[derive(Serialize)]
struct DataRow(
    String,
    String,
    Option<usize>,
    &'static str,
    String,
    Cents,
    u8,
    Option<i64>,
    Option<i64>,
    String,
    &'static str,
    Option<(usize, String)>,
    Option<String>,
);

impl Data {
    /// As JSON that stays inside of its element whatever a name holds.
    fn json(&self) -> Result<String> {
        let json = serde_json::to_string(self)
            .map_err(|error| Error::failed(format!("the report's data can't be written: {error}")))?;
        Ok(json.replace('<', "\\u003c"))
    }
}

fn data(report: &Report, charts: &[RowChart], scale: RowScale) -> Data {
    let mut ous: Vec<String> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut rows = Vec::with_capacity(report.rows.len());
    for (row, chart) in report.rows.iter().zip(charts) {
        let ou = row.ou.as_deref().map(|ou| {
            *places.entry(ou).or_insert_with(|| {
                ous.push(text::line(ou));
                ous.len() - 1
            })
        });
        let estimated = |amount: Option<Amount>| amount.is_some_and(|amount| amount.estimated);
        rows.push(DataRow(
            text::line(&row.name),
            under(row),
            ou,
            class(row),
            chart.data.clone(),
            figures(&row.figures),
            u8::from(estimated(row.figures.yesterday)) + 2 * u8::from(estimated(row.figures.today)),
            row.threshold.map(|usd| to_cents(usd.micros())),
            row.percent(),
            odd(report, row),
            row.missing.map_or("", crate::spend::Missing::short),
            row.nested
                .as_ref()
                .map(|nested| (nested.depth, text::line(&nested.name))),
            row.times(),
        ));
    }
    let above = |row: &Row| {
        row.buckets
            .iter()
            .flatten()
            .any(|amount| to_cents(amount.usd.micros()) > scale.top)
    };
    let services = report.services.iter().map(|(account, services)| {
        let services = services.iter().map(|(name, of)| (text::line(name), figures(of)));
        (account.to_string(), services.collect())
    });
    Data {
        by: report.by.name(),
        top: scale.top,
        limits: chart::comparable(report),
        thresholds: has_thresholds(report),
        buckets: chart::small_buckets(report),
        broken: report.rows.iter().any(above),
        ous,
        rows,
        cost: (report.by == By::Account).then(|| cost_explorer(ACCOUNT, report)),
        services: services.collect(),
    }
}

/// Stands for an account's id in an address.
const ACCOUNT: &str = "ACCOUNT";

/// Cost Explorer in the console: an account alone, by service, for the days of the report. The notifier's
/// `cost_explorer` is the same for the mail's days (docs/aws-facts.md, "Cost Explorer's address"); a test compares them.
fn cost_explorer(account: &str, report: &Report) -> String {
    let from = report.grid.starts().next().unwrap_or(report.now);
    format!(
        "https://us-east-1.console.aws.amazon.com/costmanagement/home?region=us-east-1#/cost-explorer\
         ?chartStyle=STACK&costAggregate=unBlendedCost&granularity=Daily&reportMode=STANDARD\
         &historicalRelativeRange=CUSTOM&futureRelativeRange=CUSTOM&startDate={}&endDate={}\
         &groupBy=%5B%22Service%22%5D\
         &filter=%5B%7B%22dimension%22:%7B%22id%22:%22LinkedAccount%22,%22displayValue%22:%22Linked%20account%22%7D\
         ,%22operator%22:%22INCLUDES%22,%22values%22:%5B%7B%22value%22:%22{account}%22,%22displayValue%22:%22{account}\
         %22%7D%5D%7D%5D",
        day_of(from),
        day_of(report.now)
    )
}

/// Yesterday, today, average, month, forecast, last 24 hours, in cents.
fn figures(figures: &Figures) -> Cents {
    let usd = |amount: Option<Usd>| amount.map(|usd| to_cents(usd.micros()));
    let spent = |amount: Option<Amount>| usd(amount.map(|amount| amount.usd));
    [
        spent(figures.yesterday),
        spent(figures.today),
        usd(figures.average),
        usd(figures.month_to_date),
        usd(figures.forecast),
        usd(figures.last_24_hours.map(|measured| measured.amount)),
    ]
}

fn class(row: &Row) -> &'static str {
    if row.missing.is_some() {
        ""
    } else if row.over() || row.members_over > 0 {
        "over"
    } else if row.stands_out.is_some() {
        "odd"
    } else if row.percent().is_some_and(|percent| percent >= crate::spend::NEAR) {
        "near"
    } else {
        ""
    }
}

/// A class in words, for who doesn't see its mark.
fn says(class: &str) -> &'static str {
    match class {
        "over" => "above the threshold",
        "odd" => "well above its usual",
        "near" => "near the threshold",
        _ => "",
    }
}

fn under(row: &Row) -> String {
    match &row.key {
        Key::Account(id) => id.to_string(),
        Key::Ou(_) => plural(row.members, "account"),
        Key::Service(_) | Key::Total => String::new(),
    }
}

fn odd(report: &Report, row: &Row) -> String {
    row.stands_out.map_or_else(String::new, |found| {
        format!(
            "{} on {}, usually {}",
            found.spent,
            chart::on(report, found.bucket),
            found.usual
        )
    })
}

const fn row_name_in_text(by: By) -> &'static str {
    match by {
        By::Account => "account",
        By::Ou => "OU",
        By::Service => "service",
    }
}

fn tile(name: impl Into<String>, value: String) -> Tile {
    Tile {
        name: name.into(),
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
    let thresholds = has_thresholds(report) || over > 0;
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

fn caption(report: &Report, thresholds: bool, scale: RowScale) -> String {
    let what = row_name_in_text(report.by);
    let order = match (report.by, report.left_out, thresholds) {
        (By::Ou, 0, _) => "each with the OUs below it",
        (_, _, true) => "first what is above its threshold, then what stands out, then by cost",
        (_, _, false) => "first what stands out, then by cost",
    };
    let top = Usd::from_micros(scale.top.saturating_mul(10_000));
    format!(
        "US dollars per {what}, {order}. All small charts share one scale, $0 to {top}, in square roots, so that \
         small amounts show."
    )
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
    names.into_iter().map(|name| Column { name }).collect()
}

impl PageRow {
    fn of(row: &Row, chart: RowChart, has_threshold: bool) -> Self {
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
        if has_threshold && row.key != Key::Total {
            let threshold = row.threshold.map(|usd| usd.to_string());
            cells.push(cell(threshold.unwrap_or_else(|| NO_ALARM.to_owned())));
            cells.push(Cell {
                text: row.times().unwrap_or_else(|| "\u{2013}".to_owned()),
                hot: row.over(),
            });
        } else if has_threshold {
            cells.extend([String::new(), String::new()].map(cell));
        }
        let class = class(row);
        let below: Vec<String> = [under(row)].into_iter().chain(row.ou.clone()).collect();
        Self {
            class,
            name: row
                .nested
                .as_ref()
                .map_or_else(|| row.name.clone(), |nested| nested.name.clone()),
            depth: row.nested.as_ref().map_or(0, |nested| nested.depth),
            under: below.join(" \u{b7} "),
            says: says(class),
            missing: row.missing.map_or("", crate::spend::Missing::short),
            chart,
            cells,
        }
    }
}

fn footer(report: &Report) -> String {
    format!("Made by billctl. {}", cost_line(report))
}

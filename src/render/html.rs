//! The report as one self-contained page. What it shows is worked out here as texts and SVG paths; the template only
//! places them, and escapes every text.

mod chart;

use std::collections::{BTreeMap, HashMap};

use handlebars::Handlebars;
use serde_json::{Value, json};

use self::chart::{RowChart, RowScale, cents, day_chart, month_chart, to_cents};
use super::spend::{Mark, NO_ALARM, cost_line, figures, has_thresholds, minute, notes};
use crate::resource::day_of;
use crate::spend::{Amount, By, Figures, Interval, Key, Missing, Report, Row};
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
    filled("report", TEMPLATE, text::html, &page(report))
}

/// A template with its values, each of them escaped.
///
/// # Errors
/// A fault in the template, which a test excludes.
pub(super) fn filled(whose: &str, template: &str, escape: fn(&str) -> String, values: &Value) -> Result<String> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(escape);
    engine
        .render_template(template, values)
        .map_err(|error| Error::failed(format!("the {whose}'s template is faulty: {error}")))
}

/// What the template places.
fn page(report: &Report) -> Value {
    let total = &report.total;
    let has_threshold = has_thresholds(report);
    let has_limit = has_threshold && chart::comparable(report);
    let day = report.now.strftime("%-d %B %Y");
    let members = match report.by {
        By::Service => plural(total.members, "service"),
        By::Account | By::Ou => plural(total.members, "account"),
    };
    let what = row_name_in_text(report.by);
    let scale = RowScale::of(report);
    let charts = report.rows.iter().map(|row| RowChart::of(row, has_limit, scale));
    let charts: Vec<RowChart> = charts.collect();
    let rows = report.rows.iter().zip(&charts).take(FIRST);
    let rows: Vec<Value> = rows.map(|(row, chart)| page_row(row, chart, has_threshold)).collect();
    let is_broken = |row: &Row| row.buckets.iter().flatten().any(|amount| cents(*amount) > scale.top);
    let tile = |name: &str, value: String| json!({"name": name, "value": dash(value)});
    let [yesterday, today, average, month_to_date, forecast, last_24_hours] = figures(total);
    json!({
        "title": format!("AWS spend of {}, {day}", report.organization),
        "heading": format!("AWS spend by {what}, {day}"),
        "print_name": print_name(report),
        "lead": lead(report, &members),
        "hot": total.members_over > 0,
        "verdict": verdict(report),
        "tiles": [
            tile(&format!("Yesterday, {}", day_before(report)), yesterday),
            tile("Today so far", today),
            tile("Last 24 hours", last_24_hours),
            tile("7-day average", average),
            tile("Month to date", month_to_date),
            tile("Month\u{2019}s forecast", forecast),
        ],
        "notes": notes(report),
        "day_chart": day_chart(report),
        "month": month_chart(report),
        "table_title": match report.left_out {
            0 => format!("Every {what}"),
            _ => format!("The {} most interesting {what}s", report.rows.len()),
        },
        "find": match report.by {
            By::Account => "Name, id or OU",
            By::Ou | By::Service => "Name",
        },
        "has_ou": report.by == By::Account,
        "has_threshold": has_threshold,
        "has_limit": has_limit,
        "has_broken": report.rows.iter().any(is_broken),
        "caption": caption(report, has_threshold, scale),
        "row_name": match report.by {
            By::Account => "Account",
            By::Ou => "OU",
            By::Service => "Service",
        },
        "chart_name": chart::span(report),
        "bucket_noun": match report.grid.interval() {
            Interval::Day => "a day",
            Interval::SixHours => "six hours",
        },
        "columns": columns(has_threshold),
        // The first rows, so that the page says something without its script and before it.
        "rows": rows,
        "total": {
            "name": match report.left_out {
                0 => format!("Total of {members}"),
                left_out => format!("Total of {members}, {left_out} of them not shown"),
            },
            "cells": cells(total, has_threshold),
        },
        "data": data(report, &charts, scale),
        "footer": format!("Made by billctl. {}", cost_line(report)),
    })
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

/// What the page's script works on, as JSON that stays inside of its element whatever a name holds.
fn data(report: &Report, charts: &[RowChart], scale: RowScale) -> String {
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
        let estimated = |amount: Option<Amount>| u8::from(amount.is_some_and(|amount| amount.estimated));
        rows.push(json!([
            text::line(&row.name),
            under(row),
            // Its place among the OUs.
            ou,
            class(row).0,
            chart.data,
            in_cents(&row.figures),
            // 1: yesterday, 2: today.
            estimated(row.figures.yesterday) + 2 * estimated(row.figures.today),
            row.threshold.map(|usd| to_cents(usd.micros())),
            row.percent(),
            odd(report, row),
            row.missing.map_or("", Missing::short),
            row.nested
                .as_ref()
                .map(|nested| (nested.depth, text::line(&nested.name))),
            row.times(),
        ]));
    }
    let services = report.services.iter().map(|(account, services)| {
        let services = services.iter().map(|(name, of)| (text::line(name), in_cents(of)));
        (account.to_string(), services.collect())
    });
    let services: BTreeMap<String, Vec<(String, Cents)>> = services.collect();
    let data = json!({
        "by": report.by.name(),
        // The highest small bar, in cents.
        "top": scale.top,
        "limits": chart::comparable(report),
        "thresholds": has_thresholds(report),
        "buckets": chart::small_buckets(report),
        "ous": ous,
        "rows": rows,
        // None where rows are no accounts.
        "cost": (report.by == By::Account).then(|| cost_explorer(ACCOUNT, report)),
        "services": services,
    });
    data.to_string().replace('<', "\\u003c")
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
type Cents = [Option<i64>; 6];

fn in_cents(figures: &Figures) -> Cents {
    let usd = |amount: Option<Usd>| amount.map(|usd| to_cents(usd.micros()));
    [
        figures.yesterday.map(cents),
        figures.today.map(cents),
        usd(figures.average),
        usd(figures.month_to_date),
        usd(figures.forecast),
        usd(figures.last_24_hours.map(|measured| measured.amount)),
    ]
}

/// A row's class, and the same in words for who doesn't see its mark.
fn class(row: &Row) -> (&'static str, &'static str) {
    match Mark::of(row) {
        Mark::Above => ("over", "above the threshold"),
        Mark::StandsOut => ("odd", "well above its usual"),
        Mark::Near => ("near", "near the threshold"),
        Mark::NoData | Mark::Nothing => ("", ""),
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

/// A longer dash where nothing is known.
fn dash(text: String) -> String {
    if text == "-" { "\u{2013}".to_owned() } else { text }
}

fn day_before(report: &Report) -> String {
    let day = jiff::Timestamp::from_second(report.now.as_second() - billctl_core::model::DAY);
    // A day before now is in range; were it not, today's date would do no harm.
    day.unwrap_or(report.now).strftime("%-d %B").to_string()
}

fn verdict(report: &Report) -> String {
    let is_odd = |row: &&Row| row.stands_out.is_some() && !row.over();
    let odd = report.rows.iter().filter(is_odd).count();
    let over = report.total.members_over;
    let mut parts = Vec::new();
    if over > 0 {
        let (are, their) = if over == 1 { ("is", "its") } else { ("are", "their") };
        let names = names(report.rows.iter().filter(|row| row.over()));
        let accounts = plural(over, "account");
        parts.push(format!("{accounts} {are} above {their} threshold{names}"));
    } else if has_thresholds(report) {
        parts.push("No account is above its threshold".to_owned());
    }
    if odd > 0 {
        let (spend, their) = if odd == 1 {
            ("spends", "its")
        } else {
            ("spend", "their")
        };
        let names = names(report.rows.iter().filter(is_odd));
        let rows = plural(odd, row_name_in_text(report.by));
        parts.push(format!("{rows} {spend} well above {their} usual{names}"));
    }
    if parts.is_empty() {
        return "Nothing stands out.".to_owned();
    }
    format!("{}.", parts.join("; "))
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

fn columns(has_threshold: bool) -> Vec<&'static str> {
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
}

fn page_row(row: &Row, chart: &RowChart, has_threshold: bool) -> Value {
    let (class, says) = class(row);
    let nested = row.nested.as_ref();
    let below: Vec<String> = [under(row)].into_iter().chain(row.ou.clone()).collect();
    json!({
        "class": class,
        "name": nested.map_or(&row.name, |nested| &nested.name),
        // How far an OU is indented.
        "depth": nested.map_or(0, |nested| nested.depth),
        "under": below.join(" \u{b7} "),
        "says": says,
        "missing": row.missing.map_or("", Missing::short),
        "chart": chart,
        "cells": cells(row, has_threshold),
    })
}

/// A row's figures, then its threshold and how much of that is used.
fn cells(row: &Row, has_threshold: bool) -> Vec<Value> {
    let cell = |text: String, hot: bool| json!({"text": dash(text), "hot": hot});
    let mut cells: Vec<Value> = figures(row).map(|text| cell(text, false)).into();
    if has_threshold && row.key != Key::Total {
        let threshold = row.threshold.map_or_else(|| NO_ALARM.to_owned(), |usd| usd.to_string());
        cells.push(cell(threshold, false));
        cells.push(cell(row.times().unwrap_or_else(|| "-".to_owned()), row.over()));
    } else if has_threshold {
        cells.extend([String::new(), String::new()].map(|text| cell(text, false)));
    }
    cells
}

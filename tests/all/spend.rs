//! `billctl spend`: from publications to what people and programs see.

mod browser;
mod fixture;
mod many_accounts;
mod on_moto;
mod scenario;
mod suggest;

use billctl::cli::Format;
use billctl::config::{Config, Measure};
use billctl::plan::Thresholds;
use billctl::render;
use billctl::spend::{By, Interval, Missing};
use billctl_core::model::{AccountId, Usd};

use fixture::{Company, dollars};

#[test]
fn the_table_has_the_most_interesting_first() {
    insta::assert_snapshot!(table(&Company::small(), By::Account));
}

#[test]
fn ous_are_summed_up() {
    insta::assert_snapshot!(table(&Company::small(), By::Ou));
}

#[test]
fn markdown_is_for_a_pull_request() {
    let report = Company::small().report(By::Account, Interval::Day, 7, Some(3));
    insta::assert_snapshot!(render::spend(Format::Markdown, &report, None, None));
}

#[test]
fn json_is_stable() {
    let report = Company::small().report(By::Account, Interval::Day, 3, Some(2));
    insta::assert_snapshot!(render::spend(Format::Json, &report, None, None));
}

#[test]
fn csv_has_a_line_for_each_account_and_day_and_unknown_is_empty() {
    let report = Company::small().report(By::Account, Interval::Day, 2, None);
    let csv = render::spend_csv(&report).unwrap();
    insta::assert_snapshot!(csv);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.records().count(), report.rows.len() * 2);
}

#[test]
fn quarters_of_days_add_up_to_the_days() {
    let company = Company::small();
    let total = |interval| {
        let report = company.report(By::Account, interval, 20, None);
        report
            .total
            .buckets
            .iter()
            .flatten()
            .map(|amount| amount.usd)
            .sum::<Usd>()
    };
    assert_eq!(total(Interval::Day), total(Interval::SixHours));
}

#[test]
fn rows_left_out_are_in_the_total() {
    let company = Company::small();
    let all = company.report(By::Account, Interval::Day, 14, None);
    let few = company.report(By::Account, Interval::Day, 14, Some(2));
    assert_eq!(few.total, all.total);
    assert_eq!((few.rows.len(), few.left_out), (2, all.rows.len() - 2));
}

#[test]
fn an_organisation_without_metrics_is_told_why() {
    let mut company = Company::small();
    company.silence(Missing::AlertsOff);
    let text = table(&company, By::Account);
    assert!(text.contains("Billing preferences"), "{text}");
    assert!(!text.contains("$0.00"), "a silent zero: {text}");
}

#[test]
fn the_suggested_snippet_is_a_valid_config_and_serves_every_account() {
    let company = Company::small();
    let snippet = render::suggestion(
        &company.organization,
        &company.histories(),
        Measure::Daily,
        None,
        company.now,
    );
    insta::assert_snapshot!(snippet);
    let text = format!("{snippet}\n\n[mail]\nfrom = \"billing@example.com\"\n");
    let config = Config::parse("config.toml", &text).unwrap();
    let thresholds = Thresholds::resolve(&config, &company.organization).unwrap();
    for (account, usd) in [("payments-api", 1_000), ("web", 60), ("idle", 9)] {
        let (id, parent) = company.account(account);
        assert_eq!(
            thresholds.of(id, &parent, &company.organization),
            Usd::dollars(usd),
            "{account}"
        );
    }
}

#[test]
fn a_name_that_is_an_attack_stays_a_name() {
    let mut company = Company::small();
    company.rename("web", "<script>alert(1)</script>\u{1b}[2J\n[alarm]");
    let report = company.report(By::Account, Interval::Day, 14, None);
    let html = render::spend_html(&report).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(
        html.contains("\\u003cscript>alert(1)\\u003c/script>"),
        "in the data too"
    );
    assert!(!html.contains("<script>alert"));
    let table = render::spend(Format::Table, &report, None, None);
    assert!(!table.contains("\u{1b}[2J"));
    let snippet = render::suggestion(
        &company.organization,
        &company.histories(),
        Measure::Daily,
        Some(Usd::dollars(1)),
        company.now,
    );
    assert_eq!(snippet.matches("\n[alarm]").count(), 1, "{snippet}");
}

#[test]
fn five_hundred_accounts_fit_in_a_megabyte() {
    let report = Company::large(500).report(By::Account, Interval::Day, 31, None);
    let html = render::spend_html(&report).unwrap();
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}

/// The heights of a row's bars as they are drawn, oldest first; all rows have as many.
fn bars(html: &str, name: &str) -> Vec<u32> {
    let (_, row) = html.split_once(&format!("<b>{name}</b>")).unwrap();
    let (chart, _) = row.split_once("</svg>").unwrap();
    let mut found: Vec<(u32, u32)> = chart
        .split("d=\"")
        .skip(1)
        .filter(|path| path.contains('v'))
        .flat_map(|path| path.split('M').skip(1))
        .map(|bar| {
            let (x, rest) = bar.split_once(" 24v-").unwrap();
            (x.parse().unwrap(), rest.split_once('h').unwrap().0.parse().unwrap())
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, tall)| tall).collect()
}

#[test]
fn small_charts_have_one_scale_so_that_what_costs_more_is_higher_whatever_its_threshold() {
    let report = Company::small().report(By::Account, Interval::Day, 14, None);
    let html = render::spend_html(&report).unwrap();
    let yesterday = |name: &str| bars(&html, name)[12];
    // $1,240, $621, $46, $35, $12, $9 and $6, with thresholds between $40 and $1,000.
    let order = ["payments-api", "payments-ledger", "web", "build", "logs"];
    let heights: Vec<u32> = order.iter().map(|name| yesterday(name)).collect();
    assert!(heights.is_sorted_by(|a, b| a > b), "{heights:?}");
    assert_eq!(heights[0], 24);
    // The square root of 621 / 1,240.
    assert_eq!(heights[1], 17);
    // Of accounts with one threshold the line is at one height, and below that of a higher one.
    let line = |name: &str| {
        let (_, row) = html.split_once(&format!("<b>{name}</b>")).unwrap();
        let (_, path) = row.split_once("class=\"l\" d=\"M0 ").unwrap();
        path.split_once('h').unwrap().0.parse::<u32>().unwrap()
    };
    assert_eq!(line("web"), line("logs"));
    assert!(line("payments-ledger") < line("payments-api") && line("payments-api") < line("web"));
}

#[test]
fn the_heading_says_what_it_is_for_whom_and_when() {
    let mut report = Company::small().report(By::Account, Interval::Day, 14, None);
    report.scope = Some("Root/<Production>".to_owned());
    let html = render::spend_html(&report).unwrap();
    for part in [
        "<title>AWS spend of o-a1b2c3d4e5, 23 November 2026</title>",
        "<h1 id=\"head\">AWS spend by account, 23 November 2026</h1>",
        "Organisation o-a1b2c3d4e5, only Root/&lt;Production&gt;: 9 accounts. Made on 2026-11-23 13:20 UTC",
        "until 2026-11-23 08:00 UTC",
        // On paper.
        "content: \"AWS spend of o-a1b2c3d4e5, 2026-11-23 13:20 UTC\"",
        "counter(page) \" of \" counter(pages)",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let report = Company::small().report(By::Account, Interval::Day, 14, None);
    let html = render::spend_html(&report).unwrap();
    // Kept where one can look at it.
    let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("spend.html");
    std::fs::write(kept, &html).unwrap();
    // A link is followed by whoever clicks it.
    let html = html.replacen("https://us-east-1.console.aws.amazon.com/costmanagement/home", "", 1);
    for outside in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
}

fn table(company: &Company, by: By) -> String {
    let report = company.report(by, Interval::Day, 14, None);
    anstream::adapter::strip_str(&render::spend(Format::Table, &report, None, None)).to_string()
}

#[test]
fn a_threshold_is_compared_with_what_the_alarm_measures() {
    let company = Company::small();
    let report = company.report(By::Account, Interval::Day, 14, None);
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    assert!(row("payments-api").over());
    assert_eq!(
        row("payments-api").compared,
        row("payments-api")
            .figures
            .last_24_hours
            .map(|measured| measured.amount)
    );
    assert_eq!(row("web").threshold, Some(dollars(50.0)));
    let id: AccountId = "000000000007".parse().unwrap();
    assert_eq!(company.account("idle").0, id);
}

#[test]
fn a_narrow_terminal_gets_what_matters_and_is_told_what_it_lacks() {
    let company = Company::small();
    for by in [By::Account, By::Ou] {
        let report = company.report(by, Interval::Day, 31, None);
        for width in [80, 100, 140, 200] {
            let text = render::spend(Format::Table, &report, None, Some(width));
            let text = anstream::adapter::strip_str(&text).to_string();
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            for needed in ["YESTERDAY", "TODAY", "Total"] {
                assert!(text.contains(needed), "{needed} at {width}\n{text}");
            }
            let all = text.contains("FORECAST") && text.contains("7-DAY AVG") && (by == By::Ou || text.contains("OU "));
            // Days may be left out all the same.
            let lacks_columns = text.contains("lack of room: ") && !text.contains("lack of room: the ");
            assert_eq!(all, !lacks_columns, "{width}\n{text}");
        }
    }
}

#[test]
fn a_narrow_terminal_shows_the_newest_days_that_fit_and_says_how_many_it_lacks() {
    let company = Company::small();
    for (interval, days, noun) in [
        (Interval::Day, 31, "days before"),
        (Interval::SixHours, 10, "quarter days before"),
    ] {
        let report = company.report(By::Account, interval, days, None);
        let buckets = report.grid.count();
        for width in [80, 100, 120, 140, 170, 220] {
            let text = render::spend(Format::Table, &report, None, Some(width));
            let text = anstream::adapter::strip_str(&text).to_string();
            let row = text.lines().find(|line| line.contains("payments-ledger")).unwrap();
            let chart = row.split_whitespace().next_back().unwrap().chars().count();
            assert!(chart >= 14, "{width}\n{text}");
            let flat = text.replace('\n', " ");
            if chart < buckets {
                assert!(
                    flat.contains(&format!("the {} {noun}", buckets - chart)),
                    "{width}: {chart}\n{text}"
                );
                assert!(text.lines().next().unwrap().contains(&match interval {
                    Interval::Day => format!("{chart} DAYS"),
                    Interval::SixHours => format!("{} DAYS BY 6 H", chart.div_ceil(4)),
                }));
            } else {
                assert!(!flat.contains(noun), "{width}\n{text}");
            }
        }
    }
}

#[test]
fn a_table_on_eighty_columns() {
    let report = Company::small().report(By::Account, Interval::Day, 14, None);
    let text = render::spend(Format::Table, &report, None, Some(80));
    insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
}

#[test]
fn what_alarms_measure_decides_whether_a_chart_shows_the_threshold() {
    let company = Company::small();
    let html = |interval| {
        let report = company.report(By::Account, interval, 7, None);
        render::spend_html(&report).unwrap()
    };
    let (days, quarters) = (html(Interval::Day), html(Interval::SixHours));
    assert!(days.contains("class=\"l\""));
    assert!(days.contains("above the threshold</span>"));
    // A day's threshold beside a quarter of it would look far away.
    assert!(!quarters.contains("class=\"l\""));
    assert!(!quarters.contains("above the threshold</span>"));
}

/// WCAG 2's relative luminance of `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let part = |from: usize| {
        let value = f64::from(u8::from_str_radix(&colour[from..from + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn text_has_the_contrast_that_wcag_asks_for_in_each_scheme() {
    let html = render::spend_html(&Company::small().report(By::Account, Interval::Day, 14, None)).unwrap();
    let schemes: Vec<&str> = html.split(":root {").skip(1).collect();
    assert_eq!(schemes.len(), 3, "light, dark and print");
    for scheme in schemes {
        let colour = |name: &str| {
            let (_, rest) = scheme.split_once(&format!("--{name}: ")).unwrap();
            &rest[..7]
        };
        for text in ["ink", "soft", "hot", "odd"] {
            for ground in ["page", "card", "panel"] {
                let (a, b) = (luminance(colour(text)), luminance(colour(ground)));
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
            }
        }
    }
}

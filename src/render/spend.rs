mod json;

pub(super) use self::json::Json;
use super::{Format, Table, json, style};
use crate::plan::tell::{TellOutcome, Tellings};
use crate::spend::{Amount, By, Interval, Key, NEAR, Nested, Note, Report, Row};
use billctl_core::model::Usd;
use billctl_core::text;
use billctl_core::text::plural;

/// What every account spends, as a table or as JSON, with what `--tell` did. A table leaves out what a terminal of
/// `width` columns has no room for, and says so.
pub fn spend(format: Format, report: &Report, tellings: Option<&Tellings>, width: Option<usize>) -> String {
    match format {
        Format::Json => json("spend", &Json::of(report, tellings)),
        Format::Table => text(format, report, tellings, width),
        Format::Markdown => text(format, report, tellings, None),
    }
}

/// Most rows in a step's summary: the most interesting come first.
const MOST_IN_SUMMARY: usize = 100;

/// The same for the summary of a CI step.
pub fn spend_summary(report: &Report, tellings: Option<&Tellings>) -> String {
    let mut report = report.clone();
    let left_out = report.rows.len().saturating_sub(MOST_IN_SUMMARY);
    report.rows.truncate(MOST_IN_SUMMARY);
    report.left_out += left_out;
    format!(
        "### billctl spend\n\n{}",
        text(Format::Markdown, &report, tellings, None)
    )
}

/// The notifier reads it, not this command, and may find another a moment later.
const TO_WHOM: &str = "Whom each mail goes to is decided when the notifier runs: the owner tag, else the billing contact, \
                       the account's address, the fallback. `billctl preview --account ACCOUNT` names them.";

/// What `--tell` did: counts, and whom nobody could tell.
fn telling_lines(format: Format, tellings: &Tellings) -> Vec<String> {
    let mut lines = vec![format!(
        "Told: {} above, {} started, {} told already, {} under way, {} failed.",
        plural(tellings.accounts.len(), "account"),
        tellings.started,
        tellings.already_told,
        tellings.under_way,
        tellings.failed
    )];
    if tellings.started > 0 {
        lines.push(TO_WHOM.to_owned());
    }
    let failed = tellings.accounts.iter().filter_map(|telling| match &telling.outcome {
        TellOutcome::Failed { error } => Some((telling.account, error)),
        _ => None,
    });
    lines.extend(failed.map(|(account, error)| format!("Not told: {account}: {}", format.text(error))));
    lines
}

/// How many accounts are above their thresholds, and the one that is by the most; `None` where none is.
pub fn spend_above(report: &Report) -> Option<String> {
    let worst = report.worst.as_ref()?;
    let id = match &worst.key {
        Key::Account(id) => id.to_string(),
        _ => String::new(),
    };
    let (verb, first) = match report.total.members_over {
        1 => ("is above its threshold", ""),
        _ => ("are above their thresholds", "most of all "),
    };
    Some(format!(
        "{} {verb}: {first}{} ({id}), {} against {}",
        plural(report.total.members_over, "account"),
        text::line(&worst.name),
        plain(worst.compared),
        plain(worst.threshold),
    ))
}

fn text(format: Format, report: &Report, tellings: Option<&Tellings>, width: Option<usize>) -> String {
    let (fit, table) = fitting(format, report, width);
    let mut lines = vec![table.render(), String::new()];
    let mut below = vec![legend(report)];
    if let Some(left_out) = left_out(report, &fit) {
        below.push(format!(
            "Not shown, for lack of room: {left_out}. A wider terminal, --csv, --json and --html have everything."
        ));
    }
    let said = tellings.map_or_else(Vec::new, |tellings| telling_lines(format, tellings));
    below.extend(said.into_iter().chain(notes(report)).map(|note| match format {
        Format::Markdown => format!("- {note}"),
        _ => note,
    }));
    below.push(cost_line(report));
    lines.extend(below.into_iter().map(|line| match width {
        // Not within a date.
        Some(width) => textwrap::fill(
            &line,
            textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation),
        ),
        None => line,
    }));
    lines.join("\n")
}

/// The widest table that fits. Room that is left over is the small charts'.
fn fitting(format: Format, report: &Report, width: Option<usize>) -> (Fit, Table) {
    let mut fit = FITS[0];
    let mut made = table(format, report, &fit);
    let Some(width) = width else {
        return (fit, made);
    };
    for narrower in &FITS[1..] {
        if made.width() <= width {
            break;
        }
        fit = *narrower;
        made = table(format, report, &fit);
    }
    let room = width.saturating_sub(made.width());
    if room > 0 && fit.buckets < report.grid.count() {
        let wider = Fit {
            buckets: fit.buckets + room,
            ..fit
        };
        let wider_table = table(format, report, &wider);
        // The heading above them may be the wider one.
        if wider_table.width() <= width {
            return (wider, wider_table);
        }
    }
    (fit, made)
}

/// What a table that was made to fit lacks.
fn left_out(report: &Report, fit: &Fit) -> Option<String> {
    let headings = headings(report, false);
    let hidden = columns(report.by).iter().filter(|column| fit.without.contains(column));
    let hidden: Vec<&str> = hidden.map(|column| headings[*column]).collect();
    let noun = match report.grid.interval() {
        Interval::Day => "day",
        Interval::SixHours => "quarter day",
    };
    let older = match report.grid.count().saturating_sub(fit.buckets) {
        0 => String::new(),
        1 => format!("the {noun} before"),
        count => format!("the {count} {noun}s before"),
    };
    let mut parts = vec![hidden.join(", "), older];
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn table(format: Format, report: &Report, fit: &Fit) -> Table {
    let shown = columns(report.by).iter().copied();
    let shown: Vec<usize> = shown.filter(|column| !fit.without.contains(column)).collect();
    let span = span(report, fit);
    let mut headings = headings(report, fit.terse);
    headings[COLUMNS - 1] = &span;
    // Accounts are counted in the column that otherwise holds their names.
    let is_number = |column| (4..COLUMNS - 1).contains(&column) || column == 2 && report.by != By::Account;
    let numbers: Vec<usize> = (0..shown.len()).filter(|index| is_number(shown[*index])).collect();
    let mut table = Table::new(format, &pick(&shown, &headings)).right(&numbers);
    for row in &report.rows {
        table.row(pick(&shown, &cells(format, report, row, fit)));
    }
    if report.left_out > 0 {
        table.row(pick(&shown, &[String::new(), format!("{} more", report.left_out)]));
    }
    table.row(pick(&shown, &total_cells(format, report, fit)));
    table
}

/// The columns that the rows of a report have.
const fn columns(by: By) -> &'static [usize] {
    match by {
        By::Account => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        By::Ou => &[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 12],
        By::Service => &[0, 1, 4, 5, 6, 7, 8, 9, 12],
    }
}

/// The cells of these columns; empty beyond the last.
fn pick<T: Clone + Default>(columns: &[usize], cells: &[T]) -> Vec<T> {
    let cell = |column: &usize| cells.get(*column).cloned().unwrap_or_default();
    columns.iter().map(cell).collect()
}

/// All columns that there are.
const COLUMNS: usize = 13;

fn headings<'a>(report: &Report, terse: bool) -> [&'a str; COLUMNS] {
    let accounts = report.by == By::Account;
    [
        "",
        report.by.name(),
        if accounts { "name" } else { "accounts" },
        "ou",
        "yesterday",
        if terse { "today" } else { "today so far" },
        "7-day avg",
        "month",
        "forecast",
        "last 24 h",
        if accounts { "threshold" } else { "over" },
        "used",
        "",
    ]
}

/// How a table is made to fit.
#[derive(Clone, Copy)]
struct Fit {
    /// Columns left out.
    without: &'static [usize],
    /// Most characters of a name, and of an OU's path.
    name: usize,
    path: usize,
    /// Most buckets of a sparkline, the newest.
    buckets: usize,
    /// Whether "today" has to do for "today so far".
    terse: bool,
}

/// From everything to what nobody could do without. What a terminal lacks room for first is what the other columns
/// say nearly as well.
const FITS: [Fit; 11] = [
    fit(&[], usize::MAX, usize::MAX, usize::MAX, false),
    fit(&[], 28, 24, 31, false),
    fit(&[], 22, 16, 14, true),
    // An OU is what one acts by: it goes after what can be reckoned from the rest.
    fit(&[6], 22, 16, 14, true),
    fit(&[6, 8], 22, 16, 14, true),
    fit(&[3], 28, 40, 14, false),
    fit(&[3, 6], 24, 36, 14, true),
    fit(&[3, 6, 8], 22, 30, 14, true),
    fit(&[3, 6, 8, 7], 20, 24, 14, true),
    fit(&[3, 6, 8, 7, 9], 20, 24, 14, true),
    fit(&[3, 6, 8, 7, 9, 10], 16, 20, 14, true),
];

const fn fit(without: &'static [usize], name: usize, path: usize, buckets: usize, terse: bool) -> Fit {
    Fit {
        without,
        name,
        path,
        buckets,
        terse,
    }
}

/// The beginning of a text that is too long, with a sign that it is one.
fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}

/// The end of a path that is too long: the deepest OUs tell it from others.
fn shorten_path(path: &str, most: usize) -> String {
    let length = path.chars().count();
    if length <= most {
        return path.to_owned();
    }
    let tail: String = path.chars().skip(length - most.saturating_sub(1)).collect();
    // Whole names, where one fits.
    let whole = tail.find('/').and_then(|slash| tail.get(slash..));
    format!("\u{2026}{}", whole.unwrap_or(&tail))
}

fn span(report: &Report, fit: &Fit) -> String {
    let interval = report.grid.interval();
    let days = report.grid.count().min(fit.buckets).div_ceil(interval.per_day());
    let days = plural(days, "day");
    match interval {
        Interval::Day => days,
        Interval::SixHours => format!("{days} by 6 h"),
    }
}

fn cells(format: Format, report: &Report, row: &Row, fit: &Fit) -> [String; COLUMNS] {
    let (mark, style) = Mark::of(row).sign();
    let paint = |style, text: String| format.paint(style, text);
    let name = text::line(&row.name);
    let shown = |text: String| format.text(&text);
    let (first, second) = match &row.key {
        Key::Account(id) => (id.to_string(), shown(shorten(&name, fit.name))),
        Key::Ou(_) => (shown(ou_name(row, fit)), row.members.to_string()),
        Key::Service(_) | Key::Total => (shown(shorten(&name, fit.path)), String::new()),
    };
    let used = row.times().unwrap_or_default();
    let used = match row.percent() {
        Some(_) if row.over() => paint(style::BAD, used),
        Some(percent) if percent >= NEAR => paint(style::WARN, used),
        _ => used,
    };
    let limit = match (report.by, row.threshold) {
        (By::Account, Some(threshold)) => threshold.to_string(),
        (By::Account, None) if has_thresholds(report) && row.key != Key::Total => {
            paint(style::FAINT, NO_ALARM.to_owned())
        }
        (By::Ou, _) if row.members_over > 0 => paint(style::BAD, row.members_over.to_string()),
        _ => String::new(),
    };
    let last = match row.missing {
        Some(missing) => paint(style::FAINT, missing.short().to_owned()),
        None => sparkline(format, row, fit.buckets),
    };
    let ou = text::line(row.ou.as_deref().unwrap_or_default());
    let [yesterday, today, average, month, forecast, last_24_hours] = figures(row);
    [
        paint(style, mark.to_owned()),
        first,
        second,
        shown(shorten_path(&ou, fit.path)),
        yesterday,
        today,
        average,
        month,
        forecast,
        last_24_hours,
        limit,
        used,
        last,
    ]
}

/// Yesterday, today, average, month, forecast, last 24 hours, as every table shows them.
pub(super) fn figures(row: &Row) -> [String; 6] {
    [
        amount(row.figures.yesterday),
        amount(row.figures.today),
        plain(row.figures.average),
        plain(row.figures.month_to_date),
        about(row.figures.forecast),
        plain(row.figures.last_24_hours.map(|measured| measured.amount)),
    ]
}

/// What stands for a threshold where config puts no alarm.
pub(super) const NO_ALARM: &str = "no alarm";

/// Whether there are thresholds at all, so that an account without one is an exception.
pub(super) fn has_thresholds(report: &Report) -> bool {
    report.by == By::Account && !report.notes.contains(&Note::NoConfig)
}

/// An OU as it stands in the tree, or its path where rows are left out.
fn ou_name(row: &Row, fit: &Fit) -> String {
    match &row.nested {
        Some(Nested { depth, name }) => {
            let most = fit.path.saturating_sub(depth * 2);
            format!("{}{}", "  ".repeat(*depth), shorten(&text::line(name), most))
        }
        None => shorten_path(&text::line(&row.name), fit.path),
    }
}

fn total_cells(format: Format, report: &Report, fit: &Fit) -> [String; COLUMNS] {
    let total = &report.total;
    let mut cells = cells(format, report, total, fit);
    cells[0] = String::new();
    cells[1] = format.paint(style::STRONG, "Total");
    cells[2] = match report.by {
        By::Service => plural(total.members, "service"),
        By::Account | By::Ou => plural(total.members, "account"),
    };
    // Below the thresholds, or where those have no room.
    cells[if fit.without.contains(&10) { 11 } else { 10 }] = match total.members_over {
        0 => String::new(),
        over => format.paint(style::BAD, format!("{over} over")),
    };
    cells
}

/// What a row's first cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    NoData,
    Above,
    StandsOut,
    Near,
    Nothing,
}

impl Mark {
    pub(super) fn of(row: &Row) -> Self {
        if row.missing.is_some() {
            Self::NoData
        } else if row.over() || row.members_over > 0 {
            Self::Above
        } else if row.stands_out.is_some() {
            Self::StandsOut
        } else if row.percent().is_some_and(|percent| percent >= NEAR) {
            Self::Near
        } else {
            Self::Nothing
        }
    }

    const fn sign(self) -> (&'static str, anstyle::Style) {
        match self {
            Self::NoData => ("?", style::FAINT),
            Self::Above => ("!", style::BAD),
            Self::StandsOut => ("▲", style::WARN),
            Self::Near => ("·", style::WARN),
            Self::Nothing => ("", style::FAINT),
        }
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

/// An amount that is only about so.
pub(super) fn about(usd: Option<Usd>) -> String {
    usd.map_or_else(|| "-".to_owned(), |usd| format!("~{usd}"))
}

/// One character a bucket, at most so many, scaled to the row's own highest; a dot where nothing is known.
fn sparkline(format: Format, row: &Row, most: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let cut = row.buckets.len().saturating_sub(most);
    let shown = &row.buckets[cut..];
    let highest = shown.iter().flatten().map(|amount| amount.usd.micros()).max();
    let highest = i128::from(highest.unwrap_or_default().max(1));
    let bar = |(bucket, amount): (usize, &Option<Amount>)| {
        let Some(amount) = amount else {
            return "·".to_owned();
        };
        let step = i128::from(amount.usd.micros().max(0)) * 7 / highest;
        let bar = usize::try_from(step)
            .ok()
            .and_then(|step| BARS.get(step))
            .unwrap_or(&'█');
        match row.outliers.iter().any(|found| found.bucket == bucket) {
            true => format.paint(style::WARN, *bar),
            false => bar.to_string(),
        }
    };
    (cut..).zip(shown).map(bar).collect()
}

/// What the marks mean, for those that are there.
fn legend(report: &Report) -> String {
    let marks = [
        (Mark::Above, "above the threshold"),
        (Mark::StandsOut, "well above its own usual spend"),
        (Mark::Near, "near the threshold"),
    ];
    let is_there = |mark: &Mark| report.rows.iter().any(|row| Mark::of(row) == *mark);
    let shown = marks.into_iter().filter(|(mark, _)| is_there(mark));
    let shown: String = shown
        .map(|(mark, means)| format!("{} {means}   ", mark.sign().0))
        .collect();
    let published = match report.published {
        Some(at) => format!("published until {}", minute(at)),
        None => "nothing published".to_owned(),
    };
    format!("{shown}~ estimated   days are UTC days, {published}")
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
                format!("No spend to show: {}.", missing.remedy())
            }
            Note::Missing(missing, count) => format!(
                "{} without data: {}.",
                plural(*count, "account"),
                missing.remedy()
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
            Note::Measure(measure) => measure.comparison().to_owned(),
            Note::NoServices => {
                "CloudWatch lists no charges by service in the last two weeks.".to_owned()
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
        format!("about {}", report.cost())
    };
    format!(
        "{} read from CloudWatch: {price} ($0.01 for 1,000).",
        plural(report.metrics, "metric")
    )
}

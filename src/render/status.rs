use std::collections::BTreeMap;

use super::probe::probes;
use super::spend::{minute, plain};
use super::{Format, Table, billing_plan, counted, json, style};
use crate::plan::above::{Above, Told};
use crate::plan::billing_health::BillingHealth;
use crate::plan::coverage::{AccountStatus, Coverage};
use crate::plan::operations::Hearing;
use crate::plan::status::{BillingStatus, MembersStatus, Status};
use billctl_core::service::cloudformation::{DriftStatus, InstanceStatus, OperationAction, OperationStatus};
use billctl_core::text::plural;

/// Which part of a status people are shown.
#[derive(Default)]
pub struct Shown<'a> {
    /// List every account, also of a large organisation.
    pub all: bool,
    /// List only accounts of which this holds.
    pub only: Option<&'a dyn Fn(&AccountStatus) -> bool>,
    /// Say only what went wrong.
    pub quiet: bool,
    /// Columns of the terminal, where there is one.
    pub width: Option<usize>,
}

/// Most accounts that are listed whole. In a larger organisation those that are well are only counted: nobody
/// reads 2,000 lines to find the three that matter.
const MOST_ROWS: usize = 100;

/// Where every account stands: a verdict in one line, what isn't as it should be with what to do about it, then what stands
/// behind it. JSON lists every account; for people a long list is shortened to what needs a look, and a table leaves out
/// what a terminal has no room for, and says so.
pub fn status(format: Format, status: &Status, shown: &Shown<'_>) -> String {
    match format {
        Format::Json => json("status", status),
        Format::Table | Format::Markdown if shown.quiet && status.findings.is_empty() => String::new(),
        Format::Table | Format::Markdown if shown.quiet => head(format, status),
        Format::Table | Format::Markdown => {
            let mut parts = vec![text(format, status, shown)];
            parts.extend(status.probe.as_ref().map(|found| probes(format, found, shown.all)));
            parts.push(billing(format, &status.billing));
            parts.join("\n\n")
        }
    }
}

/// The verdict, and below it what isn't as it should be.
fn head(format: Format, status: &Status) -> String {
    let mut lines = vec![verdict(format, status)];
    let bullet = match format {
        Format::Markdown => "- ",
        _ => "  ",
    };
    if format == Format::Markdown && !status.findings.is_empty() {
        lines.push(String::new());
    }
    lines.extend(status.findings.iter().map(|finding| {
        let what = format.paint(style::WARN, format.text(&finding.what));
        // The remedies are billctl's own words.
        format!("{bullet}{what}: {}", finding.remedy)
    }));
    lines.join("\n")
}

/// The operations that are under way.
fn under_way(format: Format, members: &MembersStatus) -> impl Iterator<Item = String> {
    members.operations.iter().map(move |operation| {
        let what = match operation.action {
            OperationAction::Create => "creates instances",
            OperationAction::Update => "updates instances",
            OperationAction::Delete => "removes instances",
            OperationAction::DetectDrift => "looks for drift",
        };
        let waits = match operation.status {
            OperationStatus::Queued => ", and waits for its turn",
            OperationStatus::Stopping => ", and is being stopped",
            _ => "",
        };
        let failed = match operation.failed {
            0 => String::new(),
            failed => format!(", {failed} of them failed"),
        };
        let since = operation.since;
        let since = since.map_or_else(String::new, |since| format!(" since {}", minute(since)));
        format!(
            "in progress: operation {} {what}{since}{waits}: {} of {} done{failed}",
            format.text(&operation.id.0),
            operation.done,
            plural(operation.accounts, "account"),
        )
    })
}

fn billing(format: Format, billing: &BillingStatus) -> String {
    match billing {
        BillingStatus::NotHere => "billing side: in the management account, which can't be seen from here".to_owned(),
        BillingStatus::Unread { error } => {
            format!(
                "{} billing side could not be read: {}",
                format.paint(style::WARN, "warning:"),
                format.text(error)
            )
        }
        BillingStatus::Read { plan, health, .. } => {
            let mut lines = Vec::new();
            if plan.is_empty() {
                lines.push(format!(
                    "billing side: {} as they should be",
                    plural(plan.unchanged.len(), "thing")
                ));
            } else {
                lines.push("billing side: bootstrap would change this".to_owned());
                lines.push(billing_plan(format, "bootstrap", plan, false));
            }
            lines.extend(health_lines(format, health));
            lines.join("\n")
        }
    }
}

/// How the billing side does: mails, what failed, what waits, which alarms are on.
fn health_lines(format: Format, health: &BillingHealth) -> Vec<String> {
    let more = if health.more { " or more" } else { "" };
    let mut lines = vec![format!(
        "notifier lately: {} above the limit, {}, {} failed, {} refused{more}",
        plural(health.days, "account day"),
        plural(health.sent, "test mail"),
        health.failed,
        plural(health.refused, "event"),
    )];
    for failure in &health.failures {
        lines.push(format!(
            "  {} {}: {} {}",
            failure.started.strftime("%Y-%m-%d %H:%M"),
            format.text(&failure.name),
            format.paint(style::BAD, format.text(&failure.error)),
            format.text(&failure.cause)
        ));
    }
    if let Some(queue) = health.queue.as_ref().filter(|queue| queue.waiting > 0) {
        lines.push(format.paint(
            style::WARN,
            format!(
                "in the dead-letter queue: {} about events that reached nobody or mails that failed",
                plural(usize::try_from(queue.waiting).unwrap_or(usize::MAX), "message")
            ),
        ));
        lines.extend(queue.messages.iter().map(|message| {
            let at = message
                .at
                .map_or_else(String::new, |at| format!("{} ", at.strftime("%Y-%m-%d %H:%M")));
            format!("  {at}{} {}", format.text(&message.what), format.text(&message.why))
        }));
    }
    for alarm in &health.alarms {
        lines.push(format!(
            "in ALARM: {} ({})",
            format.paint(style::WARN, format.text(&alarm.name)),
            format.text(&alarm.reason)
        ));
    }
    // Where the config names nobody, `doctor` says so once; this is what somebody believes to be set up.
    if let Some(hearing) = health.hearing.as_deref()
        && !matches!(
            hearing,
            Hearing::Nobody | Hearing::Elsewhere { .. } | Hearing::Heard { .. }
        )
    {
        lines.push(format.text(&hearing.to_string()));
    }
    let lost = health.chat.iter().filter(|channel| channel.is_lost());
    lines.extend(lost.map(|channel| format.text(&channel.to_string())));
    if health.in_ses_sandbox {
        lines.push(
            "SES is in its sandbox: only verified recipients get mail; ask for production access in the SES console"
                .to_owned(),
        );
    }
    lines
}

fn text(format: Format, status: &Status, shown: &Shown<'_>) -> String {
    let members = &status.members;
    let mut lines = vec![head(format, status)];
    lines.extend(under_way(format, members));
    let mut table = Table::new(format, &HEADINGS).right(&[4, 5]);
    let (listed, rest) = listed(&members.accounts, shown);
    for account in &listed {
        table.row(row(format, account));
    }
    if !listed.is_empty() {
        if format == Format::Markdown {
            lines.push(String::new());
        }
        let hidden = shown
            .width
            .map_or_else(Vec::new, |width| table.fit(width, &DISPENSABLE));
        lines.push(table.render());
        if !hidden.is_empty() {
            let names: Vec<&str> = hidden.iter().map(|index| HEADINGS[*index]).collect();
            lines.push(format!(
                "not shown, for lack of room: {} (a wider terminal and --format json have everything)",
                names.join(", ")
            ));
        }
    }
    if !rest.is_empty() {
        let counts = counted(rest.into_iter().map(|(coverage, count)| (count, coverage.word())));
        let counts: Vec<String> = counts.collect();
        // Markdown would take the next line for a part of the table.
        let gap = if format == Format::Markdown { "\n" } else { "" };
        lines.push(format!(
            "{gap}not listed: {} (`billctl status --all` lists every account)",
            counts.join(", ")
        ));
    }
    lines.extend(above_limits(format, members));
    lines.extend(drift(format, members));
    lines.extend(members.notes.iter().map(|note| format!("note: {}", format.text(note))));
    lines.join("\n")
}

/// The accounts to list, the worst first, and how many of each kind are left out.
fn listed<'a>(accounts: &'a [AccountStatus], shown: &Shown<'_>) -> (Vec<&'a AccountStatus>, BTreeMap<Coverage, usize>) {
    let mut listed = Vec::new();
    let mut rest = BTreeMap::new();
    let wanted = accounts
        .iter()
        .filter(|account| shown.only.is_none_or(|only| only(account)));
    let whole = shown.all || accounts.len() <= MOST_ROWS;
    for account in wanted {
        let coverage = account.coverage;
        let needs_a_look = coverage.is_finding()
            || matches!(coverage, Coverage::ThresholdUnread | Coverage::InProgress)
            || shown.only.is_some();
        if whole || needs_a_look && listed.len() < MOST_ROWS {
            listed.push(account);
        } else {
            *rest.entry(coverage).or_default() += 1;
        }
    }
    (listed, rest)
}

/// Who is above its limit, and whether the owner was told; where nobody was, the likely cause and what to do.
fn above_limits(format: Format, members: &MembersStatus) -> Option<String> {
    if members.above.is_empty() {
        return None;
    }
    let headings = ["", "account", "name", "spent", "limit", "days", "owner"];
    let mut table = Table::new(format, &headings).right(&[3, 4, 5]);
    let mut findings = Vec::new();
    for above in members.above.iter().take(MOST_ROWS) {
        let mark = if above.finding { "!" } else { "" };
        table.row([
            mark.to_owned(),
            above.account.to_string(),
            format.text(&above.name),
            above.amount.to_string(),
            above.limit.to_string(),
            format!("{}{}", above.days, if above.or_more { "+" } else { "" }),
            told(above),
        ]);
        if let (Some(cause), Some(remedy)) = (&above.cause, &above.remedy) {
            let bullet = if format == Format::Markdown { "- " } else { "" };
            findings.push(format!(
                "{bullet}{} {} is above its limit for {}{}, nobody told: {}; {}",
                above.account,
                format.text(&above.name),
                plural(above.days, "day"),
                if above.or_more { " or more" } else { "" },
                format.text(cause),
                format.text(remedy)
            ));
        }
    }
    let rest = members.above.len().saturating_sub(MOST_ROWS);
    if rest > 0 {
        findings.push(format!("{rest} more are above their limits (--format json has all)"));
    }
    let gap = if findings.is_empty() { "" } else { "\n\n" };
    Some(format!(
        "\nabove the limit by the billing account's figures:\n\n{}{gap}{}\n",
        table.render(),
        findings.join("\n")
    ))
}

fn told(above: &Above) -> String {
    match &above.told {
        Some(Told::Yes { since: Some(since), .. }) => format!("told since {since}"),
        Some(Told::Yes { since: None, .. }) => "told".to_owned(),
        None => "not looked at".to_owned(),
        Some(_) if above.finding => "not told".to_owned(),
        Some(_) => "not told yet".to_owned(),
    }
}

/// What has drifted: for each property what the template says, and what is there.
fn drift(format: Format, members: &MembersStatus) -> Option<String> {
    let mut table = Table::new(
        format,
        &["account", "name", "resource", "property", "expected", "actual"],
    );
    let mut rows = 0;
    for account in &members.accounts {
        for resource in &account.drifted_resources {
            let mut row = |property: &str, expected: &str, actual: &str| {
                rows += 1;
                table.row([
                    account.account.to_string(),
                    format.text(&account.name),
                    format.text(&format!("{} ({})", resource.logical_id, resource.resource_type)),
                    format.text(property),
                    format.text(expected),
                    format.text(actual),
                ]);
            };
            if resource.differences.is_empty() {
                row("", "", &resource.status.to_lowercase());
            }
            for difference in &resource.differences {
                row(&difference.path, &difference.expected, &difference.actual);
            }
        }
    }
    (rows > 0).then(|| format!("\n{}\n", table.render()))
}

/// What it comes to in one line. It says "all well" of what was looked at, and names the rest.
fn verdict(format: Format, status: &Status) -> String {
    let members = &status.members;
    let covered = plural(members.count(Coverage::Covered), "account");
    let mut text = format!("{covered} covered");
    if members.count(Coverage::InProgress) > 0 {
        text += &format!(", {} in progress", members.count(Coverage::InProgress));
    }
    if !members.above.is_empty() && members.untold() == 0 {
        text += &format!(", {} above the limit", members.above.len());
    }
    let well = status.findings.is_empty();
    if !well {
        let wrong: Vec<String> = status
            .findings
            .iter()
            .map(|finding| format.text(&finding.what))
            .collect();
        text += &format!(", but {}", wrong.join(", "));
    } else if !members.operations.is_empty() {
        text = format!("in progress: {text}");
    } else if status.not_looked_at.is_empty() {
        text = format!("all well: {text}");
    } else {
        text = format!("all well as far as checked: {text}");
    }
    if !status.drift_looked.is_empty() && !status.findings.iter().any(|finding| finding.kind == "drift-due") {
        text += &format!("; drift {}", status.drift_looked);
    }
    if !status.not_looked_at.is_empty() {
        text += &format!("; not looked at: {}", status.not_looked_at.join(", "));
    }
    match format {
        Format::Markdown => format!("**{text}**"),
        _ if well => style::paint(style::GOOD.bold(), text),
        _ => style::paint(style::WARN.bold(), text),
    }
}

const HEADINGS: [&str; 9] = [
    "",
    "account",
    "name",
    "ou",
    "wanted",
    "effective",
    "instance",
    "drift",
    "coverage",
];

/// Columns to do without where there is no room, the first first: what coverage sums up, then where an account is.
const DISPENSABLE: [usize; 3] = [7, 6, 3];

fn row(format: Format, account: &AccountStatus) -> [String; 9] {
    let (symbol, style) = match account.coverage {
        Coverage::Covered => ("=", style::GOOD),
        Coverage::Missing => ("+", style::BAD),
        Coverage::Stray => ("-", style::WARN),
        coverage if coverage.is_finding() => ("~", style::BAD),
        Coverage::ThresholdUnread => ("?", style::WARN),
        Coverage::InProgress => ("~", style::WARN),
        _ => ("", style::FAINT),
    };
    let instance = match (account.instance, account.detailed) {
        (Some(instance), Some(detailed)) if instance != InstanceStatus::Current => {
            format!("{} / {}", word(&instance), word(&detailed))
        }
        (Some(instance), _) => word(&instance),
        (None, _) => "-".to_owned(),
    };
    let drift = match account.drift {
        Some(DriftStatus::NotChecked) | None => "-".to_owned(),
        Some(drift) => word(&drift),
    };
    let effective = match account.overridden {
        Some(true) => format!("{}*", plain(account.effective)),
        _ => plain(account.effective),
    };
    [
        format.paint(style, symbol),
        account.account.to_string(),
        format.text(&account.name),
        format.text(&account.ou),
        plain(account.wanted),
        effective,
        instance,
        drift,
        format.paint(style, account.coverage.word()),
    ]
}

/// AWS's word for a value, as it is serialised.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

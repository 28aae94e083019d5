use std::collections::BTreeMap;

use serde::Serialize;

use super::probe::probes;
use super::style;
use super::{Format, Table, billing_plan, json, plural};
use crate::plan::above::{Above, Told};
use crate::plan::billing::Plan;
use crate::plan::billing_health::BillingHealth;
use crate::plan::operations::Hearing;
use crate::plan::probe::Probes;
use crate::plan::status::{AccountStatus, Coverage, MembersStatus};
use billctl_core::model::Usd;
use billctl_core::service::cloudformation::DriftStatus;

/// What is true everywhere.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The members.
    #[serde(flatten)]
    pub members: MembersStatus,
    /// What looking into members told, where that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probes>,
    /// The billing side.
    pub billing: BillingStatus,
}

/// The billing side, as far as it can be seen.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum BillingStatus {
    /// What `bootstrap` would change, and how it does.
    Read {
        /// What `bootstrap` would change.
        plan: Plan,
        /// How it does.
        health: Box<BillingHealth>,
    },
    /// It could not be read.
    Unread {
        /// Why.
        error: String,
    },
    /// These credentials are a delegated administrator's: the billing side is in another account.
    NotHere,
}

impl Status {
    /// Whether `--check` fails. Mails that failed lately are told and are no finding: they are counted for days after
    /// their cause is gone.
    pub fn has_findings(&self) -> bool {
        let billing = match &self.billing {
            BillingStatus::Read { plan, .. } => !plan.is_empty(),
            BillingStatus::Unread { .. } => true,
            BillingStatus::NotHere => false,
        };
        let probe = self.probe.as_ref().is_some_and(Probes::has_findings);
        billing || probe || self.members.has_findings() || !self.members.exists
    }
}

/// Most accounts that are listed whole. In a larger organisation those that are well are only counted: nobody
/// reads 2,000 lines to find the three that matter.
const MOST_ROWS: usize = 100;

/// What is true everywhere: a verdict in one line, then what stands behind it. JSON lists every account; for people
/// a long list is shortened to what needs a look, unless `all` is wanted, and a table leaves out what a terminal of
/// `width` columns has no room for, and says so.
pub fn status(format: Format, status: &Status, all: bool, width: Option<usize>) -> String {
    match format {
        Format::Json => json("status", status),
        Format::Table | Format::Markdown => {
            let mut parts = vec![text(format, status, all, width)];
            parts.extend(status.probe.as_ref().map(|found| probes(format, found, all)));
            parts.push(billing(format, &status.billing));
            parts.join("\n\n")
        }
    }
}

fn billing(format: Format, billing: &BillingStatus) -> String {
    match billing {
        BillingStatus::NotHere => "billing side: in the management account, not seen from here".to_owned(),
        BillingStatus::Unread { error } => {
            format!(
                "{} billing side could not be read: {}",
                format.paint(style::WARN, "warning:"),
                format.text(error)
            )
        }
        BillingStatus::Read { plan, health } => {
            let mut lines = Vec::new();
            if plan.is_empty() {
                lines.push(format!(
                    "billing side: {} as they should be",
                    plural(plan.unchanged.len(), "thing")
                ));
            } else {
                lines.push("billing side: bootstrap would change this".to_owned());
                lines.push(billing_plan(format, "bootstrap", plan));
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
    if health.in_ses_sandbox {
        lines.push(
            "SES is in its sandbox: only verified recipients get mail; ask for production access in the SES console"
                .to_owned(),
        );
    }
    lines
}

fn text(format: Format, status: &Status, all: bool, width: Option<usize>) -> String {
    let members = &status.members;
    let mut lines = vec![verdict(format, status)];
    if !members.changes.is_empty() {
        let fields: Vec<&str> = members.changes.iter().map(|change| change.field.as_str()).collect();
        lines.push(format!(
            "StackSet {} differs from config in {}: run deploy",
            format.text(&members.stack_set),
            fields.join(", ")
        ));
    }
    let mut table = Table::new(format, &HEADINGS).right(&[4, 5]);
    let (listed, rest) = listed(&members.accounts, all);
    for account in &listed {
        table.row(row(format, account));
    }
    if !listed.is_empty() {
        if format == Format::Markdown {
            lines.push(String::new());
        }
        let hidden = width.map_or_else(Vec::new, |width| table.fit(width, &DISPENSABLE));
        lines.push(table.render());
        if !hidden.is_empty() {
            let names: Vec<&str> = hidden.iter().map(|index| HEADINGS[*index]).collect();
            lines.push(format!(
                "not shown, for want of room: {} (a wider terminal and --format json have everything)",
                names.join(", ")
            ));
        }
    }
    if !rest.is_empty() {
        let counts: Vec<String> = rest
            .iter()
            .map(|(coverage, count)| format!("{count} {}", coverage.word()))
            .collect();
        // Markdown would take the next line for a part of the table.
        let gap = if format == Format::Markdown { "\n" } else { "" };
        lines.push(format!(
            "{gap}not listed: {} (`billctl status --all` lists every account)",
            counts.join(", ")
        ));
    }
    lines.extend(above_limits(format, members));
    lines.extend(drift(format, members));
    if members.count(Coverage::NoData) > 0 {
        lines.push(
            "no data: the billing account has no charges for these accounts, so their alarms can't go off; `billctl \
             doctor` looks for the cause"
                .to_owned(),
        );
    }
    lines.extend(members.notes.iter().map(|note| format!("note: {}", format.text(note))));
    lines.join("\n")
}

/// The accounts to list, the worst first, and how many of each kind are left out.
fn listed(accounts: &[AccountStatus], all: bool) -> (Vec<&AccountStatus>, BTreeMap<Coverage, usize>) {
    let mut listed = Vec::new();
    let mut rest = BTreeMap::new();
    let whole = all || accounts.len() <= MOST_ROWS;
    for account in accounts {
        let coverage = account.coverage;
        let needs_a_look = coverage.is_finding() || coverage == Coverage::ThresholdUnread;
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
            above.days.to_string(),
            told(above),
        ]);
        if let (Some(cause), Some(remedy)) = (&above.cause, &above.remedy) {
            let bullet = if format == Format::Markdown { "- " } else { "" };
            findings.push(format!(
                "{bullet}{} {} is above its limit for {}, nobody told: {}; {}",
                above.account,
                format.text(&above.name),
                plural(above.days, "day"),
                format.text(cause),
                format.text(remedy)
            ));
        }
    }
    let rest = members.above.len().saturating_sub(MOST_ROWS);
    if rest > 0 {
        findings.push(format!("{rest} more are above their limits (--format json has all)"));
    }
    let mut text = format!(
        "\nabove the limit by the billing account's figures:\n\n{}",
        table.render()
    );
    if !findings.is_empty() {
        text.push_str("\n\n");
        text.push_str(&findings.join("\n"));
    }
    text.push('\n');
    Some(text)
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

fn verdict(format: Format, status: &Status) -> String {
    let members = &status.members;
    let covered = plural(members.count(Coverage::Covered), "account");
    let mut wrong: Vec<String> = [
        Coverage::Missing,
        Coverage::Failed,
        Coverage::WrongThreshold,
        Coverage::Drifted,
        Coverage::Stray,
        Coverage::NoData,
        Coverage::ThresholdUnread,
    ]
    .into_iter()
    .filter(|coverage| members.count(*coverage) > 0)
    .map(|coverage| format!("{} {}", members.count(coverage), coverage.word()))
    .collect();
    if !members.exists {
        wrong.push(format!(
            "StackSet {} does not exist yet",
            format.text(&members.stack_set)
        ));
    } else if !members.changes.is_empty() {
        wrong.push(format!("StackSet {} differs", format.text(&members.stack_set)));
    }
    if members.no_charges {
        wrong.push("no alarm has data".to_owned());
    }
    if let Some(probe) = status.probe.as_ref().filter(|probe| probe.has_findings()) {
        let found = probe.accounts.iter().filter(|one| !one.findings.is_empty());
        wrong.push(format!("{} of those looked into", plural(found.count(), "account")));
    }
    if members.untold() > 0 {
        wrong.push(format!("{} above the limit without anybody told", members.untold()));
    }
    match &status.billing {
        BillingStatus::Read { plan, health } => {
            if !plan.is_empty() {
                wrong.push("the billing side differs".to_owned());
            }
            if health.failed > 0 {
                wrong.push(format!("{} failed lately", plural(health.failed, "execution")));
            }
        }
        BillingStatus::Unread { .. } => wrong.push("the billing side could not be read".to_owned()),
        BillingStatus::NotHere => {}
    }
    let above = match members.above.len() {
        0 => String::new(),
        _ if members.untold() > 0 => String::new(),
        above => format!(", {above} above the limit"),
    };
    let text = if wrong.is_empty() {
        format!("all well: {covered} covered{above}")
    } else {
        format!("{covered} covered, but {}", wrong.join(", "))
    };
    match format {
        Format::Markdown => format!("**{text}**"),
        _ if wrong.is_empty() => style::paint(style::GOOD.bold(), text),
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
    let amount = |threshold: Option<Usd>| threshold.map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let (symbol, style) = match account.coverage {
        Coverage::Covered => ("=", style::GOOD),
        Coverage::Missing => ("+", style::BAD),
        Coverage::Stray => ("-", style::WARN),
        coverage if coverage.is_finding() => ("~", style::BAD),
        Coverage::ThresholdUnread => ("?", style::WARN),
        _ => ("", style::FAINT),
    };
    let instance = match (account.instance, account.detailed) {
        (Some(instance), Some(detailed)) if account.coverage == Coverage::Failed => {
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
        Some(true) => format!("{}*", amount(account.effective)),
        _ => amount(account.effective),
    };
    [
        format.paint(style, symbol),
        account.account.to_string(),
        format.text(&account.name),
        format.text(&account.ou),
        amount(account.wanted),
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

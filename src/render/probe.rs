use std::collections::BTreeSet;

use super::spend::plain;
use super::{Format, Table, counted, style};
use crate::plan::probe::{ProbeFinding, ProbedAccount, Probes};
use billctl_core::service::cloudwatch::AlarmState;
use billctl_core::text::plural;

/// Most accounts that are listed whole: beyond, those that are well are only counted.
const MOST_ROWS: usize = 100;

/// What looking into members found.
pub(super) fn probes(format: Format, probes: &Probes, all: bool) -> String {
    let mut lines = vec![format!(
        "looked into {} of {} covered accounts by role {}",
        probes.entered(),
        probes.covered,
        format.text(&probes.role)
    )];
    let found: BTreeSet<ProbeFinding> = probes.accounts.iter().flat_map(|one| &one.findings).copied().collect();
    let findings = counted(found.into_iter().map(|finding| (probes.count(finding), finding.word())));
    let findings: Vec<String> = findings.collect();
    if !findings.is_empty() {
        lines.push(format.paint(style::WARN, format!("seen there: {}", findings.join(", "))));
    }
    let mut table = Table::new(format, &HEADINGS).right(&[3, 4]);
    let whole = all || probes.entered() <= MOST_ROWS;
    let listed: Vec<&ProbedAccount> = probes
        .accounts
        .iter()
        .filter(|one| one.entered && (whole || !one.findings.is_empty() || !one.unread.is_empty()))
        .collect();
    for one in &listed {
        table.row(row(format, one));
    }
    if !listed.is_empty() {
        if format == Format::Markdown {
            lines.push(String::new());
        }
        lines.push(table.render());
        if format == Format::Markdown {
            lines.push(String::new());
        }
    }
    let rest = probes.entered() - listed.len();
    if rest > 0 {
        lines.push(format!("not listed: {} as they should be", plural(rest, "account")));
    }
    if probes.count(ProbeFinding::NoData) > 0 {
        lines.push(
            "no data: the member's series is empty, so its alarm can't fire; `billctl spend --tell` covers it from the \
             billing account's"
                .to_owned(),
        );
    }
    for one in probes.accounts.iter().filter(|one| one.entered) {
        let whose = format!("{} ({})", one.account, format.text(&one.name));
        let unread = one.unread.iter().map(|unread| format.text(unread));
        lines.extend(unread.map(|unread| format!("note: {whose}: {unread}")));
    }
    if let Some(first) = probes.accounts.iter().find(|one| !one.entered) {
        lines.push(format!(
            "no way into {}, so nothing is known of them: such as {} ({}), {}",
            plural(probes.not_entered(), "account"),
            first.account,
            format.text(&first.name),
            format.text(first.unread.first().map_or("", String::as_str)),
        ));
    }
    lines.join("\n")
}

const HEADINGS: [&str; 9] = [
    "account",
    "name",
    "ou",
    "wanted",
    "threshold",
    "alarm",
    "data",
    "rule",
    "finding",
];

fn row(format: Format, one: &ProbedAccount) -> [String; 9] {
    let state = match one.alarm {
        Some(AlarmState::Ok) => "OK",
        Some(AlarmState::Alarm) => "ALARM",
        Some(AlarmState::InsufficientData) => "INSUFFICIENT_DATA",
        None => "-",
    };
    let word = |known: Option<bool>, yes: &str, no: &str| match known {
        Some(true) => yes.to_owned(),
        Some(false) => no.to_owned(),
        None => "-".to_owned(),
    };
    let findings: Vec<&str> = one.findings.iter().map(|finding| finding.word()).collect();
    [
        one.account.to_string(),
        format.text(&one.name),
        format.text(&one.ou),
        one.wanted.to_string(),
        plain(one.threshold),
        state.to_owned(),
        word(one.has_data, "yes", "none"),
        word(one.rule_enabled, "on", "off"),
        findings.join(", "),
    ]
}

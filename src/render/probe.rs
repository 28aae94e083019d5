use super::{Format, Table, style};
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
    let findings: Vec<String> = FINDINGS
        .into_iter()
        .filter(|finding| probes.count(*finding) > 0)
        .map(|finding| format!("{} {}", probes.count(finding), finding.word()))
        .collect();
    if !findings.is_empty() {
        lines.push(format.paint(style::WARN, format!("seen there: {}", findings.join(", "))));
    }
    let mut table = Table::new(
        format,
        &[
            "account",
            "name",
            "ou",
            "wanted",
            "threshold",
            "alarm",
            "data",
            "rule",
            "finding",
        ],
    )
    .right(&[3, 4]);
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
        for unread in &one.unread {
            lines.push(format!(
                "note: {} ({}): {}",
                one.account,
                format.text(&one.name),
                format.text(unread)
            ));
        }
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

const FINDINGS: [ProbeFinding; 7] = [
    ProbeFinding::NoAlarm,
    ProbeFinding::WrongThreshold,
    ProbeFinding::ActionsOff,
    ProbeFinding::NoRule,
    ProbeFinding::RuleOff,
    ProbeFinding::WrongTarget,
    ProbeFinding::NoData,
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
        one.threshold.map_or_else(|| "-".to_owned(), |usd| usd.to_string()),
        state.to_owned(),
        word(one.has_data, "yes", "none"),
        word(one.rule_enabled, "on", "off"),
        findings.join(", "),
    ]
}

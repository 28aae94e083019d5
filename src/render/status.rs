use super::style::{self, paint};
use super::{Table, json, plural};
use crate::cli::Format;
use crate::model::Usd;
use crate::plan::status::{AccountStatus, Coverage, MembersStatus};
use crate::service::cloudformation::DriftStatus;

/// What is true everywhere: a verdict in one line, then what stands behind it.
pub fn status(format: Format, members: &MembersStatus) -> String {
    match format {
        Format::Json => json("status", members),
        Format::Table | Format::Markdown => text(format, members),
    }
}

fn text(format: Format, members: &MembersStatus) -> String {
    let mut lines = vec![verdict(format, members)];
    if !members.changes.is_empty() {
        let fields: Vec<&str> = members
            .changes
            .iter()
            .map(|change| change.field.as_str())
            .collect();
        lines.push(format!(
            "StackSet {} differs from config in {}: run deploy",
            members.stack_set,
            fields.join(", ")
        ));
    }
    let mut table = Table::new(
        format,
        &[
            "",
            "account",
            "name",
            "ou",
            "wanted",
            "effective",
            "instance",
            "drift",
            "coverage",
        ],
    )
    .right(&[4, 5]);
    for account in &members.accounts {
        table.row(row(format, account));
    }
    if format == Format::Markdown {
        lines.push(String::new());
    }
    lines.push(table.render());
    lines.join("\n")
}

fn verdict(format: Format, members: &MembersStatus) -> String {
    let count = |coverage| members.count(coverage);
    let covered = count(Coverage::Covered);
    let mut wrong = Vec::new();
    for coverage in [
        Coverage::Missing,
        Coverage::Failed,
        Coverage::WrongThreshold,
        Coverage::Drifted,
        Coverage::Stray,
        Coverage::ThresholdUnread,
    ] {
        if count(coverage) > 0 {
            wrong.push(format!("{} {}", count(coverage), coverage.word()));
        }
    }
    let text = if !members.exists {
        format!(
            "StackSet {} does not exist yet: run deploy",
            members.stack_set
        )
    } else if wrong.is_empty() && members.changes.is_empty() {
        format!("all well: {} covered", plural(covered, "account"))
    } else {
        wrong.insert(0, format!("{} covered", plural(covered, "account")));
        wrong.join(", ")
    };
    match format {
        Format::Markdown => format!("**{text}**"),
        _ if members.exists && !members.has_findings() => paint(style::GOOD.bold(), text),
        _ => paint(style::WARN.bold(), text),
    }
}

fn row(format: Format, account: &AccountStatus) -> [String; 9] {
    let amount =
        |threshold: Option<Usd>| threshold.map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let (symbol, style) = match account.coverage {
        Coverage::Covered => ("=", style::GOOD),
        Coverage::Missing => ("+", style::BAD),
        Coverage::Stray => ("-", style::WARN),
        coverage if coverage.is_finding() => ("~", style::BAD),
        Coverage::ThresholdUnread => ("?", style::WARN),
        _ => ("", style::FAINT),
    };
    let painted = |text: &str| {
        if format == Format::Markdown || text.is_empty() {
            text.to_owned()
        } else {
            paint(style, text)
        }
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
        painted(symbol),
        account.account.to_string(),
        account.name.clone(),
        account.ou.clone(),
        amount(account.wanted),
        effective,
        instance,
        drift,
        painted(account.coverage.word()),
    ]
}

/// AWS's word for a value, as it is serialised.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

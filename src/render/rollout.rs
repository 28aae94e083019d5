use std::collections::BTreeMap;

use serde::Serialize;

use super::style::{self, paint};
use super::{Table, clean, json, plural};
use crate::apply::operation::Outcome;
use crate::cli::Format;
use crate::model::{AccountId, Organization};
use crate::plan::rollout::{AccountChange, AccountLine, Counts, Rollout};
use crate::resource::stack_set::FieldChange;

/// A rollout before it happens: counts first, then what changes. Accounts that stay as they are are counted only.
pub fn rollout(format: Format, plan: &Rollout, organization: &Organization) -> String {
    match format {
        Format::Json => json(
            "rollout",
            &Json {
                stack_set: &plan.spec.name,
                creates_stack_set: plan.creates_stack_set,
                stack_set_changes: &plan.stack_set,
                counts: plan.counts(),
                accounts: plan.lines(organization),
                operations: plan
                    .steps
                    .iter()
                    .map(|step| step.title(&plan.spec.name))
                    .collect(),
                notes: &plan.notes,
            },
        ),
        Format::Table | Format::Markdown => text(format, plan, organization),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    stack_set: &'a str,
    creates_stack_set: bool,
    stack_set_changes: &'a [FieldChange],
    counts: Counts,
    accounts: Vec<AccountLine>,
    operations: Vec<String>,
    notes: &'a [String],
}

fn text(format: Format, plan: &Rollout, organization: &Organization) -> String {
    let counts = plan.counts();
    let mut lines = Vec::new();
    let summary = format!(
        "{} to create, {} to change, {} to repair, {} to remove; {} stay, {} skipped",
        counts.create, counts.change, counts.repair, counts.remove, counts.leave, counts.skip
    );
    lines.push(if format == Format::Markdown {
        format!("### billctl deploy\n\n**{summary}**\n")
    } else {
        paint(style::STRONG, summary)
    });
    if plan.creates_stack_set {
        lines.push(paint(style::GOOD, format!("+ StackSet {}", plan.spec.name)));
    } else if !plan.stack_set.is_empty() {
        lines.push(paint(style::WARN, format!("~ StackSet {}", plan.spec.name)));
        lines.extend(plan.stack_set.iter().map(field));
    }
    let mut table = Table::new(format, &["", "account", "name", "ou", "what"]);
    let mut rows = 0;
    for line in plan.lines(organization) {
        let (symbol, what) = match &line.change {
            AccountChange::Leave { .. } => continue,
            AccountChange::Create {
                threshold,
                overridden: true,
            } => ("+", format!("create with {threshold} (override)")),
            AccountChange::Create { threshold, .. } => ("+", format!("create with {threshold}")),
            AccountChange::Change { from, to } => {
                ("~", format!("threshold {} -> {to}", amount(*from)))
            }
            AccountChange::Reset { from, to } => (
                "~",
                format!("threshold {} -> {to} (the default)", amount(*from)),
            ),
            AccountChange::Retry { .. } => ("~", "try again what failed".to_owned()),
            AccountChange::Recreate { retain: true, .. } => (
                "~",
                "release the broken instance and create it anew".to_owned(),
            ),
            AccountChange::Recreate { .. } => ("~", "remove and create anew".to_owned()),
            AccountChange::Remove => ("-", "remove".to_owned()),
            AccountChange::Skip { reason } => ("=", format!("skip: {reason}")),
        };
        let style = match symbol {
            "+" => style::GOOD,
            "-" => style::BAD,
            "~" => style::WARN,
            _ => style::FAINT,
        };
        let symbol = if format == Format::Markdown {
            symbol.to_owned()
        } else {
            paint(style, symbol)
        };
        table.row([
            symbol,
            line.account.to_string(),
            clean(&line.name),
            clean(&line.ou),
            what,
        ]);
        rows += 1;
    }
    if rows > 0 {
        lines.push(table.render());
    }
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    if plan.is_empty() {
        lines.push("nothing to change".to_owned());
    }
    lines.join("\n")
}

fn amount(threshold: Option<crate::model::Usd>) -> String {
    threshold.map_or_else(|| "?".to_owned(), |threshold| threshold.to_string())
}

/// A field's difference; a long text (the template) as the lines that differ.
fn field(change: &FieldChange) -> String {
    let before = change.before.as_deref().unwrap_or("(none)");
    let after = change.after.as_deref().unwrap_or("(none)");
    if !before.contains('\n') && !after.contains('\n') {
        return format!("    {}: {before} -> {after}", change.field);
    }
    let diff = similar::TextDiff::from_lines(before, after);
    let mut text = format!("    {}:", change.field);
    for hunk in diff.unified_diff().context_radius(1).iter_hunks() {
        for line in hunk.to_string().lines() {
            text.push_str("\n      ");
            text.push_str(line);
        }
    }
    text
}

/// Every account that failed, grouped by reason, with a cure where one is known.
pub fn failures(outcomes: &[Outcome], organization: &Organization) -> String {
    let mut reasons: BTreeMap<&str, Vec<AccountId>> = BTreeMap::new();
    let mut unlisted = 0;
    let mut cancelled = 0;
    let mut lines = Vec::new();
    for outcome in outcomes {
        for (account, reason) in &outcome.failures {
            reasons.entry(reason).or_default().push(*account);
        }
        unlisted += outcome.unlisted as usize;
        cancelled += outcome.cancelled.len();
        if let Some(reason) = &outcome.reason {
            lines.push(format!("operation {}: {reason}", outcome.id));
        }
    }
    for (reason, accounts) in reasons {
        let reason = clean(if reason.is_empty() {
            "no reason given"
        } else {
            reason
        });
        lines.push(format!(
            "{} {}: {reason}",
            paint(style::BAD, "failed"),
            plural(accounts.len(), "account")
        ));
        for account in accounts {
            let name = organization
                .account(account)
                .map_or("", |(account, _)| account.name.as_str());
            lines.push(format!("    {account}  {name}"));
        }
        if let Some(cure) = cure(&reason) {
            lines.push(format!("    {} {cure}", paint(style::STRONG, "cure:")));
        }
    }
    if cancelled > 0 {
        lines.push(format!(
            "{} not begun, because the operation stopped",
            plural(cancelled, "account")
        ));
    }
    if unlisted > 0 {
        lines.push(format!(
            "{} more failed, which AWS counts but doesn't list",
            plural(unlisted, "account")
        ));
    }
    lines.join("\n")
}

/// What helps against a reason. Reasons are free text, so this only ever adds a hint.
fn cure(reason: &str) -> Option<&'static str> {
    let reason = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["service control policy", "explicit deny"]) {
        Some(
            "a service control policy forbids it: allow the StackSets role `stacksets-exec-*` there",
        )
    } else if has(&["already exists"]) {
        Some(
            "something else has this name: remove it there, or choose another name in [names] or [alarm]",
        )
    } else if has(&["inoperable"]) {
        Some("run deploy again: it releases the instance and creates it anew")
    } else if has(&["suspended"]) {
        Some("nothing: the account is suspended")
    } else if has(&["does not exist", "not found", "notfound"]) {
        Some(
            "something was deleted by hand there: `billctl deploy --recreate ACCOUNT` removes and creates the instance",
        )
    } else if has(&["rate exceeded", "throttl"]) {
        Some("run deploy again, with a lower [deploy] concurrency")
    } else {
        None
    }
}

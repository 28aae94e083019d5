use serde::Serialize;

use super::style::{self, paint};
use super::{Format, Table, json, plural};
use crate::plan::failure::{FailureGroup, group};
use crate::plan::outcome::Outcome;
use crate::plan::rollout::{AccountChange, AccountLine, Counts, Waves};
use crate::resource::stack_set::FieldChange;
use billctl_core::model::{AccountState, Organization};
use billctl_core::service::cloudformation::OperationId;
use billctl_core::text;

/// What has come of a rollout.
#[derive(Debug)]
pub struct RolloutResult<'a> {
    /// Its operations, in order.
    pub outcomes: &'a [Outcome],
    /// The operation that was left running.
    pub detached: Option<&'a OperationId>,
    /// What was not begun, in words.
    pub not_reached: &'a [String],
}

/// A rollout before it happens: counts first, then what changes. Accounts that stay as they are are counted only.
/// As JSON it can carry its result too, so that a run has one answer.
pub fn rollout(
    format: Format,
    plan: &Waves,
    organization: &Organization,
    result: Option<&RolloutResult<'_>>,
) -> String {
    match format {
        Format::Json => json("rollout", &Json::new(plan, organization, result)),
        Format::Table | Format::Markdown => text(format, plan, organization),
    }
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Json<'a> {
    stack_set: &'a str,
    creates_stack_set: bool,
    stack_set_changes: Vec<&'a FieldChange>,
    counts: Counts,
    accounts: Vec<AccountLine>,
    operations: Vec<String>,
    waves: Vec<WaveJson<'a>>,
    notes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultJson<'a>>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct WaveJson<'a> {
    name: Option<&'a str>,
    operations: Vec<String>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct ResultJson<'a> {
    failures: Vec<FailureGroup>,
    unlisted_failures: u32,
    detached: Option<&'a str>,
    not_reached: &'a [String],
}

impl<'a> Json<'a> {
    fn new(plan: &'a Waves, organization: &Organization, result: Option<&RolloutResult<'a>>) -> Self {
        let waves: Vec<WaveJson<'a>> = plan
            .waves
            .iter()
            .map(|wave| WaveJson {
                name: wave.name.as_deref(),
                operations: wave
                    .rollout
                    .steps
                    .iter()
                    .map(|step| step.title(&wave.rollout.spec.name))
                    .collect(),
            })
            .collect();
        Self {
            stack_set: stack_set(plan),
            creates_stack_set: plan.creates_stack_set(),
            stack_set_changes: plan.stack_set(),
            counts: plan.counts(),
            accounts: plan.lines(organization),
            operations: waves.iter().flat_map(|wave| wave.operations.clone()).collect(),
            waves,
            notes: plan.notes(),
            result: result.map(|result| ResultJson {
                failures: groups(result.outcomes),
                unlisted_failures: result.outcomes.iter().map(|outcome| outcome.unlisted).sum(),
                detached: result.detached.map(|id| id.0.as_str()),
                not_reached: result.not_reached,
            }),
        }
    }
}

/// The StackSet's name: the same in every wave.
fn stack_set(plan: &Waves) -> &str {
    plan.waves.first().map_or("", |wave| wave.rollout.spec.name.as_str())
}

/// What each wave does, where there are waves.
fn waves(format: Format, plan: &Waves) -> Vec<String> {
    if plan.waves.iter().all(|wave| wave.name.is_none()) {
        return Vec::new();
    }
    let mut lines: Vec<String> = plan
        .waves
        .iter()
        .filter(|wave| wave.name.is_some() || !wave.rollout.is_empty())
        .map(|wave| {
            let name = wave.name.as_deref().map_or_else(
                || "then all the rest".to_owned(),
                |name| format!("wave {}", format.text(name)),
            );
            let steps: Vec<String> = wave
                .rollout
                .steps
                .iter()
                .map(|step| step.title(&wave.rollout.spec.name))
                .collect();
            let what = if steps.is_empty() {
                "nothing".to_owned()
            } else {
                steps.join("; ")
            };
            let what = format.text(&what);
            match format {
                Format::Markdown => format!("- {name}: {what}"),
                _ => format!("{name}: {what}"),
            }
        })
        .collect();
    if format == Format::Markdown {
        lines.insert(0, String::new());
        lines.push(String::new());
    }
    lines
}

fn text(format: Format, plan: &Waves, organization: &Organization) -> String {
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
    let name = stack_set(plan);
    if plan.creates_stack_set() {
        lines.push(set(format, style::GOOD, "+", name));
    } else if !plan.stack_set().is_empty() {
        lines.push(set(format, style::WARN, "~", name));
        let fields: Vec<String> = plan.stack_set().into_iter().map(field).collect();
        // As code, for what Markdown would make of a template's lines.
        let gap = if format == Format::Markdown { "\n" } else { "" };
        lines.push(format.block("diff", &fields.join("\n")) + gap);
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
            AccountChange::Change { from, to } => ("~", format!("threshold {} -> {to}", amount(*from))),
            AccountChange::Reset { from, to } => ("~", format!("threshold {} -> {to} (the default)", amount(*from))),
            AccountChange::Follow { from, to } => {
                ("~", format!("threshold {} -> {to} (with the StackSet)", amount(*from)))
            }
            AccountChange::Update { .. } => ("~", "update with the StackSet".to_owned()),
            AccountChange::Retry { .. } => ("~", "try again what failed or is behind".to_owned()),
            AccountChange::Recreate { retain: true, .. } => {
                ("~", "release the broken instance and create it anew".to_owned())
            }
            AccountChange::Recreate { .. } => ("~", "remove and create anew".to_owned()),
            AccountChange::Remove { retain: true } => ("-", "remove; its stack stays in the account".to_owned()),
            AccountChange::Remove { .. } => ("-", "remove".to_owned()),
            AccountChange::Skip { reason } => ("=", format!("skip: {}", format.text(&reason.to_string()))),
        };
        let style = match symbol {
            "+" => style::GOOD,
            "-" => style::BAD,
            "~" => style::WARN,
            _ => style::FAINT,
        };
        let symbol = format.paint(style, symbol);
        let what = match line.already_spent {
            Some(spent) => format!(
                "{what}; {}",
                format.paint(style::WARN, format!("spent {spent} lately: will alarm at once"))
            ),
            None => what,
        };
        table.row([
            symbol,
            line.account.to_string(),
            format.text(&line.name),
            format.text(&line.ou),
            what,
        ]);
        rows += 1;
    }
    if rows > 0 {
        lines.push(table.render());
    }
    if !plan.above.is_empty() {
        lines.push(format.paint(
            style::WARN,
            format!(
                "{} above the new threshold already: an alarm there goes off at once, and its owner gets a mail",
                plural(plan.above.len(), "account")
            ),
        ));
    }
    lines.extend(waves(format, plan));
    lines.extend(plan.notes().iter().map(|note| format!("note: {}", format.text(note))));
    if plan.is_empty() {
        lines.push("nothing to change".to_owned());
    }
    lines.join("\n")
}

/// The StackSet's own line. A plus or a tilde would begin a list or strike out what follows.
fn set(format: Format, style: anstyle::Style, symbol: &str, name: &str) -> String {
    match format {
        Format::Markdown => format!("`{symbol}` StackSet {}\n", format.text(name)),
        _ => paint(style, format!("{symbol} StackSet {}", format.text(name))),
    }
}

fn amount(threshold: Option<billctl_core::model::Usd>) -> String {
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

/// Every account that failed, grouped by reason, with a remedy where one is known.
pub fn failures(outcomes: &[Outcome], organization: &Organization) -> String {
    let mut lines = Vec::new();
    for outcome in outcomes {
        if let Some(reason) = &outcome.reason {
            lines.push(format!(
                "operation {}: {}",
                text::line(&outcome.id.0),
                text::line(reason)
            ));
        }
    }
    for group in groups(outcomes) {
        lines.push(format!(
            "{} {}: {}",
            paint(style::BAD, "failed"),
            plural(group.accounts.len(), "account"),
            text::line(&group.reason)
        ));
        for account in group.accounts {
            let name = organization
                .account(account)
                .map_or("", |(account, _)| account.name.as_str());
            lines.push(format!("    {account}  {}", text::line(name)));
        }
        if let Some(remedy) = &group.remedy {
            lines.push(format!(
                "    {} {}",
                paint(style::STRONG, "remedy:"),
                text::line(remedy)
            ));
        }
    }
    let not_begun = outcomes
        .iter()
        .flat_map(|outcome| &outcome.cancelled)
        .filter(|account| {
            // Suspended accounts are reported as cancelled, too.
            organization
                .account(**account)
                .is_none_or(|(account, _)| account.state == AccountState::Active)
        })
        .count();
    if not_begun > 0 {
        lines.push(format!(
            "{} not begun, because the operation stopped",
            plural(not_begun, "account")
        ));
    }
    let unlisted: u32 = outcomes.iter().map(|outcome| outcome.unlisted).sum();
    if unlisted > 0 {
        lines.push(format!(
            "{} more failed, which AWS counts but doesn't list",
            plural(unlisted as usize, "account")
        ));
    }
    lines.join("\n")
}

fn groups(outcomes: &[Outcome]) -> Vec<FailureGroup> {
    group(outcomes.iter().flat_map(|outcome| {
        outcome
            .failures
            .iter()
            .map(|(account, reason)| (*account, reason.as_str()))
    }))
}

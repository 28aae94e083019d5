mod groups;
#[cfg(test)]
mod tests;

use serde::Serialize;
use textwrap::core::display_width;

use self::groups::{Words, groups, style_of};
use super::style::{self, paint};
use super::{Format, Table, counted, json};
use crate::plan::failure::{FailureGroup, group};
use crate::plan::outcome::Outcome;
use crate::plan::rollout::{AccountLine, Counts, Step, Waves};
use crate::resource::stack_set::FieldChange;
use billctl_core::model::{AccountState, Organization};
use billctl_core::service::cloudformation::OperationId;
use billctl_core::text;
use billctl_core::text::plural;

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

/// How much of a plan people are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detail {
    /// Every account, and every line of a difference.
    pub full: bool,
    /// Columns of the terminal, where there is one.
    pub width: Option<usize>,
}

/// Most accounts that are named each; more are grouped by OU and change.
const MOST_NAMED: usize = 12;
/// Most groups: with what stands around them they fit on a screen.
const MOST_GROUPS: usize = 20;
/// Most lines of a text's difference, and most notes, unless all are wanted.
const MOST_LINES: usize = 8;
/// Most characters of a plan in Markdown: a comment on a pull request may have 65,536 (docs/ci.md), and the job that
/// posts it may add words of its own.
const MOST_MARKDOWN: usize = 58_000;
/// Fewest columns that an OU's path is cut to.
const FEWEST_COLUMNS: usize = 12;

/// A rollout before it happens: counts first, then what changes, grouped by OU and change. Accounts that stay as they
/// are are counted only. As JSON it names every account, and can carry its result too, so that a run has one answer.
pub fn rollout(
    format: Format,
    plan: &Waves,
    organization: &Organization,
    result: Option<&RolloutResult<'_>>,
    detail: Detail,
) -> String {
    match format {
        Format::Json => json("rollout", &Json::new(plan, organization, result)),
        Format::Table | Format::Markdown => text(format, plan, organization, detail),
    }
}

/// How many accounts have something happen to them, in a line.
pub fn counts(counts: Counts) -> String {
    format!(
        "{} to create, {} to change, {} to repair, {} to remove; {} stay, {} skipped",
        counts.create, counts.change, counts.repair, counts.remove, counts.leave, counts.skip
    )
}

/// The removal of a StackSet and all of its instances.
pub fn stack_set_removal(format: Format, plan: &Waves, organization: &Organization, detail: Detail) -> String {
    let instances = plural(plan.counts().remove, "instance");
    let head = format!("StackSet {} and its {instances}", format.text(stack_set(plan)));
    let mut lines = vec![match format {
        // Set off from the block before it.
        Format::Markdown => format!("\n`-` {head}"),
        _ => paint(style::BAD, format!("- {head}")),
    }];
    lines.extend(accounts(format, &plan.lines(organization), detail, MOST_MARKDOWN / 2));
    lines.join("\n")
}

/// A rollout for programs.
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
    pub(super) fn new(plan: &'a Waves, organization: &Organization, result: Option<&RolloutResult<'a>>) -> Self {
        let waves = plan.waves.iter().map(|wave| {
            let stack_set = &wave.rollout.spec.name;
            WaveJson {
                name: wave.name.as_deref(),
                operations: wave.rollout.steps.iter().map(|step| step.title(stack_set)).collect(),
            }
        });
        let waves: Vec<WaveJson<'a>> = waves.collect();
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
                failures: failure_groups(result.outcomes),
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
fn waves(format: Format, plan: &Waves, detail: Detail) -> Vec<String> {
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
            let steps = wave.rollout.steps.iter();
            let steps = steps.filter(|step| detail.full || !matches!(step, Step::Instances(_)));
            let counts = wave.counts();
            let counts = counted([
                (counts.create, "to create"),
                (counts.change, "to change"),
                (counts.repair, "to repair"),
                (counts.remove, "to remove"),
            ]);
            let mut what: Vec<String> = steps.map(|step| step.title(&wave.rollout.spec.name)).collect();
            what.extend(counts.filter(|_| !detail.full));
            if what.is_empty() {
                let nothing = match wave.rollout.is_empty() {
                    true => "nothing",
                    false => "OUs for those to come",
                };
                what.push(nothing.to_owned());
            }
            let what = format.text(&what.join("; "));
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

fn text(format: Format, plan: &Waves, organization: &Organization, detail: Detail) -> String {
    let summary = counts(plan.counts());
    let mut before = vec![if format == Format::Markdown {
        format!("### billctl deploy\n\n**{summary}**\n")
    } else {
        paint(style::STRONG, summary)
    }];
    let name = stack_set(plan);
    if plan.creates_stack_set() {
        before.push(set(format, style::GOOD, "+", name));
    } else if !plan.stack_set().is_empty() {
        before.push(set(format, style::WARN, "~", name));
        let fields: Vec<String> = plan
            .stack_set()
            .into_iter()
            .map(|change| field(change, detail))
            .collect();
        // As code, for what Markdown would make of a template's lines.
        let gap = if format == Format::Markdown { "\n" } else { "" };
        before.push(format.block("diff", &fields.join("\n")) + gap);
    }
    let mut after = Vec::new();
    if !plan.above.is_empty() {
        after.push(format.paint(
            style::WARN,
            format!(
                "{} above the new threshold already: alarms there go off at once; owners not told yet get mails",
                plural(plan.above.len(), "account")
            ),
        ));
    }
    after.extend(first(waves(format, plan, detail), detail, "wave", 2 * MOST_LINES));
    let notes = plan
        .notes()
        .iter()
        .map(|note| format!("note: {}", format.text(note)))
        .collect();
    after.extend(first(notes, detail, "note", MOST_LINES));
    if plan.is_empty() {
        after.push("nothing to change".to_owned());
    }
    let around: usize = before.iter().chain(&after).map(|line| line.chars().count() + 1).sum();
    let room = MOST_MARKDOWN.saturating_sub(around);
    before.extend(accounts(format, &plan.lines(organization), detail, room));
    before.extend(after);
    before.join("\n")
}

/// The first of these lines, and how many more there are.
fn first(mut lines: Vec<String>, detail: Detail, noun: &str, most: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    if more > 0 && !detail.full {
        lines.truncate(most);
        lines.push(format!("... {} more: --full shows all", plural(more, noun)));
    }
    lines
}

/// The accounts to which something happens: each, where they are few or all are wanted, else grouped. In Markdown they
/// take at most `room` characters.
fn accounts(format: Format, lines: &[AccountLine], detail: Detail, room: usize) -> Option<String> {
    let mut changed: Vec<&AccountLine> = lines.iter().filter(|line| Words::of(&line.change).is_some()).collect();
    if changed.is_empty() {
        return None;
    }
    if !detail.full && changed.len() > MOST_NAMED {
        return Some(by_ou(format, lines, detail));
    }
    changed.sort_by(|a, b| (&a.ou, a.account).cmp(&(&b.ou, b.account)));
    let mut rows: Vec<[String; 5]> = changed.into_iter().filter_map(|line| named(format, line)).collect();
    let mut more = 0;
    if format == Format::Markdown {
        // The columns are as wide as the widest cell.
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: usize = (0..5).map(|column| width(column).unwrap_or(0).max(7) + 3).sum();
        let fit = (room / (widths + 2)).saturating_sub(4);
        more = rows.len().saturating_sub(fit);
        rows.truncate(fit);
    }
    let mut table = Table::new(format, &["", "account", "name", "ou", "what"]);
    for row in rows {
        table.row(row);
    }
    let mut text = table.render();
    if more > 0 {
        text.push_str(&format!(
            "\n\n... {} more: the JSON answer names all\n",
            plural(more, "account")
        ));
    }
    Some(text)
}

/// An account's cells.
fn named(format: Format, line: &AccountLine) -> Option<[String; 5]> {
    let words = Words::of(&line.change)?;
    let what = format.text(&words.exact);
    let what = match line.already_spent {
        Some(spent) => format!(
            "{what}; {}",
            format.paint(style::WARN, format!("spent {spent} lately: will alarm at once"))
        ),
        None => what,
    };
    Some([
        format.paint(style_of(words.symbol), words.symbol),
        line.account.to_string(),
        format.text(&line.name),
        format.text(&line.ou),
        what,
    ])
}

/// Accounts by OU and change. On a narrow terminal the paths lose their beginnings.
fn by_ou(format: Format, lines: &[AccountLine], detail: Detail) -> String {
    let groups = groups(lines, MOST_GROUPS);
    let filled = |room: usize| {
        let mut table = Table::new(format, &["", "accounts", "ou", "what"]).right(&[1]);
        for group in &groups {
            let what = format.text(&group.what);
            let what = match group.at_once {
                0 => what,
                some => format!(
                    "{what}; {}",
                    format.paint(style::WARN, format!("{some} will alarm at once"))
                ),
            };
            table.row([
                format.paint(style_of(group.symbol), group.symbol),
                group.accounts.to_string(),
                ending(&format.text(&group.ou), room),
                what,
            ]);
        }
        table
    };
    let mut table = filled(usize::MAX);
    if let Some(width) = detail.width.filter(|width| table.width() > *width) {
        let widest = groups.iter().map(|group| display_width(&format.text(&group.ou))).max();
        let room = (widest.unwrap_or(0) + width).saturating_sub(table.width());
        table = filled(room.max(FEWEST_COLUMNS));
    }
    let gap = if format == Format::Markdown { "\n" } else { "" };
    format!(
        "{}\n{gap}every account: --full, or the JSON answer{gap}",
        table.render()
    )
}

/// The end of a path, which says more than its beginning.
fn ending(path: &str, columns: usize) -> String {
    if display_width(path) <= columns {
        return path.to_owned();
    }
    let mut rest = path.chars();
    while display_width(rest.as_str()) + 3 > columns && rest.next().is_some() {}
    format!("...{}", rest.as_str())
}

/// The StackSet's own line. A plus or a tilde would begin a list or strike out what follows.
fn set(format: Format, style: anstyle::Style, symbol: &str, name: &str) -> String {
    match format {
        Format::Markdown => format!("`{symbol}` StackSet {}\n", format.text(name)),
        _ => paint(style, format!("{symbol} StackSet {}", format.text(name))),
    }
}

/// A field's difference; a long text (the template) as the lines that differ.
fn field(change: &FieldChange, detail: Detail) -> String {
    let before = change.before.as_deref().unwrap_or("(none)");
    let after = change.after.as_deref().unwrap_or("(none)");
    if !before.contains('\n') && !after.contains('\n') {
        return format!("    {}: {before} -> {after}", change.field);
    }
    let diff = similar::TextDiff::from_lines(before, after);
    let unified = diff.unified_diff().context_radius(1).to_string();
    let mut lines: Vec<String> = unified.lines().map(|line| format!("      {line}")).collect();
    // A whole template is longer than a comment may be.
    let mut room = MOST_MARKDOWN / 2;
    let fit = lines.iter().take_while(|line| {
        room = room.saturating_sub(line.chars().count() + 1);
        room > 0
    });
    let most = fit.count().min(if detail.full { usize::MAX } else { MOST_LINES });
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    if more > 0 {
        lines.push(format!("      ... {} more", plural(more, "line")));
    }
    lines.insert(0, format!("    {}:", change.field));
    lines.join("\n")
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
    for group in failure_groups(outcomes) {
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

fn failure_groups(outcomes: &[Outcome]) -> Vec<FailureGroup> {
    let failures = outcomes.iter().flat_map(|outcome| &outcome.failures);
    group(failures.map(|(account, reason)| (*account, reason.as_str())))
}

use serde::Serialize;
use serde_json::Value;

use super::{Format, Table, counted, json, rollout, style};
use crate::plan::billing::{Action, Plan, Step};
use crate::plan::chat::Channel;
use crate::plan::operations::Hearing;
use crate::plan::rollout::Waves;
use crate::resource::document::{FieldChange, as_written};
use crate::resource::mail_setup::MailSetup;
use billctl_core::model::Organization;
use billctl_core::text::{self, at_most, plural};

/// Longest value that is shown whole; the rest is in the JSON answer.
const WIDEST: usize = 110;
/// Most characters of what is in the things of a plan in Markdown, so that it fits into a comment (docs/ci.md).
const MOST_MARKDOWN: usize = 50_000;
/// Most lines of a text's difference; more help nobody decide.
const MOST_LINES: usize = 16;

/// A plan for the billing side before it happens, or after, for programs.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answer<'a> {
    applied: bool,
    plan: &'a Plan,
    #[serde(flatten)]
    after: Option<After<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<rollout::Json<'a>>,
}

/// What is to be known beside the plan.
#[derive(Debug, Clone, Copy, Serialize, schemars::JsonSchema)]
pub struct After<'a> {
    /// What the sender needs.
    pub mail: &'a MailSetup,
    /// Who hears when the notifier itself fails.
    pub operations: &'a Hearing,
    /// The topics that chat messages go to.
    pub chat: &'a [Channel],
}

/// The one JSON answer of `bootstrap`, or of `destroy` with the `members` whose instances go with the StackSet.
pub fn billing_json(
    kind: &str,
    plan: &Plan,
    applied: bool,
    after: Option<After<'_>>,
    members: Option<(&Waves, &Organization)>,
) -> String {
    let members = members.map(|(waves, organization)| rollout::Json::new(waves, organization, None));
    let answer = Answer {
        applied,
        plan,
        after,
        members,
    };
    json(kind, &answer)
}

/// A plan for the billing side, for people or for a pull request: a line for each thing that is made or removed, with
/// `full` also what is in it, and the fields of each that changes.
pub fn billing_plan(format: Format, command: &str, plan: &Plan, full: bool) -> String {
    let markdown = format == Format::Markdown;
    let mut lines = Vec::new();
    let summary = billing_counts(plan);
    if markdown {
        lines.push(format!("### billctl {command}\n\n**{summary}**"));
    } else {
        lines.push(style::paint(style::STRONG, summary));
    }
    let mut steps = Vec::new();
    let mut room = MOST_MARKDOWN;
    for step in &plan.steps {
        steps.push(head(format, step));
        let mut text: Vec<String> = match (step.action, full) {
            (Action::Update, false) => step.fields.iter().map(field_text).collect(),
            (_, false) => Vec::new(),
            (_, true) => step.fields.iter().flat_map(full_text).collect(),
        };
        let characters = text.iter().map(|line| line.chars().count() + 1).sum();
        match room.checked_sub(characters) {
            Some(left) => room = left,
            // Half a document is none.
            None if markdown => text = vec!["    (too long to show here: `--format json` has it)".to_owned()],
            None => {}
        }
        steps.extend(text);
    }
    if markdown && !plan.is_empty() {
        lines.push(format!("\n{}", format.block("diff", &steps.join("\n"))));
    } else {
        lines.extend(steps);
    }
    for kept in &plan.kept {
        let line = format.text(&format!("{} stays: {}", kept.id, kept.reason));
        lines.push(if markdown {
            format!("- {line}")
        } else {
            style::paint(style::FAINT, format!("= {line}"))
        });
    }
    lines.join("\n")
}

/// What a plan for the billing side comes to, in a line.
pub fn billing_counts(plan: &Plan) -> String {
    let counts = counted([
        (plan.count(Action::Create), "to create"),
        (plan.count(Action::Update), "to change"),
        (plan.count(Action::Delete), "to remove"),
    ]);
    let mut parts: Vec<String> = counts.collect();
    if parts.is_empty() {
        parts.push("nothing to change".to_owned());
    }
    if !plan.unchanged.is_empty() {
        parts.push(format!("{} as they should be", plan.unchanged.len()));
    }
    parts.join(", ")
}

fn head(format: Format, step: &Step) -> String {
    let (symbol, style) = match step.action {
        Action::Create => ("+", style::GOOD),
        Action::Update => ("~", style::WARN),
        Action::Delete => ("-", style::BAD),
    };
    let mut line = format!("{symbol} {}", text::line(&step.id.to_string()));
    if step.foreign {
        line.push_str(" (billctl didn't make it: this takes it over)");
    }
    format.paint(style, line)
}

/// A field in full: documents as AWS takes them, indented.
fn full_text(field: &FieldChange) -> Vec<String> {
    let side = |value: &Option<Value>| match value.as_ref().map(as_written) {
        None => "(none)".to_owned(),
        Some(Value::String(text)) => text,
        Some(document) => format!("{document:#}"),
    };
    let mut lines = match &field.before {
        None => vec![format!("{}:", field.path), side(&field.after)],
        Some(_) => vec![
            format!("{}, from:", field.path),
            side(&field.before),
            format!("{}, to:", field.path),
            side(&field.after),
        ],
    };
    // A short value stands beside its name.
    if let [name, value] = lines.as_slice()
        && !value.contains('\n')
    {
        lines = vec![format!("{name} {value}")];
    }
    let each = lines.iter().flat_map(|text| text.lines());
    each.map(|line| format!("    {}", text::line(line))).collect()
}

fn field_text(field: &FieldChange) -> String {
    if let (Some(Value::String(before)), Some(Value::String(after))) = (&field.before, &field.after)
        && (before.contains('\n') || after.contains('\n'))
    {
        return lines_text(&field.path, before, after);
    }
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "(none)".to_owned(), whole);
    format!("    {}: {} -> {}", field.path, side(&field.before), side(&field.after))
}

/// The lines of two texts that differ.
fn lines_text(path: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let changed: Vec<String> = diff
        .iter_all_changes()
        .filter(|change| change.tag() != similar::ChangeTag::Equal)
        .map(|change| {
            let text = at_most(&text::line(change.value().trim_end()), WIDEST);
            format!("      {}{text}", change.tag())
        })
        .collect();
    let mut lines = vec![format!("    {path}:")];
    let more = changed.len().saturating_sub(MOST_LINES);
    lines.extend(changed.into_iter().take(MOST_LINES));
    if more > 0 {
        lines.push(format!("      ... {} more", plural(more, "line")));
    }
    lines.join("\n")
}

/// A value in full, unless it is a document of its own.
fn whole(value: &Value) -> String {
    at_most(&text::line(&as_written(value).to_string()), 4 * WIDEST)
}

/// How far the mail side is, and what is left to do by hand.
pub fn mail_setup(format: Format, setup: &MailSetup) -> String {
    let to_do = |text: String| to_do(format, &text);
    let identity = &setup.identity;
    let mut parts = Vec::new();
    match setup.verified {
        Some(true) => {
            let text = format!("{identity} is verified and may send.");
            parts.push(mark(format, style::GOOD, "mail:", &text));
        }
        Some(false) if setup.is_domain => parts.push(to_do(format!(
            "{identity} isn't verified yet. Add these records to its DNS; SES looks for them for 72 hours:"
        ))),
        Some(false) => parts.push(to_do(format!(
            "{identity} isn't verified yet. AWS has mailed it a link: open that mail and click. The link is good for \
             24 hours; `billctl bootstrap --wait-verified` waits for it."
        ))),
        None => {}
    }
    if !setup.dns.is_empty() && setup.verified == Some(false) {
        parts.push(dns_table(format, setup));
        parts.push(zone_snippet(format, setup));
    }
    if let Some(core) = &setup.core_policy {
        // A Value is always writable as text.
        let policy = serde_json::to_string_pretty(&core.policy).unwrap_or_default();
        parts.push(to_do(format!(
            "Mail is sent with {}, which is in another account. There, attach this identity policy (SES console, \
             Identities, Authorization; or `aws sesv2 create-email-identity-policy --policy-name {}`), and keep the \
             identity in us-east-1:",
            core.identity, core.name
        )));
        parts.push(in_block(format, "json", &policy));
    }
    if setup.in_ses_sandbox {
        let quota = setup
            .daily_quota
            .map_or(String::new(), |quota| format!(", {quota:.0} mails a day"));
        parts.push(to_do(format!(
            "SES still holds this account in its sandbox: only verified addresses get mail{quota}. Ask for production \
             access (SES console, Account dashboard, Request production access; or `aws sesv2 put-account-details \
             --production-access-enabled --mail-type TRANSACTIONAL --website-url ...`). Say that owners of your own \
             AWS accounts get spend alarms; AWS usually answers within a day."
        )));
    }
    if setup.sending_paused {
        let text = "Sending is switched off for this account: see the Account dashboard in the SES console.";
        parts.push(to_do(text.to_owned()));
    }
    parts.join("\n\n")
}

/// What is left to do so that somebody hears of the notifier's own failures; nothing where it is done. Where the
/// config names nobody, that is the user's choice, and `doctor` warns.
pub fn hearing(format: Format, hearing: &Hearing) -> Option<String> {
    if matches!(hearing, Hearing::Nobody | Hearing::Heard { .. }) {
        return None;
    }
    let remedy = hearing.remedy();
    let remedy = remedy.map_or_else(String::new, |remedy| format!(": {remedy}"));
    Some(to_do(format, &format!("{hearing}{remedy}.")))
}

/// What is left to do so that chats hear of mails; nothing where it is done.
pub fn channels(format: Format, channels: &[Channel]) -> Option<String> {
    let each = channels.iter().filter_map(|channel| {
        let remedy = channel.remedy.as_ref()?;
        Some(to_do(format, &format!("{channel}: {remedy}.")))
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join("\n"))
}

fn to_do(format: Format, text: &str) -> String {
    mark(format, style::WARN, "to do:", text)
}

fn mark(format: Format, style: anstyle::Style, word: &str, text: &str) -> String {
    let text = format.text(text);
    match format {
        Format::Markdown => format!("**{word}** {text}"),
        _ => format!("{} {text}", style::paint(style, word)),
    }
}

fn dns_table(format: Format, setup: &MailSetup) -> String {
    let mut table = Table::new(format, &["for", "name", "type", "value"]);
    for record in &setup.dns {
        table.row([
            record.purpose.to_owned(),
            format.text(&record.name),
            record.kind.to_owned(),
            format.text(record.value.trim_end_matches('.')),
        ]);
    }
    table.render()
}

/// The same for a zone file (RFC 1035), names written out in full.
fn zone_snippet(format: Format, setup: &MailSetup) -> String {
    let lines: Vec<String> = setup
        .dns
        .iter()
        .map(|record| format!("{}. 300 IN {} {}", record.name, record.kind, record.value))
        .collect();
    let head = "As a zone file:";
    format!("{head}\n{}", in_block(format, "", &lines.join("\n")))
}

/// Set off from the line before, as Markdown asks for.
fn in_block(format: Format, language: &str, text: &str) -> String {
    let gap = if format == Format::Markdown { "\n" } else { "" };
    format!("{gap}{}", format.block(language, text))
}

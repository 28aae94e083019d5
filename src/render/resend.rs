use serde::Serialize;

use super::{Format, counted, json, style};
use crate::plan::resend::{Item, ResendOutcome, Step};

/// What ended undelivered, and what is or was done about it.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Resend<'a> {
    /// Whether it was done: with `--plan` it wasn't.
    pub applied: bool,
    /// How many are or were sent again.
    pub again: usize,
    /// How many had been before.
    pub already: usize,
    /// How many need nothing any more.
    pub settled: usize,
    /// How many stay: they can't be sent again.
    pub left: usize,
    /// How many messages were deleted unsent.
    pub dropped: usize,
    /// How many couldn't be sent.
    pub failed: usize,
    /// Each.
    pub items: &'a [Item],
    /// What wasn't looked at.
    pub notes: &'a [String],
}

impl<'a> Resend<'a> {
    /// Counts.
    pub fn of(items: &'a [Item], notes: &'a [String], applied: bool) -> Self {
        let mut counted = Self {
            applied,
            items,
            notes,
            ..Self::default()
        };
        for item in items {
            *match (&item.outcome, &item.step) {
                (Some(ResendOutcome::Sent { .. }), _) | (None, Step::Watch { .. } | Step::Day { .. }) => {
                    &mut counted.again
                }
                (Some(ResendOutcome::Already { .. }), _) => &mut counted.already,
                (Some(ResendOutcome::Dropped), _) => &mut counted.dropped,
                (Some(ResendOutcome::Failed { .. }), _) => &mut counted.failed,
                (_, Step::Settled { .. }) => &mut counted.settled,
                (Some(ResendOutcome::Left) | None, _) => &mut counted.left,
            } += 1;
        }
        counted
    }

    /// The counts in a line.
    pub fn summary(&self) -> String {
        let again = if self.applied { "sent again" } else { "to send again" };
        let mut parts = vec![format!("{} {again}", self.again)];
        parts.extend(counted([
            (self.already, "sent before"),
            (self.settled, "settled"),
            (self.left, "left"),
            (self.dropped, "dropped"),
            (self.failed, "failed"),
        ]));
        parts.join(", ")
    }
}

/// What ended undelivered: for people, or for a program.
pub fn resend(format: Format, resend: &Resend) -> String {
    if format == Format::Json {
        return json("resend", resend);
    }
    if resend.items.is_empty() {
        return "nothing ended undelivered".to_owned();
    }
    // A line for what is done and one for what it is about: AWS's reasons are too long for columns.
    let markdown = format == Format::Markdown;
    let mut lines: Vec<String> = resend
        .items
        .iter()
        .map(|item| {
            let (mark, done) = done(item);
            let at = item
                .at
                .map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string());
            let account = item.account.map_or_else(String::new, |id| format!("{id} "));
            let mut about = format!("{}: {}", format.text(&item.name), format.text(&item.what));
            if !item.why.is_empty() {
                about.push_str(&format!(": {}", format.text(&item.why)));
            }
            if markdown {
                format!("- {at} {account}{}; {about}", format.text(&done))
            } else {
                format!("{mark} {at} {account}{}\n    {about}", format.text(&done))
            }
        })
        .collect();
    lines.push(String::new());
    let summary = resend.summary();
    lines.push(match format {
        Format::Markdown => format!("**{summary}**"),
        _ if resend.failed > 0 => format.paint(style::BAD, summary),
        _ => format.paint(style::STRONG, summary),
    });
    lines.extend(resend.notes.iter().map(|note| format!("note: {}", format.text(note))));
    lines.join("\n")
}

fn done(item: &Item) -> (&'static str, String) {
    match (&item.outcome, &item.step) {
        (Some(ResendOutcome::Sent { execution }), _) => ("+", format!("started {execution}")),
        (Some(ResendOutcome::Already { execution }), _) => ("=", format!("{execution} was there")),
        (Some(ResendOutcome::Dropped), _) => ("-", "dropped".to_owned()),
        (Some(ResendOutcome::Failed { error }), _) => ("!", error.clone()),
        (_, Step::Settled { because }) => ("=", because.clone()),
        (_, Step::Leave { remedy }) => ("?", remedy.clone()),
        (_, Step::Watch { execution, .. }) => ("+", format!("start {execution}")),
        (_, Step::Day { limit }) => ("+", format!("start its day: above {limit}")),
    }
}

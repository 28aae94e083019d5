//! What people and programs see. Answers go to stdout, what happens meanwhile to stderr.

mod aside;
mod billing;
mod calls;
mod csv;
mod demo;
mod digest;
mod doctor;
mod error;
mod format;
mod html;
mod journey;
mod openmetrics;
mod probe;
mod progress;
mod resend;
mod rollout;
mod schema;
mod spend;
mod status;
mod suggestion;
mod summary;
mod table;
mod template;

pub use aside::{Aside, aside};
pub use billing::{After, billing_counts, billing_json, billing_plan, channels, hearing, mail_setup};
pub use calls::calls;
pub use csv::spend_csv;
pub use demo::{comment, heading, mail, narration, prompt};
pub use digest::{DigestSent, digest, digest_mail};
pub use doctor::doctor;
pub use error::{error, error_json};
pub use format::Format;
pub use html::spend_html;
pub use journey::{hop, journey, preview};
pub use openmetrics::spend_openmetrics;
pub use progress::Progress;
pub use resend::{Resend, resend};
pub use rollout::{Detail, RolloutResult, counts, failures, rollout, stack_set_removal};
pub use schema::{kinds, schema, schema_of};
pub use spend::{spend, spend_above, spend_summary};
pub use status::{Shown, status};
pub use suggestion::{Proposal, file_diff, proposal, suggestion};
pub use summary::{failure_summary, failures_summary, step_summary};
pub use table::Table;
pub use template::template;

/// The version of every JSON answer; it grows when a field changes its meaning or goes away (docs/json.md).
pub const JSON_VERSION: u32 = 2;

/// A JSON answer: its version and kind, then its fields.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Answer<'a, T> {
    version: u32,
    kind: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// A JSON answer of this kind.
pub fn json(kind: &str, body: &impl serde::Serialize) -> String {
    let answer = Answer {
        version: JSON_VERSION,
        kind,
        body,
    };
    // Only maps with keys that aren't texts can't be written; billctl's answers have none.
    let text = serde_json::to_string_pretty(&answer).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    billctl_core::text::json(&text).into_owned()
}

/// `3 to create`, `1 to change`: of such counts those that aren't zero.
fn counted(counts: impl IntoIterator<Item = (usize, &'static str)>) -> impl Iterator<Item = String> {
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}"))
}

/// Styles, one meaning each.
pub(crate) mod style {
    use anstyle::{AnsiColor, Color, Style};

    const fn color(color: AnsiColor) -> Style {
        Style::new().fg_color(Some(Color::Ansi(color)))
    }

    /// Well.
    pub(crate) const GOOD: Style = color(AnsiColor::Green);
    /// To look at.
    pub(crate) const WARN: Style = color(AnsiColor::Yellow);
    /// Wrong.
    pub(crate) const BAD: Style = color(AnsiColor::Red);
    /// Less important.
    pub(crate) const FAINT: Style = Style::new().dimmed();
    /// Most important.
    pub(crate) const STRONG: Style = Style::new().bold();

    /// `text` in `style`.
    pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
        format!("{style}{text}{style:#}")
    }
}

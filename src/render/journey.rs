use std::path::PathBuf;

use super::style::{self, paint};
use super::{Format, Table};
use billctl_core::text::{self, at_most};

use crate::plan::recipients::RecipientFrom;
use crate::plan::test_alert::{Hop, HopStatus, Journey};

/// One hop of a test event, as soon as it is known.
pub fn hop(hop: &Hop) -> String {
    let (mark, style) = match hop.status {
        HopStatus::Ok => ("ok     ", style::GOOD),
        HopStatus::Missing => ("missing", style::WARN),
        HopStatus::Failed => ("FAILED ", style::BAD),
    };
    format!(
        "{} {}: {}",
        paint(style, mark),
        hop.name,
        printable(Format::Table, &hop.detail)
    )
}

/// The whole way as a Markdown table.
pub fn journey(journey: &Journey) -> String {
    let mut table = Table::new(Format::Markdown, &["hop", "", "what happened"]);
    for hop in &journey.hops {
        let mark = match hop.status {
            HopStatus::Ok => "ok",
            HopStatus::Missing => "missing",
            HopStatus::Failed => "**failed**",
        };
        table.row([
            hop.name.clone(),
            mark.to_owned(),
            printable(Format::Markdown, &hop.detail),
        ]);
    }
    let mut text = table.render();
    for note in &journey.notes {
        text += &format!("\n\n{}", printable(Format::Markdown, note));
    }
    text
}

/// A cause can hold anything, and be long.
fn printable(format: Format, text: &str) -> String {
    const MOST: usize = 400;
    format.text(&at_most(&text::line(text), MOST))
}

/// Where a preview went.
pub fn preview(
    format: Format,
    subject: &str,
    to: &[String],
    recipient_from: Option<RecipientFrom>,
    files: &[PathBuf],
) -> String {
    let begin = match format {
        Format::Markdown => "- ",
        _ => "",
    };
    let why = recipient_from.map_or_else(String::new, |from| format!(" ({})", from.word()));
    let line = |name: &str, value: &str| format!("{begin}{name:<8} {}", printable(format, value));
    let mut lines = vec![line("subject:", subject), line("to:", &to.join(", ")) + &why];
    lines.extend(files.iter().map(|file| line("file:", &file.display().to_string())));
    lines.join("\n")
}

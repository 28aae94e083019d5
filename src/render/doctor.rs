use serde::Serialize;

use super::style::{self, paint};
use super::{Format, Table, json};
use crate::plan::doctor::{Check, Verdict};
use billctl_core::text::plural;

/// The checks for programs.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Body<'a> {
    failed: usize,
    to_do: usize,
    warnings: usize,
    skipped: usize,
    checks: &'a [Check],
    next: &'a str,
}

/// The checks, each with its remedy, a verdict over all of them, and what to do next. `quiet` leaves out what is as it has
/// to be.
pub fn doctor(format: Format, checks: &[Check], next: &str, quiet: bool) -> String {
    let shown = |check: &&Check| !quiet || !matches!(check.verdict, Verdict::Ok | Verdict::Skipped);
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, to_do, warnings) = (count(Verdict::Failed), count(Verdict::ToDo), count(Verdict::Warning));
    let moot = checks.iter().filter(|check| check.moot).count();
    let skipped = count(Verdict::Skipped) - moot;
    let unread = checks.iter().any(|check| check.unread);
    let summary = summary(failed, to_do, warnings, skipped, unread);
    match format {
        Format::Json => json(
            "doctor",
            &Body {
                failed,
                to_do,
                warnings,
                skipped,
                checks,
                next,
            },
        ),
        Format::Markdown => {
            let mut table = Table::new(format, &["Check", "", "Finding", "Remedy"]);
            for check in checks.iter().filter(shown) {
                table.row([
                    check.name.to_owned(),
                    word(check.verdict).0.to_owned(),
                    format.text(&check.finding),
                    format.text(check.remedy.as_deref().unwrap_or_default()),
                ]);
            }
            format!("{}\n\n{}\n\nNext: {next}", summary, table.render())
        }
        Format::Table => {
            let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
            let mut text = format!("{}\n", paint(style::STRONG, summary));
            for check in checks.iter().filter(shown) {
                let (word, colour) = word(check.verdict);
                let word = paint(colour, format!("{word:<8}"));
                text += &format!("\n{word} {:<width$}  {}", check.name, format.text(&check.finding));
                if let Some(remedy) = &check.remedy {
                    let indent = " ".repeat(width + 11);
                    text += &format!("\n{indent}{} {}", paint(style::FAINT, "remedy:"), format.text(remedy));
                }
            }
            if !quiet {
                text += &format!("\n\n{} {next}", paint(style::STRONG, "next:"));
            }
            text
        }
    }
}

fn summary(failed: usize, to_do: usize, warnings: usize, skipped: usize, unread: bool) -> String {
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{} failed", plural(failed, "check")));
    }
    if to_do > 0 {
        parts.push(format!("{to_do} to do"));
    }
    if warnings > 0 {
        parts.push(format!("{} to read", plural(warnings, "warning")));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} not looked at"));
    }
    let parts = parts.join(", ");
    match (failed, skipped > 0 || unread) {
        (0, false) if parts.is_empty() => "Everything is in place.".to_owned(),
        (0, false) => format!("Nothing is in the way; {parts}."),
        (0, true) => format!("Nothing that could be looked at is in the way; {parts}."),
        _ => format!("{parts}."),
    }
}

const fn word(verdict: Verdict) -> (&'static str, anstyle::Style) {
    match verdict {
        Verdict::Ok => ("ok", style::GOOD),
        Verdict::Warning => ("warning", style::WARN),
        Verdict::ToDo => ("to do", style::WARN),
        Verdict::Failed => ("failed", style::BAD),
        Verdict::Skipped => ("skipped", style::FAINT),
    }
}

use serde::Serialize;

use super::style::{self, paint};
use super::{Format, Table, json, plural};
use crate::plan::doctor::{Check, Verdict};

/// The checks, each with its cure, and a verdict over all of them.
pub fn doctor(format: Format, checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    match format {
        Format::Json => {
            #[derive(Serialize)]
            struct Body<'a> {
                failed: usize,
                warnings: usize,
                checks: &'a [Check],
            }
            json(
                "doctor",
                &Body {
                    failed,
                    warnings,
                    checks,
                },
            )
        }
        Format::Markdown => {
            let mut table = Table::new(format, &["Check", "", "Finding", "Cure"]);
            for check in checks {
                table.row([
                    check.name.to_owned(),
                    word(check.verdict).to_owned(),
                    format.text(&check.finding),
                    check.cure.as_deref().map(|cure| format.text(cure)).unwrap_or_default(),
                ]);
            }
            format!("{}\n\n{}", summary(failed, warnings), table.render())
        }
        Format::Table => {
            let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
            let mut text = format!("{}\n", paint(style::STRONG, summary(failed, warnings)));
            for check in checks {
                let word = paint(colour(check.verdict), format!("{:<8}", word(check.verdict)));
                text += &format!("\n{word} {:<width$}  {}", check.name, format.text(&check.finding));
                if let Some(cure) = &check.cure {
                    let indent = " ".repeat(width + 11);
                    text += &format!("\n{indent}{} {}", paint(style::FAINT, "cure:"), format.text(cure));
                }
            }
            text
        }
    }
}

fn summary(failed: usize, warnings: usize) -> String {
    match (failed, warnings) {
        (0, 0) => "Everything is there.".to_owned(),
        (0, _) => format!("Nothing is in the way; {} to read.", plural(warnings, "warning")),
        (_, 0) => format!("{} failed.", plural(failed, "check")),
        _ => format!("{} failed, {}.", plural(failed, "check"), plural(warnings, "warning")),
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    }
}

const fn colour(verdict: Verdict) -> anstyle::Style {
    match verdict {
        Verdict::Ok => style::GOOD,
        Verdict::Warning => style::WARN,
        Verdict::Failed => style::BAD,
        Verdict::Skipped => style::FAINT,
    }
}

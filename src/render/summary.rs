use billctl_core::error::Error;
use billctl_core::text;

/// What GitHub takes of a step's summary; a longer one is lost as a whole (GitHub docs, "Workflow commands": 1 MiB a
/// step). The rest is left for others who write in the same step.
const LONGEST: usize = 1024 * 1024 - 64 * 1024;

/// Markdown for the summary of a CI step: without colours, and no longer than it may be.
pub fn step_summary(markdown: &str) -> String {
    let text = anstream::adapter::strip_str(markdown).to_string();
    if text.len() <= LONGEST {
        return format!("{text}\n\n");
    }
    let kept = &text[..text.floor_char_boundary(LONGEST)];
    let kept = kept.rsplit_once('\n').map_or(kept, |(lines, _)| lines);
    format!("{kept}\n\nToo long to show in full: see the log.\n\n")
}

/// That a command failed, for the same summary.
pub fn failure_summary(error: &Error) -> String {
    let remedy = error
        .remedy
        .as_ref()
        .map_or_else(String::new, |remedy| format!("\nhint: {remedy}"));
    format!(
        "**billctl failed:**\n\n{}",
        text::block("text", &format!("{error}{remedy}"))
    )
}

/// What [`failures`](super::failures) says, for the same summary.
pub fn failures_summary(failures: &str) -> String {
    text::block("text", &anstream::adapter::strip_str(failures).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::style::{self, paint};

    #[test]
    fn colours_are_left_out() {
        assert_eq!(step_summary(&paint(style::BAD, "failed")), "failed\n\n");
    }

    #[test]
    fn what_is_too_long_is_cut_between_lines() {
        let long = "ääää\n".repeat(LONGEST / 4);
        let summary = step_summary(&long);
        assert!(summary.len() < LONGEST + 100);
        assert!(summary.ends_with("ääää\n\nToo long to show in full: see the log.\n\n"));
    }
}

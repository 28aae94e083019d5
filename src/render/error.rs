use super::style::{self, paint};
use billctl_core::error::{Cause, Error};
use billctl_core::text;

/// An error as the user sees it: what was tried, why it failed, what to do.
pub fn error(error: &Error) -> String {
    let head = paint(style::BAD.bold(), "error:");
    let mut text = match &error.cause {
        // Has its own layout, with the config's lines underlined.
        Cause::Report(report) => format!("{report:?}"),
        _ => format!("{head} {}", text::lines(&error.to_string())),
    };
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n{} {}", paint(style::STRONG, "hint:"), text::lines(hint)));
    }
    text
}

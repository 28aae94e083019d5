use super::style::{self, paint};

/// What the demo tells between its commands.
pub fn narration(text: &str) -> String {
    text.split('\n')
        .map(|line| paint(style::STRONG, format!("# {line}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A command as a user would type it.
pub fn prompt(global: &[String], words: &[&str]) -> String {
    format!(
        "{} billctl {} {}",
        paint(style::GOOD, "$"),
        global.join(" "),
        words.join(" ")
    )
}

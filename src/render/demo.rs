use std::path::Path;

use super::style::{self, paint};
use billctl_core::text;

/// Columns of a line that one likes to read.
const READABLE: usize = 100;

fn columns(width: Option<usize>) -> usize {
    width.unwrap_or(READABLE).min(READABLE)
}

/// The head of a screen: which of how many, and what it shows.
pub fn heading(number: usize, of: usize, title: &str, width: Option<usize>) -> String {
    let head = format!("{number}/{of}  {title}");
    let rule = "─".repeat(columns(width).saturating_sub(head.chars().count() + 2));
    format!("{}  {}", paint(style::STRONG, head), paint(style::FAINT, rule))
}

/// What the demo tells between its commands.
pub fn narration(text: &str, width: Option<usize>) -> String {
    textwrap::fill(text, columns(width))
}

/// What a command does, before it; a shell skips it.
pub fn comment(text: &str) -> String {
    paint(style::FAINT, format!("# {text}"))
}

/// A command as a user would type it: `program` as it was called, the options that every command has, then what differs.
pub fn prompt(program: &str, global: &[String], words: &[String]) -> String {
    let program = quoted(program);
    let global: Vec<String> = global.iter().map(|word| quoted(word)).collect();
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!(
        "{} {} {}",
        paint(style::GOOD, "$"),
        paint(style::FAINT, format!("{program} {}", global.join(" "))),
        paint(style::STRONG, words.join(" "))
    )
}

/// A word for a shell; options with their values stay as one would write them.
fn quoted(word: &str) -> String {
    let word = text::line(word);
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_=./:@,+%".contains(character);
    if word.chars().all(plain) && !word.is_empty() {
        return word;
    }
    shlex::try_quote(&word).map_or_else(|_| word.clone(), |quoted| quoted.into_owned())
}

/// A mail's text in a frame, and below it where its page is: terminals make a link of that.
pub fn mail(mail: &str, page: &Path, width: Option<usize>) -> String {
    let bar = paint(style::FAINT, "│");
    let room = textwrap::Options::new(columns(width).saturating_sub(2));
    let safe = text::lines(mail);
    let framed: Vec<String> = safe
        .trim_end()
        .lines()
        // A link that is cut into pieces is none.
        .flat_map(|line| match line.contains("://") {
            true => vec![line.into()],
            false => textwrap::wrap(line, &room),
        })
        .map(|line| format!("{bar} {line}").trim_end().to_owned())
        .collect();
    let path = text::line(&page.display().to_string());
    let path = path
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('#', "%23")
        .replace('?', "%3F");
    format!(
        "{}\n\nAs it looks in a mail program: {}",
        framed.join("\n"),
        paint(style::STRONG, format!("file://{path}"))
    )
}

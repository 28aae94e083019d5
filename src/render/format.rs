use anstyle::Style;
use billctl_core::text;
use clap::ValueEnum;

use super::style;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: versioned, documented in docs/json.md.
    Json,
    /// For a pull request.
    Markdown,
}

impl Format {
    /// Text that isn't billctl's own, alone or in a sentence, on a line of this format.
    pub(super) fn text(self, text: &str) -> String {
        match self {
            Self::Markdown => text::markdown(text),
            Self::Table | Self::Json => text::line(text),
        }
    }

    /// Painted where that makes sense: Markdown is for a browser.
    pub(super) fn paint(self, style: Style, text: impl Into<String>) -> String {
        let text = text.into();
        match self {
            Self::Markdown => text,
            _ if text.is_empty() => text,
            Self::Table | Self::Json => style::paint(style, text),
        }
    }

    /// Lines that keep their layout, in a language that Markdown knows.
    pub(super) fn block(self, language: &str, text: &str) -> String {
        match self {
            Self::Markdown => text::block(language, text),
            Self::Table | Self::Json => text::lines(text),
        }
    }
}

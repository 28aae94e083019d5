use clap::ValueEnum;

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

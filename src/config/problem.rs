use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::excerpt::Excerpt;
use billctl_core::text;
use miette::{Diagnostic, LabeledSpan, NamedSource, Report};

use billctl_core::error::{Cause, Error, ErrorKind};

/// The file that a config was read from, kept so that what only AWS can tell to be wrong is underlined too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    name: String,
    text: Arc<str>,
    places: BTreeMap<Place, Range<usize>>,
}

/// What in a config a problem is about. Numbers are indices into the lists of [`Config`](super::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `organization`.
    Organization,
    /// `call-as`.
    CallAs,
    /// The `ou` of a `[[chat]]`.
    ChatOu(usize),
    /// An element of `[deploy] ous`.
    DeployOu(usize),
    /// An element of `[deploy] exclude-accounts`.
    ExcludedAccount(usize),
    /// The `ou` or `account` of a `[[threshold]]`.
    ThresholdTarget(usize),
    /// An element of the `ous` of a `[[wave]]`: the wave, then the OU.
    WaveOu(usize, usize),
}

/// Problems of which each is shown; nobody reads more, and each has its own lines.
const MOST_SHOWN: usize = 50;

/// Characters of a message, a label or a remedy: a value from the file can be as long as the file.
const LONGEST: usize = 1_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong, as a fragment.
    pub message: String,
    /// Where, in bytes, and a few words beside it. `None` for what isn't there.
    pub at: Option<(Range<usize>, String)>,
    /// Another place that it has to do with.
    pub and: Option<(Range<usize>, String)>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Problem {
    /// A problem at this place of the file.
    pub fn at(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self::maybe_at(Some(span), message, label)
    }

    /// A problem with what isn't there.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self::maybe_at(None, message, "")
    }

    /// A problem at this place, if there is one.
    pub fn maybe_at(span: Option<Range<usize>>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at: span.map(|span| (span, label.into())),
            and: None,
            remedy: None,
        }
    }

    /// The same problem with another place that it has to do with.
    #[must_use]
    pub fn and(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.and = Some((span, label.into()));
        self
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl Source {
    /// The text of the file of this name.
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.into(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn remember(&mut self, place: Place, span: Range<usize>) {
        self.places.insert(place, span);
    }

    /// Where that is, if the config names it.
    pub(super) fn span(&self, place: Place) -> Option<Range<usize>> {
        self.places.get(&place).cloned()
    }

    /// The file's name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number, from one, of the line that holds this byte.
    pub(super) fn line_of(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
    }

    /// What is written on the line that holds this byte.
    pub(super) fn line_text(&self, byte: usize) -> &str {
        self.text.lines().nth(self.line_of(byte) - 1).unwrap_or_default()
    }

    /// A problem at a place of the config; without an underlined place where the config names none.
    pub fn problem(&self, place: Place, message: impl Into<String>) -> Problem {
        Problem::maybe_at(self.span(place), message, "")
    }

    /// The number, from one, of the line that a problem is on.
    pub fn line(&self, problem: &Problem) -> Option<usize> {
        let (span, _) = problem.at.as_ref()?;
        Some(self.line_of(span.start))
    }

    /// All problems as one error, in the order of their places.
    pub fn error(&self, mut problems: Vec<Problem>) -> Error {
        problems.sort_by_key(|problem| problem.at.as_ref().map_or(usize::MAX, |(span, _)| span.start));
        let count = problems.len();
        let name = text::visible(&self.name);
        problems.truncate(MOST_SHOWN);
        let mut problems: Vec<Shown> = problems
            .into_iter()
            .map(|problem| Shown::new(problem, &name, &self.text))
            .collect();
        if count > MOST_SHOWN {
            let more = Problem::nowhere(format!("and {} more", count - MOST_SHOWN));
            problems.push(Shown::new(more, &name, ""));
        }
        let headline = match count {
            1 => format!("{name} has a problem"),
            _ => format!("{name} has {count} problems"),
        };
        Error {
            kind: ErrorKind::Usage,
            context: Vec::new(),
            cause: Cause::Report(Box::new(Report::new(Problems { headline, problems }))),
            remedy: None,
        }
    }
}

/// The report: a headline, and every problem beneath.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{headline}")]
struct Problems {
    headline: String,
    #[related]
    problems: Vec<Shown>,
}

/// A problem as miette shows it, with what is around its places.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Shown {
    message: String,
    #[help]
    remedy: Option<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
    #[source_code]
    around: Option<NamedSource<String>>,
}

impl Shown {
    fn new(problem: Problem, name: &str, text: &str) -> Self {
        let short = |text: String| text::at_most(&text, LONGEST);
        let (places, labels): (Vec<Range<usize>>, Vec<String>) = problem.at.into_iter().chain(problem.and).unzip();
        let excerpt = Excerpt::of(text, &places);
        let labels = excerpt.spans.into_iter().zip(labels).map(|(span, label)| {
            let label = (!label.is_empty()).then(|| short(label));
            LabeledSpan::new(label, span.start, span.len())
        });
        Self {
            message: short(problem.message),
            remedy: problem.remedy.map(short),
            labels: labels.collect(),
            around: (!places.is_empty()).then(|| NamedSource::new(name, excerpt.text)),
        }
    }
}

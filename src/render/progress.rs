use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::aside;
use super::style::{self, paint};
use billctl_core::event::{Event, Listener};
use billctl_core::service::cloudformation::OperationStatus;
use billctl_core::text;

/// Shows what happens: a bar on a terminal, plain lines elsewhere, nothing but warnings with `--quiet`.
pub struct Progress {
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress {
    /// Shows on stderr.
    pub const fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: Mutex::new(None),
        }
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, text: &str) {
        match self.bar().as_ref().filter(|bar| !bar.is_hidden()) {
            Some(bar) => bar.suspend(|| aside(&format!("{text}\n"))),
            None => aside(&format!("{text}\n")),
        }
    }

    fn start_bar(&self, length: Option<usize>) {
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(length.map(|n| n as u64), ProgressDrawTarget::stderr());
        // The template is constant and valid; were it not, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
            bar.set_style(style);
        }
        *self.bar() = Some(bar);
    }
}

impl Listener for Progress {
    fn on(&self, event: Event) {
        if let Event::Warning(text) = &event {
            self.line(&format!("{} {}", paint(style::WARN, "warning:"), text::lines(text)));
            return;
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Phase(text) | Event::Note(text) => self.line(&text::lines(&text)),
            Event::StepStarted { number, total, title } => self.line(&format!(
                "{} {} ...",
                paint(style::FAINT, format!("[{number}/{total}]")),
                text::line(&title)
            )),
            // Its start has said what it does.
            Event::StepDone { .. } | Event::Warning(_) => {}
            Event::OperationFollowed { id, accounts } => {
                self.line(&paint(style::FAINT, format!("      operation {}", text::line(&id.0))));
                self.start_bar(accounts);
            }
            Event::OperationProgress { done, failed, total } => {
                if let Some(bar) = &*self.bar() {
                    if let Some(total) = total {
                        bar.set_length(total as u64);
                    }
                    bar.set_position((done + failed) as u64);
                    bar.set_message(format!("{failed} failed"));
                }
            }
            Event::OperationEnded { status, failed } => {
                if let Some(bar) = self.bar().take() {
                    bar.finish_and_clear();
                }
                let text = match (status, failed) {
                    (OperationStatus::Succeeded, 0) => paint(style::GOOD, "      done"),
                    (OperationStatus::Succeeded, failed) => paint(
                        style::WARN,
                        format!("      done, but {failed} failed within the tolerance"),
                    ),
                    (OperationStatus::Stopped, _) => paint(style::BAD, "      stopped"),
                    (_, failed) => paint(style::BAD, format!("      failed in {failed} accounts")),
                };
                self.line(&text);
            }
            Event::AccountFailed { account, reason } => self.line(&format!("      {account}: {}", text::line(&reason))),
        }
    }
}

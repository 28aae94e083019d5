//! Ctrl-C: what is being written is finished or named, and what goes on in AWS is named.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::ctrl_c;
use tokio::sync::watch;

use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::event::{Event, Listener, NullListener};
use billctl_core::service::cloudformation::OperationId;

/// Passes what happens on, and keeps what AWS would go on with if nobody watched any more.
pub struct Watched {
    listener: Arc<dyn Listener>,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing of this run is under way; the last step that was done, if any.
    Idle(Option<String>),
    /// What this does is being sent, or is about to be.
    Sending(String),
    /// This operation is under way.
    Following(OperationId),
    /// This was begun and goes on without us; a sentence.
    GoesOn(String),
}

/// Lets work that changes nothing in AWS go on until it ends or Ctrl-C is pressed.
///
/// # Errors
/// What `work` answers, or [`ErrorKind::Interrupted`].
pub(super) async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    Watched::new(Arc::new(NullListener)).until_interrupted(work).await
}

impl Watched {
    /// Passes what happens on to `listener`.
    pub fn new(listener: Arc<dyn Listener>) -> Self {
        Self {
            listener,
            state: watch::Sender::new(State::Idle(None)),
        }
    }

    /// Lets `work` go on until it ends or Ctrl-C is pressed. A request that is being sent is let finish, so that it
    /// can be said what became of it; a second press doesn't wait for that.
    ///
    /// # Errors
    /// What `work` answers, or [`ErrorKind::Interrupted`].
    pub async fn until_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        tokio::select! {
            ended = &mut work => return ended,
            _ = ctrl_c() => {}
        }
        if matches!(*self.state.borrow(), State::Sending(_)) {
            let mut state = self.state.subscribe();
            // The state first: whoever sends step after step gives way between them, and must not begin another one.
            tokio::select! {
                biased;
                _ = state.wait_for(|state| !matches!(state, State::Sending(_))) => {}
                ended = &mut work => return ended,
                _ = ctrl_c() => {}
            }
        }
        Err(interrupted(&self.state.borrow()))
    }

    /// Carries out what changes something and has no events of its own; `what` fits after "failed to".
    pub async fn sending<T>(&self, what: impl Into<String>, work: impl Future<Output = T>) -> T {
        let what = what.into();
        self.state.send_replace(State::Sending(what.clone()));
        let done = work.await;
        self.state.send_replace(State::Idle(Some(what)));
        // So that whoever waits for the end of just this comes first.
        tokio::task::yield_now().await;
        done
    }

    /// Does something that goes on in AWS when nobody watches it any more; `what` is a sentence that says so.
    pub async fn beginning<T>(&self, what: impl Into<String>, work: impl Future<Output = T>) -> T {
        self.state.send_replace(State::GoesOn(what.into()));
        let done = work.await;
        self.state.send_replace(State::Idle(None));
        done
    }
}

fn interrupted(state: &State) -> Error {
    let stopped = |text: String| Error::new(ErrorKind::Interrupted, text);
    match state {
        State::Idle(None) => stopped("stopped; nothing was under way".to_owned()),
        State::Idle(Some(done)) => stopped(format!(
            "stopped; the last thing done was to {done}; nothing is under way"
        ))
        .remedy("run the same command again: it does what is left"),
        State::Sending(what) => stopped(format!(
            "stopped while this was being sent: {what}; AWS may or may not have started it"
        ))
        .remedy("run the same command again: it finds out, and does what is left"),
        State::Following(id) => stopped(format!("stopped watching; operation {id} goes on in AWS"))
            .remedy("run the same command again to follow it and do the rest, or `billctl deploy --stop` to stop it"),
        State::GoesOn(what) => stopped(format!("stopped watching; {what}")),
    }
}

impl Listener for Watched {
    fn on(&self, event: Event) {
        let state = match &event {
            Event::StepStarted { title, .. } => Some(State::Sending(title.clone())),
            Event::OperationFollowed { id, .. } => Some(State::Following(id.clone())),
            Event::StepDone { title } => Some(State::Idle(Some(title.clone()))),
            Event::OperationEnded { .. } => Some(State::Idle(None)),
            _ => None,
        };
        if let Some(state) = state {
            self.state.send_replace(state);
        }
        self.listener.on(event);
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(
        clippy::expect_used,
        reason = "a test: Clippy doesn't see it behind the system's condition"
    )]

    use std::process::Command;

    use super::*;

    /// What Ctrl-C sends, to this very process: only once somebody listens for it.
    fn press() {
        let me = std::process::id().to_string();
        let status = Command::new("kill").args(["-INT", &me]).status();
        assert!(status.expect("kill").success());
    }

    #[tokio::test]
    async fn a_request_that_is_being_sent_is_waited_for_until_the_second_press() {
        // From here on the signal is this program's own.
        let mut presses = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).expect("a handler");
        let watched = Watched::new(Arc::new(NullListener));
        watched.state.send_replace(State::Sending("create it".to_owned()));
        let mut run = Box::pin(watched.until_interrupted(std::future::pending::<Result<()>>()));
        assert!(futures::poll!(&mut run).is_pending());
        press();
        presses.recv().await;
        assert!(futures::poll!(&mut run).is_pending(), "it may yet be done");
        press();
        presses.recv().await;
        let error = run.await.expect_err("interrupted");
        assert_eq!(error.kind, ErrorKind::Interrupted);
        assert!(error.to_string().contains("may or may not have started it"), "{error}");
    }

    #[tokio::test]
    async fn the_step_that_is_being_sent_is_finished_and_no_other_is_begun() {
        let mut presses = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).expect("a handler");
        let watched = Watched::new(Arc::new(NullListener));
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        let begun = std::cell::Cell::new(0);
        let work = async {
            begun.set(1);
            watched.sending("create one", answered).await.expect("an answer");
            begun.set(2);
            watched.sending("create two", std::future::pending::<()>()).await;
            Ok(())
        };
        let mut run = Box::pin(watched.until_interrupted(work));
        assert!(futures::poll!(&mut run).is_pending());
        press();
        presses.recv().await;
        assert!(futures::poll!(&mut run).is_pending(), "it is being sent");
        answer.send(()).expect("it is waited for");
        let error = run.await.expect_err("interrupted");
        assert_eq!(begun.get(), 1);
        assert!(
            error.to_string().contains("the last thing done was to create one"),
            "{error}"
        );
    }
}

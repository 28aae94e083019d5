//! Watching a StackSet operation, until Ctrl-C.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::ctrl_c;
use tokio::sync::watch;

use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::event::{Event, Listener};
use billctl_core::service::cloudformation::OperationId;

/// Passes what happens on, and keeps what AWS would go on with if nobody watched any more.
pub struct Watched {
    listener: Arc<dyn Listener>,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing of this run is under way.
    Idle,
    /// A request that changes something was sent, or is about to be.
    Sending,
    /// This operation is under way.
    Following(OperationId),
}

impl Watched {
    /// Passes what happens on to `listener`.
    pub fn new(listener: &Arc<dyn Listener>) -> Self {
        Self {
            listener: Arc::clone(listener),
            state: watch::Sender::new(State::Idle),
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
        if *self.state.borrow() == State::Sending {
            let mut state = self.state.subscribe();
            tokio::select! {
                ended = &mut work => return ended,
                _ = state.wait_for(|state| *state != State::Sending) => {}
                _ = ctrl_c() => {}
            }
        }
        Err(interrupted(&self.state.borrow()))
    }
}

fn interrupted(state: &State) -> Error {
    let told = |text: String| Error::new(ErrorKind::Interrupted, text);
    match state {
        State::Idle => told("stopped; nothing was under way".to_owned()),
        State::Sending => {
            told("stopped while a request was being sent: AWS may or may not have begun with it".to_owned())
                .hint("run the same command again: it finds out, and does what is left")
        }
        State::Following(id) => told(format!("stopped watching; operation {id} goes on in AWS"))
            .hint("run the same command again to follow it and do the rest, or `billctl deploy --stop` to stop it"),
    }
}

impl Listener for Watched {
    fn on(&self, event: Event) {
        let state = match &event {
            Event::StepStarted { .. } => Some(State::Sending),
            Event::OperationFollowed { id, .. } => Some(State::Following(id.clone())),
            Event::StepDone { .. } | Event::OperationEnded { .. } => Some(State::Idle),
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

    #[derive(Debug)]
    struct Deaf;

    impl Listener for Deaf {
        fn on(&self, _: Event) {}
    }

    #[tokio::test]
    async fn a_request_that_is_being_sent_is_waited_for_until_the_second_press() {
        // From here on the signal is this program's own.
        let mut presses = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).expect("a handler");
        let listener: Arc<dyn Listener> = Arc::new(Deaf);
        let watched = Watched::new(&listener);
        watched.state.send_replace(State::Sending);
        let mut run = Box::pin(watched.until_interrupted(std::future::pending::<Result<()>>()));
        assert!(futures::poll!(&mut run).is_pending());
        press();
        presses.recv().await;
        assert!(futures::poll!(&mut run).is_pending(), "it may yet be done");
        press();
        presses.recv().await;
        let error = run.await.expect_err("interrupted");
        assert_eq!(error.kind, ErrorKind::Interrupted);
        assert!(error.to_string().contains("may or may not have begun"), "{error}");
    }
}

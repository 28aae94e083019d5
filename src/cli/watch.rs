//! Watching a StackSet operation, until Ctrl-C.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::ctrl_c;
use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Listener};
use crate::service::cloudformation::OperationId;

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
        State::Sending => told(
            "stopped while a request was being sent: AWS may or may not have begun with it".to_owned(),
        )
        .hint("run the same command again: it finds out, and does what is left"),
        State::Following(id) => told(format!(
            "stopped watching; operation {id} goes on in AWS"
        ))
        .hint(
            "run the same command again to follow it and do the rest, or `billctl deploy --stop` to stop it",
        ),
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

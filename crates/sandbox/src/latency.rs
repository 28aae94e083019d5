//! How the time that a call takes passes: really, or in a simulated time in which a test measures how long calls would
//! have taken that wait for each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Passes as soon as everybody waits. For one thread: on several, "everybody waits" can't be seen from here.
#[derive(Debug, Default)]
pub(super) struct SimulatedTime {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    /// How many wait for each moment.
    waiting: BTreeMap<Duration, usize>,
    /// How many waits have begun or ended.
    moves: u64,
}

/// Looks in a row without a move after which nobody is about to move. Between two looks everybody who can go on has
/// gone on; the second one is for those that another one's move has woken.
const QUIET_LOOKS: u32 = 3;

impl SimulatedTime {
    /// How much time has passed.
    pub(super) fn now(&self) -> Duration {
        unpoisoned(&self.state).now
    }

    /// Waits.
    pub(super) async fn pass(&self, time: Duration) {
        let (until, mut moves) = {
            let mut state = unpoisoned(&self.state);
            let until = state.now + time;
            *state.waiting.entry(until).or_default() += 1;
            state.moves += 1;
            (until, state.moves)
        };
        let mut quiet = 0;
        loop {
            tokio::task::yield_now().await;
            let mut state = unpoisoned(&self.state);
            if state.now >= until {
                state.moves += 1;
                if let Some(waiting) = state.waiting.get_mut(&until) {
                    *waiting -= 1;
                    if *waiting == 0 {
                        state.waiting.remove(&until);
                    }
                }
                return;
            }
            quiet = if state.moves == moves { quiet + 1 } else { 0 };
            moves = state.moves;
            if quiet >= QUIET_LOOKS && state.waiting.keys().next() == Some(&until) {
                state.now = until;
                state.moves += 1;
            }
        }
    }
}

/// A panic in a body can only come from a test's assertion: what is locked stays usable.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    const CALL: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn calls_at_the_same_time_take_as_long_as_one() {
        let time = SimulatedTime::default();
        join_all((0..100).map(|_| time.pass(CALL))).await;
        assert_eq!(time.now(), CALL);
    }

    #[tokio::test]
    async fn calls_that_wait_for_each_other_take_as_long_as_all_of_them() {
        let time = SimulatedTime::default();
        let chains = [3, 7, 5].map(|calls| {
            let time = &time;
            async move {
                for _ in 0..calls {
                    time.pass(CALL).await;
                }
            }
        });
        join_all(chains).await;
        assert_eq!(time.now(), CALL * 7);
    }
}

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify;

use super::{Kind, Operation, Result, Service, ServiceError};

/// How calls are paced and retried.
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Calls to one service that may be under way at the start.
    pub initial_concurrency: f64,
    /// Calls to one service that may be under way at most.
    pub max_concurrency: f64,
    /// Retries of a call that was throttled or got no answer.
    pub max_retries: usize,
    /// Retries of a call that got no answer from a service that has never answered: a wrong endpoint or a network
    /// that is down should be said in seconds, not after minutes.
    pub max_first_retries: usize,
    /// The first pause before a retry; it doubles, with jitter.
    pub first_pause: Duration,
    /// The longest pause before a retry.
    pub longest_pause: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            initial_concurrency: 20.0,
            max_concurrency: 64.0,
            max_retries: 12,
            max_first_retries: 3,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(8),
        }
    }
}

/// How often an operation was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Attempts, retries among them.
    pub calls: u64,
    /// Attempts after the first of their call.
    pub retries: u64,
    /// Attempts that were throttled.
    pub throttled: u64,
}

/// Every call of every service goes through the one gate: it bounds how many are under way, retries what was
/// throttled or unanswered, and counts.
///
/// Concurrency adapts per service: each success lets a little more through, a throttled round takes a third away
/// (additive increase, multiplicative decrease, as TCP does), so that hundreds of parallel reads settle at what
/// AWS allows instead of storming it. The SDK's own retries are switched off, so that there is one place that
/// retries and its count is true in both worlds.
pub struct Gate {
    settings: GateSettings,
    lanes: [Lane; Service::COUNT],
    counts: Mutex<BTreeMap<Operation, CallCount>>,
}

struct Lane {
    state: Mutex<LaneState>,
    freed: Notify,
    /// Whether this service ever answered, if only with an error.
    answered: AtomicBool,
}

struct LaneState {
    limit: f64,
    under_way: usize,
    /// How often the limit was cut: a call that began before the last cut says nothing about the new limit.
    cuts: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(GateSettings::default())
    }
}

impl Gate {
    /// A gate with these settings.
    pub fn new(settings: GateSettings) -> Self {
        Self {
            settings,
            lanes: std::array::from_fn(|_| Lane {
                state: Mutex::new(LaneState {
                    limit: settings.initial_concurrency,
                    under_way: 0,
                    cuts: 0,
                }),
                freed: Notify::new(),
                answered: AtomicBool::new(false),
            }),
            counts: Mutex::default(),
        }
    }

    /// Makes a call, again after a pause while it is throttled or unanswered.
    ///
    /// Every write of billctl is safe to repeat: it either carries an idempotency token, or sets a state that is
    /// the same when set twice, or answers "exists", which its caller takes for done.
    ///
    /// # Errors
    /// The last attempt's error.
    pub async fn call<T, F>(
        &self,
        operation: Operation,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.settings.first_pause)
            .with_max_delay(self.settings.longest_pause)
            .with_max_times(self.settings.max_retries)
            .with_jitter()
            .build();
        let mut retries = 0;
        loop {
            let answer = self.attempt(operation, retries > 0, &mut attempt).await;
            match answer {
                Err(error) if error.kind.is_transient() => {
                    let given_up = retries >= self.settings.max_first_retries
                        && !self.lane(operation).answered.load(Ordering::Relaxed);
                    match pauses.next() {
                        Some(pause) if !given_up => tokio::time::sleep(pause).await,
                        _ => return Err(error),
                    }
                }
                answer => return answer,
            }
            retries += 1;
        }
    }

    async fn attempt<T, F>(
        &self,
        operation: Operation,
        retry: bool,
        attempt: &mut impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let lane = self.lane(operation);
        let pass = lane.enter().await;
        self.count(operation, |count| {
            count.calls += 1;
            count.retries += u64::from(retry);
        });
        let answer = attempt().await;
        let throttled = matches!(
            &answer,
            Err(ServiceError {
                kind: Kind::Throttled,
                ..
            })
        );
        // An error code is an answer; an error without one is the lack of it.
        if answer
            .as_ref()
            .map_or_else(|error| error.code.is_some(), |_| true)
        {
            lane.answered.store(true, Ordering::Relaxed);
        }
        if throttled {
            self.count(operation, |count| count.throttled += 1);
            pass.cut();
        } else if answer.is_ok() {
            pass.widen(self.settings.max_concurrency);
        }
        answer
    }

    fn lane(&self, operation: Operation) -> &Lane {
        // In bounds: there is a lane for every service.
        &self.lanes[operation.service as usize]
    }

    fn count(&self, operation: Operation, change: impl FnOnce(&mut CallCount)) {
        let mut counts = lock(&self.counts);
        change(counts.entry(operation).or_default());
    }

    /// The calls so far, by operation.
    pub fn counts(&self) -> BTreeMap<Operation, CallCount> {
        lock(&self.counts).clone()
    }

    /// How many calls may be under way to `service` now.
    pub fn concurrency(&self, service: Service) -> usize {
        lock(&self.lanes[service as usize].state).limit as usize
    }
}

/// A poisoned lock only means that another thread panicked between two plain assignments: the data stays usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The right to make one attempt; gives the place back when dropped, also when the call is cancelled.
struct Pass<'a> {
    lane: &'a Lane,
    cuts: u64,
}

impl Lane {
    async fn enter(&self) -> Pass<'_> {
        loop {
            // Registered before the check, so that a place freed in between isn't missed.
            let freed = self.freed.notified();
            {
                let mut state = lock(&self.state);
                if (state.under_way as f64) < state.limit {
                    state.under_way += 1;
                    return Pass {
                        lane: self,
                        cuts: state.cuts,
                    };
                }
            }
            freed.await;
        }
    }
}

impl Pass<'_> {
    fn cut(&self) {
        let mut state = lock(&self.lane.state);
        if state.cuts == self.cuts {
            state.limit = (state.limit * 0.67).max(1.0);
            state.cuts += 1;
        }
    }

    fn widen(&self, most: f64) {
        let mut state = lock(&self.lane.state);
        state.limit = (state.limit + 1.0 / state.limit).min(most);
        drop(state);
        self.lane.freed.notify_one();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        lock(&self.lane.state).under_way -= 1;
        self.lane.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::service::sts::GET_CALLER_IDENTITY;

    fn throttled() -> ServiceError {
        ServiceError::new(
            GET_CALLER_IDENTITY,
            Kind::Throttled,
            "Throttling",
            "slow down",
        )
    }

    fn quick() -> Gate {
        Gate::new(GateSettings {
            first_pause: Duration::from_micros(1),
            longest_pause: Duration::from_micros(10),
            ..GateSettings::default()
        })
    }

    #[tokio::test]
    async fn a_throttled_call_is_made_again_and_counted() {
        let gate = quick();
        let tries = AtomicUsize::new(0);
        let answer = gate
            .call(GET_CALLER_IDENTITY, || async {
                match tries.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Err(throttled()),
                    _ => Ok("done"),
                }
            })
            .await;
        assert_eq!(answer, Ok("done"));
        let count = gate.counts()[&GET_CALLER_IDENTITY];
        assert_eq!((count.calls, count.retries, count.throttled), (3, 2, 2));
    }

    fn unanswered() -> ServiceError {
        ServiceError {
            code: None,
            ..ServiceError::new(GET_CALLER_IDENTITY, Kind::Unavailable, "", "refused")
        }
    }

    #[tokio::test]
    async fn a_service_that_never_answered_is_given_up_soon() {
        let gate = quick();
        let answer: Result<()> = gate
            .call(GET_CALLER_IDENTITY, || async { Err(unanswered()) })
            .await;
        assert_eq!(answer, Err(unanswered()));
        assert_eq!(gate.counts()[&GET_CALLER_IDENTITY].calls, 4);
    }

    #[tokio::test]
    async fn a_service_that_answered_before_is_waited_for() {
        let gate = quick();
        let _ = gate.call(GET_CALLER_IDENTITY, || async { Ok(()) }).await;
        let _: Result<()> = gate
            .call(GET_CALLER_IDENTITY, || async { Err(unanswered()) })
            .await;
        assert_eq!(gate.counts()[&GET_CALLER_IDENTITY].calls, 1 + 13);
    }

    #[tokio::test]
    async fn an_error_that_stays_is_not_retried() {
        let gate = quick();
        let denied = ServiceError::new(GET_CALLER_IDENTITY, Kind::Denied, "AccessDenied", "no");
        let answer: Result<()> = gate
            .call(GET_CALLER_IDENTITY, || async { Err(denied.clone()) })
            .await;
        assert_eq!(answer, Err(denied));
        assert_eq!(gate.counts()[&GET_CALLER_IDENTITY].calls, 1);
    }

    #[tokio::test]
    async fn throttling_narrows_the_lane_and_success_widens_it() {
        let gate = quick();
        let before = gate.concurrency(Service::Sts);
        let _: Result<()> = gate
            .call(GET_CALLER_IDENTITY, || async { Err(throttled()) })
            .await;
        let narrow = gate.concurrency(Service::Sts);
        assert!(narrow < before, "{narrow} of {before}");
        for _ in 0..100 {
            let _ = gate.call(GET_CALLER_IDENTITY, || async { Ok(()) }).await;
        }
        assert!(gate.concurrency(Service::Sts) > narrow);
    }
}

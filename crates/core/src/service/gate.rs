use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::cloudformation::DESCRIBE_STACK_INSTANCE;
use super::sesv2::SEND_EMAIL;
use super::{Kind, Operation, Result, Service, ServiceError};

/// Operations that AWS answers far more slowly than the rest of their service, with the time from one call to the next.
/// DescribeStackInstance: about two a second (a report: docs/aws-facts.md, "StackSets: instances").
const SLOW: &[(Operation, Duration)] = &[(DESCRIBE_STACK_INSTANCE, Duration::from_millis(500))];
/// How far a slow operation's pace may be stretched beyond that, should AWS answer even fewer.
const SLOWEST: u32 = 4;

/// How calls are paced and retried.
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Calls to one service that may be under way at the start.
    pub initial_concurrency: f64,
    /// Calls to one service that may be under way at most.
    pub max_concurrency: f64,
    /// Calls to one service that may always be under way: so few are no storm, and where throttling strikes at
    /// random, going slower wouldn't make it rarer.
    pub min_concurrency: f64,
    /// Retries of a call that was throttled or got no answer.
    pub max_retries: usize,
    /// Retries of a call that got no answer from a service that has never answered: a wrong endpoint or a network
    /// that is down should be said in seconds, not after minutes.
    pub max_first_retries: usize,
    /// The first pause before a retry; it doubles, with jitter.
    pub first_pause: Duration,
    /// The longest pause before a retry.
    pub longest_pause: Duration,
    /// How long after its first attempt a call without an answer is still tried again. The last attempt then takes
    /// as long as one may.
    pub patience: Duration,
    /// How long calls to one service are tried again before a word is said, and from one word to the next.
    pub silence: Duration,
    /// Operations that get a pace of their own once they are throttled, with the time from one call to the next.
    pub slow: &'static [(Operation, Duration)],
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            // Enough to ask for the charges of ten thousand accounts at once, 500 a call.
            initial_concurrency: 32.0,
            // Enough to read ten thousand accounts along the longest chain of their lists' pages, and fewer than the 256
            // files that a process on macOS may have open.
            max_concurrency: 192.0,
            min_concurrency: 4.0,
            max_retries: 12,
            max_first_retries: 4,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(8),
            // Three attempts of 30 seconds each, where nothing answers at all.
            patience: Duration::from_secs(62),
            silence: Duration::from_secs(5),
            slow: SLOW,
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
/// Concurrency adapts per service as TCP's does: until the first throttled answer each success lets one more
/// through, so that it doubles with each round; from then on each round lets one more through, and a throttled one
/// takes a third away. Hundreds of parallel reads settle at what AWS allows instead of storming it. An operation
/// that AWS answers at a low rate of its own keeps to that rate once it has been throttled.
///
/// The SDK's own retries are switched off, so that there is one place that retries and its count is true in both
/// worlds.
pub struct Gate {
    settings: GateSettings,
    limiters: [Limiter; Service::COUNT],
    counts: Mutex<BTreeMap<Operation, CallCount>>,
    /// The pace of slow operations that have been throttled.
    paces: Mutex<BTreeMap<Operation, Pace>>,
    /// Who is told when a service is waited for.
    listener: OnceLock<Box<dyn Fn(String) + Send + Sync>>,
}

/// How concurrency to a service went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyReport {
    /// The service.
    pub service: Service,
    /// Calls that were under way at the same time, at most.
    pub peak: usize,
    /// Calls that may be under way now.
    pub limit: usize,
    /// How often throttling made that fewer.
    pub cuts: u64,
}

/// One call after the other, with time in between.
struct Pace {
    /// When the next call may be made.
    next: Instant,
    /// The time from one call to the next.
    interval: Duration,
}

struct Limiter {
    state: Mutex<LimiterState>,
    freed: Notify,
}

#[derive(Default)]
struct LimiterState {
    limit: f64,
    under_way: usize,
    peak: usize,
    /// How often the limit was cut: a call that began before the last cut says nothing about the new limit.
    cuts: u64,
    /// Whether this service ever answered, if only with an error.
    answered: bool,
    /// When it was last said that it is waited for.
    said: Option<Instant>,
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
            limiters: std::array::from_fn(|_| Limiter {
                state: Mutex::new(LimiterState {
                    limit: settings.initial_concurrency,
                    ..LimiterState::default()
                }),
                freed: Notify::new(),
            }),
            counts: Mutex::default(),
            paces: Mutex::default(),
            listener: OnceLock::new(),
        }
    }

    /// Tells `listener` in a sentence, from now on, when a service is waited for. The first one stays.
    pub fn report_to(&self, listener: impl Fn(String) + Send + Sync + 'static) {
        // That there is one already is no error: it listens.
        let _ = self.listener.set(Box::new(listener));
    }

    /// Makes a call, again after a pause while it is throttled or unanswered.
    ///
    /// Every write of billctl is safe to repeat: it either carries an idempotency token, or sets a state that is
    /// the same when set twice, or answers "exists", which its caller takes for done. A mail isn't, and is sent again only
    /// where it was refused.
    ///
    /// It ends, whatever the other side does, if each attempt ends: after so many retries, and where nobody answers
    /// with the last attempt that was begun in time.
    ///
    /// # Errors
    /// The last attempt's error.
    pub async fn call<T, F>(&self, operation: Operation, mut attempt: impl FnMut() -> F) -> Result<T>
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
        // What the attempts and pauses took: the wait for a place among the calls isn't the other side's.
        let mut waited = Duration::ZERO;
        loop {
            let (answer, taken) = self.attempt(operation, retries > 0, &mut attempt).await;
            waited += taken;
            let error = match answer {
                Err(error) if error.kind == Kind::Throttled => error,
                Err(error) if error.kind == Kind::Unavailable && operation != SEND_EMAIL => error,
                answer => return answer,
            };
            let most = match lock(&self.limiter(operation).state).answered {
                true => self.settings.max_retries,
                false => self.settings.max_first_retries.min(self.settings.max_retries),
            };
            let late = error.kind == Kind::Unavailable && waited >= self.settings.patience;
            match pauses.next() {
                Some(pause) if retries < most && !late => {
                    retries += 1;
                    self.say(&error, waited, retries + 1, most + 1);
                    tokio::time::sleep(pause).await;
                    waited += pause;
                }
                _ => return Err(error),
            }
        }
    }

    /// Says that a call is made again, unless it was made just now or the service was spoken of just now.
    fn say(&self, error: &ServiceError, waited: Duration, attempt: usize, most: usize) {
        let silence = self.settings.silence;
        let Some(listener) = self.listener.get().filter(|_| waited >= silence) else {
            return;
        };
        let mut state = lock(&self.limiter(error.operation).state);
        if state.said.is_some_and(|at| at.elapsed() < silence) {
            return;
        }
        state.said = Some(Instant::now());
        drop(state);
        let service = error.operation.service.iam_prefix();
        let what = match (&error.code, error.kind) {
            (_, Kind::Throttled) => format!("{service} takes no more calls at the moment"),
            (Some(code), _) => format!("{service} answered {code}"),
            (None, _) => format!("no answer from {service}"),
        };
        listener(format!("{what}, trying again ({attempt} of {most})"));
    }

    /// An attempt, and how long it took.
    async fn attempt<T, F>(
        &self,
        operation: Operation,
        retry: bool,
        attempt: &mut impl FnMut() -> F,
    ) -> (Result<T>, Duration)
    where
        F: Future<Output = Result<T>>,
    {
        let limiter = self.limiter(operation);
        // Waited for before the place is taken: who waits for a turn keeps nobody else from calling.
        let paced = self.pace(operation).await;
        let pass = limiter.enter().await;
        self.count(operation, |count| {
            count.calls += 1;
            count.retries += u64::from(retry);
        });
        let begun = Instant::now();
        let answer = attempt().await;
        let taken = begun.elapsed();
        let throttled = answer.as_ref().is_err_and(|error| error.kind == Kind::Throttled);
        // An error code is an answer; an error without one is the lack of it.
        if !answer.as_ref().is_err_and(|error| error.code.is_none()) {
            lock(&limiter.state).answered = true;
        }
        if throttled || paced {
            self.set_pace(operation, paced, throttled);
        }
        if throttled {
            self.count(operation, |count| count.throttled += 1);
            // A slow operation keeps to its pace instead: its throttling says nothing about the rest of the service.
            if self.slow(operation).is_none() {
                pass.cut(self.settings.min_concurrency);
            }
        } else if answer.is_ok() {
            pass.widen(self.settings.max_concurrency);
        }
        (answer, taken)
    }

    /// The time from one call of a slow operation to the next.
    fn slow(&self, operation: Operation) -> Option<Duration> {
        let mut slow = self.settings.slow.iter();
        slow.find_map(|(one, interval)| (*one == operation).then_some(*interval))
    }

    /// Waits for the operation's turn, if it has a pace. Answers whether it has.
    async fn pace(&self, operation: Operation) -> bool {
        let at = {
            let mut paces = lock(&self.paces);
            let Some(pace) = paces.get_mut(&operation) else {
                return false;
            };
            let at = pace.next.max(Instant::now());
            pace.next = at + pace.interval;
            at
        };
        tokio::time::sleep_until(at).await;
        true
    }

    /// Begins a slow operation's pace, or adapts it to the answer of a call that kept to it.
    fn set_pace(&self, operation: Operation, paced: bool, throttled: bool) {
        let Some(interval) = self.slow(operation) else {
            return;
        };
        let mut paces = lock(&self.paces);
        match paces.get_mut(&operation) {
            Some(pace) if paced => {
                let wanted = pace.interval.mul_f64(if throttled { 1.25 } else { 0.9 });
                pace.interval = wanted.clamp(interval, interval * SLOWEST);
            }
            // Of the calls that were under way together, the first one's answer began the pace.
            Some(_) => {}
            None => {
                let next = Instant::now() + interval;
                paces.insert(operation, Pace { next, interval });
            }
        }
    }

    fn limiter(&self, operation: Operation) -> &Limiter {
        // In bounds: there is a limiter for every service.
        &self.limiters[operation.service as usize]
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
        lock(&self.limiters[service as usize].state).limit as usize
    }

    /// How concurrency went, of the services that were called.
    pub fn concurrency_reports(&self) -> Vec<ConcurrencyReport> {
        let called: BTreeSet<Service> = lock(&self.counts).keys().map(|operation| operation.service).collect();
        called
            .into_iter()
            .map(|service| {
                let state = lock(&self.limiters[service as usize].state);
                ConcurrencyReport {
                    service,
                    peak: state.peak,
                    limit: state.limit as usize,
                    cuts: state.cuts,
                }
            })
            .collect()
    }
}

/// A poisoned lock only means that another thread panicked between two plain assignments: the data stays usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The right to make one attempt; gives the place back when dropped, also when the call is cancelled.
struct Pass<'a> {
    limiter: &'a Limiter,
    cuts: u64,
}

impl Limiter {
    async fn enter(&self) -> Pass<'_> {
        loop {
            // Registered before the check, so that a place freed in between isn't missed.
            let freed = self.freed.notified();
            {
                let mut state = lock(&self.state);
                if (state.under_way as f64) < state.limit {
                    state.under_way += 1;
                    state.peak = state.peak.max(state.under_way);
                    return Pass {
                        limiter: self,
                        cuts: state.cuts,
                    };
                }
            }
            freed.await;
        }
    }
}

impl Pass<'_> {
    fn cut(&self, least: f64) {
        let mut state = lock(&self.limiter.state);
        if state.cuts == self.cuts {
            state.limit = (state.limit * 0.67).max(least);
            state.cuts += 1;
        }
    }

    fn widen(&self, most: f64) {
        let mut state = lock(&self.limiter.state);
        let more = if state.cuts == 0 { 1.0 } else { 1.0 / state.limit };
        state.limit = (state.limit + more).min(most);
        drop(state);
        self.limiter.freed.notify_one();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        lock(&self.limiter.state).under_way -= 1;
        self.limiter.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;

use super::*;
use crate::service::sesv2::SEND_EMAIL;
use crate::service::sts::GET_CALLER_IDENTITY;

fn throttled() -> ServiceError {
    ServiceError::new(GET_CALLER_IDENTITY, Kind::Throttled, "Throttling", "slow down")
}

fn unanswered() -> ServiceError {
    ServiceError::without_code(GET_CALLER_IDENTITY, Kind::Unavailable, "refused")
}

/// Settings whose pauses take no time.
fn quick() -> GateSettings {
    GateSettings {
        first_pause: Duration::from_micros(1),
        longest_pause: Duration::from_micros(10),
        ..GateSettings::default()
    }
}

/// Makes a call that this error always answers, and says how often its operation has been tried.
async fn fail(gate: &Gate, error: ServiceError) -> u64 {
    let answer: Result<()> = gate.call(error.operation, || async { Err(error.clone()) }).await;
    assert_eq!(answer, Err(error.clone()));
    gate.counts()[&error.operation].calls
}

async fn succeed(gate: &Gate) {
    assert_eq!(gate.call(GET_CALLER_IDENTITY, || async { Ok(()) }).await, Ok(()));
}

/// A gate, and what it says.
fn heard(settings: GateSettings) -> (Gate, Arc<Mutex<Vec<String>>>) {
    let gate = Gate::new(settings);
    let said = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&said);
    gate.report_to(move |sentence| lock(&told).push(sentence));
    (gate, said)
}

#[tokio::test]
async fn a_throttled_call_is_made_again_and_counted() {
    let gate = Gate::new(quick());
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

#[tokio::test]
async fn a_service_that_never_answered_is_given_up_soon() {
    assert_eq!(fail(&Gate::new(quick()), unanswered()).await, 5);
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_says_what_it_waits_for() {
    let (gate, said) = heard(GateSettings {
        patience: Duration::from_millis(50),
        silence: Duration::ZERO,
        ..quick()
    });
    succeed(&gate).await;
    let answer: Result<()> = gate
        .call(GET_CALLER_IDENTITY, || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(unanswered())
        })
        .await;
    assert_eq!(answer, Err(unanswered()));
    let attempts = gate.counts()[&GET_CALLER_IDENTITY].calls - 1;
    assert!((2..=3).contains(&attempts), "{attempts}");
    let said = lock(&said);
    assert_eq!(said.len() as u64, attempts - 1, "{said:?}");
    assert_eq!(said[0], "no answer from sts, trying again (2 of 13)");
}

#[tokio::test]
async fn of_many_calls_that_wait_for_a_service_one_speaks() {
    let (gate, said) = heard(GateSettings {
        silence: Duration::from_millis(5),
        ..GateSettings::default()
    });
    let calls = (0..20).map(|_| {
        let mut tries = 0;
        let gate = &gate;
        async move {
            gate.call(GET_CALLER_IDENTITY, || {
                tries += 1;
                let first = tries == 1;
                async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    if first { Err(throttled()) } else { Ok(()) }
                }
            })
            .await
        }
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let said = lock(&said);
    assert!((1..10).contains(&said.len()), "{said:?}");
    assert_eq!(said[0], "sts takes no more calls at the moment, trying again (2 of 13)");
}

#[tokio::test]
async fn a_service_that_answered_before_is_waited_for() {
    let gate = Gate::new(quick());
    succeed(&gate).await;
    assert_eq!(fail(&gate, unanswered()).await, 1 + 13);
}

/// A mail may be on its way although no answer came: it is sent again only where it was refused.
#[tokio::test]
async fn a_mail_without_an_answer_is_not_sent_again() {
    let gate = Gate::new(quick());
    let operation = SEND_EMAIL;
    let lost = ServiceError {
        operation,
        ..unanswered()
    };
    assert_eq!(fail(&gate, lost).await, 1);
    let refused = ServiceError {
        operation,
        ..throttled()
    };
    assert!(fail(&gate, refused).await > 2);
}

#[tokio::test]
async fn throttling_narrows_the_lane_and_success_widens_it() {
    let gate = Gate::new(quick());
    let before = gate.concurrency(Service::Sts);
    fail(&gate, throttled()).await;
    let narrow = gate.concurrency(Service::Sts);
    assert!(narrow < before, "{narrow} of {before}");
    for _ in 0..100 {
        succeed(&gate).await;
    }
    assert!(gate.concurrency(Service::Sts) > narrow);
}

/// Answers like a service that takes `most` calls at a time and throttles the rest.
struct Busy {
    most: usize,
    under_way: AtomicUsize,
}

impl Busy {
    async fn answer(&self) -> Result<()> {
        if self.under_way.fetch_add(1, Ordering::SeqCst) >= self.most {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            return Err(throttled());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn parallel_reads_settle_at_what_the_service_takes_without_a_storm() {
    let gate = Gate::new(GateSettings {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        ..GateSettings::default()
    });
    let service = Busy {
        most: 10,
        under_way: AtomicUsize::new(0),
    };
    let calls = (0..500).map(|_| gate.call(GET_CALLER_IDENTITY, || service.answer()));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let count = gate.counts()[&GET_CALLER_IDENTITY];
    assert!(count.throttled > 0, "20 at once are more than 10");
    assert!(count.calls < 700, "{count:?}");
    let settled = gate.concurrency(Service::Sts);
    assert!((4..=20).contains(&settled), "{settled}");
}

#[tokio::test]
async fn a_service_that_never_throttles_is_called_by_twice_as_many_each_round() {
    let gate = Gate::new(quick());
    let calls = (0..1_000).map(|_| {
        gate.call(GET_CALLER_IDENTITY, || async {
            tokio::task::yield_now().await;
            Ok(())
        })
    });
    join_all(calls).await;
    let concurrency = gate.concurrency_reports();
    assert_eq!(concurrency.len(), 1, "only services that were called: {concurrency:?}");
    assert_eq!((concurrency[0].service, concurrency[0].cuts), (Service::Sts, 0));
    assert_eq!(concurrency[0].peak, 192, "{concurrency:?}");
}

#[tokio::test]
async fn a_lane_never_gets_narrower_than_its_floor() {
    let gate = Gate::new(quick());
    for _ in 0..20 {
        fail(&gate, throttled()).await;
    }
    assert_eq!(gate.concurrency(Service::Sts), 4);
}

#[tokio::test]
async fn an_error_that_stays_is_not_retried() {
    for kind in [Kind::Denied, Kind::Quota, Kind::Busy, Kind::Exists, Kind::Invalid] {
        let gate = Gate::new(quick());
        let error = ServiceError::new(GET_CALLER_IDENTITY, kind, "Code", "said");
        assert_eq!(fail(&gate, error).await, 1, "{kind:?}");
        assert_eq!(gate.counts()[&GET_CALLER_IDENTITY].retries, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_place_back() {
    let gate = Gate::new(GateSettings {
        initial_concurrency: 1.0,
        max_concurrency: 1.0,
        ..GateSettings::default()
    });
    let endless = gate.call(GET_CALLER_IDENTITY, std::future::pending::<Result<()>>);
    let waiting = gate.call(GET_CALLER_IDENTITY, || async { Ok("done") });
    // The first takes the only place; the second waits until the first is dropped.
    let mut waiting = Box::pin(waiting);
    {
        let mut endless = Box::pin(endless);
        assert!(futures::poll!(&mut endless).is_pending());
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(gate.counts()[&GET_CALLER_IDENTITY].calls, 1);
    }
    assert_eq!(waiting.await, Ok("done"));
}

/// Answers at most one call in each `interval`.
struct Slow {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Slow {
    fn answer(&self) -> Result<()> {
        let mut next = lock(&self.next);
        let now = Instant::now();
        if next.is_some_and(|next| now < next) {
            return Err(throttled());
        }
        *next = Some(now + self.interval);
        Ok(())
    }
}

#[tokio::test]
async fn a_slow_operation_keeps_to_its_rate_instead_of_burning_retries() {
    const INTERVAL: Duration = Duration::from_millis(4);
    const SLOW: &[(Operation, Duration)] = &[(GET_CALLER_IDENTITY, INTERVAL)];
    let gate = Gate::new(GateSettings {
        first_pause: Duration::from_millis(1),
        slow: SLOW,
        ..GateSettings::default()
    });
    let service = Slow {
        interval: INTERVAL,
        next: Mutex::new(None),
    };
    let calls = (0..100).map(|_| {
        gate.call(GET_CALLER_IDENTITY, || {
            let answer = service.answer();
            async { answer }
        })
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let count = gate.counts()[&GET_CALLER_IDENTITY];
    // Those that were under way together before the first was throttled, and a few that a late timer misled.
    assert!(count.throttled < 150, "{count:?}");
    // The rest of the service isn't slowed down by it.
    assert_eq!(gate.concurrency_reports()[0].cuts, 0);
}

#[tokio::test]
async fn a_slow_operation_that_is_not_throttled_has_no_pace() {
    const SLOW: &[(Operation, Duration)] = &[(GET_CALLER_IDENTITY, Duration::from_secs(3_600))];
    let gate = Gate::new(GateSettings {
        slow: SLOW,
        ..GateSettings::default()
    });
    for _ in 0..100 {
        succeed(&gate).await;
    }
}

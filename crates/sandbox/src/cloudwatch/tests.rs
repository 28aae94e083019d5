use jiff::SignedDuration;

use super::*;
use crate::seed::{self, Shape};
use billctl_core::model::AccountId;
use billctl_core::service::cloudwatch::{GET_METRIC_DATA, LIST_METRICS};
use billctl_core::service::{Services, all_pages};

fn services() -> (Sandbox, Services) {
    let sandbox = Sandbox::in_memory(seed::demo());
    let services = sandbox.services();
    (sandbox, services)
}

fn series(id: &str, account: AccountId) -> MetricQuery {
    MetricQuery {
        id: id.into(),
        source: QuerySource::Stat {
            metric: Metric {
                namespace: "AWS/Billing".into(),
                name: "EstimatedCharges".into(),
                dimensions: BTreeMap::from([
                    ("Currency".into(), "USD".into()),
                    ("LinkedAccount".into(), account.to_string()),
                ]),
            },
            period: 3_600,
            stat: "Maximum".into(),
        },
        return_data: true,
        label: None,
    }
}

fn alarm(query: MetricQuery, threshold: f64) -> Alarm {
    Alarm {
        name: "own".into(),
        description: String::new(),
        metrics: vec![query],
        comparison: "GreaterThanThreshold".into(),
        threshold,
        evaluation_periods: 1,
        treat_missing_data: "notBreaching".into(),
        actions_enabled: true,
        alarm_actions: Vec::new(),
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> String {
    answer.unwrap_err().code.unwrap()
}

#[tokio::test]
async fn every_account_and_service_has_a_metric_and_pages_hold_500() {
    let sandbox = Sandbox::in_memory(seed::world(&Shape {
        accounts: 200,
        ous: 5,
        depth: 2,
        seed: 1,
    }));
    let services = sandbox.services();
    let all = BTreeMap::from([("Currency".to_owned(), Some("USD".to_owned()))]);
    let first = services
        .cloudwatch
        .list_metrics("AWS/Billing", "EstimatedCharges", &all, None)
        .await
        .unwrap();
    assert_eq!(first.items.len(), 500);
    let metrics = all_pages(LIST_METRICS, |token| {
        services
            .cloudwatch
            .list_metrics("AWS/Billing", "EstimatedCharges", &all, token)
    })
    .await
    .unwrap();
    let accounts = metrics
        .iter()
        .filter(|metric| {
            metric.dimensions.contains_key("LinkedAccount") && !metric.dimensions.contains_key("ServiceName")
        })
        .count();
    assert_eq!(accounts, 201);
    let distinct: BTreeSet<_> = metrics.iter().collect();
    assert_eq!(distinct.len(), metrics.len());
}

#[tokio::test]
async fn the_end_is_exclusive_and_the_past_is_there_from_the_start() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    let now = services.clock.now();
    let ask = |end| DataRequest {
        queries: vec![series("m1", account)],
        start: now - SignedDuration::from_hours(60 * 24),
        end,
    };
    let page = services.cloudwatch.get_metric_data(&ask(now), None).await.unwrap();
    let points = &page.items[0].points;
    assert!((235..=245).contains(&points.len()), "{}", points.len());
    let last = points.last().unwrap().0;
    // The bucket of the last publication begins at `last`: nothing of it is before its own start.
    let page = services.cloudwatch.get_metric_data(&ask(last), None).await.unwrap();
    assert_eq!(page.items[0].points.len(), points.len() - 1);
}

#[tokio::test]
async fn a_large_answer_comes_in_pages_and_loses_nothing() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    let now = services.clock.now();
    let queries: Vec<MetricQuery> = (0..200).map(|number| series(&format!("q{number}"), account)).collect();
    let request = DataRequest {
        queries,
        start: now - SignedDuration::from_hours(200 * 24),
        end: now,
    };
    let first = services.cloudwatch.get_metric_data(&request, None).await.unwrap();
    assert!(first.next.is_some());
    let all = all_pages(GET_METRIC_DATA, |token| {
        services.cloudwatch.get_metric_data(&request, token)
    })
    .await
    .unwrap();
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    for part in &all {
        *lengths.entry(&part.id).or_default() += part.points.len();
    }
    assert_eq!(lengths.len(), 200);
    let distinct: BTreeSet<usize> = lengths.values().copied().collect();
    assert_eq!(distinct.len(), 1);
}

#[tokio::test]
async fn what_cloudwatch_refuses_is_refused() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    let now = services.clock.now();
    let mut request = DataRequest {
        queries: vec![series("m1", account); 2],
        start: now,
        end: now,
    };
    for _ in 0..2 {
        let answer = services.cloudwatch.get_metric_data(&request, None).await;
        assert_eq!(code(answer), "ValidationError");
        request.start = now - SignedDuration::from_hours(1);
    }
    let search = MetricQuery {
        source: QuerySource::Expression {
            expression: "SEARCH('x', 'Maximum')".into(),
        },
        ..series("e", account)
    };
    let mut alarm = alarm(search, 1.0);
    let answer = services.cloudwatch.put_metric_alarm(&alarm, &Tags::new()).await;
    assert_eq!(code(answer), "ValidationError");
    alarm.metrics = vec![series("m1", account)];
    services
        .cloudwatch
        .put_metric_alarm(&alarm, &Tags::new())
        .await
        .unwrap();
    alarm.evaluation_periods = 1_000;
    let answer = services.cloudwatch.put_metric_alarm(&alarm, &Tags::new()).await;
    assert_eq!(code(answer), "ValidationError");
    let answer = services.cloudwatch.delete_alarms(&["b".into()]).await;
    assert_eq!(code(answer), "ResourceNotFound");
    let answer = services.cloudwatch.get_dashboard("d").await;
    assert_eq!(code(answer), "ResourceNotFound");
}

/// The times that a series of this period has over 80 days.
async fn read(services: &Services, account: AccountId, period: u32) -> Vec<Timestamp> {
    let mut query = series("m1", account);
    if let QuerySource::Stat { period: of, .. } = &mut query.source {
        *of = period;
    }
    let now = services.clock.now();
    let request = DataRequest {
        queries: vec![query],
        start: now - SignedDuration::from_hours(80 * 24),
        end: now,
    };
    let page = services.cloudwatch.get_metric_data(&request, None).await;
    let points = page.unwrap().items.remove(0).points;
    points.into_iter().map(|(at, _)| at).collect()
}

#[tokio::test]
async fn short_periods_are_kept_for_fewer_days() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    for (period, days) in [(3_600, 80), (7_200, 80), (300, 63), (900, 63), (60, 15)] {
        let times = read(&services, account, period).await;
        let oldest = services.clock.now().duration_since(times[0]).as_hours();
        assert!((days * 24 - 8..=days * 24).contains(&oldest), "{period}: {oldest}");
    }
}

#[tokio::test]
async fn the_payer_sees_publications_with_their_own_time_but_later() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    let punctual = read(&services, account, 300).await;
    let late = std::time::Duration::from_secs(5 * 3_600);
    let set = |world: &mut World| {
        world.publications = world.publications.with_payer_late(late).unwrap();
        Ok(())
    };
    sandbox.change(set).unwrap();
    let now = services.clock.now();
    let seen = read(&services, account, 300).await;
    let expected: Vec<Timestamp> = punctual
        .into_iter()
        .filter(|at| *at <= now - SignedDuration::from_hours(5))
        .collect();
    assert_eq!(seen, expected);
    // The member's own are as punctual as ever.
    sandbox.peek(|world| {
        let member = world.charged_accounts().find(|id| *id != account).unwrap();
        let metric = Metric {
            namespace: "AWS/Billing".into(),
            name: "EstimatedCharges".into(),
            dimensions: BTreeMap::from([("Currency".into(), "USD".into())]),
        };
        let own = source(world, member, &metric).unwrap();
        assert_eq!(own.late(), SignedDuration::ZERO);
    });
}

#[tokio::test]
async fn the_payers_alarm_fires_when_the_payer_sees_the_publication() {
    let (sandbox, services) = services();
    let account = sandbox.peek(World::management_account);
    let late = SignedDuration::from_hours(5);
    let now = services.clock.now();
    let published = sandbox
        .change(|world| {
            let five_hours = std::time::Duration::from_secs(5 * 3_600);
            world.publications = world.publications.with_payer_late(five_hours).unwrap();
            let usd = billctl_core::model::Usd::from_f64(5_000.0).unwrap();
            crate::metrics::add_once(world, account, usd);
            let day = now + SignedDuration::from_hours(24);
            Ok(world.publications.times(account, now, day)[0])
        })
        .unwrap();
    let mut query = series("m1", account);
    if let QuerySource::Stat { period, .. } = &mut query.source {
        *period = 86_400;
    }
    let alarm = alarm(query, 5_000.0);
    let aws = &services.cloudwatch;
    aws.put_metric_alarm(&alarm, &Tags::new()).await.unwrap();
    // In small steps, as commands make them.
    for _ in 0..48 {
        let step = std::time::Duration::from_secs(1_800);
        services.clock.sleep(step).await;
    }
    let found = aws.describe_alarms(&["own".to_owned()]).await.unwrap();
    assert_eq!(found[0].state, AlarmState::Alarm);
    let after = found[0].since.unwrap().duration_since(published + late);
    assert!((1..=60).contains(&after.as_secs()), "{after:?}");
}

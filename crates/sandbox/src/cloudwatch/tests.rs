use jiff::SignedDuration;

use super::*;
use crate::seed::{self, Shape};
use billctl_core::model::AccountId;
use billctl_core::service::cloudwatch::{GET_METRIC_DATA, LIST_METRICS};
use billctl_core::service::{Services, all_pages};

/// The demo's organisation and its management account.
fn services() -> (Sandbox, Services, AccountId) {
    let sandbox = Sandbox::in_memory(seed::demo());
    let services = sandbox.services();
    let account = sandbox.peek(World::management_account);
    (sandbox, services, account)
}

/// What these queries ask for, from so many days ago.
fn request(queries: Vec<MetricQuery>, days: i64, end: Timestamp) -> DataRequest {
    let start = end - SignedDuration::from_hours(days * 24);
    DataRequest { queries, start, end }
}

fn series(id: &str, account: AccountId, period: u32) -> MetricQuery {
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
            period,
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
    let cloudwatch = &services.cloudwatch;
    let list = |token| cloudwatch.list_metrics("AWS/Billing", "EstimatedCharges", &all, token);
    assert_eq!(list(None).await.unwrap().items.len(), 500);
    let metrics = all_pages(LIST_METRICS, list).await.unwrap();
    let has = |metric: &Metric, dimension: &str| metric.dimensions.contains_key(dimension);
    let accounts = metrics
        .iter()
        .filter(|metric| has(metric, "LinkedAccount") && !has(metric, "ServiceName"));
    assert_eq!(accounts.count(), 201);
    let distinct: BTreeSet<_> = metrics.iter().collect();
    assert_eq!(distinct.len(), metrics.len());
}

#[tokio::test]
async fn the_end_is_exclusive_and_the_past_is_there_from_the_start() {
    let (_, services, account) = services();
    let mut request = request(vec![series("m1", account, 3_600)], 60, services.clock.now());
    let page = services.cloudwatch.get_metric_data(&request, None).await.unwrap();
    let points = &page.items[0].points;
    assert!((235..=245).contains(&points.len()), "{}", points.len());
    // The bucket of the last publication begins there: nothing of it is before its own start.
    request.end = points.last().unwrap().0;
    let page = services.cloudwatch.get_metric_data(&request, None).await.unwrap();
    assert_eq!(page.items[0].points.len(), points.len() - 1);
}

#[tokio::test]
async fn a_large_answer_comes_in_pages_and_loses_nothing() {
    let (_, services, account) = services();
    let queries = (0..200).map(|number| series(&format!("q{number}"), account, 3_600));
    let request = request(queries.collect(), 200, services.clock.now());
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
    let (_, services, account) = services();
    let one = series("m1", account, 3_600);
    let aws = &services.cloudwatch;
    // Of no time, and of two with one id.
    for (queries, days) in [(vec![one.clone()], 0), (vec![one.clone(); 2], 1)] {
        let request = request(queries, days, services.clock.now());
        assert_eq!(code(aws.get_metric_data(&request, None).await), "ValidationError");
    }
    let search = MetricQuery {
        source: QuerySource::Expression {
            expression: "SEARCH('x', 'Maximum')".into(),
        },
        ..series("e", account, 3_600)
    };
    let mut alarm = alarm(search, 1.0);
    let no_tags = Tags::new();
    assert_eq!(code(aws.put_metric_alarm(&alarm, &no_tags).await), "ValidationError");
    alarm.metrics = vec![one];
    aws.put_metric_alarm(&alarm, &no_tags).await.unwrap();
    alarm.evaluation_periods = 1_000;
    assert_eq!(code(aws.put_metric_alarm(&alarm, &no_tags).await), "ValidationError");
    assert_eq!(code(aws.delete_alarms(&["b".into()]).await), "ResourceNotFound");
    assert_eq!(code(aws.get_dashboard("d").await), "ResourceNotFound");
}

/// The times that a series of this period has over 80 days.
async fn read(services: &Services, account: AccountId, period: u32) -> Vec<Timestamp> {
    let request = request(vec![series("m1", account, period)], 80, services.clock.now());
    let page = services.cloudwatch.get_metric_data(&request, None).await;
    let points = page.unwrap().items.remove(0).points;
    points.into_iter().map(|(at, _)| at).collect()
}

#[tokio::test]
async fn short_periods_are_kept_for_fewer_days() {
    let (_, services, account) = services();
    for (period, days) in [(3_600, 80), (7_200, 80), (300, 63), (900, 63), (60, 15)] {
        let times = read(&services, account, period).await;
        let oldest = services.clock.now().duration_since(times[0]).as_hours();
        assert!((days * 24 - 8..=days * 24).contains(&oldest), "{period}: {oldest}");
    }
}

#[tokio::test]
async fn the_payer_sees_publications_with_their_own_time_but_later() {
    let (sandbox, services, account) = services();
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
    let (sandbox, services, account) = services();
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
    let alarm = alarm(series("m1", account, 86_400), 5_000.0);
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

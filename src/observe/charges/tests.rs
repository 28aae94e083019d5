#![expect(
    clippy::unwrap_used,
    reason = "a test: Clippy doesn't see it behind the feature's condition"
)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::*;
use crate::spend::{Evidence, Missing};
use billctl_core::model::{Account, AccountState, Organization, OrganizationalUnit};
use billctl_core::service::clock::SystemClock;
use billctl_core::service::cloudwatch::{Alarm, AlarmStatus, CloudWatch, Series as Answer};
use billctl_core::service::{Kind, Page, Tags};
use billctl_sandbox::{Sandbox, seed};

/// CloudWatch whose `GetMetricData` answers so, and in which every account has a metric for each of two services, on a
/// page of its own.
struct Scripted<D>(D);

#[async_trait]
impl<D: Fn(&DataRequest, Option<String>) -> Page<Answer> + Send + Sync> CloudWatch for Scripted<D> {
    async fn get_metric_data(&self, request: &DataRequest, token: Option<String>) -> service::Result<Page<Answer>> {
        Ok((self.0)(request, token))
    }

    async fn list_metrics(
        &self,
        _: &str,
        _: &str,
        dimensions: &BTreeMap<String, Option<String>>,
        token: Option<String>,
    ) -> service::Result<Page<Metric>> {
        let account = dimensions["LinkedAccount"].clone().unwrap();
        let metric =
            |service: &str| ChargeSeries::AccountService(account.parse().unwrap(), service.to_owned()).metric();
        Ok(match token {
            None => Page {
                items: vec![metric("AmazonEC2")],
                next: Some("2".to_owned()),
            },
            Some(_) => Page::last(vec![metric("AmazonS3")]),
        })
    }

    async fn describe_alarms(&self, _: &[String]) -> service::Result<Vec<AlarmStatus>> {
        unreachable!()
    }

    async fn put_metric_alarm(&self, _: &Alarm, _: &Tags) -> service::Result<()> {
        unreachable!()
    }

    async fn delete_alarms(&self, _: &[String]) -> service::Result<()> {
        unreachable!()
    }

    async fn get_dashboard(&self, _: &str) -> service::Result<Value> {
        unreachable!()
    }

    async fn put_dashboard(&self, _: &str, _: &Value) -> service::Result<()> {
        unreachable!()
    }

    async fn delete_dashboards(&self, _: &[String]) -> service::Result<()> {
        unreachable!()
    }
}

fn services(data: impl Fn(&DataRequest, Option<String>) -> Page<Answer> + Send + Sync + 'static) -> Services {
    Services {
        cloudwatch: Arc::new(Scripted(data)),
        clock: Arc::new(SystemClock),
        ..Sandbox::in_memory(seed::demo()).services()
    }
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(days: usize) -> Window {
    let now = moment("2026-11-23T13:20:00Z");
    Window::of_days(days, Measure::Daily, now)
}

fn accounts(count: u64) -> Vec<ChargeSeries> {
    (1..=count)
        .filter_map(AccountId::from_number)
        .map(ChargeSeries::Account)
        .collect()
}

/// Two publications for every query: 10 dollars, then 12.5.
fn answer(request: &DataRequest) -> Vec<Answer> {
    request
        .queries
        .iter()
        .map(|query| Answer {
            id: query.id.clone(),
            points: vec![
                (moment("2026-11-22T20:00:00Z"), 10.0),
                (moment("2026-11-23T02:00:00Z"), 12.5),
            ],
        })
        .collect()
}

#[tokio::test]
async fn accounts_are_asked_for_five_hundred_at_a_time_in_buckets_of_five_minutes() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let services = services(move |request, token| {
        assert_eq!(token, None);
        seen.lock().unwrap().push(request.clone());
        Page::last(answer(request))
    });
    let found = histories(&services, &accounts(1_201), &window(32)).await.unwrap();
    assert_eq!(found.len(), 1_201);
    assert!(
        found
            .iter()
            .all(|(_, history)| history.days[31].unwrap().usd == Usd::from_micros(2_500_000))
    );
    let asked = asked.lock().unwrap();
    let mut sizes: Vec<usize> = asked.iter().map(|request| request.queries.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [201, 500, 500]);
    assert_eq!(asked[0].start, moment("2026-10-23T00:00:00Z"));
    assert_eq!(asked[0].end, moment("2026-11-23T13:25:00Z"), "the end is exclusive");
}

#[test]
fn five_minutes_are_asked_for_while_cloudwatch_has_them() {
    let asked = |days| {
        let request = request(&window(days), &accounts(1));
        let QuerySource::Stat { period, .. } = request.queries[0].source else {
            panic!("{request:?}");
        };
        (period, request.end)
    };
    assert_eq!(asked(62), (300, moment("2026-11-23T13:25:00Z")));
    assert_eq!(asked(64), (3_600, moment("2026-11-23T14:00:00Z")));
}

#[test]
fn a_long_time_makes_batches_smaller_so_that_an_answer_is_one_page() {
    assert_eq!(batch_size(&window(32)), 500);
    assert_eq!(batch_size(&window(401)), 41);
}

#[tokio::test]
async fn a_series_spread_over_pages_is_put_together() {
    let services = services(|request, token| {
        let mut series = answer(request);
        match token.as_deref() {
            // The newest page first: the order is put right.
            None => {
                series[0].points.remove(0);
                Page {
                    items: series,
                    next: Some("more".to_owned()),
                }
            }
            Some("more") => {
                series[0].points.pop();
                series[0].points.push((moment("2026-11-22T21:00:00Z"), f64::NAN));
                series.push(Answer {
                    id: "x9".to_owned(),
                    points: vec![],
                });
                Page::last(series)
            }
            Some(other) => panic!("{other}"),
        }
    });
    let found = histories(&services, &accounts(1), &window(32)).await.unwrap();
    assert_eq!(found[0].1.days[31].unwrap().usd, Usd::from_micros(2_500_000));
    assert_eq!(found[0].1.month_to_date, Some(Usd::from_micros(12_500_000)));
}

#[tokio::test]
async fn an_accounts_services_are_summed_up_by_service() {
    let services = services(|request, _| Page::last(answer(request)));
    let two: BTreeSet<AccountId> = [1, 2].into_iter().filter_map(AccountId::from_number).collect();
    let series = service_series(&services, Some(&two)).await.unwrap();
    assert_eq!(series.len(), 4);
    let found = histories(&services, &series, &window(32)).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].0, Subject::Service("AmazonEC2".to_owned()));
    assert_eq!(found[0].1.month_to_date, Some(Usd::dollars(25)));
}

#[tokio::test]
async fn what_may_not_be_asked_stays_unknown() {
    let mut world = seed::demo();
    world.faults.deny = ["cloudwatch:ListMetrics", "billing:GetBillingPreferences"]
        .map(str::to_owned)
        .into();
    let management = world.management_account();
    let services = Sandbox::in_memory(world).services();
    let organization = Organization::new("o-a1b2c3d4e5".parse().unwrap(), management, [], []);
    let evidence = missing::evidence(&services, &organization, false).await.unwrap();
    assert_eq!(
        evidence,
        Evidence {
            payer: true,
            ..Evidence::default()
        }
    );
}

#[tokio::test]
async fn an_account_that_left_since_it_was_listed_fails_nothing() {
    let gone = AccountId::from_number(7).unwrap();
    let root = OrganizationalUnit {
        id: "r-ab12".parse().unwrap(),
        name: "Root".into(),
        parent: None,
    };
    let account = Account {
        id: gone,
        name: "gone".into(),
        email: "gone@example.com".into(),
        state: AccountState::Active,
        joined: None,
    };
    let placed = (account, root.id.clone());
    let organization = Organization::new("o-a1b2c3d4e5".parse().unwrap(), gone, [root], [placed]);
    // DescribeAccount of an account that this organisation doesn't have.
    let services = Sandbox::in_memory(seed::demo()).services();
    let asked = services.organizations.account_joined(gone).await;
    assert_eq!(asked.unwrap_err().kind, Kind::NotFound);
    let now = services.clock.now();
    let why = reasons(&services, &organization, &[gone], true, now).await.unwrap();
    assert_eq!(why[&gone], Missing::NoCharges);
}

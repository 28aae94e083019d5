//! Reads `EstimatedCharges` from the payer: every account's series lies there (AWS-FACTS 1), so no account is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::pin::pin;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::config::Measure;
pub use crate::spend::Window;
use crate::spend::{Charges, Evidence, Ledger, Missing, Publication, Subject, missing};
use billctl_core::error::{Context, Result};
use billctl_core::model::DAY;
use billctl_core::model::{AccountId, AccountState, Organization, Usd};
use billctl_core::service::cloudwatch::{DataRequest, MAX_DATAPOINTS, MAX_QUERIES, Metric, MetricQuery, QuerySource};
use billctl_core::service::cloudwatch::{GET_METRIC_DATA, LIST_METRICS};
use billctl_core::service::{self, Kind, Services, pages};

const NAMESPACE: &str = "AWS/Billing";
const METRIC: &str = "EstimatedCharges";
/// How long CloudWatch has five minutes: 63 days, less one for whatever happens between asking and answering.
const FINE: i64 = 62 * DAY;
/// Publications of a series in a day: four, and room for two more (AWS-FACTS 1: about every six hours).
const PUBLICATIONS_A_DAY: usize = 6;
/// Days that a judgement reads anyway.
const JUDGED_DAYS: usize = 14;
/// Batches asked for before the gate paces them: it lets fewer through.
const PARALLEL: usize = 64;

/// One series of charges.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Series {
    /// All charges of an account.
    Account(AccountId),
    /// All charges for a service, whoever made them.
    Service(String),
    /// An account's charges for a service.
    AccountService(AccountId, String),
}

impl Series {
    /// Whose ledger it goes into.
    fn subject(&self) -> Subject {
        match self {
            Self::Account(account) => Subject::Account(*account),
            Self::Service(service) | Self::AccountService(_, service) => Subject::Service(service.clone()),
        }
    }

    fn metric(&self) -> Metric {
        let (account, service) = match self {
            Self::Account(account) => (Some(account), None),
            Self::Service(service) => (None, Some(service)),
            Self::AccountService(account, service) => (Some(account), Some(service)),
        };
        let mut dimensions = BTreeMap::from([("Currency".to_owned(), "USD".to_owned())]);
        if let Some(account) = account {
            dimensions.insert("LinkedAccount".to_owned(), account.to_string());
        }
        if let Some(service) = service {
            dimensions.insert("ServiceName".to_owned(), service.clone());
        }
        Metric {
            namespace: NAMESPACE.to_owned(),
            name: METRIC.to_owned(),
            dimensions,
        }
    }
}

/// The period that still has what was published at `from`: 300 s for 63 days, 3,600 s for 455 (AWS-FACTS 9). Buckets hold
/// at most one publication each and keep its time; empty ones return nothing.
fn period(from: i64, now: Timestamp) -> u32 {
    if now.as_second() - from < FINE { 300 } else { 3_600 }
}

/// From the first publication wanted to the end of this bucket, so that the newest is in; both on whole buckets.
fn request(window: &Window, batch: &[Series]) -> DataRequest {
    let period = period(window.from(), window.now);
    let length = i64::from(period);
    let end = (window.now.as_second().div_euclid(length) + 1) * length;
    // Both are moments that jiff has named before, or an hour after one.
    let moment = |second| Timestamp::from_second(second).unwrap_or(window.now);
    DataRequest {
        queries: batch
            .iter()
            .enumerate()
            .map(|(index, series)| query(index, series, period))
            .collect(),
        start: moment(window.from()),
        end: moment(end),
    }
}

/// Series in one call: at most [`MAX_QUERIES`], and no more than fit into one answer.
fn batch_size(window: &Window) -> usize {
    let days = usize::try_from((window.now.as_second() - window.from()) / DAY + 1);
    let points = days.unwrap_or(1).max(1) * PUBLICATIONS_A_DAY;
    (MAX_DATAPOINTS / points).clamp(1, MAX_QUERIES)
}

/// Reads the series and keeps their ledgers, one for each subject. Each asked series is one metric on AWS's bill.
///
/// Batches are read at the same time, and each is made into ledgers before the next pages come, so that an
/// organisation of ten thousand accounts never has all of its publications in memory.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn ledgers(services: &Services, series: &[Series], window: &Window) -> Result<Vec<(Subject, Ledger)>> {
    let read = each(services, series, window, &Ledger::read).await?;
    let mut found: BTreeMap<Subject, Vec<Ledger>> = BTreeMap::new();
    for (subject, ledger) in read {
        found.entry(subject).or_default().push(ledger);
    }
    Ok(found
        .into_iter()
        .map(|(subject, mut ledgers)| {
            let ledger = match (ledgers.pop(), ledgers.is_empty()) {
                (Some(only), true) => only,
                (last, _) => {
                    ledgers.extend(last);
                    Ledger::sum(ledgers.iter())
                }
            };
            (subject, ledger)
        })
        .collect())
}

/// How each of these accounts stands, whatever its limit is.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn charges(
    services: &Services,
    accounts: impl IntoIterator<Item = AccountId>,
    measure: Measure,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Charges>> {
    let series: Vec<Series> = accounts.into_iter().map(Series::Account).collect();
    let window = Window::of_days(JUDGED_DAYS, measure, now);
    let read = each(services, &series, &window, &Charges::read).await?;
    Ok(read
        .into_iter()
        .filter_map(|(subject, charges)| match subject {
            Subject::Account(account) => Some((account, charges)),
            Subject::Service(_) => None,
        })
        .collect())
}

/// What `make` takes from each series' publications.
async fn each<T: Send>(
    services: &Services,
    series: &[Series],
    window: &Window,
    make: &(dyn Fn(&[Publication], &Window) -> T + Sync),
) -> Result<Vec<(Subject, T)>> {
    let batches = stream::iter(series.chunks(batch_size(window)))
        .map(|batch| read(services, batch, window, make))
        .buffered(PARALLEL);
    let read: Vec<Vec<(Subject, T)>> = batches.try_collect().await.while_trying("read the accounts' charges")?;
    Ok(read.into_iter().flatten().collect())
}

async fn read<T: Send>(
    services: &Services,
    batch: &[Series],
    window: &Window,
    make: &(dyn Fn(&[Publication], &Window) -> T + Sync),
) -> service::Result<Vec<(Subject, T)>> {
    let request = request(window, batch);
    let mut publications: Vec<Vec<Publication>> = vec![Vec::new(); batch.len()];
    let pages = pages(GET_METRIC_DATA, |token| {
        services.cloudwatch.get_metric_data(&request, token)
    });
    let mut pages = pin!(pages);
    while let Some(page) = pages.try_next().await? {
        for series in page {
            // An id that wasn't asked for is nothing of ours.
            let index = series.id.strip_prefix('m').and_then(|id| id.parse().ok());
            let Some(place) = index.and_then(|index: usize| publications.get_mut(index)) else {
                continue;
            };
            let of_page = series.points.into_iter().filter_map(|(at, value)| {
                let month_to_date = Usd::from_f64(value)?;
                Some(Publication { at, month_to_date })
            });
            if place.is_empty() {
                // Into the page's own memory.
                *place = of_page.collect();
            } else {
                place.extend(of_page);
            }
        }
    }
    Ok(batch
        .iter()
        .zip(publications)
        .map(|(series, mut publications)| {
            // Oldest first already, as the trait promises for a page; pages may come in any order.
            publications.sort_by_key(|publication| publication.at);
            let made = make(&publications, window);
            (series.subject(), made)
        })
        .collect())
}

fn query(index: usize, series: &Series, period: u32) -> MetricQuery {
    MetricQuery {
        id: format!("m{index}"),
        source: QuerySource::Stat {
            metric: series.metric(),
            period,
            stat: "Maximum".to_owned(),
        },
        return_data: true,
        label: None,
    }
}

/// The services that anything was charged for in the last two weeks (ListMetrics lists no older ones): over the whole
/// organisation with `accounts` empty, else of these accounts.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn service_series(services: &Services, accounts: Option<&BTreeSet<AccountId>>) -> Result<Vec<Series>> {
    let found: Vec<Series> = match accounts {
        None => {
            let names = service_names(services, None).await;
            let names = names.while_trying("list the services that were charged for")?;
            names.into_iter().map(Series::Service).collect()
        }
        Some(accounts) => {
            let lists: Vec<Vec<Series>> = stream::iter(accounts)
                .map(|account| async move {
                    let names = service_names(services, Some(*account)).await?;
                    let series = names.into_iter().map(|name| Series::AccountService(*account, name));
                    service::Result::Ok(series.collect())
                })
                .buffered(PARALLEL)
                .try_collect()
                .await
                .while_trying("list the services that were charged for")?;
            lists.into_iter().flatten().collect()
        }
    };
    Ok(found)
}

async fn service_names(services: &Services, account: Option<AccountId>) -> service::Result<BTreeSet<String>> {
    let mut filter = BTreeMap::from([
        ("Currency".to_owned(), Some("USD".to_owned())),
        ("ServiceName".to_owned(), None),
    ]);
    if let Some(account) = account {
        filter.insert("LinkedAccount".to_owned(), Some(account.to_string()));
    }
    let pages = pages(LIST_METRICS, |token| {
        services.cloudwatch.list_metrics(NAMESPACE, METRIC, &filter, token)
    });
    // The filter also lets through metrics with more dimensions: the same service once for each account, too many to
    // be kept.
    pages
        .try_fold(BTreeSet::new(), |mut names, metrics| {
            let of_page = metrics.into_iter();
            names.extend(of_page.filter_map(|mut metric| metric.dimensions.remove("ServiceName")));
            ready(Ok(names))
        })
        .await
}

/// What the billing account says about why accounts have no data. Where some of those asked for have data, nothing is
/// asked; what may not be asked stays unknown.
///
/// # Errors
/// AWS's answers, but for a missing permission.
async fn evidence(services: &Services, organization: &Organization, some_data: bool) -> Result<Evidence> {
    if some_data {
        return Ok(Evidence {
            some_account_has_data: true,
            ..Evidence::default()
        });
    }
    let any = |dimensions: &[&str]| -> BTreeMap<String, Option<String>> {
        let currency = ("Currency".to_owned(), Some("USD".to_owned()));
        let any_value = dimensions.iter().map(|name| ((*name).to_owned(), None));
        any_value.chain([currency]).collect()
    };
    let (linked, all) = (any(&["LinkedAccount"]), any(&[]));
    let (caller, alerts, linked, all) = futures::join!(
        services.sts.get_caller_identity(),
        services.billing.billing_alerts_enabled(),
        is_listed(services, &linked),
        is_listed(services, &all),
    );
    let caller = caller.while_trying("find out whose credentials are in use")?;
    let payer = caller.account == organization.management_account;
    Ok(Evidence {
        // Others have data, only those asked for have none.
        some_account_has_data: payer && linked.while_trying("list the billing metrics")? == Some(true),
        payer,
        // Whatever stands in the way (a permission, an engine without this call): it stays unknown.
        alerts: alerts.ok().flatten(),
        any_metric: all.while_trying("list the billing metrics")?,
    })
}

/// Whether CloudWatch lists a metric of charges with these dimensions; `None` where that may not be asked.
async fn is_listed(
    services: &Services,
    dimensions: &BTreeMap<String, Option<String>>,
) -> service::Result<Option<bool>> {
    let pages = pages(LIST_METRICS, |token| {
        services.cloudwatch.list_metrics(NAMESPACE, METRIC, dimensions, token)
    });
    let found = pages.try_any(|metrics| ready(!metrics.is_empty()));
    unless_denied(found.await)
}

/// Why each of `silent`, which have no data, has none; `some_data` says whether others that were asked for have.
/// Accounts in use are asked when they joined, if that can matter.
///
/// # Errors
/// AWS's answers, but for a missing permission.
pub async fn reasons(
    services: &Services,
    organization: &Organization,
    silent: &[AccountId],
    some_data: bool,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Missing>> {
    if silent.is_empty() {
        return Ok(BTreeMap::new());
    }
    let evidence = evidence(services, organization, some_data).await?;
    let known = silent
        .iter()
        .filter_map(|id| organization.account(*id))
        .map(|(account, _)| (account.id, account.state));
    stream::iter(known)
        .map(|(id, state)| async move {
            let ask = evidence.some_account_has_data && state == AccountState::Active;
            let joined = if ask {
                unless_denied(services.organizations.account_joined(id).await)?.flatten()
            } else {
                None
            };
            service::Result::Ok((id, missing(state, joined, now, evidence)))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("find out when accounts without charges joined")
}

fn unless_denied<T>(answer: service::Result<T>) -> service::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == Kind::Denied => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many metrics a run asked for, and about what AWS charges for them: $0.01 per 1,000 (AWS-FACTS 9).
pub fn cost(metrics: usize) -> Usd {
    const MICROS_PER_METRIC: i64 = 10;
    Usd::from_micros(
        i64::try_from(metrics)
            .unwrap_or(i64::MAX)
            .saturating_mul(MICROS_PER_METRIC),
    )
}

#[cfg(all(test, feature = "sandbox"))]
mod tests;

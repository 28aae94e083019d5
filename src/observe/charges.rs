//! Reads `EstimatedCharges` from the payer: every account's series lies there
//! (docs/aws-facts.md, "Charges of linked accounts"), so no account is asked. The only reader of them; who has none, and
//! why, is asked in `missing`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::pin::pin;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::config::Measure;
pub use crate::spend::Window;
use crate::spend::{Charges, Publication, SpendHistory, Subject};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::{AccountId, DAY, Usd};
use billctl_core::service::charges::{self, ACCOUNT, COARSE, FINE, SERVICE, STATISTIC};
use billctl_core::service::cloudwatch::{
    DataRequest, GET_METRIC_DATA, LIST_METRICS, MAX_DATAPOINTS, MAX_QUERIES, Metric, MetricQuery, QuerySource,
};
use billctl_core::service::{self, PARALLEL, Services, pages};

mod missing;

pub use missing::{Absence, absence, reasons};

/// How long CloudWatch has [`FINE`] periods: 63 days, less one for whatever happens between asking and answering.
const FINE_FOR: i64 = 62 * DAY;
/// Publications of a series in a day: four, and room for two more (docs/aws-facts.md, "EstimatedCharges": about every
/// six hours).
const PUBLICATIONS_A_DAY: usize = 6;
/// Days that a judgement reads anyway.
const JUDGED_DAYS: usize = 14;

/// One series of charges.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChargeSeries {
    /// All charges of an account.
    Account(AccountId),
    /// All charges for a service, whoever made them.
    Service(String),
    /// An account's charges for a service.
    AccountService(AccountId, String),
}

impl ChargeSeries {
    /// Whose history it goes into.
    fn subject(&self) -> Subject {
        match self {
            Self::Account(account) => Subject::Account(*account),
            Self::Service(service) | Self::AccountService(_, service) => Subject::Service(service.clone()),
        }
    }

    fn metric(&self) -> Metric {
        match self {
            Self::Account(account) => charges::metric(Some(*account), None),
            Self::Service(service) => charges::metric(None, Some(service)),
            Self::AccountService(account, service) => charges::metric(Some(*account), Some(service)),
        }
    }
}

/// The period that still has what was published at `from`. Buckets hold at most one publication each and keep its time;
/// empty ones return nothing.
fn period(from: i64, now: Timestamp) -> u32 {
    if now.as_second() - from < FINE_FOR {
        FINE
    } else {
        COARSE
    }
}

/// From the first publication wanted to the end of this bucket, so that the newest is in; both on whole buckets.
fn request(window: &Window, batch: &[ChargeSeries]) -> DataRequest {
    let period = period(window.from(), window.now);
    let length = i64::from(period);
    let end = (window.now.as_second().div_euclid(length) + 1) * length;
    // Both are moments that jiff has named before, or an hour after one.
    let moment = |second| Timestamp::from_second(second).unwrap_or(window.now);
    DataRequest {
        queries: batch
            .iter()
            .enumerate()
            .map(|(index, series)| query(format!("m{index}"), series.metric(), period))
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

/// Reads the series and keeps their histories, one for each subject. Each asked series is one metric on AWS's bill.
///
/// Batches are read at the same time, and each is made into histories before the next pages come, so that an
/// organisation of ten thousand accounts never has all of its publications in memory.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn histories(
    services: &Services,
    series: &[ChargeSeries],
    window: &Window,
) -> Result<Vec<(Subject, SpendHistory)>> {
    let read = each(services, series, window, &SpendHistory::read).await?;
    let mut found: BTreeMap<Subject, Vec<SpendHistory>> = BTreeMap::new();
    for (series, history) in series.iter().zip(read) {
        found.entry(series.subject()).or_default().push(history);
    }
    Ok(found
        .into_iter()
        .map(|(subject, histories)| {
            let history = match <[SpendHistory; 1]>::try_from(histories) {
                Ok([only]) => only,
                Err(several) => SpendHistory::sum(several.iter()),
            };
            (subject, history)
        })
        .collect())
}

/// How each of these accounts stands, whatever its limit is. Each account is one metric on AWS's bill.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn of(
    services: &Services,
    accounts: impl IntoIterator<Item = AccountId>,
    measure: Measure,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Charges>> {
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let series: Vec<ChargeSeries> = accounts.iter().copied().map(ChargeSeries::Account).collect();
    let window = Window::of_days(JUDGED_DAYS, measure, now);
    let read = each(services, &series, &window, &Charges::read).await?;
    Ok(accounts.into_iter().zip(read).collect())
}

/// The histories of all charges of these accounts, and how each stands, from one read: what [`histories`] and [`of`]
/// answer, for half the price.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn histories_and_standing(
    services: &Services,
    accounts: &BTreeSet<AccountId>,
    window: &Window,
) -> Result<(Vec<(Subject, SpendHistory)>, BTreeMap<AccountId, Charges>)> {
    let series: Vec<ChargeSeries> = accounts.iter().copied().map(ChargeSeries::Account).collect();
    let judged = Window::of_days(JUDGED_DAYS, window.measure, window.now);
    let both = |publications: &[Publication], window: &Window| {
        // As `of` reads them, however far back this window goes.
        let first = publications.partition_point(|one| one.at.as_second() < judged.from());
        let charges = Charges::read(publications.get(first..).unwrap_or_default(), &judged);
        (SpendHistory::read(publications, window), charges)
    };
    let read = each(services, &series, window, &both).await?;
    let (histories, charges): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    let subjects = accounts.iter().copied().map(Subject::Account);
    Ok((
        subjects.zip(histories).collect(),
        accounts.iter().copied().zip(charges).collect(),
    ))
}

/// What was published of each of these series, as far back as is read to judge an account.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn publications(
    services: &Services,
    series: &[ChargeSeries],
    now: Timestamp,
) -> Result<Vec<Vec<Publication>>> {
    let window = Window::of_days(JUDGED_DAYS, Measure::default(), now);
    each(services, series, &window, &|publications, _| publications.to_vec()).await
}

/// What `make` takes from the publications of each series, in the order of the series.
async fn each<T: Send>(
    services: &Services,
    series: &[ChargeSeries],
    window: &Window,
    make: &(dyn Fn(&[Publication], &Window) -> T + Sync),
) -> Result<Vec<T>> {
    let batches = stream::iter(series.chunks(batch_size(window)))
        .map(|batch| read(services, batch, window, make))
        .buffered(PARALLEL);
    let read: Vec<Vec<T>> = batches.try_collect().await.while_trying("read the accounts' charges")?;
    Ok(read.into_iter().flatten().collect())
}

async fn read<T: Send>(
    services: &Services,
    batch: &[ChargeSeries],
    window: &Window,
    make: &(dyn Fn(&[Publication], &Window) -> T + Sync),
) -> service::Result<Vec<T>> {
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
    let made = publications.into_iter().map(|mut publications| {
        // Oldest first already, as the trait promises for a page; pages may come in any order.
        publications.sort_by_key(|publication| publication.at);
        make(&publications, window)
    });
    Ok(made.collect())
}

/// The query of a metric of charges.
pub(super) fn query(id: String, metric: Metric, period: u32) -> MetricQuery {
    MetricQuery {
        id,
        source: QuerySource::Stat {
            metric,
            period,
            stat: STATISTIC.to_owned(),
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
pub async fn service_series(services: &Services, accounts: Option<&BTreeSet<AccountId>>) -> Result<Vec<ChargeSeries>> {
    let series = async {
        let Some(accounts) = accounts else {
            let names = service_names(services, None).await?;
            return service::Result::Ok(names.into_iter().map(ChargeSeries::Service).collect());
        };
        let lists = stream::iter(accounts).map(|account| async move {
            let names = service_names(services, Some(*account)).await?;
            let series = names
                .into_iter()
                .map(|name| ChargeSeries::AccountService(*account, name));
            service::Result::Ok(series.collect())
        });
        let lists: Vec<Vec<ChargeSeries>> = lists.buffered(PARALLEL).try_collect().await?;
        Ok(lists.into_iter().flatten().collect())
    };
    series.await.while_trying("list the services that were charged for")
}

/// What each service of these accounts was charged for: one listing for each account, and their series together.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn by_service(
    services: &Services,
    accounts: &BTreeSet<AccountId>,
    window: &Window,
) -> Result<Vec<(AccountId, String, SpendHistory)>> {
    let series = service_series(services, Some(accounts)).await?;
    let read = each(services, &series, window, &SpendHistory::read).await?;
    let of_accounts = series
        .into_iter()
        .zip(read)
        .filter_map(|(series, history)| match series {
            ChargeSeries::AccountService(account, service) => Some((account, service, history)),
            ChargeSeries::Account(_) | ChargeSeries::Service(_) => None,
        });
    Ok(of_accounts.collect())
}

async fn service_names(services: &Services, account: Option<AccountId>) -> service::Result<BTreeSet<String>> {
    // The filter also lets through metrics with more dimensions: the same service once for each account, too many to
    // be kept.
    listed(services, account, &[SERVICE])
        .try_fold(BTreeSet::new(), |mut names, metrics| {
            let of_page = metrics.into_iter();
            names.extend(of_page.filter_map(|mut metric| metric.dimensions.remove(SERVICE)));
            ready(Ok(names))
        })
        .await
}

/// The accounts that have a series of their own: those with data in the last two weeks.
///
/// # Errors
/// AWS's answer to any of the calls.
pub async fn accounts(services: &Services) -> service::Result<BTreeSet<AccountId>> {
    listed(services, None, &[ACCOUNT])
        .try_fold(BTreeSet::new(), |mut accounts, metrics| {
            accounts.extend(metrics.iter().filter_map(account_of));
            ready(Ok(accounts))
        })
        .await
}

/// The pages of the series, of this account if one is named, that have these dimensions.
fn listed(
    services: &Services,
    account: Option<AccountId>,
    dimensions: &[&str],
) -> impl Stream<Item = service::Result<Vec<Metric>>> {
    let filter = charges::filter(account, dimensions);
    pages(LIST_METRICS, move |token| {
        let filter = filter.clone();
        let cloudwatch = &services.cloudwatch;
        async move {
            cloudwatch
                .list_metrics(charges::NAMESPACE, charges::METRIC, &filter, token)
                .await
        }
    })
}

fn account_of(metric: &Metric) -> Option<AccountId> {
    metric.dimensions.get(ACCOUNT)?.parse().ok()
}

#[cfg(all(test, feature = "sandbox"))]
mod tests;

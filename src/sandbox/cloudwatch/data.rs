//! Metrics: which there are, and their values.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::math::{Expr, Frame, Value};
use super::{check_queries, invalid};
use crate::model::AccountId;
use crate::sandbox::World;
use crate::sandbox::metrics::{RETENTION, Spender, publications};
use crate::service::cloudwatch::{
    DataRequest, GET_METRIC_DATA, LIST_METRICS, MAX_DATAPOINTS, MAX_QUERIES, METRICS_PAGE_SIZE,
    Metric, MetricQuery, QuerySource, Series,
};
use crate::service::{Operation, Page, Result, ServiceError};

const BILLING: &str = "AWS/Billing";
const CHARGES: &str = "EstimatedCharges";

/// Where a metric's datapoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) enum Source {
    /// Charges of one account, or of the whole organisation; of one service, or of all.
    Charges {
        account: Option<AccountId>,
        service: Option<String>,
    },
    /// Executions of a state machine that ended so: failed, or well.
    Executions { machine: String, failed: bool },
    /// The number of messages in a queue.
    Messages { queue: String },
}

/// The source of a metric as `viewer` sees it; `None` where there is no such metric.
///
/// A member sees its own charges without a `LinkedAccount` dimension; the payer sees everybody's with one, and the
/// organisation's total without (AWS-FACTS 1).
pub(in crate::sandbox) fn source(
    world: &World,
    viewer: AccountId,
    metric: &Metric,
) -> Option<Source> {
    let payer = world.management_account();
    let has = |names: &[&str]| {
        metric
            .dimensions
            .keys()
            .all(|key| names.contains(&key.as_str()))
    };
    let dimension = |name: &str| metric.dimensions.get(name).cloned();
    match (metric.namespace.as_str(), metric.name.as_str()) {
        (BILLING, CHARGES) => {
            if !world.billing_alerts
                || dimension("Currency").as_deref() != Some("USD")
                || !has(&["Currency", "LinkedAccount", "ServiceName"])
            {
                return None;
            }
            let account = match dimension("LinkedAccount") {
                Some(text) if viewer == payer => Some(text.parse().ok()?),
                Some(_) => return None,
                None if viewer == payer => None,
                None => Some(viewer),
            };
            if account.is_some_and(|id| !world.is_member(id)) {
                return None;
            }
            Some(Source::Charges {
                account,
                service: dimension("ServiceName"),
            })
        }
        ("AWS/States", name) if viewer == payer => Some(Source::Executions {
            machine: dimension("StateMachineArn").filter(|_| has(&["StateMachineArn"]))?,
            failed: match name {
                "ExecutionsFailed" => true,
                "ExecutionsSucceeded" => false,
                _ => return None,
            },
        }),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible") if viewer == payer => {
            Some(Source::Messages {
                queue: dimension("QueueName").filter(|_| has(&["QueueName"]))?,
            })
        }
        _ => None,
    }
}

impl Source {
    /// When it has datapoints in `[start, end)`, oldest first.
    pub(in crate::sandbox) fn times(
        &self,
        world: &World,
        start: Timestamp,
        end: Timestamp,
    ) -> Vec<Timestamp> {
        match self {
            Self::Charges { account, service } => {
                let account = account.unwrap_or_else(|| world.management_account());
                match world
                    .cloudwatch
                    .ledger
                    .published(account, service.as_deref())
                {
                    Some(points) => points
                        .iter()
                        .map(|(at, _)| *at)
                        .filter(|at| *at >= start && *at < end)
                        .collect(),
                    None => publications(account, start, end).collect(),
                }
            }
            Self::Executions { machine, failed } => world
                .sfn
                .ended(machine, *failed)
                .filter(|at| *at >= start && *at < end)
                .collect(),
            Self::Messages { queue } => {
                // Published every minute in AWS; here whenever the number changes, which is all that matters.
                let mut times: Vec<Timestamp> = world
                    .sqs
                    .messages(queue)
                    .iter()
                    .map(|message| message.at)
                    .filter(|at| *at >= start && *at < end)
                    .collect();
                times.dedup();
                times
            }
        }
    }

    /// Its values at these times.
    pub(in crate::sandbox) fn values(
        &self,
        world: &World,
        times: &[Timestamp],
    ) -> Vec<Option<f64>> {
        let ledger = &world.cloudwatch.ledger;
        match self {
            Self::Charges {
                account: Some(account),
                service,
            } => match ledger.published(*account, service.as_deref()) {
                Some(points) => times
                    .iter()
                    .map(|at| {
                        let found = points.binary_search_by_key(at, |(at, _)| *at).ok()?;
                        points.get(found).map(|(_, value)| *value)
                    })
                    .collect(),
                None => Spender::new(ledger, *account).month_to_date(service.as_deref(), times),
            },
            Self::Charges {
                account: None,
                service,
            } => {
                let mut sums: Vec<Option<f64>> = vec![None; times.len()];
                for account in world.charged_accounts() {
                    let own =
                        Spender::new(ledger, account).month_to_date(service.as_deref(), times);
                    for (sum, value) in sums.iter_mut().zip(own) {
                        if let Some(value) = value {
                            *sum = Some(((sum.unwrap_or(0.0) + value) * 100.0).round() / 100.0);
                        }
                    }
                }
                sums
            }
            Self::Executions { .. } => vec![Some(1.0); times.len()],
            Self::Messages { queue } => {
                let messages = world.sqs.messages(queue);
                times
                    .iter()
                    .map(|at| {
                        Some(messages.iter().filter(|message| message.at <= *at).count() as f64)
                    })
                    .collect()
            }
        }
    }

    /// Its datapoints in `[start, end)`, oldest first.
    pub(in crate::sandbox) fn points(
        &self,
        world: &World,
        start: Timestamp,
        end: Timestamp,
    ) -> Vec<(Timestamp, f64)> {
        let times = self.times(world, start, end);
        let values = self.values(world, &times);
        times
            .into_iter()
            .zip(values)
            .filter_map(|(at, value)| Some((at, value?)))
            .collect()
    }
}

/// The statistic of some values; `None` for no values.
///
/// # Errors
/// The name of a statistic that isn't known.
pub(in crate::sandbox) fn statistic(
    name: &str,
    values: &[f64],
) -> std::result::Result<Option<f64>, String> {
    let sum: f64 = values.iter().sum();
    let count = values.len() as f64;
    let value = match name {
        "Maximum" => values.iter().copied().reduce(f64::max),
        "Minimum" => values.iter().copied().reduce(f64::min),
        "Average" => (count > 0.0).then(|| sum / count),
        "Sum" => (count > 0.0).then_some(sum),
        "SampleCount" => (count > 0.0).then_some(count),
        _ => return Err(format!("the statistic `{name}` is not supported")),
    };
    Ok(value)
}

/// One value per period from points that are sorted by time.
pub(in crate::sandbox) fn bucket(
    points: &[(Timestamp, f64)],
    starts: &[Timestamp],
    period: u32,
    stat: &str,
) -> std::result::Result<Vec<Option<f64>>, String> {
    starts
        .iter()
        .map(|start| {
            let end = start.as_second() + i64::from(period);
            let from = points.partition_point(|(at, _)| at < start);
            let to = points.partition_point(|(at, _)| at.as_second() < end);
            let values: Vec<f64> = points
                .get(from..to)
                .unwrap_or_default()
                .iter()
                .map(|(_, value)| *value)
                .collect();
            statistic(stat, &values)
        })
        .collect()
}

fn refuse(message: impl Into<String>) -> ServiceError {
    invalid(GET_METRIC_DATA, "ValidationError", message)
}

/// `GetMetricData` as `viewer` sees it; the series of a query can be spread over pages.
pub(super) fn get_metric_data(
    world: &World,
    viewer: AccountId,
    request: &DataRequest,
    token: Option<&str>,
) -> Result<Page<Series>> {
    if request.queries.is_empty() || request.queries.len() > MAX_QUERIES {
        return Err(refuse(format!(
            "The collection MetricDataQueries must have 1 to {MAX_QUERIES} members"
        )));
    }
    if request.start >= request.end {
        return Err(refuse(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let expressions = check_queries(&request.queries).map_err(refuse)?;
    let (first_query, first_point) = read_token(token)?;
    let (start, end) = (
        request.start.max(world.now - RETENTION),
        // Nothing is known of the future.
        request.end.min(world.now),
    );
    let mut items = Vec::new();
    let mut room = MAX_DATAPOINTS;
    let answered = request
        .queries
        .iter()
        .enumerate()
        .filter(|(_, query)| query.return_data)
        .skip_while(|(index, _)| *index < first_query);
    for (index, query) in answered {
        let points = evaluate(world, viewer, request, query, &expressions, start, end)?;
        let from = if index == first_query { first_point } else { 0 };
        let rest = points.get(from..).unwrap_or_default();
        if room == 0 || (rest.len() > room) {
            let page = rest.get(..room).unwrap_or_default();
            if !page.is_empty() {
                items.push(series(query, page));
            }
            return Ok(Page {
                items,
                next: Some(format!("{index}:{}", from + page.len())),
            });
        }
        room -= rest.len();
        items.push(series(query, rest));
    }
    Ok(Page::last(items))
}

fn series(query: &MetricQuery, points: &[(Timestamp, f64)]) -> Series {
    Series {
        id: query.id.clone(),
        points: points.to_vec(),
    }
}

fn read_token(token: Option<&str>) -> Result<(usize, usize)> {
    let Some(token) = token else {
        return Ok((0, 0));
    };
    token
        .split_once(':')
        .and_then(|(query, point)| Some((query.parse().ok()?, point.parse().ok()?)))
        .ok_or_else(|| invalid(GET_METRIC_DATA, "InvalidNextToken", "Invalid NextToken"))
}

/// The starts of the periods that touch `[start, end)`, on multiples of the period.
fn grid(start: Timestamp, end: Timestamp, period: u32) -> Vec<Timestamp> {
    let period = i64::from(period.max(1));
    let first = start.as_second().div_euclid(period) * period;
    (0..)
        .map(|index| first + index * period)
        .take_while(|second| *second < end.as_second())
        .filter_map(|second| Timestamp::from_second(second).ok())
        .collect()
}

fn evaluate(
    world: &World,
    viewer: AccountId,
    request: &DataRequest,
    query: &MetricQuery,
    expressions: &BTreeMap<&str, Expr>,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Timestamp, f64)>> {
    match &query.source {
        QuerySource::Stat {
            metric,
            period,
            stat,
        } => {
            let Some(source) = source(world, viewer, metric) else {
                return Ok(Vec::new());
            };
            let points = source.points(world, start, end);
            // Only periods that have points: a year of hours would be mostly nothing.
            let period_seconds = i64::from((*period).max(1));
            let mut starts: Vec<Timestamp> = points
                .iter()
                .filter_map(|(at, _)| {
                    let second = at.as_second().div_euclid(period_seconds) * period_seconds;
                    Timestamp::from_second(second).ok()
                })
                .collect();
            starts.dedup();
            let values = bucket(&points, &starts, *period, stat).map_err(refuse)?;
            Ok(starts
                .into_iter()
                .zip(values)
                .filter_map(|(at, value)| Some((at, value?)))
                .collect())
        }
        QuerySource::Expression { .. } => {
            let period = request
                .queries
                .iter()
                .find_map(|other| match other.source {
                    QuerySource::Stat { period, .. } => Some(period),
                    QuerySource::Expression { .. } => None,
                })
                .ok_or_else(|| refuse("no query is a statistic"))?;
            let starts = grid(start, end, period);
            let values = frame_values(
                &request.queries,
                expressions,
                &query.id,
                &starts,
                period,
                |id, stat| {
                    let points = request
                        .queries
                        .iter()
                        .find(|query| query.id == id)
                        .and_then(|query| match &query.source {
                            QuerySource::Stat { metric, .. } => source(world, viewer, metric),
                            QuerySource::Expression { .. } => None,
                        })
                        .map(|source| source.points(world, start, end))
                        .unwrap_or_default();
                    bucket(&points, &starts, period, stat)
                },
            )
            .map_err(refuse)?;
            Ok(starts
                .into_iter()
                .zip(values)
                .filter_map(|(at, value)| Some((at, value?)))
                .collect())
        }
    }
}

/// The values, period by period, of the query `wanted`, which may be worked out from others.
pub(in crate::sandbox) fn frame_values(
    queries: &[MetricQuery],
    expressions: &BTreeMap<&str, Expr>,
    wanted: &str,
    starts: &[Timestamp],
    period: u32,
    read: impl Fn(&str, &str) -> std::result::Result<Vec<Option<f64>>, String>,
) -> std::result::Result<Vec<Option<f64>>, String> {
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    for query in queries {
        if let QuerySource::Stat { stat, .. } = &query.source {
            values.insert(&query.id, Value::Series(read(&query.id, stat)?));
        }
    }
    // Expressions can name one another: as many rounds as there are, and then a cycle is left over.
    for _ in 0..=expressions.len() {
        for (id, expr) in expressions {
            let ready = expr.ids().iter().all(|used| values.contains_key(used));
            if ready && !values.contains_key(id) {
                let value = expr.evaluate(&Frame {
                    starts,
                    values: &values,
                    period,
                });
                values.insert(id, value);
            }
        }
    }
    match values.remove(wanted) {
        Some(Value::Series(items)) => Ok(items),
        Some(Value::Scalar(one)) => Ok(vec![Some(one); starts.len()]),
        Some(Value::Array(_)) => Err(format!("`{wanted}` is an array")),
        None => Err(format!("`{wanted}` depends on itself")),
    }
}

/// `ListMetrics`: those that have at least the given dimensions.
pub(super) fn list_metrics(
    world: &World,
    namespace: &str,
    name: &str,
    dimensions: &BTreeMap<String, Option<String>>,
    token: Option<&str>,
) -> Result<Page<Metric>> {
    const OPERATION: Operation = LIST_METRICS;
    let skip: usize = match token {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| invalid(OPERATION, "InvalidParameterValue", "Invalid NextToken"))?,
    };
    // At most 30 (API reference).
    if dimensions.len() > 30 {
        return Err(invalid(
            OPERATION,
            "InvalidParameterValue",
            "Too many dimensions",
        ));
    }
    if namespace != BILLING || name != CHARGES || !world.billing_alerts {
        return Ok(Page::last(Vec::new()));
    }
    let matches = |metric: &Metric| {
        dimensions.iter().all(|(key, wanted)| {
            metric
                .dimensions
                .get(key)
                .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        })
    };
    // An account asked for by its id alone need not be looked for among all.
    let only: Option<AccountId> = dimensions
        .get("LinkedAccount")
        .and_then(|value| value.as_ref()?.parse().ok());
    let mut found = all_charges(world, only).filter(matches).skip(skip);
    let items: Vec<Metric> = found.by_ref().take(METRICS_PAGE_SIZE).collect();
    let next = found
        .next()
        .is_some()
        .then(|| (skip + METRICS_PAGE_SIZE).to_string());
    Ok(Page { items, next })
}

/// Every charges metric of the payer, or those of one account.
fn all_charges(world: &World, only: Option<AccountId>) -> impl Iterator<Item = Metric> {
    let metric = |account: Option<AccountId>, service: Option<&str>| {
        let mut dimensions = BTreeMap::from([("Currency".to_owned(), "USD".to_owned())]);
        if let Some(account) = account {
            dimensions.insert("LinkedAccount".to_owned(), account.to_string());
        }
        if let Some(service) = service {
            dimensions.insert("ServiceName".to_owned(), service.to_owned());
        }
        Metric {
            namespace: BILLING.to_owned(),
            name: CHARGES.to_owned(),
            dimensions,
        }
    };
    let ledger = &world.cloudwatch.ledger;
    let accounts = move || {
        world
            .charged_accounts()
            .filter(move |id| only.is_none_or(|only| only == *id))
    };
    let totals = only.is_none().then(|| {
        let mut services: Vec<String> = accounts()
            .flat_map(|account| ledger.services(account))
            .collect();
        services.sort_unstable();
        services.dedup();
        std::iter::once(metric(None, None)).chain(
            services
                .into_iter()
                .map(move |service| metric(None, Some(&service))),
        )
    });
    totals
        .into_iter()
        .flatten()
        .chain(accounts().flat_map(move |account| {
            let services = ledger.services(account);
            std::iter::once(metric(Some(account), None)).chain(
                services
                    .into_iter()
                    .map(move |service| metric(Some(account), Some(&service))),
            )
        }))
}

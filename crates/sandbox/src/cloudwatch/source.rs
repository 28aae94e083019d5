//! Where metrics' datapoints come from.

use std::ops::Add;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::World;
use crate::metrics::{Spender, cents};
use billctl_core::model::AccountId;
use billctl_core::service::charges::{self, ACCOUNT, CURRENCY, SERVICE};
use billctl_core::service::cloudwatch::Metric;
use billctl_core::service::sfn::ExecutionStatus;
use billctl_core::words::meaning;

/// Where a metric's datapoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Charges of one account, or of the whole organisation; of one service, or of all.
    Charges {
        account: Option<AccountId>,
        service: Option<String>,
        /// How much later than it is published the viewer sees a datapoint.
        late: SignedDuration,
    },
    /// Executions of a state machine that ended so; `None` is for those that were throttled, which never happens here.
    Executions {
        machine: String,
        ended: Option<ExecutionStatus>,
    },
    /// The number of messages in a queue.
    Messages { queue: String },
}

/// The source of a metric as `viewer` sees it; `None` where there is no such metric.
///
/// A member sees its own charges without a `LinkedAccount` dimension; the payer sees everybody's with one, and the
/// organisation's total without (docs/aws-facts.md, "Charges of linked accounts").
pub(crate) fn source(world: &World, viewer: AccountId, metric: &Metric) -> Option<Source> {
    let payer = world.management_account();
    let has = |names: &[&str]| metric.dimensions.keys().all(|key| names.contains(&key.as_str()));
    let dimension = |name: &str| metric.dimensions.get(name).cloned();
    match (metric.namespace.as_str(), metric.name.as_str()) {
        (charges::NAMESPACE, charges::METRIC) => {
            if !world.billing_alerts
                || (viewer != payer && world.faults.member_metric)
                || dimension(CURRENCY).as_deref() != Some(charges::USD)
                || !has(&[CURRENCY, ACCOUNT, SERVICE])
            {
                return None;
            }
            let account = match dimension(ACCOUNT) {
                Some(text) if viewer == payer => Some(text.parse().ok()?),
                Some(_) => return None,
                None if viewer == payer => None,
                None => Some(viewer),
            };
            if account.is_some_and(|id| !world.organizations.has_account(id)) {
                return None;
            }
            Some(Source::Charges {
                account,
                service: dimension(SERVICE),
                late: if viewer == payer {
                    world.publications.payer_late()
                } else {
                    SignedDuration::ZERO
                },
            })
        }
        ("AWS/States", name) if viewer == payer => Some(Source::Executions {
            machine: dimension("StateMachineArn").filter(|_| has(&["StateMachineArn"]))?,
            ended: match name {
                "ExecutionsFailed" => Some(ExecutionStatus::Failed),
                "ExecutionsSucceeded" => Some(ExecutionStatus::Succeeded),
                "ExecutionsTimedOut" => Some(ExecutionStatus::TimedOut),
                "ExecutionsAborted" => Some(ExecutionStatus::Aborted),
                "ExecutionThrottled" => None,
                _ => return None,
            },
        }),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible") if viewer == payer => Some(Source::Messages {
            queue: dimension("QueueName").filter(|_| has(&["QueueName"]))?,
        }),
        _ => None,
    }
}

impl Source {
    /// How much later than their own time its datapoints are seen.
    pub(crate) fn late(&self) -> SignedDuration {
        match self {
            Self::Charges { late, .. } => *late,
            Self::Executions { .. } | Self::Messages { .. } => SignedDuration::ZERO,
        }
    }

    /// When it has datapoints in `[start, end)`, oldest first.
    pub(crate) fn times(&self, world: &World, start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
        let within = |at: &Timestamp| *at >= start && *at < end;
        match self {
            Self::Charges { account, service, .. } => {
                let account = account.unwrap_or_else(|| world.management_account());
                let spend_overrides = &world.cloudwatch.spend_overrides;
                match spend_overrides.published(account, service.as_deref()) {
                    Some(points) => points.iter().map(|(at, _)| *at).filter(within).collect(),
                    None => world.publications.times(account, start, end),
                }
            }
            Self::Executions { machine, ended } => ended
                .map(|ended| world.sfn.ended(machine, ended, start, end))
                .unwrap_or_default(),
            Self::Messages { queue } => {
                // Published every minute in AWS; here whenever the number changes, which is all that matters.
                world.sqs.changed(queue).into_iter().filter(within).collect()
            }
        }
    }

    /// Its values at these times.
    pub(crate) fn values(&self, world: &World, times: &[Timestamp]) -> Vec<Option<f64>> {
        let spend_overrides = &world.cloudwatch.spend_overrides;
        match self {
            Self::Charges {
                account: Some(account),
                service,
                ..
            } => match spend_overrides.published(*account, service.as_deref()) {
                Some(points) => times
                    .iter()
                    .map(|at| {
                        let found = points.binary_search_by_key(at, |(at, _)| *at).ok()?;
                        points.get(found).map(|(_, value)| *value)
                    })
                    .collect(),
                None => Spender::new(spend_overrides, *account).month_to_date(service.as_deref(), times),
            },
            Self::Charges {
                account: None, service, ..
            } => {
                let mut sums: Vec<Option<f64>> = vec![None; times.len()];
                for account in world.charged_accounts() {
                    let own = Spender::new(spend_overrides, account).month_to_date(service.as_deref(), times);
                    for (sum, value) in sums.iter_mut().zip(own) {
                        if let Some(value) = value {
                            *sum = Some(cents(sum.unwrap_or(0.0) + value) as f64 / 100.0);
                        }
                    }
                }
                sums
            }
            Self::Executions { .. } => vec![Some(1.0); times.len()],
            Self::Messages { queue } => times.iter().map(|at| Some(world.sqs.held(queue, *at) as f64)).collect(),
        }
    }

    /// Its datapoints in `[start, end)` that are seen now, oldest first.
    pub(crate) fn seen(&self, world: &World, start: Timestamp, end: Timestamp) -> Vec<(Timestamp, f64)> {
        self.points(world, start, end.min(world.now - self.late()))
    }

    /// Its datapoints in `[start, end)`, oldest first.
    pub(crate) fn points(&self, world: &World, start: Timestamp, end: Timestamp) -> Vec<(Timestamp, f64)> {
        let times = self.times(world, start, end);
        let values = self.values(world, &times);
        times
            .into_iter()
            .zip(values)
            .filter_map(|(at, value)| Some((at, value?)))
            .collect()
    }
}

/// A statistic of the datapoints in a period.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Statistic {
    Maximum,
    Minimum,
    Average,
    Sum,
    SampleCount,
}

impl Statistic {
    /// # Errors
    /// The name of a statistic that isn't known.
    fn named(name: &str) -> Result<Self, String> {
        meaning(name).ok_or_else(|| format!("the statistic `{name}` is not supported"))
    }

    /// `None` for no points.
    fn of(self, points: &[(Timestamp, f64)]) -> Option<f64> {
        let values = points.iter().map(|(_, value)| *value);
        let count = points.len() as f64;
        match self {
            Self::Maximum => values.reduce(f64::max),
            Self::Minimum => values.reduce(f64::min),
            Self::Average => values.reduce(Add::add).map(|sum| sum / count),
            Self::Sum => values.reduce(Add::add),
            Self::SampleCount => (!points.is_empty()).then_some(count),
        }
    }
}

/// One value per period; points and starts are sorted by time.
///
/// # Errors
/// The name of a statistic that isn't known.
pub(crate) fn bucket(
    points: &[(Timestamp, f64)],
    starts: &[Timestamp],
    period: u32,
    stat: &str,
) -> Result<Vec<Option<f64>>, String> {
    let statistic = Statistic::named(stat)?;
    let mut rest = points;
    let values = starts.iter().map(|start| {
        let (_, from) = rest.split_at(before(rest, start.as_second()));
        let end = start.as_second() + i64::from(period);
        let (of_period, later) = from.split_at(before(from, end));
        rest = later;
        statistic.of(of_period)
    });
    Ok(values.collect())
}

/// The values of the periods that have points, each with its start on a multiple of the period; points are sorted.
/// Over a year of hours, [`bucket`] would be mostly nothing.
///
/// # Errors
/// The name of a statistic that isn't known.
pub(super) fn periods(points: &[(Timestamp, f64)], period: u32, stat: &str) -> Result<Vec<(Timestamp, f64)>, String> {
    let statistic = Statistic::named(stat)?;
    let period = i64::from(period.max(1));
    let mut found = Vec::with_capacity(points.len());
    let mut rest = points;
    while let Some((first, _)) = rest.first() {
        let start = first.as_second().div_euclid(period) * period;
        let (of_period, later) = rest.split_at(before(rest, start + period));
        rest = later;
        if let (Ok(start), Some(value)) = (Timestamp::from_second(start), statistic.of(of_period)) {
            found.push((start, value));
        }
    }
    Ok(found)
}

/// How many of the first points are before a second.
fn before(points: &[(Timestamp, f64)], second: i64) -> usize {
    // Not a binary search: there are mostly few, one after the other.
    points.iter().take_while(|(at, _)| at.as_second() < second).count()
}

//! `GetMetricData`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::math::{Expr, Frame, Value};
use super::source::{bucket, periods, source};
use super::{check_queries, periods_of};
use crate::World;
use crate::metrics::retention;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::AccountId;
use billctl_core::service::Page;
use billctl_core::service::cloudwatch::{
    DataRequest, MAX_DATAPOINTS, MAX_QUERIES, Metric, MetricQuery, QuerySource, Series,
};

fn refuse(message: impl Into<String>) -> Refusal {
    Refusal::invalid("ValidationError", message)
}

/// `GetMetricData` as `viewer` sees it; the series of a query can be spread over pages.
pub(crate) fn get_metric_data(
    world: &World,
    viewer: AccountId,
    request: &DataRequest,
    token: Option<&str>,
) -> Answer<Page<Series>> {
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
    // Nothing is known of the future.
    let end = request.end.min(world.now);
    let mut items = Vec::new();
    let mut room = MAX_DATAPOINTS;
    let answered = request
        .queries
        .iter()
        .enumerate()
        .filter(|(_, query)| query.return_data)
        .skip_while(|(index, _)| *index < first_query);
    for (index, query) in answered {
        let mut points = evaluate(world, viewer, request, query, &expressions, end)?;
        let from = if index == first_query { first_point } else { 0 };
        points.drain(..from.min(points.len()));
        let more = room == 0 || points.len() > room;
        points.truncate(room);
        room -= points.len();
        let next = more.then(|| format!("{index}:{}", from + points.len()));
        if !more || !points.is_empty() {
            items.push(Series {
                id: query.id.clone(),
                points,
            });
        }
        if next.is_some() {
            return Ok(Page { items, next });
        }
    }
    Ok(Page::last(items))
}

fn read_token(token: Option<&str>) -> Answer<(usize, usize)> {
    let Some(token) = token else {
        return Ok((0, 0));
    };
    token
        .split_once(':')
        .and_then(|(query, point)| Some((query.parse().ok()?, point.parse().ok()?)))
        .ok_or_else(|| Refusal::invalid("InvalidNextToken", "Invalid NextToken"))
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
    end: Timestamp,
) -> Answer<Vec<(Timestamp, f64)>> {
    let start_for = |period: u32| request.start.max(world.now - retention(period));
    match &query.source {
        QuerySource::Stat { metric, period, stat } => {
            let Some(source) = source(world, viewer, metric) else {
                return Ok(Vec::new());
            };
            let points = source.seen(world, start_for(*period), end);
            periods(&points, *period, stat).map_err(refuse)
        }
        QuerySource::Expression { .. } => {
            let period = periods_of(&request.queries).next();
            let period = period.ok_or_else(|| refuse("no query is a statistic"))?;
            let start = start_for(period);
            let starts = grid(start, end, period);
            let read = |_: &str, metric: &Metric, stat: &str| {
                let source = source(world, viewer, metric);
                let points = source.map(|source| source.seen(world, start, end));
                bucket(&points.unwrap_or_default(), &starts, period, stat)
            };
            let values = frame_values(&request.queries, expressions, &query.id, &starts, period, read);
            let values = values.map_err(refuse)?;
            Ok(starts
                .into_iter()
                .zip(values)
                .filter_map(|(at, value)| Some((at, value?)))
                .collect())
        }
    }
}

/// The values, period by period, of the query `wanted`, which may be worked out from others.
/// `read` gives those of a statistic, by its id, of its metric.
pub(crate) fn frame_values<'a, K: AsRef<str>>(
    queries: &'a [MetricQuery],
    expressions: &'a BTreeMap<K, Expr>,
    wanted: &str,
    starts: &[Timestamp],
    period: u32,
    read: impl Fn(&str, &Metric, &str) -> Result<Vec<Option<f64>>, String>,
) -> Result<Vec<Option<f64>>, String> {
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    for query in queries {
        if let QuerySource::Stat { metric, stat, .. } = &query.source {
            values.insert(&query.id, Value::Series(read(&query.id, metric, stat)?));
        }
    }
    // Expressions can name one another: as many rounds as there are, and then a cycle is left over.
    for _ in 0..=expressions.len() {
        for (id, expr) in expressions {
            let id = id.as_ref();
            if !values.contains_key(id) && expr.ids().iter().all(|used| values.contains_key(used)) {
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

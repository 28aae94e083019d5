//! One alarm's evaluation over a span of time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::event::{Change, detail_time};
use crate::World;
use crate::cloudwatch::math::{self, Expr};
use crate::cloudwatch::{Source, bucket, frame_values, periods_of, source};
use crate::faults::hash;
use billctl_core::model::AccountId;
use billctl_core::service::charges;
use billctl_core::service::cloudwatch::{Alarm, AlarmState, Metric, QuerySource};

/// CloudWatch looks at more periods than it evaluates, so that a late datapoint isn't a missing one: a daily alarm
/// looks back about three days (docs/aws-facts.md, "Alarms on charges").
const EXTRA_PERIODS: u32 = 2;
const MINUTE: i64 = 60;

/// An alarm, ready to be evaluated.
pub(super) struct Watch {
    alarm: Arc<Alarm>,
    expressions: BTreeMap<String, Expr>,
    watched: String,
    period: u32,
    calendar_step: Option<i64>,
    /// Tells an alarm from what it was before it was changed.
    pub(super) fingerprint: u64,
    /// Whether it watches charges, and not what the billing side itself does.
    pub(super) on_charges: bool,
}

/// Datapoints by query, and how much later than their own time they are seen.
type Points<'a> = BTreeMap<&'a str, (Vec<(Timestamp, f64)>, SignedDuration)>;

/// What an evaluation says: the state, why, and the datapoints that decided; `None` keeps the state.
type Verdict = Option<(AlarmState, String, Option<Value>)>;

impl Watch {
    pub(super) fn new(alarm: Arc<Alarm>) -> Self {
        // A member's alarm comes from a template: what doesn't parse yields no data, as CloudWatch has it.
        let expressions: BTreeMap<String, Expr> = alarm
            .metrics
            .iter()
            .filter_map(|query| match &query.source {
                QuerySource::Expression { expression } => Some((query.id.clone(), math::parse(expression).ok()?)),
                QuerySource::Stat { .. } => None,
            })
            .collect();
        let period = periods_of(&alarm.metrics).next().unwrap_or(60);
        let on_charges = alarm.metrics.iter().all(|query| match &query.source {
            QuerySource::Stat { metric, .. } => metric.namespace == charges::NAMESPACE,
            QuerySource::Expression { .. } => true,
        });
        Self {
            watched: alarm
                .metrics
                .iter()
                .find(|query| query.return_data)
                .map(|query| query.id.clone())
                .unwrap_or_default(),
            calendar_step: expressions
                .values()
                .filter_map(Expr::calendar_step)
                .map(|step| step.min(i64::from(period)))
                .min(),
            fingerprint: fingerprint(&alarm),
            expressions,
            period,
            on_charges,
            alarm,
        }
    }

    /// The changes of state in `(from, to]`, in order; `None` if there was nothing to evaluate. A fresh alarm is
    /// evaluated in the next whole minute: if spend is above its threshold already, it goes to ALARM at once.
    pub(super) fn changes(
        &self,
        world: &World,
        viewer: AccountId,
        mut state: AlarmState,
        fresh: bool,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Vec<Change>> {
        if !fresh && self.is_quiet(world, viewer, from, to) {
            return None;
        }
        let sources = self.sources(world, viewer);
        let times = self.evaluation_times(world, &sources, fresh, from, to);
        if times.is_empty() {
            return None;
        }
        let reach = SignedDuration::from_secs(i64::from(self.period) * i64::from(self.buckets()));
        let points: Points<'_> = sources
            .iter()
            .map(|(id, source)| {
                let points = source.points(world, from - reach, to);
                (*id, (points, source.late()))
            })
            .collect();
        let mut changes = Vec::new();
        for at in times {
            let Some((next, reason, data)) = self.evaluate(&points, at, state) else {
                continue;
            };
            if next != state {
                changes.push(Change {
                    at,
                    before: state,
                    state: next,
                    reason,
                    data,
                });
                state = next;
            }
        }
        Some(changes)
    }

    /// Whether nothing can happen in `(from, to]`, known without looking at the account: charges come, leave a period,
    /// and the calendar turns only early in a publication's slot.
    fn is_quiet(&self, world: &World, viewer: AccountId, from: Timestamp, to: Timestamp) -> bool {
        let publications = &world.publications;
        self.on_charges
            && publications.divides(i64::from(self.period))
            && self
                .calendar_step
                .is_none_or(|step| publications.divides(step))
            // What comes late comes at any time of a slot.
            && (viewer != world.management_account() || publications.payer_late().is_zero())
            && publications.is_quiet(from - SignedDuration::from_secs(MINUTE), to)
    }

    fn sources(&self, world: &World, viewer: AccountId) -> Vec<(&str, Source)> {
        self.alarm
            .metrics
            .iter()
            .filter_map(|query| match &query.source {
                QuerySource::Stat { metric, .. } => Some((query.id.as_str(), source(world, viewer, metric)?)),
                QuerySource::Expression { .. } => None,
            })
            .collect()
    }

    /// Periods looked at; one more than evaluated from, because a rate needs a predecessor.
    fn buckets(&self) -> u32 {
        self.alarm.evaluation_periods.saturating_add(EXTRA_PERIODS + 1)
    }

    /// The whole minutes in `(from, to]` in which the answer can differ from the minute before.
    fn evaluation_times(
        &self,
        world: &World,
        sources: &[(&str, Source)],
        fresh: bool,
        from: Timestamp,
        to: Timestamp,
    ) -> BTreeSet<Timestamp> {
        let mut times = BTreeSet::new();
        let mut add = |second: i64| {
            // The first whole minute after.
            let minute = (second.div_euclid(MINUTE) + 1) * MINUTE;
            if let Ok(at) = Timestamp::from_second(minute)
                && at > from
                && at <= to
            {
                times.insert(at);
            }
        };
        if fresh {
            add(from.as_second());
        }
        let step = i64::from(self.period);
        for (_, source) in sources {
            // A datapoint counts as it comes, and again as it leaves each period.
            let leaves = (1..=i64::from(self.buckets())).map(|back| back * step);
            for after in std::iter::once(source.late().as_secs()).chain(leaves) {
                let shift = SignedDuration::from_secs(after);
                let margin = SignedDuration::from_secs(MINUTE);
                for at in source.times(world, from - shift - margin, to - shift) {
                    add(at.as_second() + after);
                }
            }
        }
        if let Some(step) = self.calendar_step {
            let first = from.as_second().div_euclid(step);
            let last = to.as_second().div_euclid(step);
            for turn in first..=last {
                add(turn * step);
            }
        }
        times
    }

    fn evaluate(&self, points: &Points<'_>, at: Timestamp, state: AlarmState) -> Verdict {
        let period = i64::from(self.period);
        let starts: Vec<Timestamp> = (1..=i64::from(self.buckets()))
            .rev()
            .filter_map(|back| Timestamp::from_second(at.as_second() - back * period).ok())
            .collect();
        let nothing = || vec![None; starts.len()];
        let read = |id: &str, _: &Metric, stat: &str| match points.get(id) {
            Some((points, late)) => {
                let seen = points.partition_point(|(time, _)| *time + *late < at);
                bucket(&points[..seen], &starts, self.period, stat)
            }
            None => Ok(nothing()),
        };
        let (metrics, watched) = (&self.alarm.metrics, &self.watched);
        let values = frame_values(metrics, &self.expressions, watched, &starts, self.period, read);
        let values = values.unwrap_or_else(|_| nothing());
        // The newest first, without the one that is only there as a predecessor.
        let known: Vec<(Timestamp, f64)> = starts
            .iter()
            .zip(&values)
            .skip(1)
            .rev()
            .filter_map(|(start, value)| Some((*start, (*value)?)))
            .take(self.alarm.evaluation_periods as usize)
            .collect();
        self.judge(&known, at, state)
    }

    fn judge(&self, known: &[(Timestamp, f64)], at: Timestamp, state: AlarmState) -> Verdict {
        let periods = self.alarm.evaluation_periods as usize;
        let missing = periods - known.len();
        let breaching = known.iter().filter(|(_, value)| self.breaches(*value)).count();
        let treated = self.alarm.treat_missing_data.as_str();
        if known.is_empty() {
            let text = |as_what: &str| {
                format!(
                    "no datapoints were received for {periods} period{} and {missing} missing datapoint{} treated as \
                     [{as_what}].",
                    plural(periods),
                    were(missing)
                )
            };
            return match treated {
                "notBreaching" => Some((AlarmState::Ok, text("NonBreaching"), None)),
                "breaching" => Some((AlarmState::Alarm, text("Breaching"), None)),
                "ignore" if state != AlarmState::InsufficientData => None,
                _ => {
                    let why = format!("Insufficient Data: {periods} datapoint{} unknown.", were(periods));
                    Some((AlarmState::InsufficientData, why, None))
                }
            };
        }
        let counted = breaching + if treated == "breaching" { missing } else { 0 };
        let next = if counted == periods {
            AlarmState::Alarm
        } else if missing > 0 && treated == "ignore" && breaching == known.len() {
            return None;
        } else {
            AlarmState::Ok
        };
        let list: Vec<String> = known
            .iter()
            .map(|(start, value)| format!("{value:.2} ({})", start.strftime("%d/%m/%y %H:%M:%S")))
            .collect();
        let was = if next == AlarmState::Alarm { "was" } else { "was not" };
        let reason = format!(
            "Threshold Crossed: {} out of the last {periods} datapoint{} [{}] {was} {} the threshold ({:?}).",
            known.len(),
            plural(periods),
            list.join(", "),
            self.comparison_words(),
            self.alarm.threshold,
        );
        let data = json!({
            "version": "1.0",
            "queryDate": detail_time(at),
            "startDate": known.last().map(|(start, _)| detail_time(*start)),
            "period": self.period,
            "recentDatapoints": known.iter().rev().map(|(_, value)| value).collect::<Vec<_>>(),
            "threshold": self.alarm.threshold,
        });
        Some((next, reason, Some(data)))
    }

    fn breaches(&self, value: f64) -> bool {
        let threshold = self.alarm.threshold;
        match self.alarm.comparison.as_str() {
            "GreaterThanThreshold" => value > threshold,
            "GreaterThanOrEqualToThreshold" => value >= threshold,
            "LessThanThreshold" => value < threshold,
            "LessThanOrEqualToThreshold" => value <= threshold,
            _ => false,
        }
    }

    fn comparison_words(&self) -> &'static str {
        match self.alarm.comparison.as_str() {
            "GreaterThanOrEqualToThreshold" => "greater than or equal to",
            "LessThanThreshold" => "less than",
            "LessThanOrEqualToThreshold" => "less than or equal to",
            _ => "greater than",
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn were(count: usize) -> &'static str {
    if count == 1 { " was" } else { "s were" }
}

/// A number for everything that decides the alarm's state.
fn fingerprint(alarm: &Alarm) -> u64 {
    let metrics = serde_json::to_string(&alarm.metrics).unwrap_or_default();
    hash(&[
        &metrics,
        &alarm.comparison,
        &alarm.threshold.to_string(),
        &alarm.evaluation_periods.to_string(),
        &alarm.treat_missing_data,
    ])
}

//! When AWS publishes charges. It says "about every 6 hours" and no more (docs/aws-facts.md, "EstimatedCharges"), so a
//! world can be as unkind as AWS may be: any cadence, early and late, some never, and the payer later than the member.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

use super::metrics::{mix, unit};
use billctl_core::model::AccountId;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// What a world may be.
const CADENCES: std::ops::RangeInclusive<i64> = 10 * MINUTE..=7 * DAY;
const MOST_MISSING: f64 = 0.9;
const LATEST: i64 = 3 * DAY;

/// When an account's charges are published: read from `6h~40m`, every six hours, up to 40 minutes early or late.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Publications {
    /// Seconds from one to the next.
    cadence: i64,
    /// Seconds by which one differs from its regular time at most, either way.
    jitter: i64,
    /// The share that never comes, from 0 to 1.
    missing: f64,
    /// Seconds by which the payer sees them later than the member; each has its own time all the same.
    payer_late: i64,
}

impl Default for Publications {
    fn default() -> Self {
        Self {
            cadence: 6 * HOUR,
            jitter: 20 * MINUTE,
            missing: 0.0,
            payer_late: 0,
        }
    }
}

impl Publications {
    /// So large a share never comes, from 0 to 1.
    ///
    /// # Errors
    /// It is more than nine in ten.
    pub fn with_missing(self, missing: f64) -> Result<Self, String> {
        if !(0.0..=MOST_MISSING).contains(&missing) {
            return Err("write the share of publications that never come as 0% to 90%".to_owned());
        }
        Ok(Self { missing, ..self })
    }

    /// The payer sees them so much later than the member.
    ///
    /// # Errors
    /// It is more than three days.
    pub fn with_payer_late(self, late: Duration) -> Result<Self, String> {
        let seconds = i64::try_from(late.as_secs()).unwrap_or(i64::MAX);
        if seconds > LATEST {
            return Err("the payer is at most 3 days late; write it as 2h".to_owned());
        }
        Ok(Self {
            payer_late: seconds,
            ..self
        })
    }

    /// What is impossible in them.
    pub(super) fn fault(&self) -> Option<String> {
        let fits = CADENCES.contains(&self.cadence)
            && (0..self.cadence).contains(&self.jitter)
            && (0.0..=MOST_MISSING).contains(&self.missing)
            && (0..=LATEST).contains(&self.payer_late);
        (!fits).then(|| "publications: no charges can be published like that".to_owned())
    }

    /// By how much the payer sees them later.
    pub(super) fn payer_late(&self) -> SignedDuration {
        SignedDuration::from_secs(self.payer_late)
    }

    /// Minutes into its slot that an account's earliest publication can be, apart from the jitter: accounts differ.
    fn offsets(&self) -> i64 {
        (self.cadence / MINUTE / 4).max(1)
    }

    /// Minutes over which the jitter spreads.
    fn spread(&self) -> i64 {
        (2 * self.jitter / MINUTE).max(1)
    }

    /// Whether nobody's charges are published in `[start, end)`, where all publications are early in their slot.
    pub(super) fn is_quiet(&self, start: Timestamp, end: Timestamp) -> bool {
        let busy = (self.offsets() + self.spread()) * MINUTE;
        let into_slot = start.as_second().rem_euclid(self.cadence);
        into_slot > busy && end.as_second() - start.as_second() < self.cadence - into_slot
    }

    /// Whether everything that comes again after so many seconds comes at the same place of a slot.
    pub(super) fn divides(&self, seconds: i64) -> bool {
        seconds % self.cadence == 0
    }

    /// The times in `[start, end)` when the account's charges are published, oldest first, on whole minutes.
    pub(super) fn times(&self, account: AccountId, start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
        let offset = (mix(account, 1, 0) % self.offsets() as u64) as i64;
        let spread = self.spread();
        // A late one of an earlier slot.
        let back = (self.offsets() + spread) * MINUTE / self.cadence;
        let first = start.as_second().div_euclid(self.cadence) - back;
        let last = end.as_second().div_euclid(self.cadence);
        let mut times: Vec<Timestamp> = (first..=last)
            .filter(|slot| self.missing <= 0.0 || unit(mix(account, 7, *slot)) >= self.missing)
            .filter_map(|slot| {
                let minutes = offset + (mix(account, 2, slot) % spread as u64) as i64;
                Timestamp::from_second(slot * self.cadence + minutes * MINUTE).ok()
            })
            .filter(|at| *at >= start && *at < end)
            .collect();
        if back > 0 {
            times.sort_unstable();
            times.dedup();
        }
        times
    }
}

impl fmt::Display for Publications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds| format!("{:#}", SignedDuration::from_secs(seconds));
        write!(f, "Charges are published every {}", time(self.cadence))?;
        if self.jitter > 0 {
            write!(f, ", up to {} early or late", time(self.jitter))?;
        }
        if self.missing > 0.0 {
            write!(f, "; {}% of them never come", self.missing * 100.0)?;
        }
        if self.payer_late > 0 {
            write!(f, "; the payer sees them {} later", time(self.payer_late))?;
        }
        f.write_str(".")
    }
}

impl FromStr for Publications {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (cadence, jitter) = text.split_once('~').unwrap_or((text, "0m"));
        let (Some(cadence), Some(jitter)) = (seconds(cadence), seconds(jitter)) else {
            return Err("write it as CADENCE~JITTER in whole minutes, such as 6h~40m or 12h".to_owned());
        };
        if !CADENCES.contains(&cadence) {
            return Err("the cadence is from 10m to 7d, as in 6h~40m".to_owned());
        }
        if jitter >= cadence {
            return Err("the jitter, after the ~, is less than the cadence, as in 6h~40m".to_owned());
        }
        Ok(Self {
            cadence,
            jitter,
            ..Self::default()
        })
    }
}

/// A length of time of whole minutes.
fn seconds(text: &str) -> Option<i64> {
    let span: Span = text.trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let seconds = length.as_secs();
    (length.subsec_nanos() == 0 && seconds >= 0 && seconds % MINUTE == 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn account() -> AccountId {
        "111122223333".parse().unwrap()
    }

    fn world(text: &str) -> Publications {
        text.parse().unwrap()
    }

    /// Hours between publications of forty days.
    fn gaps(world: &Publications) -> Vec<f64> {
        let times = world.times(account(), at("2026-03-01T00:00:00Z"), at("2026-04-10T00:00:00Z"));
        times
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0]).as_secs_f64() / 3_600.0)
            .collect()
    }

    #[test]
    fn charges_come_about_every_six_hours_unless_another_world_is_asked_for() {
        let gaps = gaps(&Publications::default());
        assert!((158..=161).contains(&gaps.len()), "{}", gaps.len());
        assert!(gaps.iter().all(|gap| (5.3..=6.7).contains(gap)), "{gaps:?}");
        assert_eq!(world("6h~20m"), Publications::default());
    }

    #[test]
    fn each_differs_from_its_regular_time_by_up_to_the_jitter_either_way() {
        for (text, cadence, jitter) in [("2h~1h", 2.0, 1.0), ("12h~3h", 12.0, 3.0), ("6h~5h", 6.0, 5.0)] {
            let world = world(text);
            let gaps = gaps(&world);
            let widest = gaps.iter().copied().fold(0.0, f64::max);
            let narrowest = gaps.iter().copied().fold(99.0, f64::min);
            let (far, near) = (cadence + 2.0 * jitter, cadence - 2.0 * jitter);
            assert!(widest <= far && widest > cadence + jitter, "{text}: {widest}");
            assert!(narrowest >= near && narrowest > 0.0, "{text}: {narrowest}");
            let days = 40.0;
            let expected = days * 24.0 / cadence;
            assert!((gaps.len() as f64 - expected).abs() < 4.0, "{text}: {}", gaps.len());
        }
        assert!(gaps(&world("6h")).iter().all(|gap| *gap == 6.0));
    }

    #[test]
    fn a_span_has_the_same_times_whole_or_in_parts() {
        let world = world("2h~110m").with_missing(0.2).unwrap();
        let (start, end) = (at("2026-03-01T00:00:00Z"), at("2026-03-08T00:00:00Z"));
        let whole = world.times(account(), start, end);
        let mut parts = Vec::new();
        let mut from = start;
        while from < end {
            let to = (from + SignedDuration::from_mins(37)).min(end);
            parts.extend(world.times(account(), from, to));
            from = to;
        }
        assert_eq!(whole, parts);
    }

    #[test]
    fn some_never_come() {
        let world = world("2h").with_missing(0.25).unwrap();
        let found = gaps(&world).len() as f64 / 480.0;
        assert!((0.68..0.82).contains(&found), "{found}");
    }

    #[test]
    fn quiet_is_only_when_nobody_publishes() {
        for text in ["6h~20m", "6h~40m", "2h~1h", "12h~3h", "30m~29m"] {
            let world = world(text);
            for minute in (0..60 * 48).step_by(7) {
                let start = at("2026-03-01T00:00:00Z") + SignedDuration::from_mins(minute);
                for length in [1, 30, 200] {
                    let end = start + SignedDuration::from_mins(length);
                    if !world.is_quiet(start, end) {
                        continue;
                    }
                    for number in 0..40 {
                        let account = AccountId::from_number(111_111_111_111 + number).unwrap();
                        assert_eq!(world.times(account, start, end), vec![], "{text} {start}");
                    }
                }
            }
        }
        assert!(Publications::default().is_quiet(at("2026-03-01T04:00:00Z"), at("2026-03-01T05:00:00Z")));
    }

    #[test]
    fn what_is_no_world_is_refused_with_the_form() {
        for wrong in [
            "", "often", "6h~", "~40m", "6h-40m", "-6h", "6h~-5m", "90s", "6h~30s", "5",
        ] {
            let why = wrong.parse::<Publications>().unwrap_err();
            assert!(why.contains("6h~40m"), "{wrong}: {why}");
        }
        for wrong in ["9m", "8d", "6h~6h", "1h~2h"] {
            let why = wrong.parse::<Publications>().unwrap_err();
            assert!(why.contains("10m to 7d") || why.contains("less than"), "{wrong}: {why}");
        }
        let world = Publications::default();
        assert!(world.with_missing(0.91).is_err());
        assert!(world.with_payer_late(Duration::from_secs(4 * 86_400)).is_err());
    }

    #[test]
    fn it_says_what_it_is() {
        let world = world("2h~1h").with_missing(0.1).unwrap();
        let world = world.with_payer_late(Duration::from_secs(7_200)).unwrap();
        assert_eq!(
            world.to_string(),
            "Charges are published every 2h, up to 1h early or late; 10% of them never come; the payer sees them 2h \
             later."
        );
    }
}

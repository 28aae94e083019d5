//! What accounts spend: what AWS publishes as `AWS/Billing EstimatedCharges` (docs/aws-facts.md, "EstimatedCharges");
//! when, see `publications`.
//!
//! Nothing is stored per datapoint. An account's spend is a function of its id: services with a daily amount each, a
//! weekly rhythm and some noise. Only what a user adds to it (`set_daily`, `add_once`) is kept, so ten thousand
//! accounts cost nothing, and the past is as long as CloudWatch would keep it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::World;
use billctl_core::model::{AccountId, Month, Usd, nearest};

/// How long CloudWatch keeps datapoints that are asked for by this period: by the hour 455 days, by five minutes 63
/// days, else 15 (docs/aws-facts.md, "GetMetricData").
pub(super) fn retention(period: u32) -> SignedDuration {
    let days = if period.is_multiple_of(3_600) {
        455
    } else if period.is_multiple_of(300) {
        63
    } else {
        15
    };
    SignedDuration::from_hours(days * 24)
}

const DAY: i64 = 86_400;

/// Services by the names that the `ServiceName` dimension has; the first is where injected spend goes.
const SERVICES: [&str; 14] = [
    "AmazonEC2",
    "AmazonRDS",
    "AmazonS3",
    "AmazonCloudWatch",
    "AWSLambda",
    "AWSDataTransfer",
    "AmazonDynamoDB",
    "AmazonVPC",
    "awskms",
    "AmazonECS",
    "AmazonEKS",
    "AmazonElastiCache",
    "AmazonGuardDuty",
    "AWSSecretsManager",
];

/// What differs from the accounts' own profiles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SpendOverrides {
    changes: BTreeMap<AccountId, Changes>,
    /// What was really published for an account, instead of its own profile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    published: BTreeMap<AccountId, Published>,
}

/// An account's month to date as AWS published it, oldest first: in all, and by service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Of all services.
    pub total: Vec<(Timestamp, f64)>,
    /// Of each service, by the name that the `ServiceName` dimension has.
    pub services: BTreeMap<String, Vec<(Timestamp, f64)>>,
}

impl SpendOverrides {
    /// What was really published for the account, of one service or of all, if that is what it has.
    pub(super) fn published(&self, account: AccountId, service: Option<&str>) -> Option<&[(Timestamp, f64)]> {
        let published = self.published.get(&account)?;
        Some(match service {
            None => &published.total,
            Some(service) => published.services.get(service).map(Vec::as_slice).unwrap_or_default(),
        })
    }

    /// The services that the account uses.
    pub(super) fn services(&self, account: AccountId) -> Vec<String> {
        match self.published.get(&account) {
            Some(published) => published.services.keys().cloned().collect(),
            None => Spender::new(self, account).services().map(str::to_owned).collect(),
        }
    }
}

/// The account's charges are these, as published elsewhere.
pub fn publish(world: &mut World, account: AccountId, published: Published) {
    world.cloudwatch.spend_overrides.published.insert(account, published);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Changes {
    /// No spend before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<Timestamp>,
    /// From then on so many dollars a day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    daily: Vec<(Timestamp, f64)>,
    /// In which hours of each day it is spent, where not evenly.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hours: BTreeMap<Timestamp, Hours>,
    /// At that time so many dollars, at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    once: Vec<(Timestamp, f64)>,
}

/// Hours of every day, in seconds since midnight UTC: from one up to the other, over midnight if that is the earlier
/// one. The same twice is a lump at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The first second.
    pub from: u32,
    /// The second after the last.
    pub to: u32,
}

impl Hours {
    /// The part of a day's spend that is spent by this second of the day.
    fn share(self, second: i64) -> f64 {
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from == to {
            // Counted from the second it happened in.
            return f64::from(u8::from(second > from));
        }
        let (spent, length) = if from < to {
            (second.clamp(from, to) - from, to - from)
        } else {
            (second.min(to) + (second - from).max(0), to + DAY - from)
        };
        spent as f64 / length as f64
    }
}

/// From now on the account spends `usd` a day, evenly, in the shares that its services have.
pub fn set_daily(world: &mut World, account: AccountId, usd: Usd) {
    set_daily_in(world, account, usd, None);
}

/// From now on the account spends `usd` a day in these hours of it, or evenly.
pub fn set_daily_in(world: &mut World, account: AccountId, usd: Usd, hours: Option<Hours>) {
    let now = world.now;
    let changes = changes(world, account);
    changes.daily.retain(|(at, _)| *at < now);
    changes.daily.push((now, usd.to_f64()));
    changes.hours.remove(&now);
    changes.hours.extend(hours.map(|hours| (now, hours)));
}

/// The account spends `usd` now, at once; less than nothing is a credit.
pub fn add_once(world: &mut World, account: AccountId, usd: Usd) {
    let now = world.now;
    changes(world, account).once.push((now, usd.to_f64()));
}

/// The account is new: it spends from now on only.
pub fn open(world: &mut World, account: AccountId) {
    changes(world, account).opened = Some(world.now);
}

fn changes(world: &mut World, account: AccountId) -> &mut Changes {
    world.cloudwatch.spend_overrides.changes.entry(account).or_default()
}

/// When the account was opened, if that was in the sandbox's time.
pub(super) fn opened(world: &World, account: AccountId) -> Option<Timestamp> {
    world.cloudwatch.spend_overrides.changes.get(&account)?.opened
}

/// A well-mixed number from an account and two more (splitmix64): the same on every machine.
pub(super) fn mix(account: AccountId, purpose: u64, number: i64) -> u64 {
    let mut state = account
        .number()
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(purpose.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add((number as u64).wrapping_mul(0xA24B_AED4_963E_E407));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// A number from 0 up to 1.
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// How an account spends.
pub(super) struct Spender<'a> {
    account: AccountId,
    services: Vec<(&'static str, f64)>,
    daily: f64,
    changes: Option<&'a Changes>,
}

impl<'a> Spender<'a> {
    pub(super) fn new(spend_overrides: &'a SpendOverrides, account: AccountId) -> Self {
        let count = 3 + (mix(account, 3, 0) % 5) as usize;
        let first = (mix(account, 4, 0) % (SERVICES.len() as u64 - 1)) as usize;
        let mut services = vec![(SERVICES[0], 1.0)];
        for index in 0..count {
            let at = 1 + (first + index) % (SERVICES.len() - 1);
            let share = 0.62_f64.powi(index as i32 + 1) * (0.6 + 0.8 * unit(mix(account, 5, index as i64)));
            services.push((SERVICES[at], share));
        }
        let whole: f64 = services.iter().map(|(_, share)| share).sum();
        for (_, share) in &mut services {
            *share /= whole;
        }
        Self {
            account,
            services,
            // From 2.5 to about 34 dollars a day, more accounts at the lower end.
            daily: 2.5 * (2.6 * unit(mix(account, 6, 0))).exp(),
            changes: spend_overrides.changes.get(&account),
        }
    }

    /// The services that the account uses.
    pub(super) fn services(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().map(|(name, _)| *name)
    }

    fn opened(&self) -> Option<Timestamp> {
        self.changes.and_then(|changes| changes.opened)
    }

    /// Month to date at each of `times` (oldest first), of one service or of all: dollars, rounded to cents. `None`
    /// before the account existed, and for a service that it doesn't use.
    pub(super) fn month_to_date(&self, service: Option<&str>, times: &[Timestamp]) -> Vec<Option<f64>> {
        let mut meter = Meter::new(self, service);
        let mut answer = Vec::with_capacity(times.len());
        // How far has been added up, and the month that it is of.
        let mut reached = i64::MIN;
        let mut month: Option<Month> = None;
        for at in times {
            if meter.used.is_empty() || self.opened().is_some_and(|opened| *at < opened) {
                answer.push(None);
                continue;
            }
            let now = at.as_second();
            let start = match month.filter(|month| now < month.end()) {
                Some(month) => month.start(),
                None => month.insert(Month::of(*at)).start(),
            };
            if reached < start {
                meter.sums.fill(0.0);
                reached = start;
            }
            meter.add(reached, now);
            reached = now;
            // An account's total is the sum of its services' published cents.
            let cents: i64 = meter.sums.iter().map(|sum| cents(*sum)).sum();
            answer.push(Some(cents as f64 / 100.0));
        }
        answer
    }

    fn noise(&self, index: usize, day: i64) -> f64 {
        0.92 + 0.16 * unit(mix(self.account, 10 + index as u64, day))
    }
}

/// Adds up what an account's services cost.
struct Meter<'a> {
    spender: &'a Spender<'a>,
    /// Which services, by their place in the spender's.
    used: Vec<usize>,
    /// What each of them costs on `day`, worked out once for all of the day's publications.
    rates: Vec<f64>,
    day: Option<i64>,
    /// What has been added up of each.
    sums: Vec<f64>,
}

impl<'a> Meter<'a> {
    /// Of one service, or of all.
    fn new(spender: &'a Spender<'a>, service: Option<&str>) -> Self {
        let used: Vec<usize> = (0..spender.services.len())
            .filter(|index| service.is_none_or(|wanted| spender.services[*index].0 == wanted))
            .collect();
        Self {
            spender,
            rates: vec![0.0; used.len()],
            day: None,
            sums: vec![0.0; used.len()],
            used,
        }
    }

    /// Adds what they cost from one second up to another.
    fn add(&mut self, from: i64, to: i64) {
        let spender = self.spender;
        let mut at = spender.opened().map_or(from, |opened| from.max(opened.as_second()));
        while at < to {
            let day = at.div_euclid(DAY);
            let mut end = to.min((day + 1) * DAY);
            let mut set = None;
            for (since, usd) in spender.changes.iter().flat_map(|changes| &changes.daily) {
                let since_second = since.as_second();
                if since_second <= at {
                    set = Some((*since, *usd));
                } else {
                    end = end.min(since_second);
                }
            }
            let hours = spender.changes.and_then(|changes| changes.hours.get(&set?.0));
            let part = match hours {
                Some(hours) => hours.share(end - day * DAY) - hours.share(at - day * DAY),
                None => (end - at) as f64 / DAY as f64,
            };
            if let Some((_, usd)) = set {
                for (sum, index) in self.sums.iter_mut().zip(&self.used) {
                    *sum += usd * spender.services[*index].1 * part;
                }
            } else {
                self.rate(day);
                for (sum, rate) in self.sums.iter_mut().zip(&self.rates) {
                    *sum += rate * part;
                }
            }
            at = end;
        }
        if self.used.first() == Some(&0) {
            // Counted from the second it happened in, so that a publication in that second has it.
            self.sums[0] += spender
                .changes
                .iter()
                .flat_map(|changes| &changes.once)
                .filter(|(at, _)| (from..to).contains(&at.as_second()))
                .map(|(_, usd)| usd)
                .sum::<f64>();
        }
    }

    fn rate(&mut self, day: i64) {
        if self.day == Some(day) {
            return;
        }
        let spender = self.spender;
        let daily = spender.daily * rhythm(day);
        for (rate, index) in self.rates.iter_mut().zip(&self.used) {
            *rate = daily * spender.services[*index].1 * spender.noise(*index, day);
        }
        self.day = Some(day);
    }
}

/// Dollars in whole cents, halves away from zero.
pub(super) fn cents(usd: f64) -> i64 {
    nearest(usd * 100.0)
}

/// Weekends are quieter; the first day of the epoch was a Thursday.
fn rhythm(day: i64) -> f64 {
    match (day + 3).rem_euclid(7) {
        5 => 0.84,
        6 => 0.78,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publications::Publications;

    fn account() -> AccountId {
        "111122223333".parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn publications(account: AccountId, start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
        Publications::default().times(account, start, end)
    }

    #[test]
    fn a_day_can_be_spent_in_a_lump_or_in_some_hours() {
        let mut world = crate::seed::demo();
        world.now = at("2026-02-28T00:00:00Z");
        let usd = |dollars: f64| Usd::from_f64(dollars).unwrap();
        let spent = |world: &World, text: &str| {
            let spender = Spender::new(&world.cloudwatch.spend_overrides, account());
            // The services' cents are rounded one by one.
            spender.month_to_date(None, &[at(text)])[0].unwrap().round()
        };
        let hours = |from: u32, to: u32| {
            let (from, to) = (from * 3_600, to * 3_600);
            Some(Hours { from, to })
        };
        set_daily_in(&mut world, account(), usd(100.0), hours(12, 12));
        assert_eq!(spent(&world, "2026-03-01T12:00:00Z"), 0.0);
        assert_eq!(spent(&world, "2026-03-01T12:01:00Z"), 100.0);
        assert_eq!(spent(&world, "2026-03-03T00:00:00Z"), 200.0);
        set_daily_in(&mut world, account(), usd(120.0), hours(8, 20));
        assert_eq!(spent(&world, "2026-03-02T08:00:00Z"), 120.0);
        assert_eq!(spent(&world, "2026-03-02T09:00:00Z"), 130.0);
        assert_eq!(spent(&world, "2026-03-02T23:00:00Z"), 240.0);
        set_daily_in(&mut world, account(), usd(80.0), hours(22, 6));
        assert_eq!(spent(&world, "2026-03-01T12:00:00Z"), 60.0);
        assert_eq!(spent(&world, "2026-03-01T23:00:00Z"), 70.0);
        assert_eq!(spent(&world, "2026-03-02T00:00:00Z"), 80.0);
        set_daily(&mut world, account(), usd(24.0));
        assert_eq!(spent(&world, "2026-03-01T12:00:00Z"), 12.0);
    }

    #[test]
    fn charges_are_published_about_every_six_hours() {
        let times = publications(account(), at("2026-03-01T00:00:00Z"), at("2026-03-11T00:00:00Z"));
        assert!((39..=41).contains(&times.len()), "{}", times.len());
        for pair in times.windows(2) {
            let minutes = pair[1].duration_since(pair[0]).as_mins();
            assert!((320..=400).contains(&minutes), "{minutes}");
        }
    }

    #[test]
    fn a_month_starts_again_at_nothing_and_only_grows() {
        let spend_overrides = SpendOverrides::default();
        let spender = Spender::new(&spend_overrides, account());
        let times = publications(account(), at("2026-02-20T00:00:00Z"), at("2026-03-10T00:00:00Z"));
        let values = spender.month_to_date(None, &times);
        let mut falls = 0;
        for (pair, values) in times.windows(2).zip(values.windows(2)) {
            if values[1] < values[0] {
                falls += 1;
                assert_eq!(Month::of(pair[1]).start(), at("2026-03-01T00:00:00Z").as_second());
            }
        }
        assert_eq!(falls, 1);
    }

    #[test]
    fn the_total_is_the_sum_of_the_services_to_the_cent() {
        let spend_overrides = SpendOverrides::default();
        let spender = Spender::new(&spend_overrides, account());
        let times = [at("2026-03-17T12:34:00Z")];
        let total = spender.month_to_date(None, &times)[0].unwrap();
        let services: f64 = spender
            .services()
            .map(|service| spender.month_to_date(Some(service), &times)[0].unwrap())
            .sum();
        assert!((total - services).abs() < 0.001, "{total} {services}");
        assert!(total > 10.0);
    }

    #[test]
    fn the_same_time_has_the_same_value_however_it_is_asked_for() {
        let spend_overrides = SpendOverrides::default();
        let spender = Spender::new(&spend_overrides, account());
        let times = publications(account(), at("2026-03-01T00:00:00Z"), at("2026-03-20T00:00:00Z"));
        let all = spender.month_to_date(None, &times);
        let alone = spender.month_to_date(None, &times[times.len() - 1..]);
        assert!((all.last().unwrap().unwrap() - alone[0].unwrap()).abs() < 0.011);
    }

    #[test]
    fn an_account_spends_nothing_before_it_exists() {
        let mut spend_overrides = SpendOverrides::default();
        spend_overrides.changes.entry(account()).or_default().opened = Some(at("2026-03-05T00:00:00Z"));
        let spender = Spender::new(&spend_overrides, account());
        let values = spender.month_to_date(None, &[at("2026-03-04T00:00:00Z"), at("2026-03-05T06:00:00Z")]);
        assert_eq!(values[0], None);
        assert!(values[1].unwrap() < 20.0);
    }
}

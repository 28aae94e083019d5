//! Sixty days of accounts whose spend is known, over worlds as unkind as AWS may be: who is written to, when, and with
//! what amount. The shipped state machine, alarms and rules do it; the test's own reading of the publications says
//! what they should have done.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use billctl::config::Measure;
use billctl::spend::{Measured, Publication, reading_from};
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudwatch::{DataRequest, Metric, MetricQuery, QuerySource};
use billctl_sandbox::metrics::{Hours, add_once, set_daily, set_daily_in};
use billctl_sandbox::publications::Publications;
use billctl_sandbox::{Sandbox, World};
use jiff::{SignedDuration, Timestamp};

use crate::support::home::Home;

const DAY: i64 = 86_400;
const DAYS: i64 = 60;
const LIMIT: f64 = 100.0;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What a look takes: the notifier's calls, which take a moment each.
const MOMENT: SignedDuration = SignedDuration::from_mins(2);

/// How an account spends, in dollars a day. The sixty days begin on 14 March.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pattern {
    /// The same at all times.
    Even(f64),
    /// All of a day at once, at this hour.
    Lump(f64, u32),
    /// From 8 to 20 o'clock.
    Office(f64),
    /// On weekends two fifths.
    Weekly(f64),
    /// From one to the other, a little more each day.
    Ramp(f64, f64),
    /// One, and from the twentieth day on another.
    Jump(f64, f64),
    /// One, for two days from the twentieth on another, then the first again.
    Bump(f64, f64),
    /// A steady one, with a credit of 300 on the tenth day and on the second of the next month.
    Credit(f64),
}

use Pattern::{Bump, Credit, Even, Jump, Lump, Office, Ramp, Weekly};

const PATTERNS: [Pattern; 20] = [
    Even(50.0),
    Even(80.0),
    Even(95.0),
    Even(97.5),
    Even(102.5),
    Even(110.0),
    Even(125.0),
    Even(200.0),
    Lump(95.0, 13),
    Lump(110.0, 13),
    Office(95.0),
    Office(110.0),
    Weekly(130.0),
    Ramp(60.0, 180.0),
    Jump(60.0, 900.0),
    Jump(110.0, 900.0),
    Bump(60.0, 250.0),
    Credit(90.0),
    Credit(120.0),
    Jump(20.0, 96.0),
];

impl Pattern {
    /// What is spent on this day, from 0.
    fn of_day(self, day: i64) -> f64 {
        // 14 March 2026 is a Saturday.
        let weekend = matches!(day.rem_euclid(7), 0 | 1);
        match self {
            Even(usd) | Lump(usd, _) | Office(usd) | Credit(usd) => usd,
            Weekly(usd) => {
                if weekend {
                    usd * 0.4
                } else {
                    usd
                }
            }
            Ramp(from, to) => from + (to - from) * day.max(0) as f64 / DAYS as f64,
            Jump(before, after) => {
                if day < 20 {
                    before
                } else {
                    after
                }
            }
            Bump(usual, high) => {
                if (20..22).contains(&day) {
                    high
                } else {
                    usual
                }
            }
        }
    }

    /// Sets the account's spend for the day that begins.
    fn begin_day(self, world: &mut World, account: AccountId, day: i64) {
        let usd = |usd: f64| Usd::from_f64(usd).unwrap();
        if day <= 0 || self.of_day(day) != self.of_day(day - 1) {
            let amount = usd(self.of_day(day));
            match self {
                Lump(_, hour) => {
                    let second = hour * 3_600 + 900;
                    let hours = Hours {
                        from: second,
                        to: second,
                    };
                    set_daily_in(world, account, amount, Some(hours));
                }
                Office(_) => {
                    let hours = Hours {
                        from: 8 * 3_600,
                        to: 20 * 3_600,
                    };
                    set_daily_in(world, account, amount, Some(hours));
                }
                _ => set_daily(world, account, amount),
            }
        }
        if matches!(self, Credit(_)) && (day == 10 || day == 19) {
            add_once(world, account, usd(-300.0));
        }
    }

    /// In words, for the table.
    fn name(self) -> String {
        match self {
            Even(usd) => format!("${usd} evenly"),
            Lump(usd, hour) => format!("${usd} at once, at {hour}:15"),
            Office(usd) => format!("${usd} from 8 to 20 o'clock"),
            Weekly(usd) => format!("${usd}, on weekends two fifths"),
            Ramp(from, to) => format!("${from}, every day more, up to ${to}"),
            Jump(before, after) => format!("${before}, from the 20th day on ${after}"),
            Bump(usual, high) => format!("${usual}, on two days ${high}"),
            Credit(usd) => format!("${usd}, and two credits of $300"),
        }
    }

    /// How many mails sixty days should bring, where the table of docs/notifier.md says it without a look at each day:
    /// above the limit on day 1, 2, 3, and then every seventh.
    fn wanted(self) -> &'static str {
        match self {
            _ if self.is_below() => "0",
            Even(_) | Lump(..) | Office(_) => "11",
            _ => "",
        }
    }

    /// Whether no day's spend comes near the limit, at any time.
    fn is_below(self) -> bool {
        self.highest() < 0.98 * LIMIT
    }

    /// The most that a day costs.
    fn highest(self) -> f64 {
        (0..DAYS).map(|day| self.of_day(day)).fold(0.0, f64::max)
    }
}

/// A world: its publications, and whether half a day passes without one in it.
struct Unkind {
    name: &'static str,
    publications: &'static str,
    missing: f64,
    payer_late: u64,
    harsh: bool,
}

const WORLDS: [Unkind; 9] = [
    unkind("6h~0m", 0.0, 0, false),
    unkind("6h~1m", 0.0, 2, false),
    unkind("6h~40m", 0.0, 0, false),
    unkind("5h~20m", 0.0, 0, false),
    unkind("4h~90m", 0.1, 2, false),
    unkind("2h~1h", 0.2, 0, false),
    unkind("8h~2h", 0.1, 0, false),
    unkind("6h~3h", 0.2, 2, true),
    unkind("12h~3h", 0.0, 0, true),
];

const fn unkind(publications: &'static str, missing: f64, payer_late: u64, harsh: bool) -> Unkind {
    Unkind {
        name: publications,
        publications,
        missing,
        payer_late,
        harsh,
    }
}

impl Unkind {
    /// From one publication to the next.
    fn hours(&self) -> u32 {
        let (hours, _) = self.publications.split_once('h').unwrap();
        hours.parse().unwrap()
    }
}

/// A mail, as its recipient has it.
#[derive(Debug, Clone)]
struct Mailed {
    at: Timestamp,
    subject: String,
}

impl Mailed {
    fn day(&self) -> i64 {
        self.at.as_second().div_euclid(DAY)
    }

    fn is_doubling(&self) -> bool {
        self.subject.contains(": doubled to ")
    }

    /// The amount in its headline.
    fn amount(&self) -> f64 {
        let dollars = self.subject.split('$').nth(1).unwrap_or_default();
        let number = dollars.split(' ').next().unwrap_or_default();
        number.replace(',', "").parse().unwrap_or(f64::NAN)
    }
}

/// What an account's publications say, as soon as the billing account sees each.
struct Reading {
    seen: Timestamp,
    above: bool,
    over: bool,
    amount: f64,
}

/// One account's sixty days.
struct Played {
    pattern: Pattern,
    told: Vec<Mailed>,
    readings: Vec<Reading>,
}

impl Played {
    /// The readings that the notifier may have had at this time: CloudWatch says to five minutes when it published.
    fn at(&self, at: Timestamp) -> impl Iterator<Item = &Reading> {
        let newest = |at: Timestamp| self.readings.iter().rev().find(move |one| one.seen <= at);
        newest(at).into_iter().chain(newest(at - SignedDuration::from_mins(5)))
    }

    /// Whether a reading says between noon, when reminders go out, and the day's last look that the account is over its
    /// limit; `day` counts from 1970.
    fn over_after_noon(&self, day: i64) -> bool {
        let noon = Timestamp::from_second(day * DAY + DAY / 2).unwrap();
        let at_noon = self.readings.iter().rev().find(|one| one.seen <= noon);
        let later = self
            .readings
            .iter()
            .filter(|one| one.seen > noon && one.seen < noon + HOUR * 11);
        at_noon.into_iter().chain(later).any(|one| one.over)
    }

    /// When somebody had to be told for the first time: above the limit, after a day below it at least.
    fn crossings(&self) -> Vec<Timestamp> {
        let mut found = Vec::new();
        // Until when the account counts as above.
        let mut until = Timestamp::MIN;
        for (index, reading) in self.readings.iter().enumerate() {
            let next = self.readings.get(index + 1);
            if reading.above && reading.seen > until {
                found.push(reading.seen);
                until = reading.seen;
            }
            if reading.over && until >= reading.seen - HOUR * 27 {
                let lasts = next.map_or(reading.seen, |next| next.seen);
                until = until.max(lasts + HOUR * 24);
            }
        }
        found
    }

    /// When the amount was twice what the mail before it had said, while the account hadn't been below its limit for a
    /// day since.
    fn doublings(&self) -> Vec<(Timestamp, f64)> {
        let mut found = Vec::new();
        let mut over = Timestamp::MIN;
        for (index, reading) in self.readings.iter().enumerate() {
            let newest = self
                .readings
                .get(index + 1)
                .is_none_or(|next| next.seen > reading.seen + HOUR);
            let before = self.told.iter().rev().find(|mail| mail.at < reading.seen);
            let goes_on = reading.seen < over + HOUR * 24;
            if let Some(mail) = before
                && newest
                && goes_on
                && reading.over
                && reading.amount > 2.0 * mail.amount()
            {
                found.push((reading.seen, reading.amount));
            }
            if reading.over {
                over = reading.seen;
            }
        }
        found
    }

    /// What is wrong with the mails.
    fn problems(&self, world: &Unkind) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |what: String| {
            problems.push(format!("{} {:?}: {what}", world.name, self.pattern));
        };
        if self.pattern.is_below() {
            if !self.told.is_empty() {
                wrong(format!("false mails: {:?}", self.told));
            }
            return problems;
        }
        for at in self.crossings() {
            let soon = self
                .told
                .iter()
                .any(|mail| mail.at >= at && mail.at <= at + HOUR + MOMENT);
            if !soon && at + HOUR < self.readings.last().map_or(at, |last| last.seen) {
                wrong(format!("above at {at}, nobody told within an hour"));
            }
        }
        let mut last: Option<&Mailed> = None;
        for mail in &self.told {
            let borne_out = self
                .at(mail.at)
                .any(|reading| reading.over && (reading.amount - mail.amount()).abs() < 0.011);
            if !borne_out {
                let figures: Vec<f64> = self.at(mail.at).map(|reading| reading.amount).collect();
                wrong(format!("{mail:?}, but the figures say {figures:?}"));
            }
            if mail.is_doubling() && last.is_none_or(|last| mail.amount() < 2.0 * last.amount()) {
                wrong(format!("{mail:?} after {last:?} doubles nothing"));
            }
            if !mail.is_doubling() && last.is_some_and(|last| last.day() == mail.day()) {
                wrong(format!("{mail:?} after {last:?} on the same day"));
            }
            last = Some(mail);
        }
        for (at, amount) in self.doublings() {
            let soon = at..at + HOUR + MOMENT;
            let over = self.readings.last().is_some_and(|last| at + HOUR < last.seen);
            if over && !self.told.iter().any(|mail| soon.contains(&mail.at)) {
                wrong(format!(
                    "twice the last mail's at {at}, {amount}, nobody told within an hour"
                ));
            }
        }
        // Above the limit on each of the sixty days.
        if matches!(self.pattern, Even(_) | Lump(..) | Office(_)) {
            let Some(first) = self.told.first() else {
                wrong("nobody told".to_owned());
                return problems;
            };
            let days: Vec<i64> = self
                .told
                .iter()
                .filter(|mail| !mail.is_doubling())
                .map(|mail| mail.day() - first.day() + 1)
                .collect();
            let last = days.last().copied().unwrap_or_default();
            let wanted = (1..=last).filter(|day| *day <= 3 || day % 7 == 0);
            // Where half a day passes without a publication, the newest may leave a lump or the office's hours out for
            // the rest of the day. Nobody is reminded then of what the figures don't say, but a day later.
            let due =
                |day: i64| day + i64::from(world.harsh && day > 1 && !self.over_after_noon(first.day() + day - 1));
            let wanted: Vec<i64> = wanted.map(due).collect();
            if days != wanted || last < 50 {
                wrong(format!("told on days {days:?}"));
            }
            // The first two days' amounts still hold time from before the spend began.
            for mail in self.told.iter().filter(|mail| mail.day() > first.day() + 1) {
                if let Even(level) = self.pattern
                    && (mail.amount() / level - 1.0).abs() > 0.02
                {
                    wrong(format!("{mail:?} of an even {level}"));
                }
            }
        }
        problems
    }
}

/// Plays the world; its accounts in the order of [`PATTERNS`].
fn play(unkind: &Unkind) -> Vec<Played> {
    let stage = Home::demo();
    stage.config("[alarm]\nthreshold = 100\n[deploy]\nous = [\"Root\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    stage.change(|world| {
        world.publications = unkind
            .publications
            .parse::<Publications>()
            .and_then(|publications| publications.with_missing(unkind.missing))
            .and_then(|publications| publications.with_payer_late(Duration::from_secs(unkind.payer_late * 3_600)))
            .unwrap();
    });
    stage.succeeds(&["bootstrap", "--yes"]);
    stage.succeeds(&["sandbox", "verify", "billing@example.com"]);
    stage.succeeds(&["deploy", "--yes"]);
    let mut world = stage.sandbox().world();
    let members: Vec<AccountId> = world.members.keys().copied().take(PATTERNS.len()).collect();
    assert_eq!(members.len(), PATTERNS.len());
    // Quiet days first: what the accounts spent before is nobody's pattern.
    for account in &members {
        set_daily(&mut world, *account, Usd::dollars(5));
    }
    let midnight = (world.now.as_second().div_euclid(DAY) + 3) * DAY;
    world.advance_to(Timestamp::from_second(midnight).unwrap());
    let before = world.sesv2.mails().len();
    for day in 0..DAYS {
        for (account, pattern) in members.iter().zip(PATTERNS) {
            pattern.begin_day(&mut world, *account, day);
        }
        world.advance_to(Timestamp::from_second(midnight + (day + 1) * DAY).unwrap());
    }
    let mails = world.sesv2.mails()[before..].to_vec();
    let sandbox = Sandbox::in_memory(world);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let late = SignedDuration::from_secs(unkind.payer_late as i64 * 3_600);
    members
        .iter()
        .zip(PATTERNS)
        .map(|(account, pattern)| Played {
            pattern,
            told: mails
                .iter()
                .filter(|mail| mail.account() == Some(&account.to_string()))
                .map(|mail| Mailed {
                    at: mail.at,
                    subject: mail.subject.clone(),
                })
                .collect(),
            readings: readings(&runtime.block_on(publications(&sandbox, *account)), midnight, late),
        })
        .collect()
}

/// What the payer's publications say, one after the other.
fn readings(publications: &[Publication], from: i64, late: SignedDuration) -> Vec<Reading> {
    let limit = Usd::from_f64(LIMIT).unwrap();
    let mut found = Vec::new();
    for (index, publication) in publications.iter().enumerate() {
        let seen = publication.at + late;
        if seen.as_second() < from {
            continue;
        }
        let start = reading_from(seen);
        let read: Vec<Publication> = publications[..=index]
            .iter()
            .filter(|one| one.at.as_second() >= start)
            .copied()
            .collect();
        let measured = Measured::of(&read, start, seen, Measure::Daily);
        found.push(Reading {
            seen,
            above: measured.is_some_and(|one| one.verdict(limit, seen).is_above()),
            over: measured.is_some_and(|one| one.amount > limit),
            amount: measured.map_or(f64::NAN, |one| one.amount.to_f64()),
        });
    }
    found
}

/// The account's series in the billing account, in five minutes as the notifier reads it.
async fn publications(sandbox: &Sandbox, account: AccountId) -> Vec<Publication> {
    let now = sandbox.peek(|world| world.now);
    let cloudwatch = sandbox.services().cloudwatch;
    let dimensions = BTreeMap::from([
        ("Currency".to_owned(), "USD".to_owned()),
        ("LinkedAccount".to_owned(), account.to_string()),
    ]);
    let request = DataRequest {
        queries: vec![MetricQuery {
            id: "m0".into(),
            source: QuerySource::Stat {
                metric: Metric {
                    namespace: "AWS/Billing".into(),
                    name: "EstimatedCharges".into(),
                    dimensions,
                },
                period: 300,
                stat: "Maximum".into(),
            },
            return_data: true,
            label: None,
        }],
        start: now - HOUR * 24 * 63,
        end: now,
    };
    let page = cloudwatch.get_metric_data(&request, None).await.unwrap();
    page.items
        .into_iter()
        .flat_map(|series| series.points)
        .map(|(at, value)| Publication {
            at,
            month_to_date: Usd::from_f64(value).unwrap(),
        })
        .collect()
}

#[test]
fn sixty_days_bring_the_mails_that_are_wanted_and_no_others() {
    // All nine take minutes: three unless others are asked for, of which the last is the harshest.
    let only = match std::env::var("BILLCTL_PUBLISHING") {
        Ok(all) if all == "all" => WORLDS.map(|world| world.name).to_vec(),
        Ok(one) => vec![WORLDS.iter().find(|world| world.name == one).unwrap().name],
        Err(_) => vec!["6h~40m", "8h~2h", "12h~3h"],
    };
    // The longest first: those with the most publications.
    let mut left: Vec<&Unkind> = WORLDS.iter().filter(|one| only.contains(&one.name)).collect();
    left.sort_by_key(|world| std::cmp::Reverse(world.hours()));
    let left = Mutex::new(left);
    let played: Mutex<Vec<(&Unkind, Vec<Played>)>> = Mutex::default();
    // Two at a time: that is how many cores there are.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(world) = left.lock().unwrap().pop() else {
                        break;
                    };
                    let accounts = play(world);
                    for problem in accounts.iter().flat_map(|one| one.problems(world)) {
                        println!("{problem}");
                    }
                    played.lock().unwrap().push((world, accounts));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap();
    played.sort_by_key(|(world, _)| WORLDS.iter().position(|one| one.name == world.name));
    assert_eq!(played.len(), only.len(), "a world has failed");
    let mut table = String::from("| a day, limit $100 | wanted |");
    for (world, _) in &played {
        let _ = write!(table, " `{}` |", world.name);
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(played.len()));
    table.push('\n');
    for (index, pattern) in PATTERNS.iter().enumerate() {
        let _ = write!(table, "| {} | {} |", pattern.name(), pattern.wanted());
        for (_, accounts) in &played {
            let _ = write!(table, " {} |", accounts[index].told.len());
        }
        table.push('\n');
    }
    println!("{table}");
    let problems: Vec<String> = played
        .iter()
        .flat_map(|(world, accounts)| accounts.iter().flat_map(|one| one.problems(world)))
        .collect();
    assert!(problems.is_empty(), "{}\n{table}", problems.join("\n"));
    as_in_the_docs(&table);
}

/// The page's table has the same rows, and in the columns of the worlds that were played no number that is off by more
/// than two: a mail more or less on a weekend's edge is nobody's concern.
fn as_in_the_docs(table: &str) {
    let cells = |text: &str| -> Vec<Vec<String>> {
        text.lines()
            .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
            .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect()
    };
    let (played, page) = (cells(table), cells(include_str!("../../docs/alerts.md")));
    assert_eq!(played.len(), page.len(), "{table}");
    for (column, name) in played[0].iter().enumerate() {
        let there = page[0].iter().position(|cell| cell == name);
        let there = there.unwrap_or_else(|| panic!("docs/alerts.md has no column {name}"));
        for (played, page) in played.iter().zip(&page) {
            let (played, page) = (&played[column], &page[there]);
            let near = match (played.parse::<i64>(), page.parse::<i64>()) {
                (Ok(played), Ok(page)) => (played - page).abs() <= 2,
                _ => played == page,
            };
            assert!(near, "{played} is {page} in docs/alerts.md:\n{table}");
        }
    }
}

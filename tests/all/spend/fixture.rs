use std::collections::BTreeMap;

use billctl::config::Measure;
use billctl::spend::{
    By, Evidence, Grid, Interval, Missing, Publication, Report, ReportInput, SpendHistory, Subject, Window, missing,
    report,
};
use billctl_core::model::{Account, AccountId, AccountState, Organization, OrganizationalUnit, OuId, Usd};
use jiff::Timestamp;

const DAY: i64 = 86_400;

pub(super) fn dollars(dollars: f64) -> Usd {
    Usd::from_f64(dollars).unwrap()
}

/// An organisation whose spend is known to the cent: what each account costs on each of the last 60 days.
pub(super) struct Company {
    pub organization: Organization,
    pub now: Timestamp,
    accounts: Vec<(AccountId, OuId, Spender)>,
    silent: Option<Missing>,
}

#[derive(Clone)]
struct Spender {
    name: String,
    state: AccountState,
    threshold: Usd,
    /// Dollars on a day, counted back from today.
    daily: fn(i64) -> f64,
    scale: f64,
    /// Publications are missing for these days back.
    gap: std::ops::Range<i64>,
}

impl Company {
    /// Nine accounts in four OUs, each with a story.
    pub(super) fn small() -> Self {
        let spender = |name: &str, threshold: f64, daily: fn(i64) -> f64| Spender {
            name: name.to_owned(),
            state: AccountState::Active,
            threshold: dollars(threshold),
            daily,
            scale: 1.0,
            gap: 0..0,
        };
        let payments = "ou-ab12-00000002";
        let platform = "ou-ab12-00000001";
        let sandbox = "ou-ab12-00000003";
        Self::of(vec![
            (
                payments,
                spender("payments-api", 800.0, |back| {
                    if back <= 2 {
                        1_240.0
                    } else {
                        410.0 + (back % 5) as f64 * 12.0
                    }
                }),
            ),
            (
                payments,
                spender("payments-ledger", 1_000.0, |back| 612.0 + (back % 7) as f64 * 9.0),
            ),
            (
                platform,
                spender(
                    "web",
                    50.0,
                    |back| if back == 1 { 46.0 } else { 22.0 + (back % 3) as f64 },
                ),
            ),
            (platform, spender("build", 40.0, |back| 34.0 + (back % 4) as f64)),
            (
                platform,
                Spender {
                    gap: 5..7,
                    ..spender("logs", 50.0, |_| 12.0)
                },
            ),
            (
                sandbox,
                spender("credit", 50.0, |back| if back == 3 { -30.0 } else { 6.0 }),
            ),
            (sandbox, spender("idle", 50.0, |_| 0.0)),
            (
                sandbox,
                spender("newcomer", 50.0, |back| if back < 4 { 9.0 } else { f64::NAN }),
            ),
            (
                sandbox,
                Spender {
                    state: AccountState::Closed,
                    ..spender("former", 50.0, |_| f64::NAN)
                },
            ),
        ])
    }

    /// So many accounts in the same OUs, of all sizes.
    pub(super) fn large(count: usize) -> Self {
        let ous = ["ou-ab12-00000001", "ou-ab12-00000002", "ou-ab12-00000003"];
        let kinds: [fn(i64) -> f64; 4] = [
            |back| 20.0 + (back * 7 % 5) as f64,
            |back| {
                if back.rem_euclid(7) > 4 {
                    8.0
                } else {
                    21.0 + (back * 3 % 4) as f64
                }
            },
            |back| 30.0 - (back as f64) * 0.3,
            |back| {
                if back == 1 { 80.0 } else { 15.0 + (back * 11 % 3) as f64 }
            },
        ];
        let accounts = (0..count)
            .map(|number| {
                let spender = Spender {
                    name: format!("team-{:02}-service-{number:03}-production", number % 23),
                    state: AccountState::Active,
                    threshold: dollars([100.0, 250.0, 60.0][number % 3]),
                    daily: kinds[number % 4],
                    scale: 0.3 + (number * 37 % 41) as f64 / 9.0,
                    gap: 0..0,
                };
                (ous[number * 7 % 3], spender)
            })
            .collect();
        Self::of(accounts)
    }

    fn of(accounts: Vec<(&str, Spender)>) -> Self {
        let accounts: Vec<(AccountId, OuId, Spender)> = accounts
            .into_iter()
            .enumerate()
            .map(|(index, (ou, spender))| {
                let id = AccountId::from_number(index as u64 + 1).unwrap();
                (id, ou.parse().unwrap(), spender)
            })
            .collect();
        Self {
            organization: organization(&accounts),
            now: "2026-11-23T13:20:00Z".parse().unwrap(),
            accounts,
            silent: None,
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        for (_, _, spender) in &mut self.accounts {
            if spender.name == from {
                spender.name = to.to_owned();
            }
        }
        self.organization = organization(&self.accounts);
    }

    /// Takes away everybody's metrics.
    pub(super) fn silence(&mut self, why: Missing) {
        self.silent = Some(why);
    }

    pub(super) fn account(&self, name: &str) -> (AccountId, OuId) {
        let (id, ou, _) = self
            .accounts
            .iter()
            .find(|(_, _, spender)| spender.name == name)
            .unwrap();
        (*id, ou.clone())
    }

    pub(super) fn histories(&self) -> Vec<(Subject, SpendHistory)> {
        let window = Window {
            quarters: Some(Grid::until(self.now, 32, Interval::SixHours)),
            ..Window::of_days(32, Measure::Daily, self.now)
        };
        self.accounts
            .iter()
            .map(|(id, _, spender)| {
                let mut points = spender.publications(self.now);
                points.retain(|point| point.at.as_second() >= window.from() && self.silent.is_none());
                (Subject::Account(*id), SpendHistory::read(&points, &window))
            })
            .collect()
    }

    pub(super) fn report(&self, by: By, interval: Interval, days: usize, top: Option<usize>) -> Report {
        let histories = self.histories();
        let evidence = Evidence {
            some_account_has_data: self.silent.is_none(),
            ..Evidence::default()
        };
        let reasons: BTreeMap<AccountId, Missing> = self
            .accounts
            .iter()
            .zip(&histories)
            .filter(|(_, (_, history))| history.is_empty())
            .map(|((id, _, spender), _)| {
                let why = self
                    .silent
                    .unwrap_or_else(|| missing(spender.state, None, self.now, evidence));
                (*id, why)
            })
            .collect();
        let thresholds: BTreeMap<AccountId, Usd> = self
            .accounts
            .iter()
            .map(|(id, _, spender)| (*id, spender.threshold))
            .collect();
        report(ReportInput {
            organization: &self.organization,
            now: self.now,
            by,
            days: Grid::until(self.now, 32, Interval::Day),
            shown: Grid::until(self.now, 32, interval).last_days(days),
            measure: Measure::Daily,
            metrics: histories.len(),
            histories,
            threshold: &|id, _| thresholds.get(&id).copied(),
            missing: reasons,
            top,
        })
    }
}

impl Spender {
    /// A publication at 02:00, 08:00, 14:00 and 20:00, of the spend until then.
    fn publications(&self, now: Timestamp) -> Vec<Publication> {
        let midnight = now.as_second().div_euclid(DAY) * DAY;
        let mut found = Vec::new();
        let mut month = Usd::ZERO;
        for back in (0..60).rev() {
            let start = midnight - back * DAY;
            let daily = (self.daily)(back) * self.scale;
            if daily.is_nan() {
                continue;
            }
            let quarter = dollars((daily * 25.0).round() / 100.0);
            for hour in [2, 8, 14, 20] {
                let at = Timestamp::from_second(start + hour * 3_600).unwrap();
                let zoned = at.to_zoned_datetime(jiff::tz::TimeZone::UTC);
                if zoned.day() == 1 && hour == 2 {
                    month = Usd::ZERO;
                }
                month += quarter;
                if at <= now && !self.gap.contains(&back) {
                    found.push(Publication {
                        at,
                        month_to_date: month,
                    });
                }
            }
        }
        found
    }
}

fn organization(accounts: &[(AccountId, OuId, Spender)]) -> Organization {
    let ou = |id: &str, name: &str, parent: Option<&str>| OrganizationalUnit {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        parent: parent.map(|parent| parent.parse().unwrap()),
    };
    Organization::new(
        "o-a1b2c3d4e5".parse().unwrap(),
        accounts[0].0,
        [
            ou("r-ab12", "Root", None),
            ou("ou-ab12-00000000", "Production", Some("r-ab12")),
            ou("ou-ab12-00000001", "Platform", Some("r-ab12")),
            ou("ou-ab12-00000002", "Payments", Some("ou-ab12-00000000")),
            ou("ou-ab12-00000003", "Sandbox", Some("r-ab12")),
        ],
        accounts.iter().map(|(id, parent, spender)| {
            let account = Account {
                id: *id,
                name: spender.name.clone(),
                email: "owner@example.com".to_owned(),
                state: spender.state,
                joined: None,
            };
            (account, parent.clone())
        }),
    )
}

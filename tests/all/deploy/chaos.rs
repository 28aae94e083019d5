//! Everything goes wrong at once, by seed: the end is right all the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{assert_right, at_random, config};
use crate::support::home::Home;

/// Every account but the one that pays.
fn members(home: &Home) -> Vec<String> {
    let world = home.world();
    let management = world["caller"].as_str().unwrap_or_default();
    let accounts = world["organizations"]["accounts"].as_object();
    let mut members: Vec<String> = accounts
        .into_iter()
        .flatten()
        .map(|(id, _)| id.clone())
        .filter(|id| id != management)
        .collect();
    members.sort();
    members
}

/// A rollout and a change of it; answers what is there afterwards.
fn played(seed: u64, faults: &[&str]) -> Home {
    let home = Home::empty();
    let accounts = 6 + seed * 5 % 17;
    let ous = 2 + seed % 5;
    home.config(&config(&["Root"], 100, &[]));
    home.run(&format!("sandbox new --seed {seed} --accounts {accounts} --ous {ous}"))
        .code(0);
    home.run("bootstrap").code(0);
    let members = members(&home);
    let chosen: Vec<&String> = members.iter().step_by(2 + seed as usize % 3).collect();
    let rules = |first: u32| -> Vec<(&str, &str, u32)> {
        (0..)
            .zip(&chosen)
            .map(|(index, account)| ("account", account.as_str(), first + 100 * (index % 3)))
            .collect()
    };
    home.config(&config(&["Root"], 100, &rules(300)));
    for fault in faults {
        home.run(&format!("sandbox fail {fault}")).code(0);
    }
    home.run("deploy").code(0);
    // Another default, overrides that equal it, others that go.
    let mut second = rules(400);
    second.truncate(second.len() / 2 + 1);
    home.config(&config(&["Root"], 500, &second));
    home.run("deploy").code(0);
    home.run("sandbox fail none").code(0);
    home.run("bootstrap --yes").code(0);
    home
}

#[test]
fn whatever_goes_wrong_the_end_is_the_same_and_nothing_is_submitted_twice() {
    for seed in 4..=6 {
        let calm = played(seed, &[]);
        assert_right(&calm);
        let chaos = played(
            seed,
            &["throttle 15%", "server-error 8%", "timeout 8%", "drop 12%", "lag 4"],
        );
        assert_right(&chaos);
        assert_eq!(chaos.overrides(), calm.overrides(), "seed {seed}");
        let what = |home: &Home| -> Vec<String> {
            home.operations()
                .iter()
                .map(|id| id.rsplit_once('-').map_or(id.clone(), |(mark, _)| mark.to_owned()))
                .collect()
        };
        assert_eq!(what(&chaos), what(&calm), "seed {seed}");
    }
}

/// What can happen between two deploys. Numbers pick among the accounts, the OUs and the thresholds that there are.
#[derive(Debug, Clone)]
enum Happening {
    Comes { ou: usize },
    Moves { account: usize, ou: usize },
    IsSuspended { account: usize },
    DefaultIs { usd: u32 },
    OuIs { ou: usize, usd: u32 },
    AccountIs { account: usize, usd: u32 },
    Targets { ou: usize },
    TimePasses,
    Deploy { prune: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let (pick, usd) = (0..100_usize, (1..6_u32).prop_map(|hundreds| hundreds * 100));
    prop_oneof![
        pick.clone().prop_map(|ou| Comes { ou }),
        (pick.clone(), pick.clone()).prop_map(|(account, ou)| Moves { account, ou }),
        pick.clone().prop_map(|account| IsSuspended { account }),
        usd.clone().prop_map(|usd| DefaultIs { usd }),
        (pick.clone(), usd.clone()).prop_map(|(ou, usd)| OuIs { ou, usd }),
        (pick.clone(), usd).prop_map(|(account, usd)| AccountIs { account, usd }),
        pick.prop_map(|ou| Targets { ou }),
        Just(TimePasses),
        any::<bool>().prop_map(|prune| Deploy { prune }),
        any::<bool>().prop_map(|prune| Deploy { prune }),
    ]
}

/// The config as it is just now.
struct Now {
    home: Home,
    ous: Vec<String>,
    targets: BTreeSet<String>,
    default: u32,
    rules: BTreeMap<(&'static str, String), u32>,
    came: usize,
}

impl Now {
    fn new(seed: u64, accounts: usize, ous: usize) -> Self {
        let home = Home::empty();
        home.run(&format!("sandbox new --seed {seed} --accounts {accounts} --ous {ous}"))
            .code(0);
        let mut ous: Vec<String> = home.world()["organizations"]["units"]
            .as_object()
            .map(|ous| ous.keys().cloned().collect())
            .unwrap_or_default();
        ous.sort();
        assert!(!ous.is_empty(), "the sandbox has units");
        let mut now = Self {
            home,
            targets: BTreeSet::from([ous[0].clone()]),
            ous,
            default: 100,
            rules: BTreeMap::new(),
            came: 0,
        };
        now.write();
        now.home.run("bootstrap --yes").code(0);
        now
    }

    fn write(&mut self) {
        let rules: Vec<(&str, &str, u32)> = self
            .rules
            .iter()
            .map(|((key, whose), usd)| (*key, whose.as_str(), *usd))
            .collect();
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        self.home.config(&config(&targets, self.default, &rules));
    }

    fn happens(&mut self, what: &Happening) {
        let members = members(&self.home);
        let member = |number: &usize| members[number % members.len()].clone();
        let ou = |number: &usize| self.ous[number % self.ous.len()].clone();
        match what {
            Happening::Comes { ou: number } => {
                self.came += 1;
                let line = format!("sandbox add-account --name came-{} --ou {}", self.came, ou(number));
                self.home.run(&line).code(0);
            }
            Happening::Moves { account, ou: number } => {
                let line = format!("sandbox move --account {} --ou {}", member(account), ou(number));
                // It may be there already.
                self.home.run(&line);
            }
            Happening::IsSuspended { account } => {
                // It may be already.
                self.home.run(&format!("sandbox suspend --account {}", member(account)));
            }
            Happening::DefaultIs { usd } => self.default = *usd,
            Happening::OuIs { ou: number, usd } => {
                self.rules.insert(("ou", ou(number)), *usd);
            }
            Happening::AccountIs { account, usd } => {
                self.rules.insert(("account", member(account)), *usd);
            }
            Happening::Targets { ou: number } => {
                let ou = ou(number);
                // At least one is left.
                if !self.targets.remove(&ou) || self.targets.is_empty() {
                    self.targets.insert(ou);
                }
            }
            Happening::TimePasses => {
                self.home.run("sandbox advance 1h").code(0);
            }
            Happening::Deploy { prune } => {
                let prune = if *prune { " --prune --yes" } else { "" };
                let ended = self.home.run(&format!("deploy{prune}"));
                // Whatever went wrong on the way: done, or a clear error.
                assert!(
                    ended.code == 0 || ended.code == 1 && ended.stderr.contains("error: "),
                    "{ended:?}"
                );
            }
        }
        self.write();
    }
}

/// Organisations, configs and orders of events at random, with faults all the while: once these are over, one deploy
/// makes everything right. `BILLCTL_CHAOS=200 cargo test chaos` plays so many.
#[test]
fn in_whatever_order_things_happen_one_deploy_makes_them_right() {
    let mut runner = at_random(6);
    let played = (
        any::<u64>(),
        3..25_usize,
        2..8_usize,
        prop::collection::vec(happening(), 4..16),
    );
    let result = runner.run(&played, |(seed, accounts, ous, happenings)| {
        let mut now = Now::new(seed % 1000, accounts, ous);
        for fault in ["throttle 15%", "server-error 5%", "timeout 5%", "drop 8%", "lag 3"] {
            now.home.run(&format!("sandbox fail {fault}")).code(0);
        }
        for happening in &happenings {
            now.happens(happening);
        }
        now.home.run("sandbox fail none").code(0);
        // So that there is somebody to be covered.
        let target = now.targets.first().expect("one is always left");
        let line = format!("sandbox add-account --name last --ou {target}");
        now.home.run(&line).code(0);
        now.home.run("sandbox advance 1h").code(0);
        now.home.run("deploy --prune --yes").code(0);
        assert_right(&now.home);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

//! The proposed thresholds, as the user gets them: a text that goes into config.toml.

use std::collections::BTreeMap;

use billctl::config::{Config, Measure};
use billctl::plan::Thresholds;
use billctl::render;
use billctl::spend::{Amount, Interval, SpendHistory, Subject, suggest};
use billctl_core::model::{Account, AccountId, AccountState, Organization, OrganizationalUnit, OuId, Usd};
use proptest::prelude::*;

/// An account: the number of its OU, its name, and what it spent each day, today last.
type Spent = (usize, String, Vec<Option<i64>>);

/// Names with everything that means something in TOML, in a path, or to a terminal.
const NAME: &str = "[a-c\"'\\\\#\\[\\]=/ \n\u{1b}\u{e9}]{1,8}";

fn ou_id(number: usize) -> OuId {
    match number {
        0 => "r-ab12".parse().unwrap(),
        _ => format!("ou-ab12-{number:08}").parse().unwrap(),
    }
}

/// A root, and OUs each of which is below one before it.
fn organization(ous: &[(usize, String)], accounts: &[Spent]) -> Organization {
    let root = OrganizationalUnit {
        id: ou_id(0),
        name: "Root".to_owned(),
        parent: None,
    };
    let below = ous.iter().enumerate().map(|(index, (parent, name))| {
        let number = index + 1;
        OrganizationalUnit {
            id: ou_id(number),
            name: name.clone(),
            parent: Some(ou_id(parent % number)),
        }
    });
    Organization::new(
        "o-a1b2c3d4e5".parse().unwrap(),
        account_id(0),
        std::iter::once(root).chain(below),
        accounts.iter().enumerate().map(|(index, (ou, name, _))| {
            let account = Account {
                id: account_id(index),
                name: name.clone(),
                email: "owner@example.com".to_owned(),
                state: AccountState::Active,
                joined: None,
            };
            (account, ou_id(ou % (ous.len() + 1)))
        }),
    )
}

fn account_id(index: usize) -> AccountId {
    AccountId::from_number(index as u64 + 1).unwrap()
}

fn history(days: &[Option<i64>]) -> SpendHistory {
    let amounts = days.iter().map(|cents| {
        cents.map(|cents| Amount {
            usd: Usd::from_micros(cents * 10_000),
            estimated: false,
        })
    });
    SpendHistory {
        days: amounts.collect(),
        ..SpendHistory::default()
    }
}

/// Up to forty days around a level, some unknown, some ten times as dear.
fn random_days() -> impl Strategy<Value = Vec<Option<i64>>> {
    (0_i64..300_000, 0_usize..40).prop_flat_map(|(level, days)| {
        let day = prop_oneof![
            8 => (level / 2..=level).prop_map(Some),
            1 => Just(Some(level * 10)),
            1 => Just(None),
        ];
        prop::collection::vec(day, days)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_snippet_in_config_toml_gives_every_account_what_its_history_needs(
        ous in prop::collection::vec((0_usize..6, NAME), 0..6),
        accounts in prop::collection::vec((0_usize..7, NAME, random_days()), 1..20),
        fixed in prop::option::of(1_i32..500),
    ) {
        let organization = organization(&ous, &accounts);
        let histories: Vec<(Subject, SpendHistory)> = accounts
            .iter()
            .enumerate()
            .map(|(index, (_, _, days))| (Subject::Account(account_id(index)), history(days)))
            .collect();
        let now = "2026-11-23T13:00:00Z".parse().unwrap();
        let fixed = fixed.map(Usd::dollars);
        let snippet = render::suggestion(&organization, &histories, Measure::Daily, fixed, now);

        let wanted: BTreeMap<AccountId, Usd> = histories
            .iter()
            .enumerate()
            .filter_map(|(index, (_, history))| {
                let whole = history.days.split_last().map_or(&[][..], |(_, whole)| whole);
                let own = suggest(whole, Interval::Day, Measure::Daily)?;
                Some((account_id(index), own.threshold))
            })
            .collect();
        if wanted.is_empty() {
            prop_assert!(!snippet.contains("[alarm]"), "{snippet}");
            return Ok(());
        }
        let text = format!("{snippet}\n\n[mail]\nfrom = \"billing@example.com\"\n");
        let config = Config::parse("config.toml", &text).map_err(|error| {
            TestCaseError::fail(format!("{error}\n{text}"))
        })?;
        if let Some(fixed) = fixed {
            prop_assert_eq!(config.alarm.threshold, fixed, "what others have stays");
        }
        let thresholds = Thresholds::resolve(&config, &organization)
            .map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{text}")))?;
        for (index, (_, _, days)) in accounts.iter().enumerate() {
            let id = account_id(index);
            let (_, parent) = organization.account(id).unwrap();
            let given = thresholds.of(id, parent, &organization);
            let Some(own) = wanted.get(&id) else {
                prop_assert!(snippet.contains(&format!("#   {id}")), "{id} is listed as too new");
                continue;
            };
            prop_assert!(given >= *own && given.micros() <= 2 * own.micros(), "{given} for {own}");
            // It wouldn't have cried wolf: but for the worst day, one day in ten at most was above.
            let whole = &days[..days.len() - 1];
            let known = whole.iter().flatten().count();
            let above = whole.iter().flatten().filter(|cents| **cents * 10_000 > given.micros());
            prop_assert!(above.count() <= 1 + known / 10);
        }
    }
}

#[test]
fn a_snippet_for_another_measure_says_which() {
    let accounts: Vec<Spent> = vec![(0, "web".to_owned(), vec![Some(1_000); 20])];
    let histories = [(Subject::Account(account_id(0)), history(&accounts[0].2))];
    let now = "2026-11-23T13:00:00Z".parse().unwrap();
    let organization = organization(&[], &accounts);
    let snippet = render::suggestion(&organization, &histories, Measure::MonthToDate, None, now);
    let text = format!("{snippet}\n\n[mail]\nfrom = \"billing@example.com\"\n");
    let config = Config::parse("config.toml", &text).unwrap();
    assert_eq!(config.alarm.measure, Measure::MonthToDate);
    // 10 x 31 x 1.25 = 387.50
    assert_eq!(config.alarm.threshold, Usd::dollars(400));
}

#[test]
fn an_account_that_is_closed_is_not_proposed_for() {
    let accounts: Vec<Spent> = vec![
        (0, "web".to_owned(), vec![Some(1_000); 20]),
        (0, "gone".to_owned(), vec![Some(900_000); 20]),
    ];
    let all = organization(&[], &accounts);
    let closed = Organization::new(
        all.id.clone(),
        all.management_account,
        all.ous().cloned(),
        all.accounts().map(|(account, parent)| {
            let state = match account.name.as_str() {
                "gone" => AccountState::Suspended,
                _ => AccountState::Active,
            };
            (
                Account {
                    state,
                    ..account.clone()
                },
                parent.clone(),
            )
        }),
    );
    let histories: Vec<(Subject, SpendHistory)> = (0..2)
        .map(|index| (Subject::Account(account_id(index)), history(&accounts[index].2)))
        .collect();
    let now = "2026-11-23T13:00:00Z".parse().unwrap();
    let snippet = render::suggestion(&closed, &histories, Measure::Daily, None, now);
    assert!(snippet.contains("threshold = 15"), "{snippet}");
    assert!(!snippet.contains("gone"), "{snippet}");
}

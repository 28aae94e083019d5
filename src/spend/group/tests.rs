use proptest::prelude::*;

use super::*;
use billctl_core::model::{Account, AccountState, OrganizationalUnit};

/// A root with OUs 0 to 4, of which 3 and 4 are below 0, and accounts in them.
fn organization(parents: &[usize]) -> Organization {
    let id = |index: usize| -> OuId {
        match index {
            5 => "r-ab12".parse().unwrap(),
            _ => format!("ou-ab12-{index:08}").parse().unwrap(),
        }
    };
    let ou = |index: usize, parent: Option<usize>| OrganizationalUnit {
        id: id(index),
        name: format!("ou{index}"),
        parent: parent.map(id),
    };
    let accounts = parents.iter().enumerate().map(|(number, parent)| {
        let account = Account {
            id: AccountId::from_number(number as u64 + 1).unwrap(),
            name: String::new(),
            email: String::new(),
            state: AccountState::Active,
            joined: None,
        };
        (account, id(*parent))
    });
    Organization::new(
        "o-a1b2c3d4e5".parse().unwrap(),
        AccountId::from_number(1).unwrap(),
        [
            ou(5, None),
            ou(0, Some(5)),
            ou(1, Some(5)),
            ou(2, Some(5)),
            ou(3, Some(0)),
            ou(4, Some(0)),
        ],
        accounts,
    )
}

fn own(dollars: &[i32]) -> BTreeMap<AccountId, Usd> {
    let ids = (1..).filter_map(AccountId::from_number);
    ids.zip(dollars.iter().map(|dollars| Usd::dollars(*dollars))).collect()
}

/// What an account gets: the most specific rule wins.
fn resolve(organization: &Organization, default: Usd, rules: &[GroupedThreshold], account: AccountId) -> Usd {
    let of_account = rules.iter().find_map(|rule| match rule {
        GroupedThreshold::Account(id, usd) if *id == account => Some(*usd),
        _ => None,
    });
    let (_, parent) = organization.account(account).unwrap();
    let of_ou = organization.ancestry(parent).find_map(|ou| {
        rules.iter().find_map(|rule| match rule {
            GroupedThreshold::Ou(id, usd) if id == ou => Some(*usd),
            _ => None,
        })
    });
    of_account.or(of_ou).unwrap_or(default)
}

#[test]
fn one_value_that_serves_everybody_is_the_default_alone() {
    let organization = organization(&[0, 1, 2, 3]);
    let grouped = group(&organization, &own(&[60, 100, 80, 50]), None);
    assert_eq!(grouped, Some((Usd::dollars(100), vec![])));
}

#[test]
fn an_ou_of_its_own_kind_gets_one_rule() {
    let organization = organization(&[0, 0, 3, 4, 1, 2, 2]);
    let (default, rules) = group(&organization, &own(&[500, 600, 500, 800, 10, 12, 15]), None).unwrap();
    assert_eq!(default, Usd::dollars(15));
    let ou = "ou-ab12-00000000".parse().unwrap();
    assert_eq!(rules, [GroupedThreshold::Ou(ou, Usd::dollars(800))]);
}

#[test]
fn an_account_unlike_its_siblings_gets_a_rule_of_its_own() {
    let organization = organization(&[0, 0, 0, 1]);
    let (default, rules) = group(&organization, &own(&[10, 10, 5_000, 12]), None).unwrap();
    assert_eq!(default, Usd::dollars(12));
    let account = AccountId::from_number(3).unwrap();
    assert_eq!(rules, [GroupedThreshold::Account(account, Usd::dollars(5_000))]);
}

#[test]
fn nobody_to_serve_needs_no_rules() {
    assert_eq!(group(&organization(&[0]), &BTreeMap::new(), None), None);
}

proptest! {
    #[test]
    fn every_account_is_served_by_no_more_rules_than_exceptions_to_one_value(
        accounts in prop::collection::vec((0_usize..6, 0_usize..8), 1..40),
        fixed in prop::option::of(1_i32..2_000),
    ) {
        let ladder = [5, 8, 12, 20, 50, 100, 150, 1_000];
        let parents: Vec<usize> = accounts.iter().map(|(parent, _)| *parent).collect();
        let dollars: Vec<i32> = accounts.iter().map(|(_, step)| ladder[*step]).collect();
        let organization = organization(&parents);
        let own = own(&dollars);
        let (default, rules) = group(&organization, &own, fixed.map(Usd::dollars)).unwrap();
        for (account, usd) in &own {
            let given = resolve(&organization, default, &rules, *account);
            prop_assert!(given >= *usd && given.micros() <= 2 * usd.micros(), "{account}: {given} for {usd}");
        }
        let plain = ladder
            .iter()
            .filter(|_| fixed.is_none())
            .map(|value| dollars.iter().filter(|own| !(**own..=2 * **own).contains(value)).count())
            .min()
            .unwrap_or(usize::MAX);
        prop_assert!(rules.len() <= plain, "{} rules where {plain} exceptions do", rules.len());
    }
}

/// The fewest rules that serve everybody, by trying every value for every OU.
fn fewest_by_trial(organization: &Organization, own: &BTreeMap<AccountId, Usd>) -> usize {
    let values: BTreeSet<Usd> = own.values().copied().collect();
    let ous: Vec<OuId> = organization
        .ous()
        .filter(|ou| ou.parent.is_some())
        .map(|ou| ou.id.clone())
        .collect();
    let choices: Vec<Option<Usd>> = std::iter::once(None).chain(values.iter().copied().map(Some)).collect();
    let mut fewest = usize::MAX;
    for default in &values {
        for mut number in 0..choices.len().pow(ous.len() as u32) {
            let mut rules = Vec::new();
            for ou in &ous {
                if let Some(usd) = choices[number % choices.len()] {
                    rules.push(GroupedThreshold::Ou(ou.clone(), usd));
                }
                number /= choices.len();
            }
            let exceptions = own.iter().filter(|(account, usd)| {
                let given = resolve(organization, *default, &rules, **account);
                given < **usd || given.micros() > 2 * usd.micros()
            });
            fewest = fewest.min(rules.len() + exceptions.count());
        }
    }
    fewest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_other_rules_are_fewer(accounts in prop::collection::vec((0_usize..6, 0_usize..3), 1..9)) {
        let parents: Vec<usize> = accounts.iter().map(|(parent, _)| *parent).collect();
        let dollars: Vec<i32> = accounts.iter().map(|(_, step)| [10, 25, 60][*step]).collect();
        let organization = organization(&parents);
        let own = own(&dollars);
        let (_, rules) = group(&organization, &own, None).unwrap();
        prop_assert_eq!(rules.len(), fewest_by_trial(&organization, &own));
    }
}

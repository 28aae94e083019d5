//! What a plan says, by example. That the real apply makes of it what was wanted, and touches nothing else, is the
//! property of `apply::rollout_loop`.

use super::*;
use crate::config::{Config, ThresholdRule, ThresholdTarget};
use crate::plan::Thresholds;
use billctl_core::model::{Account, AccountState, OrganizationalUnit};
use billctl_core::service::cloudformation::AccountFilter;

fn id(number: usize) -> AccountId {
    AccountId::from_number(100_000_000_000 + number as u64).unwrap()
}

fn ou(number: usize) -> OuId {
    let id = match number {
        0 => "r-ab12".to_owned(),
        _ => format!("ou-ab12-{number:08}"),
    };
    id.parse().unwrap()
}

/// OUs right below the root, each with so many accounts after the management account; one has its own threshold.
fn planned(ous: usize, accounts_each: usize, targets: &[usize], special: Option<usize>) -> Rollout {
    let unit = |number: usize| OrganizationalUnit {
        id: ou(number),
        name: format!("ou{number}"),
        parent: (number > 0).then(|| ou(0)),
    };
    let account = |number: usize| Account {
        id: id(number),
        name: format!("account{number}"),
        email: String::new(),
        state: AccountState::Active,
        joined: None,
    };
    let members = (0..ous * accounts_each).map(|number| (account(number + 1), ou(number / accounts_each + 1)));
    let accounts = std::iter::once((account(0), ou(0))).chain(members);
    let organization = Organization::new("o-a1b2c3d4e5".parse().unwrap(), id(0), (0..=ous).map(unit), accounts);
    let mut config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").unwrap();
    config.deploy.ous = targets.iter().map(|number| ou(*number).to_string()).collect();
    let rule = special.map(|number| ThresholdRule {
        target: ThresholdTarget::Account(id(number)),
        usd: Usd::dollars(300),
    });
    config.thresholds = rule.into_iter().collect();
    let thresholds = Thresholds::resolve(&config, &organization).unwrap();
    let spec = stack_set::desired(&config, id(0));
    let desired = Desired::new(&config, spec, &organization, &thresholds, &Scope::default()).unwrap();
    plan(&desired, &Observed::default(), &organization, &Options::default())
}

#[test]
fn overrides_come_before_the_rest_of_their_ou() {
    let rollout = planned(1, 3, &[1], Some(2));
    let titles: Vec<String> = rollout.steps.iter().map(|step| step.title("billctl")).collect();
    assert_eq!(
        titles,
        [
            "create StackSet billctl",
            "create the alarm in 1 account with threshold $300.00",
            "create the alarm in 2 accounts with the default threshold",
        ]
    );
    let Step::Instances(rest) = &rollout.steps[2] else {
        panic!("not an operation")
    };
    assert_eq!(rest.targets.accounts, AccountFilter::Difference(vec![id(2)]));
}

#[test]
fn more_than_fifty_ous_go_in_several_operations() {
    let targets: Vec<usize> = (1..=60).collect();
    let rollout = planned(60, 1, &targets, None);
    let size = |step: &Step| match step {
        Step::Instances(step) => Some(step.targets.ous.len()),
        _ => None,
    };
    let sizes: Vec<usize> = rollout.steps.iter().filter_map(size).collect();
    assert_eq!(sizes, [50, 10]);
}

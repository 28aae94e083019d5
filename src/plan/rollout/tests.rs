mod engine;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use self::engine::{Engine, instance, live};
use super::*;
use crate::config::{Config, ThresholdRule, ThresholdTarget};
use crate::plan::Thresholds;
use crate::plan::operation_id::Mark;
use billctl_core::model::{Account, AccountState, OrganizationalUnit};
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, DriftStatus, OperationId, Parameters, StackInstance, StackSet, Targets,
};

fn spec(default: Usd) -> StackSetSpec {
    StackSetSpec {
        name: "billctl".into(),
        description: String::new(),
        template: "Resources: {}".into(),
        parameters: Parameters::from([(stack_set::THRESHOLD.into(), default.to_decimal())]),
        tags: Default::default(),
        auto_deployment: AutoDeployment {
            enabled: true,
            retain_stacks: false,
        },
    }
}

fn id(number: usize) -> AccountId {
    AccountId::from_number(100_000_000_000 + number as u64).unwrap()
}

fn ou(number: usize) -> OuId {
    if number == 0 {
        "r-ab12".parse().unwrap()
    } else {
        format!("ou-ab12-{number:08}").parse().unwrap()
    }
}

/// Everything that a case is made of, as numbers that proptest can shrink.
#[derive(Debug, Clone)]
struct Case {
    parents: Vec<usize>,
    accounts: Vec<(usize, u8)>,
    default: u8,
    live_default: Option<u8>,
    ou_rules: BTreeMap<usize, u8>,
    account_rules: BTreeMap<usize, u8>,
    excluded: BTreeSet<usize>,
    targets: BTreeSet<usize>,
    instances: BTreeMap<usize, (Option<u8>, u8, u8)>,
    prune: bool,
    named: BTreeSet<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let threshold = 1..4u8;
    (
        proptest::collection::vec(0..8usize, 1..8),
        proptest::collection::vec((0..8usize, 0..10u8), 1..20),
        threshold.clone(),
        proptest::option::of(threshold.clone()),
        proptest::collection::btree_map(0..8usize, threshold.clone(), 0..3),
        proptest::collection::btree_map(0..20usize, threshold.clone(), 0..4),
        proptest::collection::btree_set(0..20usize, 0..3),
        proptest::collection::btree_set(0..8usize, 1..3),
        proptest::collection::btree_map(0..20usize, (proptest::option::of(threshold), 0..10u8, 0..4u8), 0..15),
        (any::<bool>(), proptest::collection::btree_set(0..20usize, 0..2)),
    )
        .prop_map(
            |(
                parents,
                accounts,
                default,
                live_default,
                ou_rules,
                account_rules,
                excluded,
                targets,
                instances,
                (prune, named),
            )| Case {
                parents,
                accounts,
                default,
                live_default,
                ou_rules,
                account_rules,
                excluded,
                targets,
                instances,
                prune,
                named,
            },
        )
}

fn usd(number: u8) -> Usd {
    Usd::dollars(i32::from(number) * 100)
}

impl Case {
    fn organization(&self) -> Organization {
        let unit = |number: usize, parent: Option<usize>| OrganizationalUnit {
            id: ou(number),
            name: if number == 0 {
                "Root".into()
            } else {
                format!("ou{number}")
            },
            parent: parent.map(ou),
        };
        let ous = std::iter::once(unit(0, None)).chain(
            self.parents
                .iter()
                .enumerate()
                // Each OU hangs below one made before it, so there is no cycle.
                .map(|(index, parent)| unit(index + 1, Some(parent % (index + 1)))),
        );
        let accounts = self.accounts.iter().enumerate().map(|(index, (parent, state))| {
            let account = Account {
                id: id(index),
                name: format!("account{index}"),
                email: String::new(),
                state: if *state == 0 && index > 0 {
                    AccountState::Suspended
                } else {
                    AccountState::Active
                },
            };
            (account, ou(parent % (self.parents.len() + 1)))
        });
        Organization::new("o-a1b2c3d4e5".parse().unwrap(), id(0), ous, accounts)
    }

    fn config(&self) -> Config {
        let ous = self.parents.len() + 1;
        let rule = |target, number: u8| ThresholdRule {
            target,
            usd: usd(number),
        };
        let mut thresholds: Vec<ThresholdRule> = Vec::new();
        for (number, threshold) in &self.ou_rules {
            if *number < ous {
                thresholds.push(rule(ThresholdTarget::Ou(ou(*number).to_string()), *threshold));
            }
        }
        for (number, threshold) in &self.account_rules {
            if *number < self.accounts.len() {
                thresholds.push(rule(ThresholdTarget::Account(id(*number)), *threshold));
            }
        }
        let targets: BTreeSet<usize> = self.targets.iter().map(|number| number % ous).collect();
        let mut config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").unwrap();
        config.alarm.threshold = usd(self.default);
        config.thresholds = thresholds;
        config.deploy.ous = targets.iter().map(|number| ou(*number).to_string()).collect();
        config.deploy.exclude_accounts = self.excluded.iter().map(|number| id(*number)).collect();
        config
    }

    fn engine(&self) -> Engine {
        let Some(default) = self.live_default else {
            return Engine::default();
        };
        let mut engine = Engine {
            stack_set: Some(live(&spec(usd(default)))),
            ..Engine::default()
        };
        for (number, (threshold, status, last)) in &self.instances {
            if *number == 0 || *number >= self.accounts.len() {
                continue;
            }
            let threshold = threshold.map(usd);
            let mut listed = instance(
                id(*number),
                match status {
                    0 => InstanceStatus::Outdated,
                    1 => InstanceStatus::Inoperable,
                    _ => InstanceStatus::Current,
                },
            );
            // What billctl's own operations leave behind is true; anything else says nothing.
            listed.last_operation = match last {
                0 => None,
                1 => Some(OperationId("3f1c0b2e-foreign".into())),
                2 => Some(Mark::Drift.operation_id("before")),
                _ => Some(Mark::Override(threshold).operation_id("before")),
            };
            if listed.status == InstanceStatus::Outdated && *last == 0 {
                listed.stack_id = None;
            }
            engine.instances.insert(id(*number), (listed, threshold));
        }
        engine
    }

    fn desired(&self, config: &Config, organization: &Organization) -> Desired {
        let thresholds = Thresholds::resolve(config, organization).unwrap();
        let scope = Scope {
            ous: Vec::new(),
            accounts: self.named.iter().map(|number| id(*number)).collect(),
        };
        Desired::new(config, spec(config.alarm.threshold), organization, &thresholds, &scope).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_reaches_what_is_wanted_and_then_there_is_nothing_left(case in case()) {
        let organization = case.organization();
        let config = case.config();
        let desired = case.desired(&config, &organization);
        let options = Options { prune: case.prune, recreate: BTreeSet::new() };
        let mut engine = case.engine();

        let observed = engine.observed(&desired);
        let rollout = plan(&desired, &observed, &organization, &options);
        engine.apply(&rollout, &observed, &organization);

        engine.assert_reached(&desired);
        engine.assert_true();
        let again = plan(&desired, &engine.observed(&desired), &organization, &options);
        prop_assert!(again.is_empty(), "left over: {:?}", again.steps);
        // What was foreseen for the next wave is what has come.
        let foreseen = observed.after(&rollout);
        let then = plan(&desired, &foreseen, &organization, &options);
        prop_assert!(then.is_empty(), "foreseen: {:?}", then.steps);
    }

}

proptest! {
    // Fewer cases: each is three runs.
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_died_anywhere_hides_no_override(
        case in case(),
        steps in 0..8usize,
        failing in proptest::collection::btree_set(0..20usize, 0..3),
        then in case(),
    ) {
        let organization = case.organization();
        let config = case.config();
        let desired = case.desired(&config, &organization);
        let options = Options { prune: case.prune, recreate: BTreeSet::new() };
        let mut engine = case.engine();
        let failing = failing.into_iter().map(id).collect();

        let observed = engine.observed(&desired);
        let rollout = plan(&desired, &observed, &organization, &options);
        engine.apply_until(&rollout, &observed, &organization, steps, &failing);
        engine.assert_true();

        // The next run wants the same, or what somebody has made of the config meanwhile.
        let other = Case { parents: case.parents.clone(), accounts: case.accounts.clone(), ..then };
        for (config, scope) in [(other.config(), &other), (config, &case)] {
            let desired = scope.desired(&config, &organization);
            let observed = engine.observed(&desired);
            let rollout = plan(&desired, &observed, &organization, &options);
            engine.apply(&rollout, &observed, &organization);
            engine.assert_reached(&desired);
            engine.assert_true();
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_account_outside_the_difference_is_in_any_operation(case in case()) {
        // A change of the StackSet itself touches every instance, and the plan says so: not the question here.
        let case = Case { live_default: case.live_default.map(|_| case.default), ..case };
        let organization = case.organization();
        let config = case.config();
        let desired = case.desired(&config, &organization);
        let mut engine = case.engine();
        let observed = engine.observed(&desired);
        let options = Options { prune: case.prune, recreate: BTreeSet::new() };

        let rollout = plan(&desired, &observed, &organization, &options);
        engine.apply(&rollout, &observed, &organization);

        let differing: BTreeSet<AccountId> = rollout
            .accounts
            .iter()
            .filter(|(_, change)| !matches!(change, AccountChange::Leave { .. } | AccountChange::Skip { .. }))
            .map(|(account, _)| *account)
            .collect();
        prop_assert_eq!(engine.touched, differing);
    }
}

#[test]
fn overrides_come_before_the_rest_of_their_ou() {
    let case = Case {
        parents: vec![0],
        accounts: vec![(0, 1), (1, 1), (1, 1), (1, 1)],
        default: 1,
        live_default: None,
        ou_rules: BTreeMap::new(),
        account_rules: BTreeMap::from([(2, 3)]),
        excluded: BTreeSet::new(),
        targets: BTreeSet::from([1]),
        instances: BTreeMap::new(),
        prune: false,
        named: BTreeSet::new(),
    };
    let organization = case.organization();
    let config = case.config();
    let desired = case.desired(&config, &organization);
    let rollout = plan(&desired, &Observed::default(), &organization, &Options::default());
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
    let case = Case {
        parents: vec![0; 60],
        accounts: std::iter::once((0, 1)).chain((1..=60).map(|ou| (ou, 1))).collect(),
        default: 1,
        live_default: None,
        ou_rules: BTreeMap::new(),
        account_rules: BTreeMap::new(),
        excluded: BTreeSet::new(),
        targets: (1..=60).collect(),
        instances: BTreeMap::new(),
        prune: false,
        named: BTreeSet::new(),
    };
    let organization = case.organization();
    let config = case.config();
    let desired = case.desired(&config, &organization);
    let rollout = plan(&desired, &Observed::default(), &organization, &Options::default());
    let sizes: Vec<usize> = rollout
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Instances(step) => Some(step.targets.ous.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [50, 10]);
}

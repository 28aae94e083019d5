//! Organisations, configs, scopes and histories at random, through the real apply on the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set};
use proptest::option::{of, weighted};
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Measure, ThresholdRule, ThresholdTarget};
use crate::observe;
use crate::plan::Thresholds;
use crate::plan::rollout::{AccountChange, Desired, Extent, Options, Override, Scope, Step, plan};
use crate::resource::stack_set;
use billctl_core::event::NullListener;
use billctl_core::model::{AccountId, AccountState, Organization, OuId, Usd};
use billctl_core::service::cloudformation::{
    AccountFilter, ConcurrencyMode, CountOrPercent, InstanceStatus, InstancesRequest, OperationId, OrganizationsAccess,
    Targets,
};
use billctl_core::service::cloudwatch::Alarm;
use billctl_sandbox::seed::{self, Shape};
use billctl_sandbox::{Sandbox, World};

const EASY: Preferences = Preferences {
    tolerance: CountOrPercent::Percent(100),
    concurrency: CountOrPercent::Percent(100),
    mode: ConcurrencyMode::Soft,
};
const STRICT: Preferences = Preferences {
    tolerance: CountOrPercent::Count(0),
    concurrency: CountOrPercent::Count(1),
    mode: ConcurrencyMode::Strict,
};
const SET: &str = "billctl";

/// A config, as numbers that proptest can shrink; they pick among what there is.
#[derive(Debug, Clone)]
struct Wish {
    default: u8,
    ous: BTreeMap<usize, u8>,
    accounts: BTreeMap<usize, u8>,
    excluded: BTreeSet<usize>,
    targets: BTreeSet<usize>,
    six_hourly: bool,
    auto: bool,
}

prop_compose! {
    fn wish()(
        default in 1..4_u8,
        ous in btree_map(0..8_usize, 1..4_u8, 0..3),
        accounts in btree_map(0..20_usize, 1..4_u8, 0..4),
        excluded in btree_set(0..20_usize, 0..2),
        targets in btree_set(0..8_usize, 1..4),
        six_hourly in any::<bool>(),
        auto in any::<bool>(),
    ) -> Wish {
        Wish { default, ous, accounts, excluded, targets, six_hourly, auto }
    }
}

/// What a run is about: by default everything.
#[derive(Debug, Clone, Default)]
struct Asked {
    ous: Option<BTreeSet<usize>>,
    accounts: Option<BTreeSet<usize>>,
    recreate: Option<usize>,
    wave: bool,
    all_instances: bool,
    prune: bool,
}

prop_compose! {
    fn asked()(
        ous in of(btree_set(0..8_usize, 1..3)),
        accounts in weighted(0.3, btree_set(0..20_usize, 1..4)),
        recreate in weighted(0.2, 0..20_usize),
        wave in any::<bool>(),
        all_instances in proptest::bool::weighted(0.2),
        prune in any::<bool>(),
    ) -> Asked {
        Asked { ous, accounts, recreate, wave, all_instances, prune }
    }
}

impl Asked {
    fn extent(&self) -> Extent {
        match (&self.ous, self.wave) {
            _ if self.accounts.is_some() || self.recreate.is_some() => Extent::Accounts,
            (Some(_), true) => Extent::Wave,
            (Some(_), false) => Extent::Accounts,
            (None, _) => Extent::Everything,
        }
    }

    /// All but what is made anew.
    fn options(&self) -> Options {
        Options {
            prune: self.prune,
            extent: self.extent(),
            all_instances: self.all_instances,
            ..Options::default()
        }
    }
}

fn usd(number: u8) -> Usd {
    Usd::dollars(i32::from(number) * 100)
}

struct Stage {
    sandbox: Sandbox,
    services: Services,
    ous: Vec<OuId>,
    members: Vec<AccountId>,
}

impl Stage {
    fn new(shape: &Shape) -> Self {
        let mut world = seed::world(shape);
        world.cloudformation.access = OrganizationsAccess::Enabled;
        let management = world.management_account();
        let mut ous: Vec<OuId> = world.organizations.ous().map(|ou| ou.id).collect();
        ous.sort();
        let accounts = world.organizations.account_ids();
        let members = accounts.filter(|id| *id != management).collect();
        let sandbox = Sandbox::in_memory(world);
        Self {
            services: sandbox.services(),
            sandbox,
            ous,
            members,
        }
    }

    fn ou(&self, number: usize) -> OuId {
        self.ous[number % self.ous.len()].clone()
    }

    fn member(&self, number: usize) -> AccountId {
        self.members[number % self.members.len()]
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        let done = self.sandbox.change(|world| {
            change(world);
            Ok(())
        });
        done.unwrap();
    }

    fn organization(&self) -> Organization {
        self.sandbox.peek(|world| world.organizations.organization())
    }

    fn config(&self, wish: &Wish) -> Config {
        let mut config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").unwrap();
        let rule = |target, number: u8| ThresholdRule {
            target,
            usd: usd(number),
        };
        // Several numbers can pick the same OU or account: the last one counts.
        let ous: BTreeMap<OuId, u8> = wish.ous.iter().map(|(ou, number)| (self.ou(*ou), *number)).collect();
        let accounts = wish
            .accounts
            .iter()
            .map(|(account, number)| (self.member(*account), *number));
        let accounts: BTreeMap<AccountId, u8> = accounts.collect();
        let of_ous = ous
            .iter()
            .map(|(ou, number)| rule(ThresholdTarget::Ou(ou.to_string()), *number));
        let of_accounts = accounts
            .iter()
            .map(|(account, number)| rule(ThresholdTarget::Account(*account), *number));
        config.thresholds = of_ous.chain(of_accounts).collect();
        config.alarm.threshold = usd(wish.default);
        if wish.six_hourly {
            config.alarm.measure = Measure::SixHourly;
        }
        let targets: BTreeSet<OuId> = wish.targets.iter().map(|number| self.ou(*number)).collect();
        config.deploy.ous = targets.iter().map(OuId::to_string).collect();
        config.deploy.exclude_accounts = wish.excluded.iter().map(|number| self.member(*number)).collect();
        config.deploy.auto_deploy = wish.auto;
        config
    }

    fn desired(&self, wish: &Wish, asked: &Asked) -> Desired {
        let (organization, config) = (self.organization(), self.config(wish));
        let thresholds = Thresholds::resolve(&config, &organization).unwrap();
        let spec = stack_set::desired(&config, organization.management_account);
        let named = asked.accounts.iter().flatten().chain(&asked.recreate);
        let named: BTreeSet<AccountId> = named.map(|number| self.member(*number)).collect();
        let ous = asked.ous.iter().flatten();
        let scope = Scope {
            ous: ous.map(|number| self.ou(*number).to_string()).collect(),
            accounts: (!named.is_empty()).then_some(named),
        };
        let mut desired = Desired::new(&config, spec, &organization, &thresholds, &scope).unwrap();
        if asked.extent() == Extent::Everything {
            desired.scope = None;
        }
        desired
    }

    /// As `deploy` looks.
    async fn observed(&self, desired: &Desired, asked: &Asked) -> Observed {
        let mut observed = observe::stack_set::observe(&self.services, SET).await.unwrap();
        observe::stack_set::read_overrides(&self.services, SET, &mut observed, |account| {
            asked.all_instances || desired.accounts.contains_key(&account)
        })
        .await
        .unwrap();
        observed
    }

    async fn planned(&self, wish: &Wish, asked: &Asked, recreate: bool) -> (Desired, Observed, Rollout) {
        let desired = self.desired(wish, asked);
        let observed = self.observed(&desired, asked).await;
        let recreate = asked.recreate.filter(|_| recreate).and_then(|number| {
            let account = self.member(number);
            let instance = observed.instances.get(&account)?;
            Some((account, instance.listed.last_operation.clone()))
        });
        let options = Options {
            recreate: recreate.into_iter().collect(),
            ..asked.options()
        };
        let rollout = plan(&desired, &observed, &self.organization(), &options);
        (desired, observed, rollout)
    }

    async fn carry_out(&self, observed: Observed, rollout: Rollout, preferences: &Preferences) -> Report {
        let first = Some((observed, rollout));
        let afresh = async || panic!("nobody else is here");
        RolloutLoop::new(&self.services, &NullListener, SET, Wait::Finish)
            .carry_out(preferences, first, afresh, async |_| Ok(()))
            .await
            .unwrap()
    }

    async fn deploy(&self, wish: &Wish, asked: &Asked) -> Rollout {
        let (_, observed, rollout) = self.planned(wish, asked, true).await;
        self.carry_out(observed, rollout.clone(), &EASY).await;
        rollout
    }

    /// Somebody else's tool gives some accounts an override.
    async fn meddle(&self, accounts: &BTreeSet<usize>, number: u8) {
        let there: BTreeSet<AccountId> = self.last().into_keys().collect();
        let named: BTreeSet<AccountId> = accounts.iter().map(|number| self.member(*number)).collect();
        let named: Vec<AccountId> = named.intersection(&there).copied().collect();
        if named.is_empty() {
            return;
        }
        let overrides = BTreeMap::from([(stack_set::THRESHOLD.into(), usd(number).to_decimal())]);
        let request = InstancesRequest {
            stack_set: SET.into(),
            targets: Targets {
                ous: vec![self.sandbox.peek(|world| world.organizations.root().clone())],
                accounts: AccountFilter::Intersection(named),
            },
            overrides: Some(overrides),
            preferences: EASY,
            operation_id: OperationId("3f1c0b2e-foreign".into()),
        };
        let cloudformation = &self.services.cloudformation;
        cloudformation.update_stack_instances(&request).await.unwrap();
        self.services.clock.sleep(std::time::Duration::from_secs(600)).await;
    }

    /// Each instance's last operation.
    fn last(&self) -> BTreeMap<AccountId, Option<OperationId>> {
        let instances = self.sandbox.peek(|world| world.cloudformation.instances(SET));
        let last = instances
            .into_iter()
            .map(|(listed, _)| (listed.account, listed.last_operation));
        last.collect()
    }

    /// Every alarm there is, as it really is.
    fn alarms(&self) -> BTreeMap<AccountId, Alarm> {
        self.sandbox.peek(|world| {
            self.members
                .iter()
                .filter_map(|id| Some((*id, (*world.member_alarm(*id)?.0).clone())))
                .collect()
        })
    }

    fn is_active(&self, account: AccountId) -> bool {
        let state = self.sandbox.peek(|world| world.organizations.account_state(account));
        state == Some(AccountState::Active)
    }

    /// That every account of the run has what is wanted.
    fn assert_reached(&self, desired: &Desired) {
        let alarms = self.alarms();
        let instances = self.sandbox.peek(|world| world.cloudformation.instances(SET));
        let status: BTreeMap<_, _> = instances.iter().map(|(one, _)| (one.account, one.status)).collect();
        for (account, wanted) in &desired.accounts {
            let threshold = alarms.get(account).map(|alarm| alarm.threshold);
            assert_eq!(threshold, Some(wanted.threshold.to_f64()), "account {account}");
            assert_eq!(status.get(account), Some(&InstanceStatus::Current), "account {account}");
        }
    }

    /// That no instance is believed to have another override than it has.
    fn assert_true(&self) {
        let instances = self.sandbox.peek(|world| world.cloudformation.instances(SET));
        let listed = instances.iter().map(|(listed, _)| listed.clone());
        let believed = Observed::from_listing(None, listed).instances;
        for (listed, overrides) in &instances {
            if let Override::Known(known) = believed[&listed.account].threshold {
                assert_eq!(known, stack_set::threshold(overrides), "account {}", listed.account);
            }
        }
    }
}

prop_compose! {
    fn shape()(accounts in 3..18_usize, ous in 1..7_usize, depth in 1..4_usize, seed in any::<u64>()) -> Shape {
        Shape { accounts, ous, depth, seed }
    }
}

/// What is there before the run.
#[derive(Debug, Clone)]
struct History {
    before: Option<Wish>,
    meddled: (BTreeSet<usize>, u8),
    suspended: Option<usize>,
}

prop_compose! {
    fn history()(
        before in weighted(0.9, wish()),
        meddled in (btree_set(0..20_usize, 0..4), 1..4_u8),
        suspended in weighted(0.3, 0..20_usize),
    ) -> History {
        History { before, meddled, suspended }
    }
}

async fn staged(shape: &Shape, history: &History) -> Stage {
    let stage = Stage::new(shape);
    if let Some(before) = &history.before {
        stage.deploy(before, &Asked::default()).await;
        stage.meddle(&history.meddled.0, history.meddled.1).await;
    }
    if let Some(number) = history.suspended {
        let account = stage.member(number);
        stage.change(|world| world.set_account_state(account, AccountState::Suspended).unwrap());
    }
    stage
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

/// The accounts that something happens to.
fn named(rollout: &Rollout) -> BTreeSet<AccountId> {
    let stays = |change: &AccountChange| matches!(change, AccountChange::Leave { .. } | AccountChange::Skip { .. });
    let changes = rollout.accounts.iter().filter(|(_, change)| !stays(change));
    changes.map(|(account, _)| *account).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_run_reaches_what_is_wanted_and_changes_nothing_that_its_plan_does_not_name(
        shape in shape(),
        history in history(),
        wish in wish(),
        asked in asked(),
    ) {
        block_on(async {
            let stage = staged(&shape, &history).await;
            let (desired, observed, rollout) = stage.planned(&wish, &asked, true).await;
            let (alarms, last) = (stage.alarms(), stage.last());
            let report = stage.carry_out(observed.clone(), rollout.clone(), &EASY).await;
            assert!(!report.has_failures(), "{report:?}");

            stage.assert_reached(&desired);
            stage.assert_true();
            // What the plan names is what was touched. Suspended accounts AWS skips by itself.
            let named = named(&rollout);
            let now = stage.last();
            let touched = stage.members.iter().copied().filter(|id| last.get(id) != now.get(id));
            let touched: BTreeSet<AccountId> = touched.filter(|id| stage.is_active(*id)).collect();
            let named_active: BTreeSet<AccountId> = named.iter().copied().filter(|id| stage.is_active(*id)).collect();
            assert_eq!(touched, named_active);
            // Every other alarm is as it was.
            let alarms_now = stage.alarms();
            for account in stage.members.iter().filter(|id| !named.contains(id)) {
                assert_eq!(alarms.get(account), alarms_now.get(account), "account {account}");
            }
            // The plan names only what the run is about, unless it says that it takes all along.
            let switches = rollout.stack_set.iter().any(|change| change.field == stack_set::AUTO_DEPLOYMENT);
            if !asked.all_instances && !switches {
                let removed: BTreeSet<AccountId> = rollout.removed().collect();
                match &desired.scope {
                    Some(scope) => assert!(named.is_subset(scope), "{named:?} in {scope:?}"),
                    None if desired.accounts.keys().any(|id| observed.instances.contains_key(id)) => {
                        assert!(named.iter().all(|id| desired.accounts.contains_key(id) || removed.contains(id)));
                    }
                    None => {}
                }
            }
            // In a scope the StackSet's default stays, and nobody else's alarm will be another one later.
            if let (Some(live), Extent::Accounts | Extent::Wave) = (&observed.stack_set, asked.extent()) {
                let then = stage.services.cloudformation.describe_stack_set(SET).await.unwrap();
                assert_eq!(stack_set::threshold(&live.parameters), stack_set::threshold(&then.parameters));
            }

            // Then there is nothing left; a wave that had nobody to try a template on may have one more go.
            let waits = asked.extent() == Extent::Wave && rollout.stack_set.is_empty();
            let foreseen = observed.after(&rollout);
            if waits {
                stage.deploy(&wish, &asked).await;
            }
            let (_, _, again) = stage.planned(&wish, &asked, false).await;
            assert!(again.is_empty(), "left over: {:?}", again.steps);
            if !waits {
                let then = plan(&desired, &foreseen, &stage.organization(), &asked.options());
                assert!(then.is_empty(), "foreseen: {:?}", then.steps);
            }
        });
    }

    #[test]
    fn a_run_that_failed_or_died_anywhere_is_finished_by_the_next(
        shape in shape(),
        history in history(),
        wish in wish(),
        asked in asked(),
        steps in 0..8_usize,
        failing in btree_set(0..20_usize, 0..3),
        other in wish(),
    ) {
        block_on(async {
            let stage = staged(&shape, &history).await;
            // A removal that fails leaves a stack that nobody but a person can remove.
            let asked = match failing.is_empty() {
                true => asked,
                false => Asked { recreate: None, prune: false, ..asked },
            };
            let failing: Vec<AccountId> = failing.iter().map(|number| stage.member(*number)).collect();
            stage.change(|world| {
                let reasons = failing.iter().map(|account| (*account, "something odd".to_owned()));
                world.faults.accounts.extend(reasons);
            });
            let (_, observed, mut rollout) = stage.planned(&wish, &asked, true).await;
            rollout.steps.truncate(steps);
            stage.carry_out(observed, rollout, &STRICT).await;
            stage.assert_true();
            stage.change(|world| world.faults.accounts.clear());

            // The next run wants the same, or what somebody has made of the config meanwhile.
            for wish in [&other, &wish] {
                stage.deploy(wish, &Asked::default()).await;
                stage.assert_reached(&stage.desired(wish, &Asked::default()));
                stage.assert_true();
            }
            // What no run was about follows as soon as one is.
            let asked = Asked { all_instances: true, ..Asked::default() };
            stage.deploy(&wish, &asked).await;
            let (_, _, again) = stage.planned(&wish, &asked, false).await;
            assert!(again.is_empty(), "left over: {:?}", again.steps);
        });
    }
}

#[test]
fn an_update_names_those_who_go_along_and_the_others_follow_with_their_own_threshold() {
    block_on(async {
        let shape = Shape {
            accounts: 6,
            ous: 1,
            depth: 1,
            seed: 1,
        };
        let stage = Stage::new(&shape);
        let root = stage.ous.iter().position(|ou| ou.as_str().starts_with("r-")).unwrap();
        let mut wish = Wish {
            default: 1,
            ous: BTreeMap::new(),
            accounts: BTreeMap::from([(0, 3), (1, 2)]),
            excluded: BTreeSet::new(),
            targets: BTreeSet::from([root]),
            six_hourly: false,
            auto: true,
        };
        stage.deploy(&wish, &Asked::default()).await;
        wish.six_hourly = true;
        let rollout = stage.deploy(&wish, &Asked::default()).await;
        let titles: Vec<String> = rollout.steps.iter().map(|step| step.title(SET)).collect();
        assert_eq!(
            titles,
            [
                "update StackSet billctl, in 4 accounts",
                "update the alarm in 1 account with threshold $200.00",
                "update the alarm in 1 account with threshold $300.00",
            ]
        );
        assert!(matches!(&rollout.steps[0], Step::UpdateStackSet(step) if step.targets.is_some()));
        // Members can read the template.
        let live = stage.services.cloudformation.describe_stack_set(SET).await.unwrap();
        for account in &stage.members {
            assert!(!live.template.contains(&account.to_string()));
        }
    });
}

use super::*;

/// A StackSet engine reduced to what the plan relies on (docs/aws-facts.md, "StackSets: create and update"), with the
/// overrides that only it knows.
#[derive(Clone, Default, Debug)]
pub(super) struct Engine {
    pub(super) stack_set: Option<StackSet>,
    pub(super) instances: BTreeMap<AccountId, (StackInstance, Option<Usd>)>,
    pub(super) touched: BTreeSet<AccountId>,
    pub(super) serial: usize,
}

impl Engine {
    pub(super) fn listed(&self) -> Observed {
        Observed::from_listing(
            self.stack_set.clone(),
            self.instances.values().map(|(listed, _)| listed.clone()),
        )
    }

    /// As `deploy` observes it: DescribeStackInstance for what the listing doesn't tell of accounts in scope.
    pub(super) fn observed(&self, desired: &Desired) -> Observed {
        let mut observed = self.listed();
        for (account, instance) in &mut observed.instances {
            if instance.threshold == Override::Unknown && desired.accounts.contains_key(account) {
                instance.threshold = Override::Known(self.instances[account].1);
            }
        }
        observed
    }

    pub(super) fn apply(&mut self, rollout: &Rollout, planned: &Observed, organization: &Organization) {
        self.apply_until(rollout, planned, organization, usize::MAX, &BTreeSet::new());
    }

    /// The first `steps` steps, as a run that dies after them leaves them. An update of the StackSet fails in the
    /// accounts `failing`.
    pub(super) fn apply_until(
        &mut self,
        rollout: &Rollout,
        planned: &Observed,
        organization: &Organization,
        steps: usize,
        failing: &BTreeSet<AccountId>,
    ) {
        let mut own = Own::new();
        for step in rollout.steps.iter().take(steps) {
            self.serial += 1;
            let unique = format!("{}", self.serial);
            match step {
                Step::CreateStackSet => self.stack_set = Some(live(&rollout.spec)),
                Step::EnableManagedExecution => {
                    self.stack_set.as_mut().unwrap().managed_execution = true;
                }
                Step::UpdateStackSet => {
                    let id = Mark::StackSet.operation_id(&unique);
                    let record = self.listed().record(id.clone(), planned, &own);
                    self.stack_set = Some(live(&StackSetSpec {
                        template: record.write(&rollout.spec.template),
                        ..rollout.spec.clone()
                    }));
                    for (account, (listed, _)) in &mut self.instances {
                        if listed.status != InstanceStatus::Inoperable {
                            listed.status = if failing.contains(account) {
                                InstanceStatus::Outdated
                            } else {
                                InstanceStatus::Current
                            };
                            listed.last_operation = Some(id.clone());
                        }
                    }
                    if !failing.is_empty() {
                        return;
                    }
                }
                Step::Instances(step) => {
                    self.instances(step, &unique, organization);
                    let Mark::Override(left) = step.mark else {
                        continue;
                    };
                    for account in &step.accounts {
                        let id = step.mark.operation_id(&unique);
                        own.insert(*account, (id, Override::Known(left)));
                    }
                }
            }
        }
    }

    /// That every account of the run has what is wanted.
    pub(super) fn assert_reached(&self, desired: &Desired) {
        let default = self
            .stack_set
            .as_ref()
            .and_then(|live| stack_set::threshold(&live.parameters));
        for (account, wanted) in &desired.accounts {
            let (listed, threshold) = &self.instances[account];
            assert_eq!(threshold.or(default), Some(wanted.threshold), "account {account}");
            assert_eq!(listed.status, InstanceStatus::Current, "account {account}");
        }
    }

    /// That no instance is believed to have another override than it has.
    pub(super) fn assert_true(&self) {
        for (account, instance) in self.listed().instances {
            if let Override::Known(told) = instance.threshold {
                assert_eq!(told, self.instances[&account].1, "account {account}");
            }
        }
    }

    fn instances(&mut self, step: &InstanceStep, unique: &str, organization: &Organization) {
        let Targets { ous, accounts } = &step.targets;
        assert!(!ous.is_empty() && ous.len() <= 50);
        let below = organization.accounts_below(ous);
        let reached: BTreeSet<AccountId> = match accounts {
            AccountFilter::None => below,
            AccountFilter::Intersection(named) => {
                assert!(!named.is_empty() && named.len() <= operations::MAX_NAMED_ACCOUNTS);
                assert!(
                    named.iter().all(|account| below.contains(account)),
                    "named outside its OUs"
                );
                named.iter().copied().collect()
            }
            AccountFilter::Difference(left_out) => below
                .into_iter()
                .filter(|account| !left_out.contains(account))
                .collect(),
        };
        let threshold = step.overrides.as_ref().map(stack_set::threshold);
        let id = Some(step.mark.operation_id(unique));
        for account in reached {
            let active = organization.account(account).unwrap().0.state == AccountState::Active;
            match step.action {
                StepAction::Create => {
                    if account == organization.management_account || !active {
                        continue;
                    }
                    if let std::collections::btree_map::Entry::Vacant(e) = self.instances.entry(account) {
                        let mut listed = instance(account, InstanceStatus::Current);
                        listed.last_operation = id.clone();
                        listed.ou = ous.first().cloned();
                        e.insert((listed, threshold.flatten()));
                        self.touched.insert(account);
                    } else if let Some((listed, _)) = self.instances.get_mut(&account) {
                        // A create retries what failed and leaves the override.
                        if listed.status == InstanceStatus::Outdated {
                            listed.status = InstanceStatus::Current;
                            listed.stack_id = Some("stack".into());
                            listed.last_operation = id.clone();
                            self.touched.insert(account);
                        }
                    }
                }
                StepAction::Update => {
                    let (listed, kept) = self
                        .instances
                        .get_mut(&account)
                        .expect("StackInstanceNotFoundException");
                    assert_ne!(listed.status, InstanceStatus::Inoperable);
                    listed.status = InstanceStatus::Current;
                    listed.last_operation = id.clone();
                    *kept = threshold.unwrap_or(*kept);
                    self.touched.insert(account);
                }
                StepAction::Delete { retain } => {
                    let (listed, _) = self.instances.remove(&account).expect("StackInstanceNotFoundException");
                    assert_eq!(retain, listed.status == InstanceStatus::Inoperable || retain);
                    self.touched.insert(account);
                }
            }
        }
    }
}

pub(super) fn live(spec: &StackSetSpec) -> StackSet {
    StackSet {
        name: spec.name.clone(),
        description: spec.description.clone(),
        template: spec.template.clone(),
        parameters: spec.parameters.clone(),
        tags: spec.tags.clone(),
        auto_deployment: Some(spec.auto_deployment),
        managed_execution: true,
        service_managed: true,
        organizational_units: Vec::new(),
    }
}

pub(super) fn instance(account: AccountId, status: InstanceStatus) -> StackInstance {
    StackInstance {
        account,
        ou: None,
        stack_id: Some("stack".into()),
        status,
        detailed_status: None,
        reason: String::new(),
        drift: DriftStatus::NotChecked,
        drift_checked: None,
        last_operation: None,
    }
}

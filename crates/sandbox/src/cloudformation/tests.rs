//! Each rule of docs/aws-facts.md on StackSets as a sentence.

mod drift;
mod following;
mod instances;
mod operations;
mod sets;

use std::time::Duration;

use super::*;
use crate::{Sandbox, seed};
use billctl_core::model::{AccountState, OuId};
use billctl_core::service::cloudformation::{
    AccountFilter, AutoDeployment, CallAs, ConcurrencyMode, CountOrPercent, DetailedStatus, InstanceStatus,
    InstancesRequest, OperationId, OperationResult, OperationStatus, Preferences, ResourceDrift, StackSetOperation,
    StackSetSpec, Targets,
};
use billctl_core::service::{CloudFormation, ServiceError, Tags, all_pages, cloudformation as cfn};

const TEMPLATE: &str = include_str!("../../../../assets/member-template.yaml");
const SET: &str = "billctl";

/// The demo organisation with one StackSet and no instance.
struct House {
    sandbox: Sandbox,
}

fn spec() -> StackSetSpec {
    StackSetSpec {
        name: SET.into(),
        description: "alarms".into(),
        template: TEMPLATE.into(),
        parameters: parameters(&[
            ("Threshold", "100"),
            ("EventBusArn", "arn:aws:events:us-east-1:111111111111:event-bus/billctl"),
        ]),
        tags: Tags::new(),
        auto_deployment: AutoDeployment {
            enabled: true,
            retain_stacks: false,
        },
    }
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn threshold(usd: &str) -> Option<Parameters> {
    Some(parameters(&[("Threshold", usd)]))
}

fn soft(tolerance: CountOrPercent, concurrency: CountOrPercent) -> Preferences {
    Preferences {
        tolerance,
        concurrency,
        mode: ConcurrencyMode::Soft,
    }
}

fn easy() -> Preferences {
    soft(CountOrPercent::Percent(100), CountOrPercent::Percent(100))
}

fn id(text: &str) -> OperationId {
    OperationId(text.into())
}

impl House {
    async fn new() -> Self {
        Self::of(seed::demo()).await
    }

    async fn of(world: World) -> Self {
        let sandbox = Sandbox::in_memory(world);
        sandbox.activate_organizations_access().await.unwrap();
        sandbox.create_stack_set(&spec(), "token").await.unwrap();
        Self { sandbox }
    }

    /// With instances in the OU Security, made by the operation `op-1`.
    async fn deployed() -> Self {
        let house = Self::new().await;
        house.deploy("op-1", "Security").await;
        house
    }

    fn ou(&self, path: &str) -> OuId {
        self.sandbox.peek(|world| {
            let ous: Vec<_> = world.organizations.ous().collect();
            path.split('/').fold(world.organizations.root().clone(), |at, name| {
                let mut below = ous.iter().filter(|ou| ou.parent.as_ref() == Some(&at));
                below.find(|ou| ou.name == name).unwrap().id.clone()
            })
        })
    }

    fn account(&self, name: &str) -> AccountId {
        self.sandbox.peek(|world| {
            let mut accounts = world.organizations.accounts();
            accounts.find(|(account, _)| account.name == name).unwrap().0.id
        })
    }

    fn request(&self, id: &str, ou: &str, accounts: AccountFilter) -> InstancesRequest {
        Self::for_ou(id, self.ou(ou), accounts)
    }

    /// For all of the organisation.
    fn everywhere(&self, id: &str) -> InstancesRequest {
        let root = self.sandbox.peek(|world| world.organizations.root().clone());
        Self::for_ou(id, root, AccountFilter::None)
    }

    fn for_ou(id: &str, ou: OuId, accounts: AccountFilter) -> InstancesRequest {
        InstancesRequest {
            stack_set: SET.into(),
            targets: Targets {
                ous: vec![ou],
                accounts,
            },
            overrides: None,
            preferences: easy(),
            operation_id: OperationId(id.into()),
        }
    }

    /// For accounts of the OU Security.
    fn overriding(&self, id: &str, accounts: AccountFilter, overrides: Option<Parameters>) -> InstancesRequest {
        InstancesRequest {
            overrides,
            ..self.request(id, "Security", accounts)
        }
    }

    /// Creates instances and waits.
    async fn create(&self, request: &InstancesRequest) -> StackSetOperation {
        self.sandbox.create_stack_instances(request).await.unwrap();
        self.wait(&request.operation_id.0).await
    }

    /// Updates instances and waits.
    async fn update(&self, request: &InstancesRequest) -> StackSetOperation {
        self.sandbox.update_stack_instances(request).await.unwrap();
        self.wait(&request.operation_id.0).await
    }

    /// Deletes instances of the OU Security and waits.
    async fn delete(&self, operation: &str, accounts: AccountFilter, retain: bool) -> StackSetOperation {
        let targets = self.request("", "Security", accounts).targets;
        self.sandbox
            .delete_stack_instances(SET, &targets, retain, &easy(), &id(operation))
            .await
            .unwrap();
        self.wait(operation).await
    }

    async fn update_set(&self, spec: &StackSetSpec, preferences: &Preferences, operation: &str) {
        self.sandbox
            .update_stack_set(spec, None, preferences, &id(operation))
            .await
            .unwrap();
    }

    async fn drifts(&self, account: AccountId, operation: &str) -> Vec<ResourceDrift> {
        let operation = id(operation);
        let found = self.sandbox.list_resource_drifts(SET, account, &operation, None).await;
        found.unwrap().items
    }

    /// Creates instances in all of an OU and waits.
    async fn deploy(&self, id: &str, ou: &str) -> StackSetOperation {
        self.create(&self.request(id, ou, AccountFilter::None)).await
    }

    fn pass(&self, seconds: u64) {
        self.change(|world| world.advance(Duration::from_secs(seconds)));
    }

    async fn status(&self, operation: &str) -> StackSetOperation {
        self.sandbox.describe_operation(SET, &id(operation)).await.unwrap()
    }

    async fn wait(&self, operation: &str) -> StackSetOperation {
        for _ in 0..1_000 {
            let found = self.status(operation).await;
            if found.status.is_over() {
                return found;
            }
            self.pass(10);
        }
        panic!("{operation} doesn't end");
    }

    async fn results(&self, operation: &str) -> Vec<OperationResult> {
        let id = id(operation);
        all_pages(cfn::LIST_STACK_SET_OPERATION_RESULTS, |token| {
            self.sandbox.list_operation_results(SET, &id, None, token)
        })
        .await
        .unwrap()
    }

    /// In how many accounts an operation stands so.
    async fn count(&self, operation: &str, status: DetailedStatus) -> usize {
        let results = self.results(operation).await;
        results.iter().filter(|result| result.status == status).count()
    }

    async fn instances(&self) -> Vec<StackInstance> {
        all_pages(cfn::LIST_STACK_INSTANCES, |token| {
            self.sandbox.list_stack_instances(SET, None, token)
        })
        .await
        .unwrap()
    }

    async fn instance(&self, name: &str) -> Option<StackInstance> {
        let (account, all) = (self.account(name), self.instances().await);
        all.into_iter().find(|instance| instance.account == account)
    }

    async fn overrides(&self, name: &str) -> Parameters {
        self.sandbox.describe_overrides(SET, self.account(name)).await.unwrap()
    }

    /// The threshold of the alarm that is really in the account.
    fn live_threshold(&self, name: &str) -> Option<f64> {
        let account = self.account(name);
        self.sandbox
            .peek(|world| Some(world.member_alarm(account)?.0.threshold))
    }

    fn edit(&self, account: AccountId, edit: HandEdit) {
        self.change(|world| world.edit_member(account, &edit).unwrap());
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.sandbox.change(|world| Ok(change(world))).unwrap()
    }

    fn break_account(&self, name: &str, reason: &str) {
        let account = self.account(name);
        self.change(|world| world.faults.accounts.insert(account, reason.into()));
    }

    fn mend_account(&self, name: &str) {
        let account = self.account(name);
        self.change(|world| world.faults.accounts.remove(&account));
    }
}

fn code(error: &ServiceError) -> &str {
    error.code.as_deref().unwrap_or_default()
}

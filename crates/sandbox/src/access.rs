//! Members from inside: the role that lets the management account in, and what a session of it may do.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::cloudwatch::get_metric_data;
use super::policy::{PolicyKind, Request, RequestContext, allowed_by, check};
use super::refusal::{Answer, Refusal};
use super::{Sandbox, World, metering};
use billctl_core::model::{AccountId, AccountState, Arn, REGION};
use billctl_core::service::cloudwatch::{
    AlarmState, AlarmStatus, DESCRIBE_ALARMS, DataRequest, GET_METRIC_DATA, Series,
};
use billctl_core::service::eventbridge::{DESCRIBE_RULE, LIST_TARGETS_BY_RULE, Rule, Target};
use billctl_core::service::member::{ASSUME_ROLE, Member, Members, SESSION_NAME, SET_ALARM_STATE, WayIn};
use billctl_core::service::{Operation, Page, Result};

/// The role that Organizations makes in the accounts that it makes.
const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";
/// Most characters of a session policy (AssumeRole, API reference).
const LONGEST_POLICY: usize = 2_048;

/// A session in a member.
struct Session {
    sandbox: Sandbox,
    account: AccountId,
    role: Arn,
    policy: Value,
}

impl World {
    /// Whether the caller can assume this role in the account. The role trusts the management account, and accounts
    /// that were invited into the organisation don't have it.
    fn lets_in(&self, account: AccountId, role: &str) -> bool {
        role == ACCESS_ROLE
            && self.caller == self.management_account()
            && account != self.management_account()
            && !self.faults.no_member_role
            && self.organizations.account_state(account) == Some(AccountState::Active)
            && !self.organizations.is_invited(account)
    }
}

#[async_trait]
impl Members for Sandbox {
    async fn enter(&self, way: &WayIn) -> Result<Arc<dyn Member>> {
        self.read(ASSUME_ROLE, |world| {
            let size = way.policy.to_string().chars().count();
            if size > LONGEST_POLICY || check(&way.policy, PolicyKind::Identity).is_err() {
                let why = "the session policy is malformed or too long";
                return Err(Refusal::invalid("MalformedPolicyDocument", why));
            }
            if world.lets_in(way.account, &way.role) {
                return Ok(());
            }
            // STS answers the same where there is no role and where it doesn't trust the caller.
            let caller = Arn::new("sts", "", world.caller, "assumed-role/Operator/sandbox");
            let role = way.role_arn();
            let why = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}");
            Err(Refusal::denied("AccessDenied", why))
        })
        .await?;
        let role = format!("assumed-role/{}/{SESSION_NAME}", way.role);
        Ok(Arc::new(Session {
            sandbox: self.clone(),
            account: way.account,
            role: Arn::new("sts", "", way.account, &role),
            policy: way.policy.clone(),
        }))
    }
}

impl Session {
    /// The role may do everything; the session what its policy allows.
    fn may(&self, operation: Operation, resource: &str) -> Answer<()> {
        let action = operation.iam_action();
        let context = RequestContext::default();
        let request = Request::by_role(self.role.as_str(), &action, resource, &context);
        if allowed_by([&self.policy], request) {
            return Ok(());
        }
        let why = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because no session policy allows the \
             {action} action",
            self.role
        );
        Err(Refusal::denied("AccessDenied", why))
    }

    fn arn(&self, service: &str, resource: &str) -> Arn {
        Arn::new(service, REGION, self.account, resource)
    }

    fn alarm_arn(&self, name: &str) -> Arn {
        self.arn("cloudwatch", &format!("alarm:{name}"))
    }

    fn rule(&self, world: &World, operation: Operation, name: &str) -> Answer<super::member::MemberRule> {
        self.may(operation, self.arn("events", &format!("rule/{name}")).as_str())?;
        world
            .member_rule(self.account)
            .filter(|rule| rule.name == name)
            .ok_or_else(|| {
                let why = format!("Rule {name} does not exist on EventBus default.");
                Refusal::not_found("ResourceNotFoundException", why)
            })
    }
}

#[async_trait]
impl Member for Session {
    async fn describe_alarm(&self, name: &str) -> Result<Option<AlarmStatus>> {
        self.sandbox
            .read(DESCRIBE_ALARMS, |world| {
                let arn = self.alarm_arn(name);
                self.may(DESCRIBE_ALARMS, arn.as_str())?;
                let found = world.member_alarm(self.account);
                Ok(found
                    .filter(|(alarm, _)| alarm.name == name)
                    .map(|(alarm, state)| AlarmStatus {
                        alarm: (*alarm).clone(),
                        arn,
                        state: state.state,
                        reason: state.reason.clone(),
                        since: state.since,
                    }))
            })
            .await
    }

    async fn set_alarm_state(&self, name: &str, state: AlarmState, reason: &str) -> Result<()> {
        self.sandbox
            .call(SET_ALARM_STATE, |world| {
                self.may(SET_ALARM_STATE, self.alarm_arn(name).as_str())?;
                let found = world.member_alarm(self.account);
                if found.is_none_or(|(alarm, _)| alarm.name != name) {
                    let why = format!("There is no alarm {name}");
                    return Err(Refusal::not_found("ResourceNotFound", why));
                }
                metering::set_member_state(world, self.account, state, reason);
                Ok(())
            })
            .await
    }

    async fn get_metric_data(&self, request: &DataRequest) -> Result<Page<Series>> {
        self.sandbox
            .read(GET_METRIC_DATA, |world| {
                self.may(GET_METRIC_DATA, "*")?;
                get_metric_data(world, self.account, request, None)
            })
            .await
    }

    async fn describe_rule(&self, name: &str) -> Result<Rule> {
        self.sandbox
            .read(DESCRIBE_RULE, |world| {
                let rule = self.rule(world, DESCRIBE_RULE, name)?;
                Ok(Rule {
                    name: rule.name,
                    bus: "default".to_owned(),
                    pattern: rule.pattern,
                    enabled: rule.enabled,
                    description: String::new(),
                })
            })
            .await
    }

    async fn list_targets(&self, rule: &str) -> Result<Vec<Target>> {
        self.sandbox
            .read(LIST_TARGETS_BY_RULE, |world| {
                let rule = self.rule(world, LIST_TARGETS_BY_RULE, rule)?;
                Ok(vec![Target {
                    id: "billing-bus".to_owned(),
                    arn: rule.target,
                    role_arn: rule.role,
                    dead_letter_arn: None,
                    extras: None,
                }])
            })
            .await
    }
}

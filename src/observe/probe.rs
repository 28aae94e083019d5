//! Looks into members by a role there: all at once, as far as the gate lets them.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};

use super::charges::query;
use crate::config::Config;
use crate::plan::probe::{ForwardRule, Inside, Look};
use crate::resource::permissions::session_policy;
use crate::resource::stack_set::MEMBER_RULE;
use billctl_core::model::AccountId;
use billctl_core::service::charges::{self, COARSE};
use billctl_core::service::cloudwatch::DataRequest;
use billctl_core::service::member::WayIn;
use billctl_core::service::{Member, OrAbsent, PARALLEL, Result, Services};

/// How far back a publication counts: they come about every six hours (docs/aws-facts.md, "EstimatedCharges"), and a
/// day without one is possible.
const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// The way into an account, with a session that may only look, or also set the alarm's state.
pub fn way_in(config: &Config, account: AccountId, sets_alarm: bool) -> WayIn {
    WayIn {
        account,
        role: config.members.role.clone(),
        policy: session_policy(config, account, sets_alarm),
    }
}

/// Looks into each of the accounts.
pub async fn looks(services: &Services, config: &Config, accounts: BTreeSet<AccountId>) -> BTreeMap<AccountId, Look> {
    stream::iter(accounts)
        .map(|account| async move { (account, look(services, config, account).await) })
        .buffer_unordered(PARALLEL)
        .collect()
        .await
}

/// Looks into one account.
pub async fn look(services: &Services, config: &Config, account: AccountId) -> Look {
    let member = match services.members.enter(&way_in(config, account, false)).await {
        Ok(member) => member,
        Err(error) => return Look::NoWay(error),
    };
    let (alarm, has_data, rule) = futures::join!(
        member.describe_alarm(&config.alarm.name),
        has_data(&*member, services.clock.now()),
        rule(&*member),
    );
    Look::Inside(Box::new(Inside { alarm, has_data, rule }))
}

/// Whether the metric that the member's alarm watches had data lately.
async fn has_data(member: &dyn Member, now: Timestamp) -> Result<bool> {
    let page = member
        .get_metric_data(&DataRequest {
            // In so coarse a period two days are a handful of points.
            queries: vec![query("m1".to_owned(), charges::metric(None, None), COARSE)],
            start: now - RECENT,
            end: now,
        })
        .await?;
    Ok(page.items.iter().any(|series| !series.points.is_empty()))
}

/// The rule that forwards the member's alarm.
///
/// # Errors
/// AWS's answer, unless it is that there is none.
pub async fn rule(member: &dyn Member) -> Result<Option<ForwardRule>> {
    let Some(rule) = member.describe_rule(MEMBER_RULE).await.or_absent()? else {
        return Ok(None);
    };
    let targets = member.list_targets(MEMBER_RULE).await?;
    Ok(Some(ForwardRule {
        enabled: rule.enabled,
        targets: targets.into_iter().map(|target| target.arn).collect(),
    }))
}

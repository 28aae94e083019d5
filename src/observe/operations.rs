//! Reads who hears when the notifier itself fails.

use crate::config::{Config, Operations};
use crate::live::topic_subscriptions;
use crate::plan::operations::{Hearing, TopicState};
use crate::resource::operations_topic_arn;
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::{OrAbsent, Result, Services};

/// Who hears. Nothing is asked where the config names nobody, or another account's topic.
///
/// # Errors
/// SNS's answer; a topic that isn't there is no error.
pub async fn read(services: &Services, config: &Config, account: AccountId) -> Result<Hearing> {
    let own = operations_topic_arn(config, account);
    let operations = config.operations.as_ref();
    let found = match operations {
        Some(Operations::Mail(_)) => topic(services, &own, true).await?,
        Some(Operations::Topic(arn)) if arn.account() == Some(account) => topic(services, arn, false).await?,
        _ => None,
    };
    Ok(Hearing::of(operations, account, &own, found.as_ref()))
}

async fn topic(services: &Services, arn: &Arn, whole: bool) -> Result<Option<TopicState>> {
    let Some(attributes) = services.sns.get_topic_attributes(arn).await.or_absent()? else {
        return Ok(None);
    };
    let subscriptions = if whole {
        topic_subscriptions(services, arn).await?
    } else {
        Vec::new()
    };
    Ok(Some(TopicState {
        attributes,
        subscriptions,
    }))
}

//! Reads who hears when the notifier itself fails.

use crate::config::{Config, Operations};
use crate::plan::operations::{Hearing, TopicState};
use crate::resource::operations_topic_arn;
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::sns::LIST_SUBSCRIPTIONS_BY_TOPIC;
use billctl_core::service::{OrAbsent, Result, Services, all_pages};

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
    let sns = &services.sns;
    let Some(attributes) = sns.get_topic_attributes(arn).await.or_absent()? else {
        return Ok(None);
    };
    let subscriptions = if whole {
        all_pages(LIST_SUBSCRIPTIONS_BY_TOPIC, |token| sns.list_subscriptions(arn, token))
            .await
            .or_absent()?
            .unwrap_or_default()
    } else {
        Vec::new()
    };
    Ok(Some(TopicState {
        attributes,
        subscriptions,
    }))
}

//! Reads the topics that chat messages go to.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::config::Config;
use crate::plan::chat::Channel;
use crate::resource::notifier_role_arn;
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::{OrAbsent, Services};

/// Each topic of the config once, as far as it can be seen: what can't be read is an answer too.
pub async fn read(services: &Services, config: &Config, account: AccountId) -> Vec<Channel> {
    let role = notifier_role_arn(config, account);
    let topics: BTreeSet<&Arn> = config.chat.iter().map(|rule| &rule.topic).collect();
    let each = topics.into_iter().map(|topic| async {
        let found = services.sns.get_topic_attributes(topic).await.or_absent();
        Channel::of(topic, account, &role, found)
    });
    join_all(each).await
}

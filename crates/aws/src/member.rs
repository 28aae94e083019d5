use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;

use super::call::{Caller, required};
use super::strange::RefuseStrange;
use billctl_core::service::cloudwatch::{AlarmState, AlarmStatus, CloudWatch, DataRequest, Series};
use billctl_core::service::eventbridge::{DEFAULT_BUS, EventBridge, Rule, Target};
use billctl_core::service::member::{
    ASSUME_ROLE, Member, Members, SESSION_NAME, SESSION_SECONDS, SET_ALARM_STATE, WayIn,
};
use billctl_core::service::{Gate, Page, Result};
use billctl_core::words::word;

/// The way into members by STS; the clients inside are made like those outside.
pub(super) struct AssumedRoles {
    pub(super) sts: Caller<Client>,
    pub(super) config: SdkConfig,
    pub(super) gate: Arc<Gate>,
}

/// A member's services with a session's credentials.
struct Inside {
    cloudwatch: Caller<aws_sdk_cloudwatch::Client>,
    eventbridge: Caller<aws_sdk_eventbridge::Client>,
}

#[async_trait]
impl Members for AssumedRoles {
    async fn enter(&self, way: &WayIn) -> Result<Arc<dyn Member>> {
        let op = ASSUME_ROLE;
        let request = self
            .sts
            .client
            .assume_role()
            .role_arn(way.role_arn().as_str())
            .role_session_name(SESSION_NAME)
            .duration_seconds(i32::from(SESSION_SECONDS))
            .policy(way.policy.to_string());
        let answer = self.sts.call(op, || request.clone().send()).await?;
        let found = required(op, answer.credentials(), "Credentials")?;
        let credentials = Credentials::new(
            found.access_key_id(),
            found.secret_access_key(),
            Some(found.session_token().to_owned()),
            SystemTime::try_from(*found.expiration()).ok(),
            "AssumeRole",
        );
        let config = self
            .config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // They are there already, and an organisation's worth of them need not be kept.
            .identity_cache(IdentityCache::no_cache())
            .build();
        let cloudwatch = aws_sdk_cloudwatch::config::Builder::from(&config)
            .interceptor(RefuseStrange)
            .build();
        let eventbridge = aws_sdk_eventbridge::config::Builder::from(&config)
            .interceptor(RefuseStrange)
            .build();
        Ok(Arc::new(Inside {
            cloudwatch: Caller::new(aws_sdk_cloudwatch::Client::from_conf(cloudwatch), self.gate.clone()),
            eventbridge: Caller::new(aws_sdk_eventbridge::Client::from_conf(eventbridge), self.gate.clone()),
        }))
    }
}

#[async_trait]
impl Member for Inside {
    async fn describe_alarm(&self, name: &str) -> Result<Option<AlarmStatus>> {
        let found = self.cloudwatch.describe_alarms(&[name.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    async fn set_alarm_state(&self, name: &str, state: AlarmState, reason: &str) -> Result<()> {
        let request = self
            .cloudwatch
            .client
            .set_alarm_state()
            .alarm_name(name)
            .state_value(word(&state).as_str().into())
            .state_reason(reason);
        self.cloudwatch
            .command(SET_ALARM_STATE, || request.clone().send())
            .await
    }

    async fn get_metric_data(&self, request: &DataRequest) -> Result<Page<Series>> {
        self.cloudwatch.get_metric_data(request, None).await
    }

    async fn describe_rule(&self, name: &str) -> Result<Rule> {
        self.eventbridge.describe_rule(DEFAULT_BUS, name).await
    }

    async fn list_targets(&self, rule: &str) -> Result<Vec<Target>> {
        self.eventbridge.list_targets(DEFAULT_BUS, rule).await
    }
}

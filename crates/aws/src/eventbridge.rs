use async_trait::async_trait;
use aws_sdk_eventbridge::{Client, types as sdk};
use serde_json::Value;

use super::call::{Caller, built, json, parsed, required};
use super::classify::entry_error;
use super::convert::page;
use billctl_core::model::Arn;
use billctl_core::service::eventbridge::{
    CREATE_EVENT_BUS, DELETE_EVENT_BUS, DELETE_RULE, DESCRIBE_EVENT_BUS, DESCRIBE_RULE, EventBridge, EventBus,
    LIST_TAGS_FOR_RESOURCE, LIST_TARGETS_BY_RULE, NewEvent, PUT_EVENTS, PUT_PERMISSION, PUT_RULE, PUT_TARGETS,
    REMOVE_PERMISSION, REMOVE_TARGETS, Rule, Target,
};
use billctl_core::service::{Operation, Result, Tags, all_pages};

#[async_trait]
impl EventBridge for Caller<Client> {
    async fn describe_event_bus(&self, name: &str) -> Result<EventBus> {
        let op = DESCRIBE_EVENT_BUS;
        let request = self.client.describe_event_bus().name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(EventBus {
            name: answer.name().unwrap_or(name).to_owned(),
            arn: parsed(op, answer.arn(), "Arn")?,
            policy: answer
                .policy()
                .filter(|policy| !policy.trim().is_empty())
                .map(|policy| json(op, policy, "Policy"))
                .transpose()?,
        })
    }

    async fn list_tags(&self, bus: &Arn) -> Result<Tags> {
        let request = self.client.list_tags_for_resource().resource_arn(bus.as_str());
        let answer = self.call(LIST_TAGS_FOR_RESOURCE, || request.clone().send()).await?;
        let tags = answer.tags().iter();
        Ok(tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    async fn create_event_bus(&self, name: &str, tags: &Tags) -> Result<Arn> {
        let op = CREATE_EVENT_BUS;
        let tags = tags
            .iter()
            .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        let request = self
            .client
            .create_event_bus()
            .name(name)
            .set_tags(Some(built(op, tags)?));
        let answer = self.call(op, || request.clone().send()).await?;
        parsed(op, answer.event_bus_arn(), "EventBusArn")
    }

    async fn delete_event_bus(&self, name: &str) -> Result<()> {
        let request = self.client.delete_event_bus().name(name);
        self.command(DELETE_EVENT_BUS, || request.clone().send()).await
    }

    async fn put_bus_policy(&self, bus: &str, policy: &Value) -> Result<()> {
        let request = self
            .client
            .put_permission()
            .event_bus_name(bus)
            .policy(policy.to_string());
        self.command(PUT_PERMISSION, || request.clone().send()).await
    }

    async fn remove_bus_statement(&self, bus: &str, statement_id: &str) -> Result<()> {
        let request = self
            .client
            .remove_permission()
            .event_bus_name(bus)
            .statement_id(statement_id);
        self.command(REMOVE_PERMISSION, || request.clone().send()).await
    }

    async fn describe_rule(&self, bus: &str, name: &str) -> Result<Rule> {
        let op = DESCRIBE_RULE;
        let request = self.client.describe_rule().event_bus_name(bus).name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(Rule {
            name: answer.name().unwrap_or(name).to_owned(),
            bus: answer.event_bus_name().unwrap_or(bus).to_owned(),
            // A rule on a schedule has none.
            pattern: answer
                .event_pattern()
                .map_or(Ok(Value::Null), |pattern| json(op, pattern, "EventPattern"))?,
            // There is a second way of being enabled (with CloudTrail's read events), and one of being disabled.
            enabled: answer.state() != Some(&sdk::RuleState::Disabled),
            description: answer.description().unwrap_or_default().to_owned(),
        })
    }

    async fn put_rule(&self, rule: &Rule) -> Result<()> {
        let request = self
            .client
            .put_rule()
            .event_bus_name(&rule.bus)
            .name(&rule.name)
            .event_pattern(rule.pattern.to_string())
            .state(match rule.enabled {
                true => sdk::RuleState::Enabled,
                false => sdk::RuleState::Disabled,
            })
            .description(&rule.description);
        self.command(PUT_RULE, || request.clone().send()).await
    }

    async fn delete_rule(&self, bus: &str, name: &str) -> Result<()> {
        let request = self.client.delete_rule().event_bus_name(bus).name(name);
        self.command(DELETE_RULE, || request.clone().send()).await
    }

    async fn list_targets(&self, bus: &str, rule: &str) -> Result<Vec<Target>> {
        let op = LIST_TARGETS_BY_RULE;
        let list = |token| async move {
            let request = self
                .client
                .list_targets_by_rule()
                .event_bus_name(bus)
                .rule(rule)
                .set_next_token(token);
            let answer = self.call(op, || request.clone().send()).await?;
            let targets = answer.targets().iter();
            page(targets.map(|found| target(op, found)), answer.next_token())
        };
        all_pages(op, list).await
    }

    async fn put_targets(&self, bus: &str, rule: &str, targets: &[Target]) -> Result<()> {
        let op = PUT_TARGETS;
        let targets = targets.iter().map(|target| {
            let dead_letter = target
                .dead_letter_arn
                .as_ref()
                .map(|arn| sdk::DeadLetterConfig::builder().arn(arn.as_str()).build());
            sdk::Target::builder()
                .id(&target.id)
                .arn(target.arn.as_str())
                .set_role_arn(target.role_arn.as_ref().map(Arn::to_string))
                .set_dead_letter_config(dead_letter)
                .build()
        });
        let request = self
            .client
            .put_targets()
            .event_bus_name(bus)
            .rule(rule)
            .set_targets(Some(built(op, targets)?));
        self.call_and_check(
            op,
            || request.clone().send(),
            |answer| {
                first_refusal(op, answer.failed_entries(), |one| {
                    (one.error_code(), one.error_message())
                })
            },
        )
        .await
        .map(drop)
    }

    async fn remove_targets(&self, bus: &str, rule: &str, ids: &[String]) -> Result<()> {
        let op = REMOVE_TARGETS;
        let request = self
            .client
            .remove_targets()
            .event_bus_name(bus)
            .rule(rule)
            .set_ids(Some(ids.to_vec()));
        self.call_and_check(
            op,
            || request.clone().send(),
            |answer| {
                first_refusal(op, answer.failed_entries(), |one| {
                    (one.error_code(), one.error_message())
                })
            },
        )
        .await
        .map(drop)
    }

    async fn put_event(&self, event: &NewEvent) -> Result<String> {
        let op = PUT_EVENTS;
        let entry = sdk::PutEventsRequestEntry::builder()
            .event_bus_name(&event.bus)
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(event.detail.to_string())
            .set_resources(Some(event.resources.clone()))
            .build();
        let request = self.client.put_events().entries(entry);
        let answer = self
            .call_and_check(
                op,
                || request.clone().send(),
                |answer| first_refusal(op, answer.entries(), |one| (one.error_code(), one.error_message())),
            )
            .await?;
        let id = answer.entries().first().and_then(|entry| entry.event_id());
        required(op, id, "EventId").map(str::to_owned)
    }
}

/// The first entry that bears an error code.
fn first_refusal<T>(op: Operation, entries: &[T], said: fn(&T) -> (Option<&str>, Option<&str>)) -> Result<()> {
    let refused = entries
        .iter()
        .map(said)
        .find_map(|(code, message)| Some((code?, message)));
    refused.map_or(Ok(()), |(code, message)| {
        Err(entry_error(op, code, message.unwrap_or_default()))
    })
}

fn target(op: Operation, found: &sdk::Target) -> Result<Target> {
    let dead_letter = found.dead_letter_config().and_then(|config| config.arn());
    Ok(Target {
        id: found.id().to_owned(),
        arn: parsed(op, Some(found.arn()), "Arn")?,
        role_arn: found
            .role_arn()
            .map(|arn| parsed(op, Some(arn), "RoleArn"))
            .transpose()?,
        dead_letter_arn: dead_letter
            .map(|arn| parsed(op, Some(arn), "DeadLetterConfig.Arn"))
            .transpose()?,
        extras: extras(found),
    })
}

/// What is set on a target beyond what billctl uses, by its name in the API.
fn extras(found: &sdk::Target) -> Option<String> {
    fn shown<T: std::fmt::Debug>(name: &str, value: Option<T>) -> Option<String> {
        value.map(|value| format!("{name} {value:?}"))
    }
    let set = [
        shown("Input", found.input()),
        shown("InputPath", found.input_path()),
        shown("InputTransformer", found.input_transformer()),
        shown("RetryPolicy", found.retry_policy()),
        shown("SqsParameters", found.sqs_parameters()),
        shown("HttpParameters", found.http_parameters()),
        shown("KinesisParameters", found.kinesis_parameters()),
        shown("EcsParameters", found.ecs_parameters()),
        shown("BatchParameters", found.batch_parameters()),
        shown("RunCommandParameters", found.run_command_parameters()),
        shown("RedshiftDataParameters", found.redshift_data_parameters()),
        shown("SageMakerPipelineParameters", found.sage_maker_pipeline_parameters()),
        shown("AppSyncParameters", found.app_sync_parameters()),
    ];
    let set: Vec<String> = set.into_iter().flatten().collect();
    (!set.is_empty()).then(|| set.join(", "))
}

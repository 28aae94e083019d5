//! What EventBridge checks of rules, targets and events before it takes them.

use serde_json::json;

use super::{MAX_EVENT_BYTES, MAX_TARGETS, StoredTarget, delivery, invalid, seconds, valid_name};
use crate::World;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::{Arn, REGION};
use billctl_core::service::Kind;
use billctl_core::service::eventbridge::{NewEvent, Rule, Target};

pub(super) fn put_rule(world: &mut World, rule: &Rule) -> Answer<()> {
    valid_name(&rule.name, 64)?;
    if rule.description.chars().count() > 512 {
        return Err(invalid("The description is too long."));
    }
    let bus = world.eventbridge.bus_mut(&rule.bus)?;
    delivery::check_pattern(&rule.pattern).map_err(|why| {
        let why = format!("Event pattern is not valid. Reason: {why}");
        Refusal::invalid("InvalidEventPatternException", why)
    })?;
    let stored = bus.rules.entry(rule.name.clone()).or_default();
    stored.pattern = rule.pattern.clone();
    stored.enabled = rule.enabled;
    stored.description.clone_from(&rule.description);
    Ok(())
}

pub(super) fn put_targets(world: &mut World, bus: &str, rule: &str, targets: &[Target]) -> Answer<()> {
    let stored = world.eventbridge.rule(bus, rule)?;
    let added = targets
        .iter()
        .filter(|target| !stored.targets.contains_key(&target.id))
        .count();
    if stored.targets.len() + added > MAX_TARGETS {
        let why = "The requested resource exceeds the maximum number allowed.";
        return Err(Refusal::new(Kind::Quota, "LimitExceededException", why));
    }
    let rule_arn = world.rule_arn(bus, rule);
    for target in targets {
        check_target(world, &rule_arn, target)?;
    }
    let stored = world.eventbridge.rule_mut(bus, rule)?;
    for target in targets {
        stored.targets.insert(
            target.id.clone(),
            StoredTarget {
                arn: target.arn.clone(),
                role: target.role_arn.clone(),
                dead_letter: target.dead_letter_arn.clone(),
                extras: target.extras.clone(),
            },
        );
    }
    Ok(())
}

/// What EventBridge checks of a target when it is put.
fn check_target(world: &World, rule: &Arn, target: &Target) -> Answer<()> {
    valid_name(&target.id, 64)?;
    match target.arn.service() {
        "states" if target.role_arn.is_none() => {
            return Err(invalid(format!("RoleArn is required for target {}.", target.arn)));
        }
        // Another account's state machine can't be a target; only a bus can
        // (docs/aws-facts.md, "Events between accounts").
        "states" if target.arn.account() != Some(world.management_account()) => {
            return Err(invalid(format!(
                "Adding cross-account target is not permitted: {}.",
                target.arn
            )));
        }
        _ => {}
    }
    if let Some(queue) = &target.dead_letter_arn
        && queue.service() != "sqs"
    {
        return Err(invalid(format!("DeadLetterConfig {queue} is not an SQS queue.")));
    }
    if let Some(role) = &target.role_arn {
        let context = world.assume_context(rule);
        if !world.iam.assumable(role, delivery::EVENTS_SERVICE, &context, world.now) {
            // Also what a role gets that was made a moment ago: callers wait and try again.
            return Err(invalid(format!(
                "Provided role '{role}' cannot be assumed by principal '{}'.",
                delivery::EVENTS_SERVICE
            )));
        }
    }
    Ok(())
}

pub(super) fn put_event(world: &mut World, event: &NewEvent) -> Answer<String> {
    let refuse = |code: &'static str, message: &str| Err(Refusal::invalid(code, message));
    if event.source.starts_with("aws.") {
        return refuse("NotAuthorizedForSourceException", "Not authorized for the source.");
    }
    if event.source.is_empty() || event.detail_type.is_empty() {
        return refuse("InvalidArgument", "Parameter Source or DetailType is not valid.");
    }
    if !event.detail.is_object() {
        return refuse("MalformedDetail", "Detail is malformed.");
    }
    if event.detail.to_string().len() > MAX_EVENT_BYTES {
        return refuse(
            "ValidationException",
            "Total size of the entries in the request is over the limit.",
        );
    }
    world.eventbridge.bus(&event.bus)?;
    let id = world.fresh_event_id();
    let whole = json!({
        "version": "0",
        "id": id,
        "detail-type": event.detail_type,
        "source": event.source,
        "account": world.management_account(),
        "time": seconds(world.now),
        "region": REGION,
        "resources": event.resources,
        "detail": event.detail,
    });
    delivery::publish(world, &event.bus, &whole, false);
    Ok(id)
}

//! How an event travels: a rule matches, a role is assumed, a policy lets it in, a target takes it
//! (docs/aws-facts.md, "Events between accounts").

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use quamina::Quamina;
use serde_json::Value;

use super::{DEFAULT_BUS, StoredTarget};
use crate::World;
use crate::member::MemberRule;
use crate::policy::{Decision, Request, RequestContext, allowed_by, evaluate};
use crate::sqs::Message;
use billctl_core::model::{AccountId, Arn, REGION};
use billctl_core::service::Kind;

pub(super) const EVENTS_SERVICE: &str = "events.amazonaws.com";

/// Whether the pattern is one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_pattern(pattern: &Value) -> Result<(), String> {
    if pattern.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err("Empty patterns are not allowed".to_owned());
    }
    Quamina::<u8>::new()
        .add_pattern(0, &pattern.to_string())
        .map_err(|why| why.to_string())
}

/// Matchers kept: the payer's rules are few, and each event is held against all of them.
const MATCHERS: usize = 64;

thread_local! {
    static KNOWN: RefCell<HashMap<String, Quamina<u8>>> = RefCell::default();
}

/// Whether the event matches the pattern; a pattern that isn't one matches nothing.
pub(crate) fn matches(pattern: &Value, event: &Value) -> bool {
    let (pattern, event) = (pattern.to_string(), event.to_string());
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MATCHERS && !known.contains_key(&pattern) {
            known.clear();
        }
        let matcher = known.entry(pattern).or_insert_with_key(|pattern| {
            let mut matcher = Quamina::new();
            // Without a pattern it matches nothing.
            let _ = matcher.add_pattern(0, pattern);
            matcher
        });
        matcher.has_matches(event.as_bytes()).unwrap_or(false)
    })
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// An event on a bus of the payer: every enabled rule that matches sends it to its targets. `forwarded` is an event
/// that came from another bus, which no rule may send on to a third (docs/aws-facts.md, "Events between accounts").
pub(crate) fn publish(world: &mut World, bus: &str, event: &Value, forwarded: bool) {
    let Some(stored) = world.eventbridge.buses.get(bus) else {
        return;
    };
    let matching: Vec<(String, BTreeMap<String, StoredTarget>)> = stored
        .rules
        .iter()
        .filter(|(_, rule)| rule.enabled && matches(&rule.pattern, event))
        .map(|(name, rule)| (name.clone(), rule.targets.clone()))
        .collect();
    let id = text(event, "id").to_owned();
    if matching.is_empty() {
        world.note(&id, bus, "no rule on the bus matches");
    }
    for (rule, targets) in matching {
        let arn = world.rule_arn(bus, &rule);
        for target in targets.values() {
            let sent = send(world, &arn, target, event, forwarded);
            let outcome = sent.unwrap_or_else(|(code, message)| {
                let kept = dead_letter(world, &arn, target, event, code, &message);
                let place = if kept { "put on the dead-letter queue" } else { "lost" };
                format!("{place}: {code}: {message}")
            });
            world.note(&id, &format!("{bus}/{rule}"), outcome);
        }
    }
}

/// Sends the event to one target: the outcome, or the error's code and message as the dead-letter queue gets them.
fn send(
    world: &mut World,
    rule: &Arn,
    target: &StoredTarget,
    event: &Value,
    forwarded: bool,
) -> Result<String, (&'static str, String)> {
    match target.arn.service() {
        "states" => {
            may_use(world, rule, target, "states:StartExecution")?;
            crate::sfn::start_from_rule(world, &target.arn, event)
                .map(|execution| format!("started {execution}"))
                .map_err(|error| {
                    let missing = error.kind == Kind::NotFound;
                    let code = if missing { "NO_RESOURCE" } else { "SDK_CLIENT_ERROR" };
                    (code, error.message)
                })
        }
        "events" => {
            let name = target.arn.resource().trim_start_matches("event-bus/");
            if forwarded {
                return Ok("not sent on: it came from another bus".to_owned());
            }
            may_use(world, rule, target, "events:PutEvents")?;
            if target.arn != world.bus_arn(name) || !world.eventbridge.buses.contains_key(name) {
                return Err(("NO_RESOURCE", format!("no such bus: {}", target.arn)));
            }
            publish(world, name, event, true);
            Ok(format!("sent to the bus {name}"))
        }
        // No role: the queue's own policy decides.
        "sqs" => {
            let message = Message::new(world.now, event.clone(), BTreeMap::new());
            if world.sqs.receive_from_rule(&target.arn, rule, message) {
                Ok(format!("put on {}", target.arn))
            } else {
                let why = format!("there is no queue {}, or its policy refuses the rule", target.arn);
                Err(("NO_PERMISSIONS", why))
            }
        }
        other => Err(("NO_RESOURCE", format!("the sandbox has no target `{other}`"))),
    }
}

fn may_use(world: &World, rule: &Arn, target: &StoredTarget, action: &str) -> Result<(), (&'static str, String)> {
    let Some(role) = &target.role else {
        return Err(("NO_PERMISSIONS", "the target has no role".to_owned()));
    };
    let context = world.assume_context(rule);
    let why = if !world.iam.assumable(role, EVENTS_SERVICE, &context, world.now) {
        format!("{EVENTS_SERVICE} can't assume {role}")
    } else if !world.iam.allows(role, action, target.arn.as_str(), &context) {
        format!("{role} is not authorized to perform {action} on {}", target.arn)
    } else {
        return Ok(());
    };
    // Permission errors aren't retried (docs/aws-facts.md, "Events between accounts").
    Err(("NO_PERMISSIONS", why))
}

fn dead_letter(world: &mut World, rule: &Arn, target: &StoredTarget, event: &Value, code: &str, message: &str) -> bool {
    let Some(queue) = &target.dead_letter else {
        return false;
    };
    let attributes = [
        ("RULE_ARN", rule.as_str()),
        ("TARGET_ARN", target.arn.as_str()),
        ("ERROR_CODE", code),
        ("ERROR_MESSAGE", message),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let message = Message::new(world.now, event.clone(), attributes);
    world.sqs.receive_from_rule(queue, rule, message)
}

/// Whether a rule on any of the payer's buses matches the event. What nobody listens to need not be sent: that
/// spares a large organisation the way of ten thousand alarms that go to OK when they are made.
pub(crate) fn anybody_listens(world: &World, event: &Value) -> bool {
    world
        .eventbridge
        .buses
        .values()
        .flat_map(|bus| bus.rules.values())
        .any(|rule| rule.enabled && matches(&rule.pattern, event))
}

/// An event on a member's default bus: its rule sends it to the payer's bus with its role.
pub fn from_member(world: &mut World, account: AccountId, event: &Value) {
    let Some(rule) = world.member_rule(account) else {
        return;
    };
    if !rule.enabled || !matches(&rule.pattern, event) {
        return;
    }
    let sent = sending_role(world, account, &rule)
        .and_then(|role| from_account(world, account, role.as_str(), &rule.target, event));
    let outcome = match sent {
        Ok(()) => format!("sent to {}", rule.target),
        Err(why) => why,
    };
    world.note(text(event, "id"), &format!("{account}/{}", rule.name), outcome);
}

/// The role with which a member's rule gets its event off.
///
/// # Errors
/// Why it doesn't.
fn sending_role<'r>(world: &World, account: AccountId, rule: &'r MemberRule) -> Result<&'r Arn, String> {
    let role_arn = rule.role.as_ref().ok_or("lost: the target has no role")?;
    let role = world.member_role(account).filter(|role| role.arn == *role_arn);
    let role = role.ok_or_else(|| format!("lost: there is no role {role_arn}"))?;
    let rule_arn = Arn::new("events", REGION, account, &format!("rule/{}", rule.name));
    let context = RequestContext::default()
        .with("aws:SourceArn", &rule_arn)
        .with("aws:SourceAccount", account);
    let assume = Request::by_service(EVENTS_SERVICE, "sts:AssumeRole", role_arn.as_str(), &context);
    if !allowed_by([&role.trust_policy], assume) {
        return Err(format!("lost: {EVENTS_SERVICE} can't assume {role_arn}"));
    }
    let context = RequestContext::default();
    let put = Request::by_role(role_arn.as_str(), "events:PutEvents", rule.target.as_str(), &context);
    if !allowed_by(role.policies.values(), put) {
        return Err(format!("lost: {role_arn} may not events:PutEvents on {}", rule.target));
    }
    Ok(role_arn)
}

/// An event that a rule of another account forwards to a bus of the payer with that account's role: the bus's policy
/// decides.
///
/// # Errors
/// Why the bus doesn't take it.
pub fn from_account(world: &mut World, account: AccountId, role: &str, bus: &Arn, event: &Value) -> Result<(), String> {
    let name = bus.resource().trim_start_matches("event-bus/").to_owned();
    let stored = world.eventbridge.buses.get(&name);
    let stored = stored.filter(|_| *bus == world.bus_arn(&name));
    let stored = stored.ok_or_else(|| format!("lost: there is no bus {bus}"))?;
    let mut context = RequestContext::default()
        .with("aws:PrincipalArn", role)
        .with("aws:PrincipalAccount", account)
        .with("events:source", text(event, "source"))
        .with("events:detail-type", text(event, "detail-type"))
        .with("events:eventBusInvocation", true);
    if world.organizations.has_account(account) {
        context = context.with("aws:PrincipalOrgID", &world.organizations.id);
    }
    let request = Request::by_role(role, "events:PutEvents", bus.as_str(), &context);
    let policy = stored.policy.as_ref();
    let decision = policy.map_or(Decision::ImplicitDeny, |policy| evaluate(policy, request));
    let own = account == world.management_account() && decision != Decision::Denied;
    if decision != Decision::Allowed && !own {
        return Err(format!(
            "refused: the policy of the bus {name} doesn't let {account} in"
        ));
    }
    publish(world, &name, event, true);
    Ok(())
}

/// An event of the payer's own, such as its alarm's or a mail's: on its default bus.
pub(crate) fn own_event(world: &mut World, event: &Value) {
    publish(world, DEFAULT_BUS, event, false);
}

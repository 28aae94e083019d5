//! The payer's event buses: what is set up is here, how an event travels in `delivery`.

mod delivery;
mod setup;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use delivery::{anybody_listens, own_event};
pub use delivery::{from_account, from_member};

use super::policy::{PolicyKind, check};
use super::{Sandbox, World};
use crate::names::is_name;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::Arn;
use billctl_core::service::eventbridge::{
    CREATE_EVENT_BUS, DEFAULT_BUS, DELETE_EVENT_BUS, DELETE_RULE, DESCRIBE_EVENT_BUS, DESCRIBE_RULE, EventBridge,
    EventBus, LIST_TAGS_FOR_RESOURCE, LIST_TARGETS_BY_RULE, NewEvent, PUT_EVENTS, PUT_PERMISSION, PUT_RULE,
    PUT_TARGETS, REMOVE_PERMISSION, REMOVE_TARGETS, Rule, Target,
};
use billctl_core::service::{Kind, Result, Tags};

/// Most targets of a rule, and bytes of a bus policy
/// (docs/aws-facts.md, "Events between accounts").
const MAX_TARGETS: usize = 5;
const MAX_POLICY_BYTES: usize = 10_240;
/// Most bytes of an event (docs/aws-facts.md, "Events between accounts").
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// How many deliveries are remembered, to be looked at.
const LOG_LENGTH: usize = 200;

/// Buses of the payer, and what came of the latest events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    buses: BTreeMap<String, Bus>,
    log: Vec<Delivery>,
    events: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            // Every account has it from the start.
            buses: BTreeMap::from([(DEFAULT_BUS.to_owned(), Bus::default())]),
            log: Vec::new(),
            events: 0,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Bus {
    policy: Option<Value>,
    rules: BTreeMap<String, StoredRule>,
    tags: Tags,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StoredRule {
    pattern: Value,
    enabled: bool,
    description: String,
    targets: BTreeMap<String, StoredTarget>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredTarget {
    arn: Arn,
    role: Option<Arn>,
    dead_letter: Option<Arn>,
    extras: Option<String>,
}

/// What came of an event at one hop: AWS shows this in metrics and logs only, the sandbox to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// The event's id.
    pub event: String,
    /// Where: a bus or rule, by name.
    pub hop: String,
    /// What came of it.
    pub outcome: String,
}

impl State {
    /// The latest deliveries, oldest first.
    pub fn log(&self) -> &[Delivery] {
        &self.log
    }

    fn bus(&self, name: &str) -> Answer<&Bus> {
        self.buses.get(name).ok_or_else(|| no_bus(name))
    }

    fn bus_mut(&mut self, name: &str) -> Answer<&mut Bus> {
        self.buses.get_mut(name).ok_or_else(|| no_bus(name))
    }

    fn rule(&self, bus: &str, name: &str) -> Answer<&StoredRule> {
        self.bus(bus)?.rules.get(name).ok_or_else(|| no_rule(bus, name))
    }

    fn rule_mut(&mut self, bus: &str, name: &str) -> Answer<&mut StoredRule> {
        self.bus_mut(bus)?.rules.get_mut(name).ok_or_else(|| no_rule(bus, name))
    }
}

impl World {
    /// An event reaches a bus of the billing account, as a service's own does: its rules see it.
    pub fn receive_event(&mut self, bus: &str, event: &Value) {
        delivery::publish(self, bus, event, false);
    }

    fn note(&mut self, event: &str, hop: &str, outcome: impl Into<String>) {
        let log = &mut self.eventbridge.log;
        if log.len() >= LOG_LENGTH {
            log.remove(0);
        }
        log.push(Delivery {
            at: self.now,
            event: event.to_owned(),
            hop: hop.to_owned(),
            outcome: outcome.into(),
        });
    }

    fn bus_arn(&self, name: &str) -> Arn {
        self.own_arn("events", &format!("event-bus/{name}"))
    }

    /// A rule on the default bus has no bus in its ARN.
    fn rule_arn(&self, bus: &str, rule: &str) -> Arn {
        let resource = if bus == DEFAULT_BUS {
            format!("rule/{rule}")
        } else {
            format!("rule/{bus}/{rule}")
        };
        self.own_arn("events", &resource)
    }

    /// A fresh event id, in the shape that EventBridge's have; the same in every run.
    pub(super) fn fresh_event_id(&mut self) -> String {
        self.eventbridge.events += 1;
        let high = super::faults::hash(&["event", &self.eventbridge.events.to_string()]);
        let low = super::faults::hash(&["event-low", &self.eventbridge.events.to_string()]);
        uuid::Uuid::from_u64_pair(high, low).to_string()
    }
}

fn no_bus(name: &str) -> Refusal {
    Refusal::not_found("ResourceNotFoundException", format!("Event bus {name} does not exist."))
}

fn no_rule(bus: &str, name: &str) -> Refusal {
    let why = format!("Rule {name} does not exist on EventBus {bus}.");
    Refusal::not_found("ResourceNotFoundException", why)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid("ValidationException", message)
}

/// Names of buses and rules: `[.\-_A-Za-z0-9]`, up to a length (API reference).
fn valid_name(name: &str, longest: usize) -> Answer<()> {
    if is_name(name, longest, ".-_") {
        Ok(())
    } else {
        Err(invalid(format!(
            "1 validation error detected: Value '{name}' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"
        )))
    }
}

#[async_trait]
impl EventBridge for Sandbox {
    async fn describe_event_bus(&self, name: &str) -> Result<EventBus> {
        self.read(DESCRIBE_EVENT_BUS, |world| {
            let bus = world.eventbridge.bus(name)?;
            Ok(EventBus {
                name: name.to_owned(),
                arn: world.bus_arn(name),
                policy: bus.policy.clone(),
            })
        })
        .await
    }

    async fn list_tags(&self, bus: &Arn) -> Result<Tags> {
        self.read(LIST_TAGS_FOR_RESOURCE, |world| {
            let name = bus.resource().strip_prefix("event-bus/").unwrap_or_default();
            let found = world.eventbridge.bus(name)?;
            Ok(found.tags.clone())
        })
        .await
    }

    async fn create_event_bus(&self, name: &str, tags: &Tags) -> Result<Arn> {
        self.call(CREATE_EVENT_BUS, |world| {
            valid_name(name, 256)?;
            if world.eventbridge.buses.contains_key(name) {
                let why = format!("Event bus {name} already exists.");
                return Err(Refusal::exists("ResourceAlreadyExistsException", why));
            }
            let bus = Bus {
                tags: tags.clone(),
                ..Bus::default()
            };
            world.eventbridge.buses.insert(name.to_owned(), bus);
            Ok(world.bus_arn(name))
        })
        .await
    }

    async fn delete_event_bus(&self, name: &str) -> Result<()> {
        self.call(DELETE_EVENT_BUS, |world| {
            if name == DEFAULT_BUS {
                return Err(invalid("Cannot delete event bus default."));
            }
            // Deleting one that isn't there is no error: the operation declares none (API model).
            if let Some(bus) = world.eventbridge.buses.get(name)
                && !bus.rules.is_empty()
            {
                return Err(invalid(format!(
                    "Event bus {name} can't be deleted since it has rules."
                )));
            }
            world.eventbridge.buses.remove(name);
            Ok(())
        })
        .await
    }

    async fn put_bus_policy(&self, bus: &str, policy: &Value) -> Result<()> {
        self.call(PUT_PERMISSION, |world| {
            let stored = world.eventbridge.bus_mut(bus)?;
            check(policy, PolicyKind::Resource).map_err(|why| invalid(format!("Invalid policy: {why}")))?;
            if policy.to_string().len() > MAX_POLICY_BYTES {
                let why = format!("The policy is longer than {MAX_POLICY_BYTES} bytes.");
                return Err(Refusal::new(Kind::Quota, "PolicyLengthExceededException", why));
            }
            stored.policy = Some(policy.clone());
            Ok(())
        })
        .await
    }

    async fn remove_bus_statement(&self, bus: &str, statement_id: &str) -> Result<()> {
        self.call(REMOVE_PERMISSION, |world| {
            let stored = world.eventbridge.bus_mut(bus)?;
            let policy = stored.policy.as_mut();
            let statements = policy.and_then(|policy| policy.get_mut("Statement")?.as_array_mut());
            let is_it = |statement: &Value| statement.get("Sid").and_then(Value::as_str) == Some(statement_id);
            if let Some(statements) = statements
                && let Some(at) = statements.iter().position(is_it)
            {
                statements.remove(at);
                if statements.is_empty() {
                    stored.policy = None;
                }
                return Ok(());
            }
            let why = "Statement with the provided id does not exist.";
            Err(Refusal::not_found("ResourceNotFoundException", why))
        })
        .await
    }

    async fn describe_rule(&self, bus: &str, name: &str) -> Result<Rule> {
        self.read(DESCRIBE_RULE, |world| {
            let rule = world.eventbridge.rule(bus, name)?;
            Ok(Rule {
                name: name.to_owned(),
                bus: bus.to_owned(),
                pattern: rule.pattern.clone(),
                enabled: rule.enabled,
                description: rule.description.clone(),
            })
        })
        .await
    }

    async fn put_rule(&self, rule: &Rule) -> Result<()> {
        self.call(PUT_RULE, |world| setup::put_rule(world, rule)).await
    }

    async fn delete_rule(&self, bus: &str, name: &str) -> Result<()> {
        self.call(DELETE_RULE, |world| {
            let stored = world.eventbridge.bus_mut(bus)?;
            // Deleting one that isn't there is no error.
            if stored.rules.get(name).is_some_and(|rule| !rule.targets.is_empty()) {
                return Err(invalid("Rule can't be deleted since it has targets."));
            }
            stored.rules.remove(name);
            Ok(())
        })
        .await
    }

    async fn list_targets(&self, bus: &str, rule: &str) -> Result<Vec<Target>> {
        self.read(LIST_TARGETS_BY_RULE, |world| {
            let rule = world.eventbridge.rule(bus, rule)?;
            Ok(rule
                .targets
                .iter()
                .map(|(id, target)| Target {
                    id: id.clone(),
                    arn: target.arn.clone(),
                    role_arn: target.role.clone(),
                    dead_letter_arn: target.dead_letter.clone(),
                    extras: target.extras.clone(),
                })
                .collect())
        })
        .await
    }

    async fn put_targets(&self, bus: &str, rule: &str, targets: &[Target]) -> Result<()> {
        self.call(PUT_TARGETS, |world| setup::put_targets(world, bus, rule, targets))
            .await
    }

    async fn remove_targets(&self, bus: &str, rule: &str, ids: &[String]) -> Result<()> {
        self.call(REMOVE_TARGETS, |world| {
            let stored = world.eventbridge.rule_mut(bus, rule)?;
            for id in ids {
                stored.targets.remove(id);
            }
            Ok(())
        })
        .await
    }

    async fn put_event(&self, event: &NewEvent) -> Result<String> {
        self.call(PUT_EVENTS, |world| setup::put_event(world, event)).await
    }
}

/// A time as EventBridge writes it: whole seconds, UTC.
pub(super) fn seconds(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests;

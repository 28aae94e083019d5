use serde_json::{Map, Value, json};

use super::names::{
    ALARM_DETAIL_TYPE, ALARM_SOURCE, DESCRIPTION_MARK, NOTIFIER_TARGET, Naming, QUEUE_TARGET, TEST_DETAIL_TYPE,
    TEST_SOURCE,
};
use super::{Thing, document};
use billctl_core::service::eventbridge::{DEFAULT_BUS, Rule as ServiceRule, Target};

/// A rule with its targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The rule.
    pub rule: ServiceRule,
    /// Its targets, by id.
    pub targets: Vec<Target>,
}

impl Rule {
    /// On the members' bus: their alarms, and the billing account's own tests. A member can't send a test: the bus
    /// policy lets only alarm state changes in, and the notifier takes tests from its own account alone.
    fn members(naming: &Naming) -> Self {
        let names = &naming.config.names;
        let pattern = json!({
            "source": [ALARM_SOURCE, TEST_SOURCE],
            "detail-type": [ALARM_DETAIL_TYPE, TEST_DETAIL_TYPE],
            "detail": {
                "alarmName": [naming.config.alarm.name],
                "state": {"value": states(naming)},
            },
        });
        Self::to_notifier(
            naming,
            &names.event_bus,
            &names.member_rule,
            "starts the notifier for the members' alarms",
            pattern,
        )
    }

    /// On the default bus: the management account's own alarm, which no StackSet makes. None where the members'
    /// rule is on the default bus as well.
    fn own(naming: &Naming) -> Option<Self> {
        if naming.uses_default_bus() {
            return None;
        }
        let pattern = json!({
            "source": [ALARM_SOURCE],
            "detail-type": [ALARM_DETAIL_TYPE],
            "account": [naming.facts.management_account],
            "resources": [naming.own_alarm_arn()],
            "detail": {"state": {"value": states(naming)}},
        });
        Some(Self::to_notifier(
            naming,
            DEFAULT_BUS,
            &naming.config.names.own_rule,
            "starts the notifier for the management account's own alarm",
            pattern,
        ))
    }

    /// On the default bus, the only one that SES writes to: what it reports of failed mails goes to the queue,
    /// where `status` counts it. Which kinds of report there are is the configuration set's choice.
    fn mail_failures(naming: &Naming) -> Self {
        let set = &naming.config.names.configuration_set;
        let pattern = json!({
            "source": ["aws.ses"],
            "detail": {"mail": {"tags": {"ses:configuration-set": [set]}}},
        });
        Self {
            rule: ServiceRule {
                name: naming.config.names.mail_failure_rule(),
                bus: DEFAULT_BUS.to_owned(),
                pattern,
                enabled: true,
                description: format!("{DESCRIPTION_MARK}keeps bounces, complaints, rejects and rendering failures"),
            },
            targets: vec![Target {
                id: QUEUE_TARGET.to_owned(),
                arn: naming.queue_arn(),
                role_arn: None,
                dead_letter_arn: None,
                extras: None,
            }],
        }
    }

    fn to_notifier(naming: &Naming, bus: &str, name: &str, purpose: &str, pattern: Value) -> Self {
        Self {
            rule: ServiceRule {
                name: name.to_owned(),
                bus: bus.to_owned(),
                pattern,
                enabled: true,
                description: format!("{DESCRIPTION_MARK}{purpose}"),
            },
            targets: vec![Target {
                id: NOTIFIER_TARGET.to_owned(),
                arn: naming.notifier_arn(),
                role_arn: Some(naming.rule_role_arn()),
                dead_letter_arn: Some(naming.queue_arn()),
                extras: None,
            }],
        }
    }
}

impl Thing for Rule {
    fn desired(naming: &Naming) -> Vec<Self> {
        let members = [Self::members(naming)].into_iter();
        members
            .chain(Self::own(naming))
            .chain([Self::mail_failures(naming)])
            .collect()
    }

    fn name(&self) -> String {
        format!("{}/{}", self.rule.bus, self.rule.name)
    }

    fn is_ours(&self) -> bool {
        self.rule.description.starts_with(DESCRIPTION_MARK)
    }

    fn document(&self) -> Value {
        let targets: Map<String, Value> = self
            .targets
            .iter()
            .map(|target| {
                let mut fields = Map::from_iter([("arn".to_owned(), json!(target.arn))]);
                if let Some(role) = &target.role_arn {
                    fields.insert("role".into(), json!(role));
                }
                if let Some(queue) = &target.dead_letter_arn {
                    fields.insert("deadLetterQueue".into(), json!(queue));
                }
                if let Some(extras) = &target.extras {
                    fields.insert("extras".into(), json!(extras));
                }
                (format!("[{}]", target.id), Value::Object(fields))
            })
            .collect();
        json!({
            "enabled": self.rule.enabled,
            "description": self.rule.description,
            "pattern": document::pattern(&self.rule.pattern),
            "targets": targets,
        })
    }
}

/// OK only where the owner wants to hear of it: otherwise each would be an execution for nothing.
fn states(naming: &Naming) -> Value {
    if naming.config.mail.notify_ok {
        json!(["ALARM", "OK"])
    } else {
        json!(["ALARM"])
    }
}

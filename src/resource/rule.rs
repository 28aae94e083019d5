use serde_json::{Map, Value, json};

use super::names::{
    ALARM_DETAIL_TYPE, ALARM_SOURCE, DESCRIPTION_MARK, NOTIFIER_TARGET, QUEUE_TARGET, Scope, TEST_DETAIL_TYPE,
    TEST_SOURCE,
};
use super::{Thing, document};
use billctl_core::service::eventbridge::DEFAULT_BUS;
use billctl_core::service::eventbridge::{Rule as ServiceRule, Target};

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
    fn members(scope: &Scope) -> Self {
        let names = &scope.config.names;
        let pattern = json!({
            "source": [ALARM_SOURCE, TEST_SOURCE],
            "detail-type": [ALARM_DETAIL_TYPE, TEST_DETAIL_TYPE],
            "detail": {
                "alarmName": [scope.config.alarm.name],
                "state": {"value": states(scope)},
            },
        });
        Self::to_notifier(
            scope,
            &names.event_bus,
            &names.member_rule,
            "starts the notifier for the members' alarms",
            pattern,
        )
    }

    /// On the default bus: the management account's own alarm, which no StackSet makes. None where the members'
    /// rule is on the default bus as well.
    fn own(scope: &Scope) -> Option<Self> {
        if scope.uses_default_bus() {
            return None;
        }
        let pattern = json!({
            "source": [ALARM_SOURCE],
            "detail-type": [ALARM_DETAIL_TYPE],
            "account": [scope.facts.management_account],
            "resources": [scope.own_alarm_arn()],
            "detail": {"state": {"value": states(scope)}},
        });
        Some(Self::to_notifier(
            scope,
            DEFAULT_BUS,
            &scope.config.names.own_rule,
            "starts the notifier for the management account's own alarm",
            pattern,
        ))
    }

    /// On the default bus, the only one that SES writes to: what it reports of failed mails goes to the queue,
    /// where `status` counts it. Which kinds of report there are is the configuration set's choice.
    fn mail_failures(scope: &Scope) -> Self {
        let set = &scope.config.names.configuration_set;
        let pattern = json!({
            "source": ["aws.ses"],
            "detail": {"mail": {"tags": {"ses:configuration-set": [set]}}},
        });
        Self {
            rule: ServiceRule {
                name: scope.config.names.mail_failure_rule(),
                bus: DEFAULT_BUS.to_owned(),
                pattern,
                enabled: true,
                description: format!("{DESCRIPTION_MARK}keeps bounces, complaints, rejects and rendering failures"),
            },
            targets: vec![Target {
                id: QUEUE_TARGET.to_owned(),
                arn: scope.queue_arn(),
                role_arn: None,
                dead_letter_arn: None,
                extras: None,
            }],
        }
    }

    fn to_notifier(scope: &Scope, bus: &str, name: &str, purpose: &str, pattern: Value) -> Self {
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
                arn: scope.notifier_arn(),
                role_arn: Some(scope.rule_role_arn()),
                dead_letter_arn: Some(scope.queue_arn()),
                extras: None,
            }],
        }
    }
}

impl Thing for Rule {
    fn desired(scope: &Scope) -> Vec<Self> {
        let members = [Self::members(scope)].into_iter();
        members
            .chain(Self::own(scope))
            .chain([Self::mail_failures(scope)])
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
fn states(scope: &Scope) -> Value {
    if scope.config.mail.notify_ok {
        json!(["ALARM", "OK"])
    } else {
        json!(["ALARM"])
    }
}

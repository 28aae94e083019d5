use serde_json::{Map, Value, json};

use super::names::{
    ALARM_DETAIL_TYPE, ALARM_SOURCE, DESCRIPTION_MARK, NOTIFIER_TARGET, Naming, QUEUE_TARGET, TEST_DETAIL_TYPE,
    TEST_SOURCE, alarm_arn,
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
            "resources": [alarm_arn(naming.config, naming.facts.management_account)],
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
        let purpose = "keeps bounces, complaints, rejects and rendering failures";
        let target = Target {
            id: QUEUE_TARGET.to_owned(),
            arn: naming.queue_arn(),
            role_arn: None,
            dead_letter_arn: None,
            extras: None,
        };
        Self::new(
            DEFAULT_BUS,
            &naming.config.names.mail_failure_rule(),
            purpose,
            pattern,
            target,
        )
    }

    fn to_notifier(naming: &Naming, bus: &str, name: &str, purpose: &str, pattern: Value) -> Self {
        let target = Target {
            id: NOTIFIER_TARGET.to_owned(),
            arn: naming.notifier_arn(),
            role_arn: Some(naming.rule_role_arn()),
            dead_letter_arn: Some(naming.queue_arn()),
            extras: None,
        };
        Self::new(bus, name, purpose, pattern, target)
    }

    fn new(bus: &str, name: &str, purpose: &str, pattern: Value, target: Target) -> Self {
        Self {
            rule: ServiceRule {
                name: name.to_owned(),
                bus: bus.to_owned(),
                pattern,
                enabled: true,
                description: format!("{DESCRIPTION_MARK}{purpose}"),
            },
            targets: vec![target],
        }
    }
}

impl Thing for Rule {
    fn desired(naming: &Naming) -> Vec<Self> {
        let members = [Self::members(naming)].into_iter();
        let to_notifier = members.chain(Self::own(naming));
        to_notifier.chain([Self::mail_failures(naming)]).collect()
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
                let fields = document::without_nulls(json!({
                    "arn": target.arn,
                    "role": target.role_arn,
                    "deadLetterQueue": target.dead_letter_arn,
                    "extras": target.extras,
                }));
                (format!("[{}]", target.id), fields)
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

//! Every name and ARN of the billing account's side, derived in one place.

use serde_json::{Value, json};

use super::chat::Chat;
use super::fill::Values;
use crate::config::{Config, Operations};
use billctl_core::model::{AccountId, Arn, OrgId, REGION, Usd};
use billctl_core::service::Tags;
use billctl_core::service::eventbridge::DEFAULT_BUS;

/// How every description that billctl writes begins: the mark of ownership where a service shows no tags.
pub(super) const DESCRIPTION_MARK: &str = "billctl: ";
/// The id of a rule's target that is the notifier.
pub const NOTIFIER_TARGET: &str = "notifier";
/// The id of a rule's target that is the queue.
pub const QUEUE_TARGET: &str = "undelivered";
/// The `source` of a test event.
pub const TEST_SOURCE: &str = "billctl.test";
/// The `detail-type` of a test event.
pub const TEST_DETAIL_TYPE: &str = "billctl Test Alarm";
/// The `source` of an alarm's state change (docs/aws-facts.md, "Alarm events").
pub const ALARM_SOURCE: &str = "aws.cloudwatch";
/// The `detail-type` of an alarm's state change (docs/aws-facts.md, "Alarm events").
pub const ALARM_DETAIL_TYPE: &str = "CloudWatch Alarm State Change";

/// The tag that says who made something.
const MANAGED_BY: (&str, &str) = ("managed-by", "billctl");

/// What has to be known of AWS to say what the billing side should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The organisation.
    pub organization: OrgId,
    /// Its management account, which is the billing account.
    pub management_account: AccountId,
    /// The threshold of the management account's own alarm.
    pub own_threshold: Usd,
    /// Where chat messages go.
    pub chat: Chat,
}

/// The tags of everything that billctl makes.
pub fn tags() -> Tags {
    Tags::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned())])
}

/// Whether these are tags that billctl gave.
pub fn are_ours(tags: &Tags) -> bool {
    tags.get(MANAGED_BY.0).map(String::as_str) == Some(MANAGED_BY.1)
}

/// The mail address in a From text: `Billing <billing@example.com>` or the address alone.
pub fn bare_address(from: &str) -> &str {
    from.rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(from, |(address, _)| address)
        .trim()
}

/// The bus in the billing account `billing` that receives the members' alarms.
pub fn bus_arn(config: &Config, billing: AccountId) -> Arn {
    Arn::new(
        "events",
        REGION,
        billing,
        &format!("event-bus/{}", config.names.event_bus),
    )
}

/// The topic that bootstrap makes where `[operations]` has an address.
pub fn operations_topic_arn(config: &Config, account: AccountId) -> Arn {
    Arn::new("sns", REGION, account, &config.names.operations_topic)
}

/// The permissions boundary of the billing account's roles, if config wants one.
pub(super) fn boundary_arn(naming: &Naming) -> Option<Arn> {
    let name = naming.config.bootstrap.permissions_boundary.as_ref()?;
    let resource = format!("policy/{}", name.trim_start_matches('/'));
    Some(Arn::new("iam", "", naming.facts.management_account, &resource))
}

/// The role that the notifier runs with.
pub fn notifier_role_arn(config: &Config, account: AccountId) -> Arn {
    Arn::new("iam", "", account, &format!("role/{}", config.names.notifier_role))
}

/// Names and ARNs, from config and facts.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// What the user wants.
    pub config: &'a Config,
    /// What AWS says.
    pub facts: &'a Facts,
}

impl Naming<'_> {
    fn arn(&self, service: &str, resource: &str) -> Arn {
        Arn::new(service, REGION, self.facts.management_account, resource)
    }

    fn global_arn(&self, service: &str, resource: &str) -> Arn {
        Arn::new(service, "", self.facts.management_account, resource)
    }

    /// Whether the members' events arrive on the default bus, where a custom one is wiser
    /// (docs/aws-facts.md, "Events between accounts").
    pub fn uses_default_bus(&self) -> bool {
        self.config.names.event_bus == DEFAULT_BUS
    }

    /// The bus that receives the members' alarms.
    pub fn bus_arn(&self) -> Arn {
        bus_arn(self.config, self.facts.management_account)
    }

    /// The default bus.
    pub fn default_bus_arn(&self) -> Arn {
        self.arn("events", &format!("event-bus/{DEFAULT_BUS}"))
    }

    /// A rule: on the default bus its ARN doesn't name the bus.
    pub fn rule_arn(&self, bus: &str, rule: &str) -> Arn {
        if bus == DEFAULT_BUS {
            self.arn("events", &format!("rule/{rule}"))
        } else {
            self.arn("events", &format!("rule/{bus}/{rule}"))
        }
    }

    /// The rule on the members' bus.
    pub fn member_rule_arn(&self) -> Arn {
        self.rule_arn(&self.config.names.event_bus, &self.config.names.member_rule)
    }

    /// The rule for the management account's own alarm. With the default bus as the members' bus there is none:
    /// the members' rule already sees that alarm.
    pub fn own_rule_arn(&self) -> Option<Arn> {
        (!self.uses_default_bus()).then(|| self.rule_arn(DEFAULT_BUS, &self.config.names.own_rule))
    }

    /// The rule that keeps what SES reports about mails that failed.
    pub fn mail_failure_rule_arn(&self) -> Arn {
        self.rule_arn(DEFAULT_BUS, &self.config.names.mail_failure_rule())
    }

    /// The rules that start the notifier.
    pub fn notifier_rule_arns(&self) -> Vec<Arn> {
        std::iter::once(self.member_rule_arn())
            .chain(self.own_rule_arn())
            .collect()
    }

    /// The dead-letter queue.
    pub fn queue_arn(&self) -> Arn {
        self.arn("sqs", &self.config.names.queue)
    }

    /// The topic that bootstrap makes where `[operations]` has an address.
    pub fn operations_topic_arn(&self) -> Arn {
        operations_topic_arn(self.config, self.facts.management_account)
    }

    /// The topic that the health alarms act on.
    pub fn alarm_topic(&self) -> Option<Arn> {
        self.config.operations.as_ref().map(|operations| match operations {
            Operations::Topic(topic) => topic.clone(),
            Operations::Mail(_) => self.operations_topic_arn(),
        })
    }

    /// The state machine.
    pub fn notifier_arn(&self) -> Arn {
        self.arn("states", &format!("stateMachine:{}", self.config.names.notifier))
    }

    /// An execution of it.
    pub fn execution_arn(&self, name: &str) -> Arn {
        self.arn("states", &format!("execution:{}:{name}", self.config.names.notifier))
    }

    /// The state machine's role.
    pub fn notifier_role_arn(&self) -> Arn {
        notifier_role_arn(self.config, self.facts.management_account)
    }

    /// The rules' role.
    pub fn rule_role_arn(&self) -> Arn {
        self.global_arn("iam", &format!("role/{}", self.config.names.rule_role))
    }

    /// The identity that sends: in this account, or in the shared core account.
    pub fn identity_arn(&self) -> Arn {
        self.config
            .mail
            .identity_arn
            .clone()
            .unwrap_or_else(|| self.arn("ses", &format!("identity/{}", self.config.mail.identity)))
    }

    /// The management account's own alarm.
    pub fn own_alarm_arn(&self) -> Arn {
        self.arn("cloudwatch", &format!("alarm:{}", self.config.alarm.name))
    }

    /// The values of the state machine's placeholders (docs/notifier.md).
    pub fn notifier_values(&self) -> Values {
        let mail = &self.config.mail;
        let names = &self.config.names;
        let identity_arn = mail.identity_arn.as_ref().map(Arn::to_string);
        let truth = |is: bool| if is { "true" } else { "false" };
        let escalate_after = mail.escalate_after.unwrap_or(0).to_string();
        let chat = &self.facts.chat;
        values([
            ("FromAddress", mail.sender().as_str()),
            ("IdentityArn", identity_arn.as_deref().unwrap_or_default()),
            ("ConfigurationSet", &names.configuration_set),
            ("TemplateName", &names.template),
            ("ReplyTo", self.config.reply_to().unwrap_or_default()),
            (
                "OrganizationName",
                self.config.organization_name.as_deref().unwrap_or_default(),
            ),
            ("Cc", &mail.cc.join(" ")),
            ("FallbackRecipient", mail.fallback.as_deref().unwrap_or_default()),
            ("OwnerTag", &mail.owner_tag),
            ("BillingContact", truth(mail.billing_contact)),
            ("AlarmName", &self.config.alarm.name),
            ("Measure", self.config.alarm.measure.word()),
            ("NotifyOk", truth(mail.notify_ok)),
            ("Remind", truth(mail.remind)),
            ("EscalateAfter", &escalate_after),
            ("EscalateTo", &mail.escalate_to.join(" ")),
            ("StackSetName", &self.config.deploy.stack_set),
            ("ChatTopic", chat.default.as_ref().map(Arn::as_str).unwrap_or_default()),
            ("ChatTopics", &chat.by_ou()),
        ])
    }

    /// The values of the policies' placeholders (docs/notifier.md).
    pub fn policy_values(&self) -> Values {
        let names = &self.config.names;
        let mut filled = values([
            ("AccountId", self.facts.management_account.to_string().as_str()),
            ("OrganizationId", self.facts.organization.as_str()),
            ("EventBusName", &names.event_bus),
            ("QueueName", &names.queue),
            ("StateMachineName", &names.notifier),
            ("NotifierRoleName", &names.notifier_role),
            ("StackSetName", &self.config.deploy.stack_set),
            ("SendingIdentityArn", self.identity_arn().as_str()),
            ("ConfigurationSet", &names.configuration_set),
            ("TemplateName", &names.template),
            ("FromAddress", &self.config.mail.from),
        ]);
        let (billing, organization) = (self.facts.management_account, &self.facts.organization);
        let contacts = [
            format!("arn:aws:account::{billing}:account"),
            format!("arn:aws:account::{billing}:account/{organization}/*"),
        ];
        let asked = self.config.mail.billing_contact;
        filled.insert("ContactArns", if asked { json!(contacts) } else { json!([]) });
        filled.insert("ChatTopicArns", json!(self.facts.chat.topics()));
        let mut rules = self.notifier_rule_arns();
        filled.insert("NotifierRuleArns", json!(rules));
        rules.push(self.mail_failure_rule_arn());
        filled.insert("QueueRuleArns", json!(rules));
        filled
    }
}

fn values<const N: usize>(pairs: [(&'static str, &str); N]) -> Values {
    pairs
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect()
}

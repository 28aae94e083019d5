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

/// A thing as an ARN names it: all but the account that it is in.
pub(super) struct Named {
    service: &'static str,
    region: &'static str,
    resource: String,
}

impl Named {
    pub(super) const fn regional(service: &'static str, resource: String) -> Self {
        let region = REGION;
        Self {
            service,
            region,
            resource,
        }
    }

    pub(super) const fn global(service: &'static str, resource: String) -> Self {
        let region = "";
        Self {
            service,
            region,
            resource,
        }
    }

    pub(super) fn alarm(name: &str) -> Self {
        Self::regional("cloudwatch", format!("alarm:{name}"))
    }

    pub(super) fn dashboard(name: &str) -> Self {
        Self::global("cloudwatch", format!("dashboard/{name}"))
    }

    pub(super) fn bus(name: &str) -> Self {
        Self::regional("events", format!("event-bus/{name}"))
    }

    /// On the default bus a rule's ARN doesn't name the bus.
    pub(super) fn rule(bus: &str, name: &str) -> Self {
        let resource = match bus {
            DEFAULT_BUS => format!("rule/{name}"),
            bus => format!("rule/{bus}/{name}"),
        };
        Self::regional("events", resource)
    }

    /// A state machine, or what is of one: `kind` is `stateMachine`, `execution`, ...
    pub(super) fn state_machine(kind: &str, name: &str) -> Self {
        Self::regional("states", format!("{kind}:{name}"))
    }

    pub(super) fn queue(name: &str) -> Self {
        Self::regional("sqs", name.to_owned())
    }

    pub(super) fn topic(name: &str) -> Self {
        Self::regional("sns", name.to_owned())
    }

    /// One of SES's: `kind` is `identity`, `template`, ...
    pub(super) fn ses(kind: &str, name: &str) -> Self {
        Self::regional("ses", format!("{kind}/{name}"))
    }

    pub(super) fn role(name: &str) -> Self {
        Self::global("iam", format!("role/{name}"))
    }

    /// A policy of the customer's, by its path and name.
    pub(super) fn policy(name: &str) -> Self {
        Self::global("iam", format!("policy/{}", name.trim_start_matches('/')))
    }

    /// Its ARN.
    pub(super) fn of(&self, account: AccountId) -> Arn {
        Arn::new(self.service, self.region, account, &self.resource)
    }

    /// Its ARN as a policy takes it literally; `account` may be a star.
    pub(super) fn pattern(&self, account: &str) -> String {
        format!(
            "arn:aws:{}:{}:{account}:{}",
            self.service,
            self.region,
            literal(&self.resource)
        )
    }
}

/// A name as a policy takes it literally: `*`, `?` and `$` mean something there (IAM user guide, policy variables).
fn literal(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '*' | '?' | '$' => format!("${{{character}}}"),
            other => other.to_string(),
        })
        .collect()
}

/// The bus in the billing account `billing` that receives the members' alarms.
pub fn bus_arn(config: &Config, billing: AccountId) -> Arn {
    Named::bus(&config.names.event_bus).of(billing)
}

/// An account's spend alarm.
pub fn alarm_arn(config: &Config, account: AccountId) -> Arn {
    Named::alarm(&config.alarm.name).of(account)
}

/// The topic that bootstrap makes where `[operations]` has an address.
pub fn operations_topic_arn(config: &Config, account: AccountId) -> Arn {
    Named::topic(&config.names.operations_topic).of(account)
}

/// The permissions boundary of the billing account's roles, if config wants one.
pub(super) fn boundary_arn(naming: &Naming) -> Option<Arn> {
    let name = naming.config.bootstrap.permissions_boundary.as_ref()?;
    Some(naming.arn(&Named::policy(name)))
}

/// The role that the notifier runs with.
pub fn notifier_role_arn(config: &Config, account: AccountId) -> Arn {
    Named::role(&config.names.notifier_role).of(account)
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
    fn arn(&self, named: &Named) -> Arn {
        named.of(self.facts.management_account)
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
        self.arn(&Named::bus(DEFAULT_BUS))
    }

    /// A rule.
    pub fn rule_arn(&self, bus: &str, rule: &str) -> Arn {
        self.arn(&Named::rule(bus, rule))
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
        self.arn(&Named::queue(&self.config.names.queue))
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
        self.arn(&Named::state_machine("stateMachine", &self.config.names.notifier))
    }

    /// An execution of it.
    pub fn execution_arn(&self, name: &str) -> Arn {
        let execution = format!("{}:{name}", self.config.names.notifier);
        self.arn(&Named::state_machine("execution", &execution))
    }

    /// The state machine's role.
    pub fn notifier_role_arn(&self) -> Arn {
        notifier_role_arn(self.config, self.facts.management_account)
    }

    /// The rules' role.
    pub fn rule_role_arn(&self) -> Arn {
        self.arn(&Named::role(&self.config.names.rule_role))
    }

    /// The identity that sends: in this account, or in the shared core account.
    pub fn identity_arn(&self) -> Arn {
        self.config
            .mail
            .identity_arn
            .clone()
            .unwrap_or_else(|| self.arn(&Named::ses("identity", &self.config.mail.identity)))
    }

    /// The management account's own alarm.
    pub fn own_alarm_arn(&self) -> Arn {
        alarm_arn(self.config, self.facts.management_account)
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

//! Reads the billing account's side: who is calling, and every thing that bootstrap manages.

use futures::future::{BoxFuture, OptionFuture, try_join_all};
use futures::{FutureExt, try_join};

use crate::config::Config;
use crate::observe::{self, precheck};
use crate::plan::Thresholds;
use crate::plan::billing::Present;
use crate::plan::operations::Hearing;
use crate::resource::{
    Access, Alarm, Bus, ConfigurationSet, DESTINATION, Dashboard, Facts, Identity, Notifier, Queue, Resource, Role,
    Rule, Scope, Template, Topic,
};
use billctl_core::error::{Context, Result};
use billctl_core::model::{AccountId, Arn, Usd};
use billctl_core::service::cloudformation::OrganizationsAccess;
use billctl_core::service::eventbridge::DEFAULT_BUS;
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};
use billctl_core::service::sns::LIST_SUBSCRIPTIONS_BY_TOPIC;
use billctl_core::service::{self, Kind, OrAbsent, Services, all_pages};

/// The billing side as it is.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What is there, and what couldn't be read.
    pub present: Present,
    /// What SES lets the account send.
    pub ses: SesAccount,
    /// The identity that sends, unless it is another account's.
    pub identity: Option<EmailIdentity>,
    /// Who hears when the notifier itself fails.
    pub hearing: Hearing,
}

/// Who is calling, checked: bootstrap works in the management account of the configured organisation alone.
///
/// # Errors
/// What [`precheck::billing_account`] finds; rules for OUs or accounts that don't exist.
pub async fn facts(services: &Services, config: &Config) -> Result<Facts> {
    let OrganizationInfo {
        id, management_account, ..
    } = precheck::billing_account(services, config).await?;
    let own_threshold = own_threshold(services, config, management_account).await?;
    Ok(Facts {
        organization: id,
        management_account,
        own_threshold,
    })
}

/// The management account's threshold. The organisation is read only where a rule for an OU could decide.
async fn own_threshold(services: &Services, config: &Config, management_account: AccountId) -> Result<Usd> {
    if let Some(threshold) = Thresholds::without_ous(config, management_account) {
        return Ok(threshold);
    }
    let organization = observe::organization(services).await?;
    Ok(Thresholds::checked(config, &organization)?.of_management_account(&organization))
}

type Read<'a> = BoxFuture<'a, service::Result<Option<Resource>>>;

/// Reads everything at once.
///
/// # Errors
/// AWS's answer to any of the reads: only "not found" means that a thing isn't there.
pub async fn read(services: &Services, scope: &Scope<'_>) -> Result<Observed> {
    let names = &scope.config.names;
    let identity = async {
        let wanted = scope.config.mail.identity_arn.is_none();
        let read = wanted.then(|| services.sesv2.get_email_identity(&scope.config.mail.identity));
        match OptionFuture::from(read).await {
            Some(answer) => answer.or_absent(),
            None => Ok(None),
        }
    };
    let mut rules = vec![
        (names.event_bus.clone(), names.member_rule.clone()),
        (DEFAULT_BUS.to_owned(), scope.mail_failure_rule()),
    ];
    if !scope.uses_default_bus() {
        rules.push((DEFAULT_BUS.to_owned(), names.own_rule.clone()));
    }
    let mut reads: Vec<Read> = vec![
        queue(services, &names.queue).boxed(),
        topic(services, scope.operations_topic_arn()).boxed(),
        bus(services, &names.event_bus).boxed(),
        configuration_set(services, &names.configuration_set).boxed(),
        template(services, &names.template).boxed(),
        role(services, &names.notifier_role).boxed(),
        role(services, &names.rule_role).boxed(),
        notifier(services, scope).boxed(),
        dashboard(services, &names.dashboard).boxed(),
    ];
    reads.extend(rules.into_iter().map(|(bus, name)| rule(services, bus, name).boxed()));
    let (access, found, alarms, ses, identity, hearing) = try_join!(
        access(services).map(Ok),
        try_join_all(reads),
        alarms(services, scope),
        services.sesv2.get_account(),
        identity,
        observe::operations::read(services, scope.config, scope.facts.management_account),
    )
    .while_trying("read the billing side")?;
    let known_identity = identity.as_ref().map(|identity| {
        Resource::Identity(Identity {
            name: identity.name.clone(),
            mail_from_domain: identity.mail_from_domain.clone(),
            tags: identity.tags.clone(),
        })
    });
    let mut present: Present = found
        .into_iter()
        .flatten()
        .chain(alarms)
        .chain(known_identity)
        .collect();
    match access {
        Ok(access) => present.extend(access),
        Err(error) if !matches!(error.kind, Kind::Other | Kind::Invalid | Kind::Garbled) => {
            return Err(error).while_trying("read the billing side");
        }
        Err(error) => present.set_unreadable(Access::id(), error.to_string()),
    }
    Ok(Observed {
        present,
        ses,
        identity,
        hearing,
    })
}

/// Not every engine that speaks AWS's language has this call, so the billing side can be seen to without it.
async fn access(services: &Services) -> service::Result<Option<Resource>> {
    let state = services.cloudformation.describe_organizations_access().await?;
    // Off is "not there": switching it on is then a creation.
    Ok((state != OrganizationsAccess::Disabled).then_some(Resource::Access(Access { state })))
}

pub(super) async fn queue(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let Some(url) = services.sqs.get_queue_url(name).await.or_absent()? else {
        return Ok(None);
    };
    let (attributes, tags) = futures::join!(
        services.sqs.get_queue_attributes(&url),
        services.sqs.list_queue_tags(&url),
    );
    let Some(attributes) = attributes.or_absent()? else {
        return Ok(None);
    };
    Ok(Some(Resource::Queue(Queue {
        name: name.to_owned(),
        attributes,
        tags: tags.or_absent()?.unwrap_or_default(),
    })))
}

pub(super) async fn topic(services: &Services, arn: Arn) -> service::Result<Option<Resource>> {
    let sns = &services.sns;
    let there = sns.get_topic_attributes(&arn).await.or_absent()?;
    if there.is_none() {
        return Ok(None);
    }
    let (tags, subscriptions) = futures::join!(
        sns.list_topic_tags(&arn),
        all_pages(LIST_SUBSCRIPTIONS_BY_TOPIC, |token| sns.list_subscriptions(&arn, token)),
    );
    Ok(Some(Resource::Topic(Topic {
        name: arn.resource().to_owned(),
        tags: tags.or_absent()?.unwrap_or_default(),
        subscriptions: subscriptions.or_absent()?.unwrap_or_default(),
        arn,
    })))
}

pub(super) async fn bus(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let eventbridge = &services.eventbridge;
    let Some(bus) = eventbridge.describe_event_bus(name).await.or_absent()? else {
        return Ok(None);
    };
    let tags = match name {
        DEFAULT_BUS => None,
        _ => eventbridge.list_tags(&bus.arn).await.or_absent()?,
    };
    Ok(Some(Resource::Bus(Bus {
        name: bus.name,
        policy: bus.policy,
        tags: tags.unwrap_or_default(),
    })))
}

pub(super) async fn configuration_set(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let (set, destinations) = futures::join!(
        services.sesv2.get_configuration_set(name),
        services.sesv2.get_event_destinations(name),
    );
    let Some(set) = set.or_absent()? else {
        return Ok(None);
    };
    let destination = destinations
        .or_absent()?
        .unwrap_or_default()
        .into_iter()
        .find(|destination| destination.name == DESTINATION);
    Ok(Some(Resource::ConfigurationSet(ConfigurationSet {
        name: set.name,
        tags: set.tags,
        destination,
    })))
}

pub(super) async fn template(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let template = services.sesv2.get_email_template(name).await.or_absent()?;
    Ok(template.map(|template| Resource::Template(Template(template))))
}

pub(super) async fn role(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let iam = &services.iam;
    let Some(role) = iam.get_role(name).await.or_absent()? else {
        return Ok(None);
    };
    let (names, attached) = try_join!(iam.list_role_policies(name), iam.list_attached_role_policies(name))?;
    let policies = try_join_all(names.into_iter().map(|policy| async move {
        let document = iam.get_role_policy(name, &policy).await.or_absent()?;
        Ok::<_, service::ServiceError>(document.map(|document| (policy, document)))
    }))
    .await?;
    Ok(Some(Resource::Role(Role {
        name: role.name,
        description: role.description,
        tags: role.tags,
        trust: role.trust_policy,
        policies: policies.into_iter().flatten().collect(),
        attached,
    })))
}

async fn notifier(services: &Services, scope: &Scope<'_>) -> service::Result<Option<Resource>> {
    let machine = services
        .sfn
        .describe_state_machine(&scope.notifier_arn())
        .await
        .or_absent()?;
    Ok(machine.map(|machine| {
        Resource::Notifier(Notifier {
            name: machine.name,
            arn: machine.arn,
            definition: machine.definition,
            role: machine.role_arn,
        })
    }))
}

pub(super) async fn rule(services: &Services, bus: String, name: String) -> service::Result<Option<Resource>> {
    let (rule, targets) = futures::join!(
        services.eventbridge.describe_rule(&bus, &name),
        services.eventbridge.list_targets(&bus, &name),
    );
    let Some(rule) = rule.or_absent()? else {
        return Ok(None);
    };
    Ok(Some(Resource::Rule(Rule {
        rule,
        targets: targets.or_absent()?.unwrap_or_default(),
    })))
}

async fn alarms(services: &Services, scope: &Scope<'_>) -> service::Result<Vec<Resource>> {
    let alarms = services.cloudwatch.describe_alarms(&scope.alarm_names()).await?;
    Ok(alarms
        .into_iter()
        .map(|status| Resource::Alarm(Alarm::from(status.alarm)))
        .collect())
}

pub(super) async fn dashboard(services: &Services, name: &str) -> service::Result<Option<Resource>> {
    let body = services.cloudwatch.get_dashboard(name).await.or_absent()?;
    Ok(body.map(|body| {
        Resource::Dashboard(Dashboard {
            name: name.to_owned(),
            body,
        })
    }))
}

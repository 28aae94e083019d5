//! Carries out the billing side's plan, step after step.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::billing::{Action, Plan, Step};
use crate::resource::document::FieldChange;
use crate::resource::{
    BUS_STATEMENT, Bus, ConfigurationSet, Identity, Notifier, Queue, Resource, Role, Rule, Template, Topic,
    sample_data, tags,
};
use billctl_core::error::{Context, Error, Result};
use billctl_core::event::{Event, Listener};
use billctl_core::model::Arn;
use billctl_core::service::cloudformation::OrganizationsAccess;
use billctl_core::service::iam::NewRole;
use billctl_core::service::sfn::NewStateMachine;
use billctl_core::service::sqs::Attributes;
use billctl_core::service::{self, Kind, OrAbsent, ServiceError, Services};

/// Between two attempts to use a role that was just made.
const ROLE_PAUSE: Duration = Duration::from_secs(3);
/// Attempts to use a role that was just made: about a minute. IAM is eventually consistent (IAM User Guide,
/// "Troubleshoot IAM": changes are not immediately visible); a few seconds are usual.
const FRESH_ROLE_ATTEMPTS: usize = 20;
/// Attempts to use a role that was there already: a run before this one may have made it and died.
const ROLE_ATTEMPTS: usize = 6;
/// Between two calls for templates: SES takes one a second (AWS-FACTS 6).
const TEMPLATE_PAUSE: Duration = Duration::from_secs(1);

/// Carries out every step in order. Running it again after a failure carries on: what is there already is
/// compared, not made again.
///
/// # Errors
/// The first step that fails, named.
pub async fn run(plan: &Plan, services: &Services, listener: &dyn Listener) -> Result<()> {
    let mut run = Run {
        services,
        listener,
        fresh_roles: BTreeSet::new(),
    };
    let total = plan.steps.len();
    for (index, step) in plan.steps.iter().enumerate() {
        let number = index + 1;
        let title = title(step);
        listener.on(Event::StepStarted {
            number,
            total,
            title: title.clone(),
        });
        run.step(step)
            .await
            .map_err(|error| pass_role_hint(error, step))
            .while_trying(title.clone())?;
        listener.on(Event::StepDone { number, total, title });
        // Whoever wants to stop comes before the next step.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What a step does, in words that fit after "failed to".
pub fn title(step: &Step) -> String {
    let verb = match step.action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "remove",
    };
    format!("{verb} {}", step.id)
}

struct Run<'a> {
    services: &'a Services,
    listener: &'a dyn Listener,
    /// Roles made or changed in this run, which other services may not see yet.
    fresh_roles: BTreeSet<String>,
}

impl Run<'_> {
    async fn step(&mut self, step: &Step) -> Result<()> {
        match step.action {
            Action::Create => self.create(&step.resource).await,
            Action::Update => self.update(step).await,
            Action::Delete => Ok(self.delete(&step.resource).await?),
        }
    }

    async fn create(&mut self, resource: &Resource) -> Result<()> {
        let services = self.services;
        match resource {
            Resource::Access(_) => self.activate_access().await?,
            Resource::Queue(queue) => {
                let made = services.sqs.create_queue(&queue.name, &queue.attributes, &tags()).await;
                // "Exists" here means: with other attributes.
                if exists_or(made)?.is_none() {
                    self.set_queue(queue, &queue.attributes).await?;
                }
            }
            Resource::Topic(topic) => {
                services.sns.create_topic(&topic.name, &tags()).await?;
                self.subscribe(topic, &[]).await?;
            }
            Resource::Bus(bus) => {
                if !bus.is_default() {
                    exists_or(services.eventbridge.create_event_bus(&bus.name, &tags()).await)?;
                }
                self.put_bus_policy(bus).await?;
            }
            Resource::Identity(identity) => {
                exists_or(
                    services
                        .sesv2
                        .create_email_identity(&identity.name, &identity.tags)
                        .await,
                )?;
                if identity.mail_from_domain.is_some() {
                    self.put_mail_from(identity).await?;
                }
            }
            Resource::ConfigurationSet(set) => {
                exists_or(services.sesv2.create_configuration_set(&set.name, &set.tags).await)?;
                self.put_destination(set).await?;
            }
            Resource::Template(template) => {
                let made = services.sesv2.create_email_template(&template.0).await;
                if exists_or(made)?.is_none() {
                    services.clock.sleep(TEMPLATE_PAUSE).await;
                    services.sesv2.update_email_template(&template.0).await?;
                }
                self.test_render(template).await?;
            }
            Resource::Role(role) => self.create_role(role).await?,
            Resource::Notifier(machine) => self.create_notifier(machine).await?,
            Resource::Rule(rule) => {
                services.eventbridge.put_rule(&rule.rule).await?;
                self.put_targets(rule).await?;
            }
            Resource::Alarm(alarm) => {
                services.cloudwatch.put_metric_alarm(&alarm.0, &tags()).await?;
            }
            Resource::Dashboard(dashboard) => {
                services
                    .cloudwatch
                    .put_dashboard(&dashboard.name, &dashboard.body)
                    .await?;
            }
        }
        Ok(())
    }

    async fn update(&mut self, step: &Step) -> Result<()> {
        let services = self.services;
        match &step.resource {
            Resource::Queue(queue) => {
                let changed = queue
                    .attributes
                    .iter()
                    .filter(|(name, _)| {
                        let field = if *name == "Policy" { "policy" } else { name };
                        changes(step, field)
                    })
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                self.set_queue(queue, &changed).await?;
            }
            Resource::Topic(topic) => self.subscribe(topic, &step.fields).await?,
            Resource::Bus(bus) => self.put_bus_policy(bus).await?,
            Resource::Identity(identity) => self.put_mail_from(identity).await?,
            Resource::ConfigurationSet(set) => match &set.destination {
                // Only some of its fields differ, so it is there.
                Some(destination) if !step.fields.iter().any(|field| field.before.is_none()) => {
                    services.sesv2.update_event_destination(&set.name, destination).await?;
                }
                _ => self.put_destination(set).await?,
            },
            Resource::Template(template) => {
                services.sesv2.update_email_template(&template.0).await?;
                self.test_render(template).await?;
            }
            Resource::Role(role) => self.update_role(step, role).await?,
            Resource::Notifier(machine) => {
                self.with_role(&machine.role.to_string(), || {
                    services
                        .sfn
                        .update_state_machine(&machine.arn, &machine.definition, &machine.role)
                })
                .await?;
            }
            Resource::Rule(rule) => {
                if step.fields.iter().any(|field| !is_within(&field.path, "targets")) {
                    services.eventbridge.put_rule(&rule.rule).await?;
                }
                let extra = removed_keys(step, "targets");
                if !extra.is_empty() {
                    services
                        .eventbridge
                        .remove_targets(&rule.rule.bus, &rule.rule.name, &extra)
                        .await?;
                }
                if changes(step, "targets") {
                    self.put_targets(rule).await?;
                }
            }
            // These have no update: making them again replaces what is there.
            resource @ (Resource::Access(_) | Resource::Alarm(_) | Resource::Dashboard(_)) => {
                self.create(resource).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, resource: &Resource) -> service::Result<()> {
        let services = self.services;
        let gone = match resource {
            Resource::Access(_) => return Ok(()),
            Resource::Queue(queue) => match services.sqs.get_queue_url(&queue.name).await {
                Ok(url) => services.sqs.delete_queue(&url).await,
                Err(error) => Err(error),
            },
            Resource::Topic(topic) => services.sns.delete_topic(&topic.arn).await,
            Resource::Bus(bus) if bus.is_default() => {
                services
                    .eventbridge
                    .remove_bus_statement(&bus.name, BUS_STATEMENT)
                    .await
            }
            Resource::Bus(bus) => services.eventbridge.delete_event_bus(&bus.name).await,
            Resource::Identity(identity) => services.sesv2.delete_email_identity(&identity.name).await,
            Resource::ConfigurationSet(set) => services.sesv2.delete_configuration_set(&set.name).await,
            Resource::Template(template) => services.sesv2.delete_email_template(&template.0.name).await,
            Resource::Role(role) => self.delete_role(role).await,
            Resource::Notifier(machine) => services.sfn.delete_state_machine(&machine.arn).await,
            Resource::Rule(rule) => self.delete_rule(rule).await,
            Resource::Alarm(alarm) => {
                let name = std::slice::from_ref(&alarm.0.name);
                services.cloudwatch.delete_alarms(name).await
            }
            Resource::Dashboard(dashboard) => {
                let name = std::slice::from_ref(&dashboard.name);
                services.cloudwatch.delete_dashboards(name).await
            }
        };
        gone.or_absent().map(|_| ())
    }

    async fn activate_access(&self) -> Result<()> {
        let cloudformation = &self.services.cloudformation;
        if cloudformation.describe_organizations_access().await? == OrganizationsAccess::DisabledPermanently {
            return Err(Error::failed("trusted access of StackSets is disabled permanently")
                .hint("only AWS support can switch it on again: open a case"));
        }
        Ok(cloudformation.activate_organizations_access().await?)
    }

    async fn set_queue(&self, queue: &Queue, attributes: &Attributes) -> Result<()> {
        let url = self.services.sqs.get_queue_url(&queue.name).await?;
        Ok(self.services.sqs.set_queue_attributes(&url, attributes).await?)
    }

    /// Subscribes everybody, or only those that are new in an update: a second subscription of an address that
    /// hasn't clicked yet would only mail the link once more.
    async fn subscribe(&self, topic: &Topic, fields: &[FieldChange]) -> Result<()> {
        for one in &topic.subscriptions {
            let path = format!("subscriptions[{}]", one.endpoint);
            if !fields.is_empty() && !fields.iter().any(|field| field.path == path) {
                continue;
            }
            self.services
                .sns
                .subscribe(&topic.arn, &one.protocol, &one.endpoint)
                .await?;
            self.listener.on(Event::Note(format!(
                "AWS has mailed {} a link: nothing comes from topic {} before it is clicked",
                one.endpoint, topic.name
            )));
        }
        Ok(())
    }

    async fn put_bus_policy(&self, bus: &Bus) -> Result<()> {
        if let Some(policy) = &bus.policy {
            self.services.eventbridge.put_bus_policy(&bus.name, policy).await?;
        }
        Ok(())
    }

    async fn put_mail_from(&self, identity: &Identity) -> Result<()> {
        Ok(self
            .services
            .sesv2
            .put_mail_from(&identity.name, identity.mail_from_domain.clone())
            .await?)
    }

    async fn put_destination(&self, set: &ConfigurationSet) -> Result<()> {
        let Some(destination) = &set.destination else {
            return Ok(());
        };
        let sesv2 = &self.services.sesv2;
        let made = sesv2.create_event_destination(&set.name, destination).await;
        if exists_or(made)?.is_none() {
            sesv2.update_event_destination(&set.name, destination).await?;
        }
        Ok(())
    }

    /// A template that doesn't render is accepted by SES and its mails are never delivered (AWS-FACTS 6), so it is
    /// rendered once when it changed.
    async fn test_render(&self, template: &Template) -> Result<()> {
        self.services.clock.sleep(TEMPLATE_PAUSE).await;
        let data = sample_data(&template.0).to_string();
        let rendered = self
            .services
            .sesv2
            .test_render_email_template(&template.0.name, &data)
            .await;
        match rendered {
            // The template was written a moment ago: what isn't found is the operation (an emulator's gap).
            Err(error) if error.kind == Kind::NotFound => {
                let text = format!("the mail template could not be rendered as a test: {error}");
                self.listener.on(Event::Warning(text));
                Ok(())
            }
            answer => answer
                .map(drop)
                .while_trying("render the mail template with sample data"),
        }
    }

    async fn create_role(&mut self, role: &Role) -> Result<()> {
        let iam = &self.services.iam;
        self.fresh_roles.insert(role.name.clone());
        let made = iam
            .create_role(&NewRole {
                name: role.name.clone(),
                trust_policy: role.trust.clone(),
                description: role.description.clone(),
                tags: role.tags.clone(),
            })
            .await;
        if exists_or(made)?.is_none() {
            iam.update_trust_policy(&role.name, &role.trust).await?;
        }
        for (name, policy) in &role.policies {
            iam.put_role_policy(&role.name, name, policy).await?;
        }
        Ok(())
    }

    async fn update_role(&mut self, step: &Step, role: &Role) -> Result<()> {
        let iam = &self.services.iam;
        self.fresh_roles.insert(role.name.clone());
        if changes(step, "trust") {
            iam.update_trust_policy(&role.name, &role.trust).await?;
        }
        if changes(step, "policy") {
            for (name, policy) in &role.policies {
                iam.put_role_policy(&role.name, name, policy).await?;
            }
        }
        for extra in removed_keys(step, "policies") {
            iam.delete_role_policy(&role.name, &extra).await?;
        }
        for extra in removed_keys(step, "attached") {
            // It was an ARN before it was shown.
            let policy: Arn = extra
                .parse()
                .map_err(|_| Error::failed(format!("{extra} is not an ARN")))?;
            iam.detach_role_policy(&role.name, &policy).await.or_absent()?;
        }
        Ok(())
    }

    async fn delete_role(&self, role: &Role) -> service::Result<()> {
        let iam = &self.services.iam;
        for policy in role.policies.keys() {
            iam.delete_role_policy(&role.name, policy).await.or_absent()?;
        }
        for policy in &role.attached {
            iam.detach_role_policy(&role.name, policy).await.or_absent()?;
        }
        iam.delete_role(&role.name).await
    }

    async fn create_notifier(&self, machine: &Notifier) -> Result<()> {
        let new = NewStateMachine {
            name: machine.name.clone(),
            definition: machine.definition.clone(),
            role_arn: machine.role.clone(),
            tags: tags(),
        };
        let sfn = &self.services.sfn;
        let made = self
            .with_role(machine.role.as_str(), || sfn.create_state_machine(&new))
            .await;
        if exists_or(made)?.is_none() {
            self.with_role(machine.role.as_str(), || {
                sfn.update_state_machine(&machine.arn, &machine.definition, &machine.role)
            })
            .await?;
        }
        Ok(())
    }

    async fn put_targets(&self, rule: &Rule) -> Result<()> {
        let role = rule
            .targets
            .iter()
            .find_map(|target| target.role_arn.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default();
        self.with_role(&role, || {
            self.services
                .eventbridge
                .put_targets(&rule.rule.bus, &rule.rule.name, &rule.targets)
        })
        .await?;
        Ok(())
    }

    async fn delete_rule(&self, rule: &Rule) -> service::Result<()> {
        let eventbridge = &self.services.eventbridge;
        let (bus, name) = (&rule.rule.bus, &rule.rule.name);
        let ids: Vec<String> = rule.targets.iter().map(|target| target.id.clone()).collect();
        if !ids.is_empty() {
            eventbridge.remove_targets(bus, name, &ids).await.or_absent()?;
        }
        eventbridge.delete_rule(bus, name).await
    }

    /// Makes a call that uses a role, again for a while if it is refused: the service may not see a new role yet,
    /// which it says as a refusal (Step Functions: AccessDeniedException; EventBridge: ValidationException).
    async fn with_role<T, F>(&self, role_arn: &str, mut call: impl FnMut() -> F) -> service::Result<T>
    where
        F: Future<Output = service::Result<T>>,
    {
        let name = role_arn.rsplit('/').next().unwrap_or_default();
        let most = if self.fresh_roles.contains(name) {
            FRESH_ROLE_ATTEMPTS
        } else {
            ROLE_ATTEMPTS
        };
        let mut attempts = 1;
        loop {
            match call().await {
                Err(error)
                    if matches!(error.kind, Kind::Denied | Kind::Invalid) && !name.is_empty() && attempts < most =>
                {
                    if attempts == 1 {
                        self.listener.on(Event::Note(format!(
                            "waiting until AWS knows the role {name} everywhere"
                        )));
                    }
                    attempts += 1;
                    self.services.clock.sleep(ROLE_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }
}

/// A service that is handed a role refuses for two reasons with one code: the caller may not hand it on, or the
/// role itself can't be used.
fn pass_role_hint(error: Error, step: &Step) -> Error {
    let role = match &step.resource {
        Resource::Notifier(machine) => Some(&machine.role),
        Resource::Rule(rule) => rule.targets.iter().find_map(|target| target.role_arn.as_ref()),
        _ => None,
    };
    let denied = error.service().is_some_and(|error| error.kind == Kind::Denied);
    match role.filter(|_| denied) {
        Some(role) => error.hint(format!(
            "allow `iam:PassRole` on {role}, and what `billctl policy operator` prints, for the identity in use"
        )),
        None => error,
    }
}

/// `Ok(None)` where the thing is there already: its caller brings it to the state it should have.
fn exists_or<T>(made: service::Result<T>) -> Result<Option<T>, ServiceError> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.kind == Kind::Exists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the step changes this top-level field or something in it.
fn changes(step: &Step, field: &str) -> bool {
    step.fields.iter().any(|change| is_within(&change.path, field))
}

fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The keys `K` for which the step removes `field[K]`.
fn removed_keys(step: &Step, field: &str) -> Vec<String> {
    step.fields
        .iter()
        .filter(|change| change.after.is_none())
        .filter_map(|change| {
            let rest = change.path.strip_prefix(field)?;
            Some(rest.strip_prefix('[')?.strip_suffix(']')?.to_owned())
        })
        .collect()
}

//! SES of the payer: identities, templates, configuration sets; how a mail is sent is in `send`, where it goes in
//! `outbox`.

mod checks;
mod outbox;
mod render;
mod send;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use outbox::Mail;
pub use outbox::folder as outbox_folder;
pub(super) use send::{SendRequest, bare_address, send};

use super::{Sandbox, World};
use crate::names::is_name;
use crate::refusal::{Answer, Refusal};
use billctl_core::service::sesv2::{
    CREATE_CONFIGURATION_SET, CREATE_CONFIGURATION_SET_EVENT_DESTINATION, CREATE_EMAIL_IDENTITY, CREATE_EMAIL_TEMPLATE,
    ConfigurationSet, DELETE_CONFIGURATION_SET, DELETE_EMAIL_IDENTITY, DELETE_EMAIL_TEMPLATE, EmailIdentity,
    EmailTemplate, EventDestination, GET_ACCOUNT, GET_CONFIGURATION_SET, GET_CONFIGURATION_SET_EVENT_DESTINATIONS,
    GET_EMAIL_IDENTITY, GET_EMAIL_TEMPLATE, GET_SUPPRESSED_DESTINATION, OutgoingMail,
    PUT_EMAIL_IDENTITY_MAIL_FROM_ATTRIBUTES, SEND_EMAIL, SesAccount, SesV2, TEST_RENDER_EMAIL_TEMPLATE,
    UPDATE_CONFIGURATION_SET_EVENT_DESTINATION, UPDATE_EMAIL_TEMPLATE,
};
use billctl_core::service::{Result, Tags};

/// Until somebody has followed the link in the mail, or published the DNS records.
const VERIFICATION: SignedDuration = SignedDuration::from_mins(5);
/// What an account in the SES sandbox may send (docs/aws-facts.md, "SES: sandbox"), and what one outside typically may.
const SANDBOX_QUOTA: (f64, f64) = (200.0, 1.0);
const PRODUCTION_QUOTA: (f64, f64) = (50_000.0, 14.0);

/// Identities, templates, and mails sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Out of the SES sandbox: may write to anyone. A new AWS account isn't; the organisation of billctl's sandbox
    /// has asked for it already.
    pub production_access: bool,
    /// Whether identities get verified a few minutes after they were made, as if somebody did what SES asks for.
    pub verifies: bool,
    /// Whether AWS has switched sending off for the account.
    #[serde(default)]
    pub sending_off: bool,
    /// The account's suppression list: addresses that mails aren't delivered to, each with why, `BOUNCE` or `COMPLAINT`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressed: BTreeMap<String, String>,
    identities: BTreeMap<String, Identity>,
    templates: BTreeMap<String, EmailTemplate>,
    sets: BTreeMap<String, Set>,
    mails: Vec<Mail>,
    /// When SES took a mail: for its quotas.
    accepted: Vec<Timestamp>,
    numbers: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            production_access: true,
            verifies: true,
            sending_off: false,
            suppressed: BTreeMap::new(),
            identities: BTreeMap::new(),
            templates: BTreeMap::new(),
            sets: BTreeMap::new(),
            mails: Vec::new(),
            accepted: Vec::new(),
            numbers: 0,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Identity {
    created: Timestamp,
    /// Verified by hand, whatever the time.
    verified: bool,
    mail_from: Option<(String, Timestamp)>,
    tags: Tags,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Set {
    tags: Tags,
    destinations: Vec<EventDestination>,
}

impl State {
    /// The mails sent, oldest first. Those that are in files already have their parts there.
    pub fn mails(&self) -> &[Mail] {
        &self.mails
    }

    /// Somebody follows the link in SES's mail, or publishes the DNS records: the identity is verified, and made
    /// if need be (a recipient, in the SES sandbox).
    pub fn verify(&mut self, identity: &str, now: Timestamp) {
        // SES keeps domains in small letters; what is before the @ is the address's own.
        let identity = match identity.rsplit_once('@') {
            Some((person, domain)) => format!("{person}@{}", domain.to_ascii_lowercase()),
            None => identity.to_ascii_lowercase(),
        };
        self.identities
            .entry(identity)
            .or_insert_with(|| Identity {
                created: now,
                ..Identity::default()
            })
            .verified = true;
    }

    fn quota(&self) -> (f64, f64) {
        if self.production_access {
            PRODUCTION_QUOTA
        } else {
            SANDBOX_QUOTA
        }
    }

    fn accepted_since(&self, since: Timestamp) -> usize {
        self.accepted.iter().filter(|at| **at > since).count()
    }

    fn is_done(&self, since: Timestamp, now: Timestamp) -> bool {
        self.verifies && now.duration_since(since) >= VERIFICATION
    }

    /// Whether the address may send, or be written to from the SES sandbox: itself or its domain is verified.
    fn is_verified(&self, address: &str, now: Timestamp) -> bool {
        let mut identities = [address, domain(address)]
            .map(|name| self.identities.get(name))
            .into_iter()
            .flatten();
        identities.any(|one| one.verified || self.is_done(one.created, now))
    }

    fn described(&self, name: &str, identity: &Identity, now: Timestamp) -> EmailIdentity {
        let status = |done: bool| if done { "SUCCESS" } else { "PENDING" }.to_owned();
        let verified = identity.verified || self.is_done(identity.created, now);
        let domain = !name.contains('@');
        let tokens = if domain { 3 } else { 0 };
        EmailIdentity {
            name: name.to_owned(),
            verified,
            verification_status: status(verified),
            dkim_tokens: (0..tokens).map(|number| checks::dkim_token(name, number)).collect(),
            dkim_status: Some(if domain {
                status(verified)
            } else {
                "NOT_STARTED".to_owned()
            }),
            signing_hosted_zone: domain.then(|| "dkim.amazonses.com".to_owned()),
            mail_from_domain: identity.mail_from.as_ref().map(|(domain, _)| domain.clone()),
            mail_from_status: identity
                .mail_from
                .as_ref()
                .map(|(_, since)| status(self.is_done(*since, now))),
            tags: identity.tags.clone(),
        }
    }
}

/// The domain of an address, or the domain itself.
fn domain(identity: &str) -> &str {
    identity.rsplit('@').next().unwrap_or(identity)
}

/// What was looked for by this name, which has to be there.
fn found<T>(there: Option<T>, what: &str, name: &str) -> Answer<T> {
    there.ok_or_else(|| Refusal::not_found("NotFoundException", format!("{what} <{name}> does not exist.")))
}

/// That nothing is there by this name yet.
fn not_there<T>(there: Option<T>, what: &str, name: &str) -> Answer<()> {
    let why = || format!("{what} <{name}> already exists.");
    there.map_or(Ok(()), |_| Err(Refusal::exists("AlreadyExistsException", why())))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::invalid("BadRequestException", message)
}

#[async_trait]
impl SesV2 for Sandbox {
    async fn get_account(&self) -> Result<SesAccount> {
        self.read(GET_ACCOUNT, |world| {
            let (max_24_hour_send, max_send_rate) = world.sesv2.quota();
            let since = world.now - SignedDuration::from_hours(24);
            Ok(SesAccount {
                production_access: world.sesv2.production_access,
                sending_enabled: !world.sesv2.sending_off,
                max_24_hour_send,
                sent_last_24_hours: world.sesv2.accepted_since(since) as f64,
                max_send_rate,
            })
        })
        .await
    }

    async fn get_email_identity(&self, identity: &str) -> Result<EmailIdentity> {
        self.read(GET_EMAIL_IDENTITY, |world| {
            let stored = found(world.sesv2.identities.get(identity), "Email identity", identity)?;
            Ok(world.sesv2.described(identity, stored, world.now))
        })
        .await
    }

    async fn create_email_identity(&self, identity: &str, tags: &Tags) -> Result<()> {
        self.call(CREATE_EMAIL_IDENTITY, |world| {
            if !checks::is_identity(identity) {
                return Err(bad(format!("Invalid email address or domain <{identity}>.")));
            }
            not_there(world.sesv2.identities.get(identity), "Email identity", identity)?;
            let created = Identity {
                created: world.now,
                tags: tags.clone(),
                ..Identity::default()
            };
            world.sesv2.identities.insert(identity.to_owned(), created);
            Ok(())
        })
        .await
    }

    async fn delete_email_identity(&self, identity: &str) -> Result<()> {
        self.call(DELETE_EMAIL_IDENTITY, |world| {
            found(world.sesv2.identities.remove(identity), "Email identity", identity).map(drop)
        })
        .await
    }

    async fn put_mail_from(&self, identity: &str, domain: Option<String>) -> Result<()> {
        self.call(PUT_EMAIL_IDENTITY_MAIL_FROM_ATTRIBUTES, |world| {
            let now = world.now;
            let stored = found(world.sesv2.identities.get_mut(identity), "Email identity", identity)?;
            let own = self::domain(identity);
            if let Some(domain) = &domain
                && !domain.ends_with(&format!(".{own}"))
            {
                return Err(bad(format!(
                    "Provided MAIL-FROM domain <{domain}> is not subdomain of the domain of the identity <{own}>."
                )));
            }
            stored.mail_from = domain.clone().map(|domain| (domain, now));
            Ok(())
        })
        .await
    }

    async fn get_email_template(&self, name: &str) -> Result<EmailTemplate> {
        self.read(GET_EMAIL_TEMPLATE, |world| {
            found(world.sesv2.templates.get(name).cloned(), "Template", name)
        })
        .await
    }

    async fn create_email_template(&self, template: &EmailTemplate) -> Result<()> {
        self.call(CREATE_EMAIL_TEMPLATE, |world| {
            checks::template(template)?;
            not_there(world.sesv2.templates.get(&template.name), "Template", &template.name)?;
            world.sesv2.templates.insert(template.name.clone(), template.clone());
            Ok(())
        })
        .await
    }

    async fn update_email_template(&self, template: &EmailTemplate) -> Result<()> {
        self.call(UPDATE_EMAIL_TEMPLATE, |world| {
            checks::template(template)?;
            let stored = found(
                world.sesv2.templates.get_mut(&template.name),
                "Template",
                &template.name,
            )?;
            // An update leaves the tags (SES API v2: UpdateEmailTemplate takes none).
            let tags = std::mem::take(&mut stored.tags);
            *stored = EmailTemplate {
                tags,
                ..template.clone()
            };
            Ok(())
        })
        .await
    }

    async fn delete_email_template(&self, name: &str) -> Result<()> {
        self.call(DELETE_EMAIL_TEMPLATE, |world| {
            found(world.sesv2.templates.remove(name), "Template", name).map(drop)
        })
        .await
    }

    async fn send_email(&self, mail: &OutgoingMail) -> Result<String> {
        let request = SendRequest::simple(mail).map_err(|why| bad(why).of(SEND_EMAIL))?;
        self.call(SEND_EMAIL, |world| send(world, &request)).await
    }

    async fn get_suppressed_destination(&self, address: &str) -> Result<String> {
        self.read(GET_SUPPRESSED_DESTINATION, |world| {
            found(
                world.sesv2.suppressed.get(address).cloned(),
                "Suppressed destination",
                address,
            )
        })
        .await
    }

    async fn test_render_email_template(&self, name: &str, data: &str) -> Result<String> {
        self.read(TEST_RENDER_EMAIL_TEMPLATE, |world| {
            let template = found(world.sesv2.templates.get(name), "Template", name)?;
            let data = serde_json::from_str(data).map_err(|_| bad("Invalid template data: it is not JSON."))?;
            let parts = render::render(template, &data).map_err(bad)?;
            Ok(parts.mime(world.now))
        })
        .await
    }

    async fn get_configuration_set(&self, name: &str) -> Result<ConfigurationSet> {
        self.read(GET_CONFIGURATION_SET, |world| {
            let set = configuration_set(world, name)?;
            Ok(ConfigurationSet {
                name: name.to_owned(),
                tags: set.tags.clone(),
            })
        })
        .await
    }

    async fn create_configuration_set(&self, name: &str, tags: &Tags) -> Result<()> {
        self.call(CREATE_CONFIGURATION_SET, |world| {
            if !is_name(name, 64, "-_") {
                return Err(bad(format!("Invalid configuration set name <{name}>.")));
            }
            not_there(world.sesv2.sets.get(name), "Configuration set", name)?;
            let set = Set {
                tags: tags.clone(),
                destinations: Vec::new(),
            };
            world.sesv2.sets.insert(name.to_owned(), set);
            Ok(())
        })
        .await
    }

    async fn delete_configuration_set(&self, name: &str) -> Result<()> {
        self.call(DELETE_CONFIGURATION_SET, |world| {
            found(world.sesv2.sets.remove(name), "Configuration set", name).map(drop)
        })
        .await
    }

    async fn get_event_destinations(&self, set: &str) -> Result<Vec<EventDestination>> {
        self.read(GET_CONFIGURATION_SET_EVENT_DESTINATIONS, |world| {
            Ok(configuration_set(world, set)?.destinations.clone())
        })
        .await
    }

    async fn create_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()> {
        self.call(CREATE_CONFIGURATION_SET_EVENT_DESTINATION, |world| {
            checks::destination(world, destination)?;
            let stored = configuration_set_mut(world, set)?;
            let known = stored.destinations.iter().find(|one| one.name == destination.name);
            not_there(known, "Event destination", &destination.name)?;
            stored.destinations.push(destination.clone());
            Ok(())
        })
        .await
    }

    async fn update_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()> {
        self.call(UPDATE_CONFIGURATION_SET_EVENT_DESTINATION, |world| {
            checks::destination(world, destination)?;
            let stored = configuration_set_mut(world, set)?;
            let known = stored.destinations.iter_mut().find(|one| one.name == destination.name);
            *found(known, "Event destination", &destination.name)? = destination.clone();
            Ok(())
        })
        .await
    }
}

fn configuration_set<'w>(world: &'w World, name: &str) -> Answer<&'w Set> {
    found(world.sesv2.sets.get(name), "Configuration set", name)
}

fn configuration_set_mut<'w>(world: &'w mut World, name: &str) -> Answer<&'w mut Set> {
    found(world.sesv2.sets.get_mut(name), "Configuration set", name)
}

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::names::{self, Scope};
use billctl_core::service::Tags;
use billctl_core::service::sesv2::{EmailTemplate, EventDestination};

/// The name of the configuration set's one event destination.
pub const DESTINATION: &str = "billctl-failures";
/// What SES shall report: everything that means that a mail reached nobody, or unwelcome
/// (docs/aws-facts.md, "SES: templates"). Sorted, as the seam has it.
const REPORTED: [&str; 4] = ["BOUNCE", "COMPLAINT", "REJECT", "RENDERING_FAILURE"];

/// The SES identity: an address or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The address or domain.
    pub name: String,
    /// Its custom MAIL FROM domain.
    pub mail_from_domain: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Identity {
    /// None where the mail is sent with another account's identity.
    pub(super) fn desired(scope: &Scope) -> Option<Self> {
        let mail = &scope.config.mail;
        mail.identity_arn.is_none().then(|| Self {
            name: mail.identity.clone(),
            mail_from_domain: mail.mail_from_domain.clone(),
            tags: names::tags(),
        })
    }

    pub(super) fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The MAIL FROM domain of an identity that somebody else made stays unless the config names one.
    pub(super) fn beside(mut self, observed: &Self) -> Self {
        if self.mail_from_domain.is_none() && !observed.is_ours() {
            self.mail_from_domain.clone_from(&observed.mail_from_domain);
        }
        self
    }

    pub(super) fn document(&self) -> Value {
        match &self.mail_from_domain {
            Some(domain) => json!({"mailFromDomain": domain}),
            None => json!({}),
        }
    }
}

/// The configuration set with its event destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationSet {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// Where its events go; billctl has one.
    pub destination: Option<EventDestination>,
}

impl ConfigurationSet {
    pub(super) fn desired(scope: &Scope) -> Self {
        Self {
            name: scope.config.names.configuration_set.clone(),
            tags: names::tags(),
            destination: Some(EventDestination {
                name: DESTINATION.to_owned(),
                enabled: true,
                event_types: REPORTED.map(str::to_owned).to_vec(),
                event_bus_arn: Some(scope.default_bus_arn()),
            }),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    pub(super) fn document(&self) -> Value {
        let mut fields = Map::new();
        if let Some(destination) = &self.destination {
            let mut types = destination.event_types.clone();
            types.sort();
            fields.insert(
                "eventDestination".into(),
                json!({
                    "enabled": destination.enabled,
                    "eventTypes": types,
                    "eventBus": destination.event_bus_arn,
                }),
            );
        }
        Value::Object(fields)
    }
}

/// The stored mail template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub EmailTemplate);

impl Template {
    pub(super) fn desired(scope: &Scope) -> Self {
        Self(EmailTemplate {
            name: scope.config.names.template.clone(),
            subject: include_str!("../../assets/mail/subject.txt").trim_end().to_owned(),
            html: include_str!("../../assets/mail/body.html").to_owned(),
            text: include_str!("../../assets/mail/body.txt").to_owned(),
            tags: names::tags(),
        })
    }

    pub(super) fn is_ours(&self) -> bool {
        names::are_ours(&self.0.tags)
    }

    /// The texts, with line ends as one: SES may store CRLF.
    pub(super) fn document(&self) -> Value {
        let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        json!({
            "subject": plain(&self.0.subject),
            "html": plain(&self.0.html),
            "text": plain(&self.0.text),
        })
    }
}

/// Data with which every part of a template is rendered: each variable it names, each list with one entry. For
/// TestRenderEmailTemplate, which fails on a template that doesn't render as a send would do silently
/// (docs/aws-facts.md, "SES: templates").
pub fn sample_data(template: &EmailTemplate) -> Value {
    let mut data = Map::new();
    for text in [&template.subject, &template.html, &template.text] {
        let mut lists: Vec<&str> = Vec::new();
        for tag in text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
            let tag = tag.0.trim();
            if let Some(list) = tag.strip_prefix("#each ") {
                lists.push(list.trim());
                data.entry(list.trim()).or_insert_with(|| json!([Map::new()]));
            } else if tag == "/each" {
                lists.pop();
            } else if !tag.starts_with('/') && tag != "else" && !tag.starts_with('!') {
                let name = tag.strip_prefix("#if ").unwrap_or(tag).trim();
                let place = match lists.last() {
                    Some(list) => data
                        .get_mut(*list)
                        .and_then(|list| list.get_mut(0))
                        .and_then(Value::as_object_mut),
                    None => Some(&mut data),
                };
                if let Some(place) = place {
                    place.entry(name).or_insert_with(|| json!("1"));
                }
            }
        }
    }
    Value::Object(data)
}

//! `SendEmail`: what SES refuses at once, and what it takes and never delivers.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::outbox::Mail;
use super::render::{self, Parts};
use super::{bad, not_found};
use crate::World;
use crate::eventbridge::{own_event, seconds};
use crate::json::{items, texts};
use crate::names::is_name;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::{Arn, REGION};
use billctl_core::service::Kind;
use billctl_core::service::sesv2::{MAX_RECIPIENTS, OutgoingMail};

/// SES's own recipients for trying things out: they need no verification.
const SIMULATOR: &str = "simulator.amazonses.com";

/// A request as Step Functions passes it on.
pub(crate) struct SendRequest {
    pub(crate) from: String,
    identity_arn: Option<Arn>,
    to: Vec<String>,
    cc: Vec<String>,
    bcc: Vec<String>,
    reply_to: Vec<String>,
    content: Content,
    tags: Map<String, Value>,
    configuration_set: Option<String>,
}

enum Content {
    Template { name: String, data: Value },
    Simple(Parts),
}

/// The address in `Name <address>`, or the whole text.
pub(crate) fn bare_address(text: &str) -> &str {
    match (text.rfind('<'), text.ends_with('>')) {
        (Some(start), true) => &text[start + 1..text.len() - 1],
        _ => text.trim(),
    }
}

fn list(value: Option<&Value>) -> Vec<String> {
    texts(value).map(str::to_owned).collect()
}

impl SendRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// What is wrong with it, for a `BadRequestException`.
    pub(crate) fn parse(arguments: &Map<String, Value>) -> std::result::Result<Self, String> {
        let text = |field: &str| arguments.get(field).and_then(Value::as_str).map(str::to_owned);
        let destination = arguments.get("Destination");
        let recipients = |field: &str| list(destination.and_then(|one| one.get(field)));
        let content = arguments.get("Content").ok_or("The Content of the mail is missing.")?;
        let request = Self {
            from: text("FromEmailAddress").ok_or("The From address is missing.")?,
            identity_arn: match text("FromEmailAddressIdentityArn") {
                Some(arn) => Some(arn.parse().map_err(|_| format!("Invalid ARN <{arn}>."))?),
                None => None,
            },
            to: recipients("ToAddresses"),
            cc: recipients("CcAddresses"),
            bcc: recipients("BccAddresses"),
            reply_to: list(arguments.get("ReplyToAddresses")),
            content: Content::parse(content)?,
            tags: items(arguments.get("EmailTags"))
                .filter_map(|tag| Some((tag.get("Name")?.as_str()?.to_owned(), tag.get("Value")?.clone())))
                .collect(),
            configuration_set: text("ConfigurationSetName"),
        };
        request.check()?;
        Ok(request)
    }

    /// What billctl itself sends.
    ///
    /// # Errors
    /// What is wrong with it, for a `BadRequestException`.
    pub(super) fn simple(mail: &OutgoingMail) -> std::result::Result<Self, String> {
        let tags = mail.tags.iter();
        let request = Self {
            from: mail.from.clone(),
            identity_arn: mail.identity_arn.clone(),
            to: mail.to.clone(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: mail.reply_to.iter().cloned().collect(),
            content: Content::Simple(Parts {
                subject: mail.subject.clone(),
                html: mail.html.clone(),
                text: mail.text.clone(),
            }),
            tags: tags.map(|(name, value)| (name.clone(), value.clone().into())).collect(),
            configuration_set: mail.configuration_set.clone(),
        };
        request.check()?;
        Ok(request)
    }

    /// What SES looks at before anything else.
    fn check(&self) -> std::result::Result<(), String> {
        let all = self.recipients();
        if all.is_empty() || all.len() > MAX_RECIPIENTS {
            return Err(format!("A mail needs 1 to {MAX_RECIPIENTS} recipients."));
        }
        if let Some(wrong) = all.iter().find(|address| {
            let bare = bare_address(address);
            !bare.contains('@') || !super::checks::is_identity(bare)
        }) {
            return Err(format!("Missing final '@domain' or invalid address <{wrong}>."));
        }
        // Names and values of tags hold ASCII letters, digits, hyphens and underscores (API reference).
        for (name, value) in &self.tags {
            let valid = |text: &str| is_name(text, 256, "-_@.");
            if !valid(name) || !value.as_str().is_some_and(valid) {
                return Err(format!("Invalid email tag <{name}>."));
            }
        }
        Ok(())
    }

    fn recipients(&self) -> Vec<&String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc).collect()
    }

    /// What the caller needs a permission for.
    pub(crate) fn resources(&self, world: &World) -> Vec<String> {
        let own = |resource: String| world.own_arn("ses", &resource).to_string();
        let address = bare_address(&self.from);
        let domain = address.rsplit('@').next().unwrap_or(address);
        // SES looks at the address's own identity where there is one, else at the domain's.
        let identity = if world.sesv2.identities.contains_key(address) {
            address
        } else {
            domain
        };
        let mut needed = vec![match &self.identity_arn {
            Some(arn) => arn.to_string(),
            None => own(format!("identity/{identity}")),
        }];
        // In the SES sandbox a recipient that is an identity of the account is asked about too
        // (docs/aws-facts.md, "SES: sandbox").
        if !world.sesv2.production_access {
            let recipients = self.recipients().into_iter();
            let identities = recipients.filter_map(|address| {
                let address = bare_address(address);
                let domain = address.rsplit('@').next().unwrap_or(address);
                [address, domain]
                    .into_iter()
                    .find(|name| world.sesv2.identities.contains_key(*name))
            });
            needed.extend(identities.map(|name| own(format!("identity/{name}"))));
        }
        needed.extend(
            self.configuration_set
                .iter()
                .map(|name| own(format!("configuration-set/{name}"))),
        );
        if let Content::Template { name, .. } = &self.content {
            needed.push(own(format!("template/{name}")));
        }
        needed
    }
}

impl Content {
    fn parse(content: &Value) -> std::result::Result<Self, String> {
        if let Some(template) = content.get("Template") {
            let name = template
                .get("TemplateName")
                .and_then(Value::as_str)
                .ok_or("The template's name is missing.")?;
            let data = template
                .get("TemplateData")
                .and_then(Value::as_str)
                .ok_or("TemplateData must be a string.")?;
            // API reference: at most 262,144 characters.
            if data.chars().count() > 262_144 {
                return Err("TemplateData is too long.".to_owned());
            }
            return Ok(Self::Template {
                name: name.to_owned(),
                data: serde_json::from_str(data).map_err(|_| "Invalid template data: it is not JSON.")?,
            });
        }
        let simple = content
            .get("Simple")
            .ok_or("The Content holds neither a template nor a simple mail.")?;
        let part = |path: &str| {
            simple
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self::Simple(Parts {
            subject: part("/Subject/Data"),
            html: part("/Body/Html/Data"),
            text: part("/Body/Text/Data"),
        }))
    }
}

fn rejected(message: String) -> Refusal {
    Refusal::denied("MessageRejected", message)
}

fn check_addresses(world: &World, request: &SendRequest) -> Answer<()> {
    let failed = |addresses: &str| {
        Err(rejected(format!(
            "Email address is not verified. The following identities failed the check in region US-EAST-1: {addresses}"
        )))
    };
    let sender = bare_address(&request.from);
    let foreign = request
        .identity_arn
        .as_ref()
        .is_some_and(|arn| arn.account() != Some(world.management_account()));
    // Another account's identity is that account's business: here it counts as verified.
    if !foreign && !world.sesv2.is_verified(sender, world.now) {
        return failed(sender);
    }
    if !world.sesv2.production_access {
        let unverified: Vec<&str> = request
            .recipients()
            .into_iter()
            .map(|address| bare_address(address))
            .filter(|address| {
                !address.ends_with(&format!("@{SIMULATOR}")) && !world.sesv2.is_verified(address, world.now)
            })
            .collect();
        if !unverified.is_empty() {
            return failed(&unverified.join(", "));
        }
    }
    Ok(())
}

fn check_quota(world: &World) -> Answer<()> {
    let (daily, rate) = world.sesv2.quota();
    let slow_down = |message: &str| Err(Refusal::new(Kind::Throttled, "TooManyRequestsException", message));
    let since = |span: SignedDuration| world.sesv2.accepted_since(world.now - span) as f64;
    if since(SignedDuration::from_hours(24)) >= daily {
        return slow_down("Daily message quota exceeded.");
    }
    let this_second = world
        .sesv2
        .accepted
        .iter()
        .filter(|at| world.now.duration_since(**at).abs() < SignedDuration::from_secs(1))
        .count();
    if this_second as f64 >= rate {
        return slow_down("Maximum sending rate exceeded.");
    }
    Ok(())
}

/// Sends a mail: answers its message id. What can't be rendered is taken all the same, and reported in an event only.
pub(crate) fn send(world: &mut World, request: &SendRequest) -> Answer<String> {
    if world.sesv2.sending_off {
        let message = "Email sending is disabled for this account.";
        return Err(Refusal::new(Kind::Other, "SendingPausedException", message));
    }
    check_addresses(world, request)?;
    if let Some(set) = &request.configuration_set {
        super::configuration_set(world, set)?;
    }
    let rendered = match &request.content {
        Content::Simple(parts) if parts.subject.is_empty() => {
            return Err(bad("The subject is missing."));
        }
        Content::Simple(parts) => Ok(parts.clone()),
        Content::Template { name, data } => {
            let found = world.sesv2.templates.get(name);
            let template = found.ok_or_else(|| not_found("Template", name))?;
            render::render(template, data).map_err(|why| (name.clone(), why))
        }
    };
    check_quota(world)?;
    world.sesv2.numbers += 1;
    let now = world.now;
    let old = now - SignedDuration::from_hours(24);
    world.sesv2.accepted.retain(|at| *at > old);
    world.sesv2.accepted.push(now);
    let id = format!("0100{}-000000", world.fresh_event_id());
    match rendered {
        Ok(parts) => {
            world.sesv2.keep(Mail {
                number: world.sesv2.numbers,
                at: now,
                message_id: id.clone(),
                tags: request.tags.clone(),
                from: request.from.clone(),
                to: request.to.clone(),
                cc: request.cc.clone(),
                reply_to: request.reply_to.clone(),
                subject: parts.subject,
                html: parts.html,
                text: parts.text,
                data: match &request.content {
                    Content::Template { data, .. } => Some(data.clone()),
                    Content::Simple(_) => None,
                },
                file: None,
            });
            report(world, request, &id, "SEND", &json!({}));
            let simulated = |name: &str| {
                request
                    .recipients()
                    .iter()
                    .any(|address| bare_address(address) == format!("{name}@{SIMULATOR}"))
            };
            // SES takes a mail to a suppressed address and never delivers it (docs/aws-facts.md, "SES: suppression").
            let suppressed = request.recipients().into_iter().map(|address| bare_address(address));
            if suppressed
                .into_iter()
                .any(|address| world.sesv2.suppressed.contains_key(address))
            {
                let detail = json!({"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"});
                report(world, request, &id, "BOUNCE", &detail);
            } else if simulated("bounce") {
                let detail = json!({"bounceType": "Permanent", "bounceSubType": "General"});
                report(world, request, &id, "BOUNCE", &detail);
            } else {
                report(world, request, &id, "DELIVERY", &json!({}));
                if simulated("complaint") {
                    report(world, request, &id, "COMPLAINT", &json!({}));
                }
            }
        }
        Err((template, why)) => {
            let detail = json!({"errorMessage": why, "templateName": template});
            report(world, request, &id, "RENDERING_FAILURE", &detail);
        }
    }
    Ok(id)
}

impl World {
    /// A mail of another AWS service: it needs no identity and counts against no quota.
    pub(crate) fn deliver_mail(&mut self, from: &str, to: &str, subject: &str, text: &str) {
        self.sesv2.numbers += 1;
        let message_id = self.fresh_event_id();
        self.sesv2.keep(Mail {
            number: self.sesv2.numbers,
            at: self.now,
            message_id,
            tags: Map::new(),
            from: from.to_owned(),
            to: vec![to.to_owned()],
            cc: Vec::new(),
            reply_to: Vec::new(),
            subject: subject.to_owned(),
            html: String::new(),
            text: text.to_owned(),
            data: None,
            file: None,
        });
    }
}

/// Tells the default bus what happened to a mail, if the configuration set asks for it.
fn report(world: &mut World, request: &SendRequest, id: &str, kind: &str, detail: &Value) {
    let wanted = request
        .configuration_set
        .as_ref()
        .and_then(|name| world.sesv2.sets.get(name))
        .is_some_and(|set| {
            set.destinations
                .iter()
                .any(|one| one.enabled && one.event_types.iter().any(|wanted| wanted == kind))
        });
    if !wanted {
        return;
    }
    // Names in events (SES developer guide, "Monitoring using EventBridge").
    let (detail_type, event_type, field) = match kind {
        "SEND" => ("Email Sent", "Send", "send"),
        "DELIVERY" => ("Email Delivered", "Delivery", "delivery"),
        "BOUNCE" => ("Email Bounced", "Bounce", "bounce"),
        "COMPLAINT" => ("Email Complaint Received", "Complaint", "complaint"),
        _ => ("Email Rendering Failed", "Rendering Failure", "failure"),
    };
    let mut tags: Map<String, Value> = request
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    // SES adds tags of its own.
    if let Some(set) = &request.configuration_set {
        tags.insert("ses:configuration-set".to_owned(), json!([set]));
    }
    let event = json!({
        "version": "0",
        "id": world.fresh_event_id(),
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": world.management_account(),
        "time": seconds(world.now),
        "region": REGION,
        "resources": request.configuration_set.iter().map(|name| {
            world.own_arn("ses", &format!("configuration-set/{name}"))
        }).collect::<Vec<_>>(),
        "detail": {
            "eventType": event_type,
            "mail": {
                "timestamp": seconds(world.now),
                "source": request.from,
                "messageId": id,
                "destination": request.recipients(),
                "tags": tags,
            },
            (field): detail,
        },
    });
    own_event(world, &event);
}

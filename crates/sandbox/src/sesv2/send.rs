//! `SendEmail`: what SES refuses at once, and what it takes and never delivers.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::outbox::Mail;
use super::render::{self, Parts};
use super::{bad, domain, found};
use crate::World;
use crate::eventbridge::{own_event, seconds};
use crate::json::{items, texts};
use crate::names::is_name;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::{Arn, REGION};
use billctl_core::service::Kind;
use billctl_core::service::sesv2::{EventDestination, MAX_RECIPIENTS, OutgoingMail};

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
        Self {
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
        }
        .checked()
    }

    /// What billctl itself sends.
    ///
    /// # Errors
    /// What is wrong with it, for a `BadRequestException`.
    pub(super) fn simple(mail: &OutgoingMail) -> std::result::Result<Self, String> {
        let tags = mail.tags.iter();
        Self {
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
        }
        .checked()
    }

    /// Itself, after what SES looks at before anything else.
    fn checked(self) -> std::result::Result<Self, String> {
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
        Ok(self)
    }

    fn recipients(&self) -> Vec<&String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc).collect()
    }

    /// The recipients' addresses, without their names.
    fn addresses(&self) -> Vec<&str> {
        self.recipients().into_iter().map(|one| bare_address(one)).collect()
    }

    /// What the caller needs a permission for.
    pub(crate) fn resources(&self, world: &World) -> Vec<String> {
        let own = |kind: &str, name: &str| world.own_arn("ses", &format!("{kind}/{name}")).to_string();
        // SES looks at the address's own identity where there is one, else at the domain's.
        let known = |name: &&str| world.sesv2.identities.contains_key(*name);
        let identity = |address| [address, domain(address)].into_iter().find(known);
        let sender = bare_address(&self.from);
        let mut needed = vec![match &self.identity_arn {
            Some(arn) => arn.to_string(),
            None => own("identity", identity(sender).unwrap_or(domain(sender))),
        }];
        // In the SES sandbox a recipient that is an identity of the account is asked about too
        // (docs/aws-facts.md, "SES: sandbox").
        if !world.sesv2.production_access {
            let identities = self.addresses().into_iter().filter_map(identity);
            needed.extend(identities.map(|name| own("identity", name)));
        }
        needed.extend(self.configuration_set.iter().map(|name| own("configuration-set", name)));
        if let Content::Template { name, .. } = &self.content {
            needed.push(own("template", name));
        }
        needed
    }
}

impl Content {
    fn parse(content: &Value) -> std::result::Result<Self, String> {
        if let Some(template) = content.get("Template") {
            let text = |field: &str| template.get(field).and_then(Value::as_str);
            let name = text("TemplateName").ok_or("The template's name is missing.")?;
            let data = text("TemplateData").ok_or("TemplateData must be a string.")?;
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
            let text = simple.pointer(path).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Ok(Self::Simple(Parts {
            subject: part("/Subject/Data"),
            html: part("/Body/Html/Data"),
            text: part("/Body/Text/Data"),
        }))
    }
}

fn check_addresses(world: &World, request: &SendRequest) -> Answer<()> {
    let failed = |addresses: &str| {
        let why = "Email address is not verified. The following identities failed the check in region US-EAST-1:";
        Err(Refusal::denied("MessageRejected", format!("{why} {addresses}")))
    };
    let sender = bare_address(&request.from);
    let payer = Some(world.management_account());
    let foreign = request.identity_arn.as_ref().is_some_and(|arn| arn.account() != payer);
    // Another account's identity is that account's business: here it counts as verified.
    if !foreign && !world.sesv2.is_verified(sender, world.now) {
        return failed(sender);
    }
    if !world.sesv2.production_access {
        let mut unverified = request.addresses();
        unverified.retain(|address| domain(address) != SIMULATOR && !world.sesv2.is_verified(address, world.now));
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
    let this_second = |at: &&Timestamp| world.now.duration_since(**at).abs() < SignedDuration::from_secs(1);
    if world.sesv2.accepted.iter().filter(this_second).count() as f64 >= rate {
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
            let template = found(world.sesv2.templates.get(name), "Template", name)?;
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
            let addresses = request.addresses();
            let simulated = |name: &str| addresses.contains(&format!("{name}@{SIMULATOR}").as_str());
            // SES takes a mail to a suppressed address and never delivers it (docs/aws-facts.md, "SES: suppression").
            let suppressed = addresses.iter().any(|one| world.sesv2.suppressed.contains_key(*one));
            if suppressed || simulated("bounce") {
                let why = if suppressed {
                    "OnAccountSuppressionList"
                } else {
                    "General"
                };
                let detail = json!({"bounceType": "Permanent", "bounceSubType": why});
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
            from: from.to_owned(),
            to: vec![to.to_owned()],
            subject: subject.to_owned(),
            text: text.to_owned(),
            ..Mail::default()
        });
    }
}

/// Tells the default bus what happened to a mail, if the configuration set asks for it.
fn report(world: &mut World, request: &SendRequest, id: &str, kind: &str, detail: &Value) {
    let Some(name) = &request.configuration_set else {
        return;
    };
    let wants = |one: &EventDestination| one.enabled && one.event_types.iter().any(|wanted| wanted == kind);
    let set = world.sesv2.sets.get(name);
    if !set.is_some_and(|set| set.destinations.iter().any(wants)) {
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
    let tags = request.tags.iter().map(|(name, value)| (name.clone(), json!([value])));
    let mut tags: Map<String, Value> = tags.collect();
    // SES adds tags of its own.
    tags.insert("ses:configuration-set".to_owned(), json!([name]));
    let event = json!({
        "version": "0",
        "id": world.fresh_event_id(),
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": world.management_account(),
        "time": seconds(world.now),
        "region": REGION,
        "resources": [world.own_arn("ses", &format!("configuration-set/{name}"))],
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

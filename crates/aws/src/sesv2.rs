use async_trait::async_trait;
use aws_sdk_sesv2::{Client, types as sdk};

use super::call::{Caller, built, parsed, required};
use billctl_core::service::sesv2::{
    CREATE_CONFIGURATION_SET, CREATE_CONFIGURATION_SET_EVENT_DESTINATION, CREATE_EMAIL_IDENTITY, CREATE_EMAIL_TEMPLATE,
    ConfigurationSet, DELETE_CONFIGURATION_SET, DELETE_EMAIL_IDENTITY, DELETE_EMAIL_TEMPLATE, EmailIdentity,
    EmailTemplate, EventDestination, GET_ACCOUNT, GET_CONFIGURATION_SET, GET_CONFIGURATION_SET_EVENT_DESTINATIONS,
    GET_EMAIL_IDENTITY, GET_EMAIL_TEMPLATE, GET_SUPPRESSED_DESTINATION, OutgoingMail,
    PUT_EMAIL_IDENTITY_MAIL_FROM_ATTRIBUTES, SEND_EMAIL, SesAccount, SesV2, TEST_RENDER_EMAIL_TEMPLATE,
    UPDATE_CONFIGURATION_SET_EVENT_DESTINATION, UPDATE_EMAIL_TEMPLATE,
};
use billctl_core::service::{Operation, Result, Tags};

#[async_trait]
impl SesV2 for Caller<Client> {
    async fn get_account(&self) -> Result<SesAccount> {
        let op = GET_ACCOUNT;
        let request = self.client.get_account();
        let answer = self.call(op, || request.clone().send()).await?;
        let quota = required(op, answer.send_quota(), "SendQuota")?;
        Ok(SesAccount {
            production_access: answer.production_access_enabled(),
            sending_enabled: answer.sending_enabled(),
            max_24_hour_send: quota.max24_hour_send(),
            sent_last_24_hours: quota.sent_last24_hours(),
            max_send_rate: quota.max_send_rate(),
        })
    }

    async fn get_email_identity(&self, identity: &str) -> Result<EmailIdentity> {
        let op = GET_EMAIL_IDENTITY;
        let request = self.client.get_email_identity().email_identity(identity);
        let answer = self.call(op, || request.clone().send()).await?;
        let verified = answer.verified_for_sending_status();
        let assumed = if verified { "SUCCESS" } else { "PENDING" };
        let dkim = answer.dkim_attributes();
        let mail_from = answer
            .mail_from_attributes()
            .filter(|attributes| !attributes.mail_from_domain().is_empty());
        Ok(EmailIdentity {
            name: identity.to_owned(),
            verified,
            verification_status: answer
                .verification_status()
                .map_or(assumed, sdk::VerificationStatus::as_str)
                .to_owned(),
            dkim_tokens: dkim.map(|dkim| dkim.tokens().to_vec()).unwrap_or_default(),
            dkim_status: dkim
                .and_then(|dkim| dkim.status())
                .map(|status| status.as_str().to_owned()),
            signing_hosted_zone: dkim.and_then(|dkim| dkim.signing_hosted_zone()).map(str::to_owned),
            mail_from_domain: mail_from.map(|found| found.mail_from_domain().to_owned()),
            mail_from_status: mail_from.map(|found| found.mail_from_domain_status().as_str().to_owned()),
            tags: read_tags(answer.tags()),
        })
    }

    async fn create_email_identity(&self, identity: &str, tags: &Tags) -> Result<()> {
        let op = CREATE_EMAIL_IDENTITY;
        let request = self
            .client
            .create_email_identity()
            .email_identity(identity)
            .set_tags(Some(write_tags(op, tags)?));
        self.command(op, || request.clone().send()).await
    }

    async fn delete_email_identity(&self, identity: &str) -> Result<()> {
        let request = self.client.delete_email_identity().email_identity(identity);
        self.command(DELETE_EMAIL_IDENTITY, || request.clone().send()).await
    }

    async fn put_mail_from(&self, identity: &str, domain: Option<String>) -> Result<()> {
        let request = self
            .client
            .put_email_identity_mail_from_attributes()
            .email_identity(identity)
            .set_mail_from_domain(domain)
            // Mail still goes out, from amazonses.com, while the domain's MX record is missing.
            .behavior_on_mx_failure(sdk::BehaviorOnMxFailure::UseDefaultValue);
        self.command(PUT_EMAIL_IDENTITY_MAIL_FROM_ATTRIBUTES, || request.clone().send())
            .await
    }

    async fn get_email_template(&self, name: &str) -> Result<EmailTemplate> {
        let op = GET_EMAIL_TEMPLATE;
        let request = self.client.get_email_template().template_name(name);
        let answer = self.call(op, || request.clone().send()).await?;
        let content = required(op, answer.template_content(), "TemplateContent")?;
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        Ok(EmailTemplate {
            name: answer.template_name().to_owned(),
            subject: text(content.subject()),
            html: text(content.html()),
            text: text(content.text()),
            tags: read_tags(answer.tags()),
        })
    }

    async fn create_email_template(&self, template: &EmailTemplate) -> Result<()> {
        let op = CREATE_EMAIL_TEMPLATE;
        let request = self
            .client
            .create_email_template()
            .template_name(&template.name)
            .set_tags(Some(write_tags(op, &template.tags)?))
            .template_content(content(template));
        self.command(op, || request.clone().send()).await
    }

    async fn update_email_template(&self, template: &EmailTemplate) -> Result<()> {
        let request = self
            .client
            .update_email_template()
            .template_name(&template.name)
            .template_content(content(template));
        self.command(UPDATE_EMAIL_TEMPLATE, || request.clone().send()).await
    }

    async fn delete_email_template(&self, name: &str) -> Result<()> {
        let request = self.client.delete_email_template().template_name(name);
        self.command(DELETE_EMAIL_TEMPLATE, || request.clone().send()).await
    }

    async fn send_email(&self, mail: &OutgoingMail) -> Result<String> {
        let op = SEND_EMAIL;
        let part = |text: &str| {
            let content = sdk::Content::builder().data(text).charset("UTF-8").build();
            built(op, std::iter::once(content)).map(|mut parts| parts.pop())
        };
        let body = sdk::Body::builder()
            .set_html(part(&mail.html)?)
            .set_text(part(&mail.text)?)
            .build();
        let simple = sdk::Message::builder()
            .set_subject(part(&mail.subject)?)
            .body(body)
            .build();
        let tags = mail.tags.iter();
        let tags = built(
            op,
            tags.map(|(name, value)| sdk::MessageTag::builder().name(name).value(value).build()),
        )?;
        let request = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .set_from_email_address_identity_arn(mail.identity_arn.as_ref().map(ToString::to_string))
            .destination(
                sdk::Destination::builder()
                    .set_to_addresses(Some(mail.to.clone()))
                    .build(),
            )
            .set_reply_to_addresses(mail.reply_to.clone().map(|address| vec![address]))
            .set_configuration_set_name(mail.configuration_set.clone())
            .content(sdk::EmailContent::builder().simple(simple).build())
            .set_email_tags(Some(tags));
        let answer = self.call(op, || request.clone().send()).await?;
        Ok(answer.message_id.unwrap_or_default())
    }

    async fn get_suppressed_destination(&self, address: &str) -> Result<String> {
        let op = GET_SUPPRESSED_DESTINATION;
        let request = self.client.get_suppressed_destination().email_address(address);
        let answer = self.call(op, || request.clone().send()).await?;
        let found = required(op, answer.suppressed_destination(), "SuppressedDestination")?;
        Ok(found.reason().as_str().to_owned())
    }

    async fn test_render_email_template(&self, name: &str, data: &str) -> Result<String> {
        let request = self
            .client
            .test_render_email_template()
            .template_name(name)
            .template_data(data);
        let answer = self.call(TEST_RENDER_EMAIL_TEMPLATE, || request.clone().send()).await?;
        Ok(answer.rendered_template)
    }

    async fn get_configuration_set(&self, name: &str) -> Result<ConfigurationSet> {
        let request = self.client.get_configuration_set().configuration_set_name(name);
        let answer = self.call(GET_CONFIGURATION_SET, || request.clone().send()).await?;
        Ok(ConfigurationSet {
            name: answer.configuration_set_name().unwrap_or(name).to_owned(),
            tags: read_tags(answer.tags()),
        })
    }

    async fn create_configuration_set(&self, name: &str, tags: &Tags) -> Result<()> {
        let op = CREATE_CONFIGURATION_SET;
        let request = self
            .client
            .create_configuration_set()
            .configuration_set_name(name)
            .set_tags(Some(write_tags(op, tags)?));
        self.command(op, || request.clone().send()).await
    }

    async fn delete_configuration_set(&self, name: &str) -> Result<()> {
        let request = self.client.delete_configuration_set().configuration_set_name(name);
        self.command(DELETE_CONFIGURATION_SET, || request.clone().send()).await
    }

    async fn get_event_destinations(&self, set: &str) -> Result<Vec<EventDestination>> {
        let op = GET_CONFIGURATION_SET_EVENT_DESTINATIONS;
        let request = self
            .client
            .get_configuration_set_event_destinations()
            .configuration_set_name(set);
        let answer = self.call(op, || request.clone().send()).await?;
        let found = answer.event_destinations().iter().map(|found| {
            let mut event_types: Vec<String> = found
                .matching_event_types()
                .iter()
                .map(|event_type| event_type.as_str().to_owned())
                .collect();
            event_types.sort();
            Ok(EventDestination {
                name: found.name().to_owned(),
                enabled: found.enabled(),
                event_types,
                event_bus_arn: found
                    .event_bridge_destination()
                    .map(|bus| parsed(op, Some(bus.event_bus_arn()), "EventBusArn"))
                    .transpose()?,
            })
        });
        found.collect()
    }

    async fn create_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()> {
        let op = CREATE_CONFIGURATION_SET_EVENT_DESTINATION;
        let request = self
            .client
            .create_configuration_set_event_destination()
            .configuration_set_name(set)
            .event_destination_name(&destination.name)
            .event_destination(definition(op, destination)?);
        self.command(op, || request.clone().send()).await
    }

    async fn update_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()> {
        let op = UPDATE_CONFIGURATION_SET_EVENT_DESTINATION;
        let request = self
            .client
            .update_configuration_set_event_destination()
            .configuration_set_name(set)
            .event_destination_name(&destination.name)
            .event_destination(definition(op, destination)?);
        self.command(op, || request.clone().send()).await
    }
}

fn content(template: &EmailTemplate) -> sdk::EmailTemplateContent {
    sdk::EmailTemplateContent::builder()
        .subject(&template.subject)
        .html(&template.html)
        .text(&template.text)
        .build()
}

fn definition(op: Operation, wanted: &EventDestination) -> Result<sdk::EventDestinationDefinition> {
    let bus = wanted.event_bus_arn.iter().map(|arn| {
        sdk::EventBridgeDestination::builder()
            .event_bus_arn(arn.as_str())
            .build()
    });
    let event_types = wanted.event_types.iter();
    Ok(sdk::EventDestinationDefinition::builder()
        .enabled(wanted.enabled)
        .set_matching_event_types(Some(event_types.map(|name| name.as_str().into()).collect()))
        .set_event_bridge_destination(built(op, bus)?.pop())
        .build())
}

fn read_tags(found: &[sdk::Tag]) -> Tags {
    found
        .iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

fn write_tags(op: Operation, tags: &Tags) -> Result<Vec<sdk::Tag>> {
    let tags = tags.iter();
    built(
        op,
        tags.map(|(key, value)| sdk::Tag::builder().key(key).value(value).build()),
    )
}

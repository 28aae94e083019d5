//! SES v2: identity, template, configuration set.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::operation::operations;
use super::{Result, Tags};
use crate::model::Arn;

// The IAM prefix of SES v2 is `ses`, and its actions have the operations' names (Service Authorization Reference).
operations!(SesV2:
    CREATE_CONFIGURATION_SET = write "CreateConfigurationSet";
    CREATE_CONFIGURATION_SET_EVENT_DESTINATION = write "CreateConfigurationSetEventDestination";
    CREATE_EMAIL_IDENTITY = write "CreateEmailIdentity";
    CREATE_EMAIL_TEMPLATE = write "CreateEmailTemplate";
    DELETE_CONFIGURATION_SET = write "DeleteConfigurationSet";
    DELETE_EMAIL_IDENTITY = write "DeleteEmailIdentity";
    DELETE_EMAIL_TEMPLATE = write "DeleteEmailTemplate";
    GET_ACCOUNT = read "GetAccount";
    GET_CONFIGURATION_SET = read "GetConfigurationSet";
    GET_CONFIGURATION_SET_EVENT_DESTINATIONS = read "GetConfigurationSetEventDestinations";
    GET_EMAIL_IDENTITY = read "GetEmailIdentity";
    GET_EMAIL_TEMPLATE = read "GetEmailTemplate";
    GET_SUPPRESSED_DESTINATION = read "GetSuppressedDestination";
    PUT_EMAIL_IDENTITY_MAIL_FROM_ATTRIBUTES = write "PutEmailIdentityMailFromAttributes";
    SEND_EMAIL = write "SendEmail";
    TEST_RENDER_EMAIL_TEMPLATE = read "TestRenderEmailTemplate";
    UPDATE_CONFIGURATION_SET_EVENT_DESTINATION = write "UpdateConfigurationSetEventDestination";
    UPDATE_EMAIL_TEMPLATE = write "UpdateEmailTemplate";
);

/// Most recipients of one mail, those of copies included (docs/aws-facts.md, "SES: sandbox").
pub const MAX_RECIPIENTS: usize = 50;

/// What the SES account may send.
#[derive(Debug, Clone, PartialEq)]
pub struct SesAccount {
    /// Out of the SES sandbox: may write to anyone.
    pub production_access: bool,
    /// Whether sending is on at all.
    pub sending_enabled: bool,
    /// Mails in 24 hours at most; -1 is unlimited.
    pub max_24_hour_send: f64,
    /// Mails sent in the last 24 hours.
    pub sent_last_24_hours: f64,
    /// Mails a second.
    pub max_send_rate: f64,
}

/// An identity: an address or a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailIdentity {
    /// The address or domain.
    pub name: String,
    /// Whether it may send.
    pub verified: bool,
    /// The verification status in AWS's words (`PENDING`, `SUCCESS`, ...).
    pub verification_status: String,
    /// DKIM tokens of a domain (three with Easy DKIM).
    pub dkim_tokens: Vec<String>,
    /// The DKIM status in AWS's words.
    pub dkim_status: Option<String>,
    /// The zone that DKIM names point to where AWS gives one; else `dkim.amazonses.com`.
    pub signing_hosted_zone: Option<String>,
    /// The custom MAIL FROM domain.
    pub mail_from_domain: Option<String>,
    /// Its status in AWS's words.
    pub mail_from_status: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A stored template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailTemplate {
    /// Its name.
    pub name: String,
    /// The subject line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
    /// Its tags: given when it is made, and kept by an update.
    #[serde(default)]
    pub tags: Tags,
}

/// Where a configuration set's sending events go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDestination {
    /// Its name.
    pub name: String,
    /// Whether it is on.
    pub enabled: bool,
    /// The event types in AWS's words (`BOUNCE`, `RENDERING_FAILURE`, ...), sorted.
    pub event_types: Vec<String>,
    /// The event bus that gets them: SES allows the default bus only (docs/aws-facts.md, "SES: templates").
    pub event_bus_arn: Option<Arn>,
}

/// A configuration set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationSet {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
}

/// A mail that billctl itself sends; the notifier's are sent by Step Functions, from the stored template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The From address, with or without a name in front.
    pub from: String,
    /// The identity to send with, where it is another account's.
    pub identity_arn: Option<Arn>,
    /// Recipients, [`MAX_RECIPIENTS`] at most.
    pub to: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The configuration set that tells what became of it.
    pub configuration_set: Option<String>,
    /// The subject line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
    /// Tags of the mail: ASCII letters, digits, hyphens and underscores (SES API v2: MessageTag).
    pub tags: Tags,
}

/// The operations of SES v2 that billctl uses.
#[async_trait]
pub trait SesV2: Send + Sync {
    /// `GetAccount`.
    async fn get_account(&self) -> Result<SesAccount>;
    /// `GetEmailIdentity`.
    async fn get_email_identity(&self, identity: &str) -> Result<EmailIdentity>;
    /// `CreateEmailIdentity`: Easy DKIM for a domain, a link by mail for an address.
    async fn create_email_identity(&self, identity: &str, tags: &Tags) -> Result<()>;
    /// `DeleteEmailIdentity`.
    async fn delete_email_identity(&self, identity: &str) -> Result<()>;
    /// `PutEmailIdentityMailFromAttributes`; `None` takes the custom domain away.
    async fn put_mail_from(&self, identity: &str, domain: Option<String>) -> Result<()>;
    /// `GetEmailTemplate`.
    async fn get_email_template(&self, name: &str) -> Result<EmailTemplate>;
    /// `CreateEmailTemplate`: one call a second (docs/aws-facts.md, "SES: templates").
    async fn create_email_template(&self, template: &EmailTemplate) -> Result<()>;
    /// `UpdateEmailTemplate`: one call a second.
    async fn update_email_template(&self, template: &EmailTemplate) -> Result<()>;
    /// `DeleteEmailTemplate`.
    async fn delete_email_template(&self, name: &str) -> Result<()>;
    /// `SendEmail` with a simple mail: SES's id of it. It is the one write that can't be repeated: after a lost answer the
    /// mail may be on its way, so the gate sends it again only where SES refused it.
    async fn send_email(&self, mail: &OutgoingMail) -> Result<String>;
    /// `GetSuppressedDestination`: why the account's suppression list holds the address, `BOUNCE` or `COMPLAINT`.
    ///
    /// # Errors
    /// The list doesn't hold it: `Kind::NotFound`.
    async fn get_suppressed_destination(&self, address: &str) -> Result<String>;
    /// `TestRenderEmailTemplate`: the rendered MIME text; one call a second.
    async fn test_render_email_template(&self, name: &str, data: &str) -> Result<String>;
    /// `GetConfigurationSet`.
    async fn get_configuration_set(&self, name: &str) -> Result<ConfigurationSet>;
    /// `CreateConfigurationSet`.
    async fn create_configuration_set(&self, name: &str, tags: &Tags) -> Result<()>;
    /// `DeleteConfigurationSet`.
    async fn delete_configuration_set(&self, name: &str) -> Result<()>;
    /// `GetConfigurationSetEventDestinations`.
    async fn get_event_destinations(&self, set: &str) -> Result<Vec<EventDestination>>;
    /// `CreateConfigurationSetEventDestination`.
    async fn create_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()>;
    /// `UpdateConfigurationSetEventDestination`.
    async fn update_event_destination(&self, set: &str, destination: &EventDestination) -> Result<()>;
}

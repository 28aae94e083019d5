//! What is left to do by hand before the mail can go out: DNS records, a link to click, the SES sandbox, the core
//! account's policy.

use serde::Serialize;
use serde_json::Value;

use super::names::Naming;
use super::policies;
use billctl_core::model::{Arn, REGION};
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};

/// The zone of Easy DKIM's names where SES doesn't name another (SES Developer Guide, "Easy DKIM in Amazon SES").
const DKIM_ZONE: &str = "dkim.amazonses.com";

/// How far the mail side is, and what is left to do.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MailSetup {
    /// The From address.
    pub from: String,
    /// The identity that sends.
    pub identity: String,
    /// Whether it may send; None where it is another account's, which can't be asked.
    pub verified: Option<bool>,
    /// An address is verified by a link, a domain by DNS.
    pub is_domain: bool,
    /// The records that the domain needs.
    pub dns: Vec<DnsRecord>,
    /// Whether SES still holds the account in its sandbox.
    pub in_ses_sandbox: bool,
    /// Whether sending is switched off for the account.
    pub sending_paused: bool,
    /// Mails in 24 hours at most; None where unlimited.
    pub daily_quota: Option<f64>,
    /// The identity policy that another account has to attach.
    pub core_policy: Option<CorePolicy>,
}

/// A DNS record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DnsRecord {
    /// What it is for.
    pub purpose: &'static str,
    /// Its name, without a final dot.
    pub name: String,
    /// `CNAME`, `MX` or `TXT`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its value, as a zone file takes it.
    pub value: String,
}

/// A policy for an identity in a shared core account.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CorePolicy {
    /// The identity.
    pub identity: Arn,
    /// The name to give the policy.
    pub name: String,
    /// The policy.
    pub policy: Value,
}

impl MailSetup {
    /// How far it is, from what SES says.
    pub fn new(naming: &Naming, account: &SesAccount, identity: Option<&EmailIdentity>) -> Self {
        let mail = &naming.config.mail;
        let elsewhere = mail.identity_arn.as_ref();
        let is_domain = !mail.identity.contains('@');
        Self {
            from: mail.from.clone(),
            identity: elsewhere.map_or_else(|| mail.identity.clone(), Arn::to_string),
            verified: elsewhere
                .is_none()
                .then(|| identity.is_some_and(|identity| identity.verified)),
            is_domain,
            dns: identity.filter(|_| is_domain).map(dns_records).unwrap_or_default(),
            in_ses_sandbox: !account.production_access,
            sending_paused: !account.sending_enabled,
            daily_quota: (account.max_24_hour_send >= 0.0).then_some(account.max_24_hour_send),
            core_policy: mail.identity_arn.clone().map(|identity| CorePolicy {
                identity,
                name: "billctl".to_owned(),
                policy: policies::core_identity(naming),
            }),
        }
    }
}

/// Three CNAMEs for DKIM; with a custom MAIL FROM domain exactly one MX, and SPF
/// (docs/aws-facts.md, "SES: identities").
pub fn dns_records(identity: &EmailIdentity) -> Vec<DnsRecord> {
    let zone = identity
        .signing_hosted_zone
        .as_deref()
        .unwrap_or(DKIM_ZONE)
        .trim_end_matches('.');
    let record = |purpose, name, kind, value| DnsRecord {
        purpose,
        name,
        kind,
        value,
    };
    let dkim = identity.dkim_tokens.iter().map(|token| {
        let name = format!("{token}._domainkey.{}", identity.name);
        record("DKIM", name, "CNAME", format!("{token}.{zone}."))
    });
    let mail_from = identity.mail_from_domain.iter().flat_map(|domain| {
        let server = format!("10 feedback-smtp.{REGION}.amazonses.com.");
        let senders = "\"v=spf1 include:amazonses.com ~all\"".to_owned();
        [
            record("MAIL FROM", domain.clone(), "MX", server),
            record("SPF", domain.clone(), "TXT", senders),
        ]
    });
    dkim.chain(mail_from).collect()
}

use serde_json::{Value, json};

use super::Thing;
use super::names::{self, Scope};
use billctl_core::service::sesv2::EmailIdentity;

/// The SES identity: an address or a domain. What SES found out about it isn't compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(pub EmailIdentity);

impl Thing for Identity {
    /// None where the mail is sent with another account's identity.
    fn desired(scope: &Scope) -> Vec<Self> {
        let mail = &scope.config.mail;
        let wanted = mail.identity_arn.is_none().then(|| {
            Self(EmailIdentity {
                name: mail.identity.clone(),
                mail_from_domain: mail.mail_from_domain.clone(),
                tags: names::tags(),
                ..EmailIdentity::default()
            })
        });
        Vec::from_iter(wanted)
    }

    fn name(&self) -> String {
        self.0.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.0.tags)
    }

    /// The MAIL FROM domain of an identity that somebody else made stays unless the config names one.
    fn beside(mut self, observed: &Self) -> Self {
        if self.0.mail_from_domain.is_none() && !observed.is_ours() {
            self.0.mail_from_domain.clone_from(&observed.0.mail_from_domain);
        }
        self
    }

    fn document(&self) -> Value {
        match &self.0.mail_from_domain {
            Some(domain) => json!({"mailFromDomain": domain}),
            None => json!({}),
        }
    }
}

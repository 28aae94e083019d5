use serde_json::{Value, json};

use super::names::{self, Naming};
use super::{Thing, document};
use billctl_core::service::sesv2::EmailIdentity;

/// The SES identity: an address or a domain. What SES found out about it isn't compared.
impl Thing for EmailIdentity {
    /// None where the mail is sent with another account's identity.
    fn desired(naming: &Naming) -> Vec<Self> {
        let mail = &naming.config.mail;
        let wanted = mail.identity_arn.is_none().then(|| Self {
            name: mail.identity.clone(),
            mail_from_domain: mail.mail_from_domain.clone(),
            tags: names::tags(),
            ..Self::default()
        });
        Vec::from_iter(wanted)
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The MAIL FROM domain of an identity that somebody else made stays unless the config names one.
    fn beside(mut self, observed: &Self) -> Self {
        if self.mail_from_domain.is_none() && !observed.is_ours() {
            self.mail_from_domain.clone_from(&observed.mail_from_domain);
        }
        self
    }

    fn document(&self) -> Value {
        document::without_nulls(json!({"mailFromDomain": self.mail_from_domain}))
    }
}

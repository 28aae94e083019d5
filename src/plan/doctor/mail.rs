//! Whether a mail would go out.

use super::{Check, active_members};
use crate::config::{Config, bare_address};
use crate::resource::mail_setup::dns_records;
use billctl_core::model::Organization;
use billctl_core::service::Result;
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};

pub(super) fn ses_account(ses: &Result<SesAccount>) -> Check {
    const NAME: &str = "ses";
    match ses {
        Ok(ses) if !ses.sending_enabled => Check::failed(NAME, "sending is switched off for this account")
            .remedy("console: Amazon SES > Account dashboard; AWS says there why"),
        Ok(ses) if !ses.production_access => {
            Check::warning(NAME, "in the SES sandbox: mails go to verified addresses only")
                .remedy("console: Amazon SES > Account dashboard > Request production access (Region us-east-1)")
        }
        Ok(_) => Check::ok(NAME, "out of the SES sandbox, sending is on"),
        Err(error) => Check::unread(NAME, error),
    }
}

pub(super) fn ses_quota(ses: &Result<SesAccount>, tree: &std::result::Result<Organization, String>) -> Check {
    const NAME: &str = "ses-quota";
    let ses = match ses {
        Ok(ses) => ses,
        Err(error) => return Check::unread(NAME, error),
    };
    if ses.max_24_hour_send < 0.0 {
        return Check::ok(NAME, "unlimited");
    }
    let left = (ses.max_24_hour_send - ses.sent_last_24_hours).max(0.0);
    let quota = format!("{left:.0} of {:.0} mails left for these 24 hours", ses.max_24_hour_send);
    let accounts = tree.as_ref().map_or(0, |tree| active_members(tree).count() + 1);
    // On a bad day every account goes over its threshold once.
    if left < accounts as f64 {
        return Check::warning(NAME, format!("{quota}: less than one for each of {accounts} accounts"))
            .remedy("console: Service Quotas > Amazon SES > Sending quota > Request increase");
    }
    Check::ok(NAME, quota)
}

pub(super) fn identity(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "identity";
    let name = &config.mail.identity;
    if let Some(arn) = &config.mail.identity_arn {
        return Check::ok(
            NAME,
            format!("{arn} is another account's: only a mail shows whether it may be used"),
        );
    }
    match identity {
        Ok(Some(found)) if found.verified => Check::ok(NAME, format!("{name} is verified")),
        Ok(Some(found)) => {
            let check = Check::failed(NAME, format!("{name} is not verified ({})", found.verification_status));
            if name.contains('@') {
                check.remedy(format!("open the link in the mail that AWS sent to {name}"))
            } else {
                check.remedy(records(found, "DKIM"))
            }
        }
        Ok(None) => Check::to_do(NAME, format!("{name} is not known to SES yet"))
            .remedy("`billctl bootstrap` makes it, and says how to verify it"),
        Err(error) => Check::unread(NAME, error),
    }
}

/// The DNS records that are missing, in one line.
fn records(identity: &EmailIdentity, purpose: &str) -> String {
    let records: Vec<String> = dns_records(identity)
        .into_iter()
        .filter(|record| record.purpose == purpose || (purpose == "MAIL FROM" && record.purpose == "SPF"))
        .map(|record| format!("{} {} {}", record.name, record.kind, record.value))
        .collect();
    format!("set these DNS records: {}", records.join("; "))
}

pub(super) fn dkim(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "dkim";
    match identity {
        _ if config.mail.identity_arn.is_some() => Check::skipped(NAME, "the identity is another account's"),
        _ if config.mail.identity.contains('@') => Check::warning(
            NAME,
            "an address has no DKIM of its own: its mails are more often taken for spam",
        )
        .remedy(format!(
            "write identity = \"{}\" under [mail] to verify the whole domain",
            bare_address(&config.mail.from)
                .rsplit_once('@')
                .map_or("", |(_, domain)| domain)
        )),
        Ok(Some(found)) => match found.dkim_status.as_deref() {
            Some("SUCCESS") => Check::ok(NAME, "mails are signed"),
            status => Check::warning(NAME, format!("not signing yet ({})", status.unwrap_or("no status")))
                .remedy(records(found, "DKIM")),
        },
        Ok(None) => Check::skipped(NAME, "needs the identity"),
        Err(error) => Check::unread(NAME, error),
    }
}

pub(super) fn mail_from(config: &Config, identity: &Result<Option<EmailIdentity>>) -> Check {
    const NAME: &str = "mail-from";
    let Some(wanted) = &config.mail.mail_from_domain else {
        return Check::ok(NAME, "amazonses.com: the config names no domain of its own");
    };
    match identity {
        Ok(Some(found)) if found.mail_from_domain.as_deref() == Some(wanted) => {
            match found.mail_from_status.as_deref() {
                Some("SUCCESS") => Check::ok(NAME, format!("{wanted} is set up")),
                status => Check::warning(
                    NAME,
                    format!("{wanted} is not ready ({})", status.unwrap_or("no status")),
                )
                .remedy(records(found, "MAIL FROM")),
            }
        }
        Ok(Some(_)) => Check::to_do(NAME, format!("{wanted} is not set")).remedy("`billctl bootstrap` sets it"),
        Ok(None) => Check::skipped(NAME, "needs the identity"),
        Err(error) => Check::unread(NAME, error),
    }
}

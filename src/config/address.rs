//! Mail addresses, domains and identities, as far as their text tells.

use email_address::{EmailAddress, Options};

use billctl_core::model::{Arn, PARTITION, REGION};
use billctl_core::text::visible;

/// What is wrong with a text, and what to do about it.
pub(super) struct Fault {
    pub message: String,
    pub remedy: String,
}

fn fault_of(message: String, remedy: &str) -> Option<Fault> {
    Some(Fault {
        message,
        remedy: remedy.to_owned(),
    })
}

/// The mail address in a From text: `Billing <billing@example.com>` or the address alone.
pub fn bare_address(from: &str) -> &str {
    from.rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(from, |(address, _)| address)
        .trim()
}

/// What is wrong with an address, if anything. Only letters, digits and `._%+=-` before the `@`: the notifier
/// drops other addresses, because it has to tell them from hostile text.
pub(super) fn fault(text: &str) -> Option<Fault> {
    let options = Options::default()
        .with_required_tld()
        .without_domain_literal()
        .without_display_text();
    let remedy = "write a bare address such as billing@example.com";
    let shown = visible(text);
    if let Err(error) = EmailAddress::parse_with_options(text, options) {
        let error = error.to_string().to_lowercase();
        let why = error.trim_end_matches('.');
        return fault_of(format!("`{shown}` is not a mail address: {why}"), remedy);
    }
    let (local, domain) = text.rsplit_once('@')?;
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+=-".contains(&byte);
    if !local.bytes().all(usable) {
        let message = format!("the notifier can't write to `{shown}`");
        return fault_of(message, "use an address of letters, digits and ._%+=- before the @");
    }
    if !is_domain(domain) {
        let message = format!("`{}` is not a domain that mail can go to", visible(domain));
        return fault_of(message, "write an internationalised domain in its xn-- form");
    }
    None
}

/// Most characters of a name in a mail.
pub(super) const MOST_LETTERS: usize = 60;

/// The name and the address of `Name <address>`, or of an address alone. A name may stand in quotes (RFC 5322, 3.4).
pub(super) fn parts(text: &str) -> (Option<String>, &str) {
    let text = text.trim();
    let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
        return (None, text);
    };
    let name = name.trim();
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let name = quoted.map_or_else(|| name.to_owned(), |name| name.replace("\\\"", "\""));
    (Some(name).filter(|name| !name.is_empty()), address.trim())
}

/// What is wrong with a sender, `Acme FinOps <billing@example.com>` or an address alone.
pub(super) fn sender_fault(text: &str) -> Option<Fault> {
    let (name, address) = parts(text);
    name.as_deref().and_then(name_fault).or_else(|| {
        let mut fault = fault(address)?;
        if fault.remedy.contains("bare address") {
            fault.remedy = "write billing@example.com, or Acme FinOps <billing@example.com>".to_owned();
        }
        Some(fault)
    })
}

/// What is wrong with a name that mails show. One with an `@` would pass itself off as an address.
pub(super) fn name_fault(name: &str) -> Option<Fault> {
    let shown = visible(name);
    let remedy = format!("write a name of at most {MOST_LETTERS} characters, such as Acme FinOps");
    if name.trim().is_empty() || name.chars().count() > MOST_LETTERS {
        return fault_of(format!("`{shown}` is not a name that a mail can show"), &remedy);
    }
    if billctl_core::text::line(name) != name || name.contains(['<', '>', '@', '"', '\\', '{', '}']) {
        return fault_of(
            format!("the name `{shown}` has a character that doesn't belong in one"),
            "leave out @ < > { } \" \\ and what can't be seen",
        );
    }
    None
}

/// The name and address as one field of a header: in ASCII, because SES takes no other
/// (docs/aws-facts.md, "SES: addresses").
pub(super) fn header(name: Option<&str>, address: &str) -> String {
    match name {
        None => address.to_owned(),
        Some(name) if name.is_ascii() => format!("\"{name}\" <{address}>"),
        Some(name) => format!("{} <{address}>", encoded_words(name)),
    }
}

/// A text as encoded words of at most 75 characters, which hold whole characters (RFC 2047, "Q").
fn encoded_words(text: &str) -> String {
    const MOST: usize = 75 - "=?UTF-8?Q??=".len();
    let mut words = vec![String::new()];
    for character in text.chars() {
        let coded = match character {
            ' ' => "_".to_owned(),
            plain if plain.is_ascii_alphanumeric() => plain.to_string(),
            other => other
                .encode_utf8(&mut [0; 4])
                .bytes()
                .map(|byte| format!("={byte:02X}"))
                .collect(),
        };
        match words.last_mut() {
            Some(word) if word.len() + coded.len() <= MOST => word.push_str(&coded),
            _ => words.push(coded),
        }
    }
    let words: Vec<String> = words.into_iter().map(|word| format!("=?UTF-8?Q?{word}?=")).collect();
    words.join(" ")
}

/// Whether the notifier can write to this text.
pub fn is_address(text: &str) -> bool {
    fault(text).is_none()
}

/// A domain of at least two labels, the last of letters (RFC 1035, as SES takes it).
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && text
            .rsplit_once('.')
            .is_some_and(|(_, top)| top.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

fn is_at_or_below(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.to_ascii_lowercase(), parent.to_ascii_lowercase());
    domain == parent || domain.strip_suffix(&parent).is_some_and(|rest| rest.ends_with('.'))
}

fn domain_of(identity: &str) -> &str {
    identity.rsplit_once('@').map_or(identity, |(_, domain)| domain)
}

/// The same address or domain with its domain in lower case: SES knows no case there, but IAM compares the ARNs made of
/// it letter by letter (docs/aws-facts.md, "SES: identities"). What is before the `@` stays as it is: only its owner
/// knows what case means there (RFC 5321, 2.4).
pub(super) fn lower_domain(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => text.to_ascii_lowercase(),
    }
}

/// The same ARN of an SES identity with the domain in lower case.
pub(super) fn lower_identity_arn(arn: &str) -> String {
    match arn.split_once(":identity/") {
        Some((place, identity)) => format!("{place}:identity/{}", lower_domain(identity)),
        None => arn.to_owned(),
    }
}

/// What is wrong with the ARN of a topic that alarms are to act on.
/// `who` publishes to it, which it does in its own Region alone (CloudWatch user guide, alarm actions; docs/aws-facts.md,
/// "Chat messages").
pub(super) fn topic_fault(text: &str, who: &str) -> Option<Fault> {
    let shown = visible(text);
    let remedy = format!("write it as arn:aws:sns:{REGION}:123456789012:operations");
    let Ok(arn) = text.parse::<Arn>() else {
        return fault_of(format!("`{shown}` is not an ARN"), &remedy);
    };
    let name = arn.resource();
    let region = text.split(':').nth(3).unwrap_or_default();
    if arn.partition() != PARTITION || arn.service() != "sns" || arn.account().is_none() || name.contains(':') {
        return fault_of(format!("`{shown}` is not the ARN of an SNS topic"), &remedy);
    }
    if region != REGION {
        return fault_of(
            format!("the topic is in {}, but {who} in {REGION}", visible(region)),
            &format!("only a topic of the same Region can be used: name one in {REGION}"),
        );
    }
    // That alarms can't publish to a FIFO topic is unverified (docs/aws-facts.md, "SNS topics"); they give no message
    // group, which those want.
    if !super::names::TOPIC.allows(name) {
        return fault_of(
            format!("`{}` is not the name of a standard SNS topic", visible(name)),
            &remedy,
        );
    }
    None
}

/// What is wrong with an identity that is to send as `from`: SES wants the address itself, its domain, or a
/// domain above that one.
pub(super) fn identity_fault(identity: &str, from: &str) -> Option<Fault> {
    let shown = visible(identity);
    if identity.contains('@') {
        if let Some(fault) = fault(identity) {
            return Some(fault);
        }
        if !from.is_empty() && !identity.eq_ignore_ascii_case(from) {
            return fault_of(
                format!("identity `{shown}` can't send mails from `{from}`"),
                "leave `identity` out to use the address in `from`, or name its domain",
            );
        }
        return None;
    }
    if identity.starts_with("arn:") {
        return fault_of(
            "an identity is an address or a domain, not an ARN".to_owned(),
            "an identity of another account goes into `identity-arn`",
        );
    }
    if !is_domain(identity) {
        return fault_of(
            format!("`{shown}` is neither an address nor a domain"),
            "write an address such as billing@example.com or a domain such as example.com",
        );
    }
    if !from.is_empty() && !is_at_or_below(domain_of(from), identity) {
        return fault_of(
            format!("identity `{shown}` can't send mails from `{from}`"),
            "name the domain of `from`, or one above it",
        );
    }
    None
}

/// What is wrong with the ARN of an identity in another account.
pub(super) fn identity_arn_fault(text: &str) -> Option<Fault> {
    let shown = visible(text);
    let remedy = "write it as arn:aws:ses:us-east-1:123456789012:identity/example.com";
    let arn: Arn = match text.parse() {
        Ok(arn) => arn,
        Err(_) => return fault_of(format!("`{shown}` is not an ARN"), remedy),
    };
    if arn.partition() != PARTITION {
        let message = format!("billctl doesn't work in partition {}", visible(arn.partition()));
        return fault_of(message, "only partition aws has the metrics that billctl needs");
    }
    let in_region = text.starts_with(&format!("arn:aws:ses:{REGION}:"));
    let identity = arn.resource().strip_prefix("identity/").unwrap_or_default();
    if !in_region || arn.account().is_none() || identity.is_empty() {
        return fault_of(
            format!("`{shown}` is not the ARN of an SES identity in {REGION}"),
            remedy,
        );
    }
    None
}

/// What is wrong with a MAIL FROM domain: SES wants a subdomain of the identity's domain.
pub(super) fn mail_from_fault(domain: &str, identity: &str) -> Option<Fault> {
    let shown = visible(domain);
    if !is_domain(domain) {
        return fault_of(
            format!("`{shown}` is not a domain"),
            "write a subdomain such as bounce.example.com",
        );
    }
    let parent = domain_of(identity);
    if parent.is_empty() {
        return None;
    }
    if domain.eq_ignore_ascii_case(parent) || !is_at_or_below(domain, parent) {
        return fault_of(
            format!("the MAIL FROM domain `{shown}` is not a subdomain of {parent}"),
            &format!("write a subdomain such as bounce.{parent}"),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{header, parts, sender_fault};

    #[test]
    fn a_name_is_quoted_in_ascii_and_encoded_beyond() {
        let sent = |text: &str| {
            assert!(sender_fault(text).is_none(), "{text}");
            let (name, address) = parts(text);
            header(name.as_deref(), address)
        };
        assert_eq!(sent("a@example.com"), "a@example.com");
        assert_eq!(sent("<a@example.com>"), "a@example.com");
        assert_eq!(sent("Acme, FinOps <a@example.com>"), "\"Acme, FinOps\" <a@example.com>");
        assert_eq!(
            sent("\"Acme FinOps\" <a@example.com>"),
            "\"Acme FinOps\" <a@example.com>"
        );
        assert_eq!(
            sent("Größe & Söhne <a@example.com>"),
            "=?UTF-8?Q?Gr=C3=B6=C3=9Fe_=26_S=C3=B6hne?= <a@example.com>"
        );
        let long = sent(&format!("{} <a@example.com>", "支".repeat(60)));
        let (words, _) = long.split_once(" <").unwrap();
        assert!(words.split(' ').all(|word| word.len() <= 75), "{words}");
        assert_eq!(words.matches("=E6=94=AF").count(), 60, "{words}");
        assert!(long.is_ascii());
    }

    #[test]
    fn a_name_that_poses_or_hides_is_refused() {
        for text in [
            "billing@bank.example <a@example.com>",
            "Acme\r\nBcc: eve@evil.example <a@example.com>",
            "Acme \u{202e}txt <a@example.com>",
            "Acme <b@example.com> <a@example.com>",
            "Acme <nobody>",
            "Acme a@example.com",
        ] {
            assert!(sender_fault(text).is_some(), "{text:?}");
        }
        assert!(sender_fault(&format!("{} <a@example.com>", "x".repeat(61))).is_some());
    }
}

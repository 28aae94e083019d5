//! What SES checks of identities, templates and destinations.

use super::{bad, domain, render};
use crate::World;
use crate::faults::hash;
use crate::names::is_name;
use crate::refusal::Answer;
use billctl_core::service::sesv2::{EmailTemplate, EventDestination};

/// Largest template, all parts together (docs/aws-facts.md, "SES: templates").
const MAX_TEMPLATE_BYTES: usize = 500 * 1024;
/// A DKIM token: 32 lowercase letters and digits that depend on domain and number.
pub(super) fn dkim_token(domain: &str, number: u32) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = fastrand::Rng::with_seed(hash(&["dkim", domain, &number.to_string()]));
    (0..32)
        .filter_map(|_| random.choice(ALPHABET).map(|byte| char::from(*byte)))
        .collect()
}

/// An address or a domain, as far as SES looks at it.
pub(super) fn is_identity(name: &str) -> bool {
    let domain = domain(name);
    domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        && name.matches('@').count() <= 1
        && !name.starts_with('@')
        && !name.contains(char::is_whitespace)
}

pub(super) fn template(template: &EmailTemplate) -> Answer<()> {
    let bytes = template.subject.len() + template.html.len() + template.text.len();
    if bytes > MAX_TEMPLATE_BYTES {
        return Err(bad("The template is larger than 500 KB."));
    }
    if !is_name(&template.name, 64, "-_") {
        return Err(bad("The template's name is not valid."));
    }
    render::check(template).map_err(bad)
}

pub(super) fn destination(world: &World, destination: &EventDestination) -> Answer<()> {
    const TYPES: &str =
        "SEND REJECT BOUNCE COMPLAINT DELIVERY OPEN CLICK RENDERING_FAILURE DELIVERY_DELAY SUBSCRIPTION";
    let is_type = |kind: &String| TYPES.split(' ').any(|known| known == kind);
    if let Some(unknown) = destination.event_types.iter().find(|kind| !is_type(kind)) {
        return Err(bad(format!("Unknown event type {unknown}.")));
    }
    if destination.event_types.is_empty() {
        return Err(bad("Matching event types are missing."));
    }
    let default_bus = world.own_arn("events", "event-bus/default");
    match &destination.event_bus_arn {
        Some(bus) if *bus != default_bus => Err(bad("Only the default event bus can be a destination.")),
        None => Err(bad("A destination is missing.")),
        Some(_) => Ok(()),
    }
}

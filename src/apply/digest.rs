//! Sends the digest, once a day. There is no state but AWS's: the day is claimed by the name of an execution of the
//! notifier, which can be taken once in 90 days (docs/aws-facts.md, "Step Functions: executions"), before the mail is
//! sent. Of two runs at the same moment one gets the name, and the other says so.
//!
//! A mail that SES refused leaves a second name, so that the next run may try again. A run that ends between the claim
//! and the mail, or that got no answer to it, leaves none: then nobody knows whether the mail went out, and only `--again`
//! sends it.

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Config;
use crate::plan::digest::DigestMail;
use crate::resource::{Naming, digest_execution, knows_digests, unsent_execution};
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::event::{Event, Listener};
use billctl_core::service::sesv2::OutgoingMail;
use billctl_core::service::sfn::Execution;
use billctl_core::service::{self, Kind, OrAbsent, PARALLEL, ServiceError, Services, Tags};

/// Digests of one day at most, those that were refused among them.
const MOST_ATTEMPTS: u32 = 50;

/// What stands in the way of a digest, before anything is read for it: no notifier whose executions could be the claim,
/// or a day that is claimed already.
///
/// # Errors
/// Those, and AWS's answers.
pub async fn check(services: &Services, naming: &Naming<'_>, day: Date, again: bool) -> Result<()> {
    let machine = services.sfn.describe_state_machine(&naming.notifier_arn()).await;
    let machine = machine.or_absent().while_trying("look for the notifier")?;
    let name = &naming.config.names.notifier;
    let fault = match machine {
        Some(machine) if knows_digests(&machine.definition) => {
            return next(services, naming, day, again).await.map(drop);
        }
        Some(_) => format!("the state machine {name} is of an older billctl"),
        None => format!(
            "there is no state machine {name} in account {}",
            naming.facts.management_account
        ),
    };
    let fault = format!("{fault}: a digest claims its day there, so that it is sent once");
    Err(Error::failed(fault).remedy("run `billctl bootstrap`"))
}

/// SES takes a mail to an address on the account's suppression list and doesn't deliver it
/// (docs/aws-facts.md, "SES: suppression"): that would be a digest that is sent every day and that nobody gets.
///
/// # Errors
/// The addresses that are on it, and AWS's answers.
pub async fn reachable(services: &Services, listener: &dyn Listener, to: &[String]) -> Result<()> {
    let looks = stream::iter(to).map(|address| async move {
        let found = services.sesv2.get_suppressed_destination(address).await.or_absent()?;
        service::Result::Ok(found.map(|reason| match reason.as_str() {
            "COMPLAINT" => format!("{address} (somebody there marked a mail as spam)"),
            _ => format!("{address} (a mail to it bounced)"),
        }))
    });
    let found: service::Result<Vec<Option<String>>> = looks.buffered(PARALLEL).try_collect().await;
    let found = match found {
        // A role of before may not, and a mail that could go out is better than none.
        Err(error) if error.kind == Kind::Denied => {
            let what = "whether the digest's addresses are on SES's suppression list wasn't looked at";
            listener.on(Event::Note(format!("{what}: {error}")));
            return Ok(());
        }
        found => found.while_trying("see whether the digest would be delivered")?,
    };
    let suppressed: Vec<String> = found.into_iter().flatten().collect();
    if suppressed.is_empty() {
        return Ok(());
    }
    let what = format!(
        "SES doesn't deliver to {}: the account's suppression list",
        suppressed.join(", ")
    );
    Err(Error::failed(what).remedy(
        "take the address out of `[digest] to`, or off the list once it takes mails: `aws sesv2 \
         delete-suppressed-destination --region us-east-1 --email-address ADDRESS`",
    ))
}

/// A digest that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// SES's id of it.
    pub message_id: String,
    /// The execution that holds the claim.
    pub claim: String,
}

/// Claims the day and sends the mail.
///
/// # Errors
/// The day is claimed already, unless `again`; SES's refusal, with what to do about it.
pub async fn send(services: &Services, naming: &Naming<'_>, mail: &DigestMail, day: Date, again: bool) -> Result<Sent> {
    let claim = claim(services, naming, day, again).await?;
    let outgoing = outgoing(naming.config, mail);
    match services.sesv2.send_email(&outgoing).await {
        Ok(message_id) => Ok(Sent { message_id, claim }),
        Err(error) if was_refused(&error) => {
            // If this is lost too, the day stays claimed, and the next run says so.
            let input = json!({"billctl": "digest", "unsent": claim, "error": error.code});
            let note = unsent_execution(&claim);
            let _ = services.sfn.start_execution(&naming.notifier_arn(), &note, &input).await;
            Err(refusal(error, naming.config).while_trying("send the digest"))
        }
        Err(error) => Err(Error::from(error).while_trying("send the digest").remedy(
            "the mail may be on its way: look into the mailbox, and send it once more with `billctl digest --again` if it \
             doesn't come",
        )),
    }
}

/// Takes the next name of the day.
async fn claim(services: &Services, naming: &Naming<'_>, day: Date, again: bool) -> Result<String> {
    // Whoever starts a name with the same input while it runs is answered that it is theirs: this one is nobody else's.
    let token = Uuid::new_v4().to_string();
    let input = json!({"billctl": "digest", "day": day, "claim": token});
    let machine = naming.notifier_arn();
    // Somebody else may take the name between the look and the start: then it is looked at once more.
    let mut attempt = next(services, naming, day, again).await?;
    loop {
        let name = digest_execution(day, attempt);
        match services.sfn.start_execution(&machine, &name, &input).await {
            Ok(_) => return Ok(name),
            Err(error) if error.kind == Kind::Exists => {}
            Err(error) => return Err(error).while_trying("claim the day of the digest"),
        }
        // An answer of the first try may have got lost.
        let taken = look(services, naming, &name).await?;
        let ours = |execution: &Execution| {
            execution.input.as_ref().and_then(|input| input.get("claim")) == Some(&Value::from(token.clone()))
        };
        if taken.as_ref().is_some_and(ours) {
            return Ok(name);
        }
        // Taken, and perhaps not to be seen yet.
        if !again {
            return Err(already(&name, taken.as_ref()));
        }
        attempt += 1;
        if attempt > MOST_ATTEMPTS {
            return Err(too_many(day));
        }
    }
}

/// The number of the next digest of the day: after those that were refused, and with `again` after all of them.
async fn next(services: &Services, naming: &Naming<'_>, day: Date, again: bool) -> Result<u32> {
    for attempt in 1..=MOST_ATTEMPTS {
        let name = digest_execution(day, attempt);
        let Some(taken) = look(services, naming, &name).await? else {
            return Ok(attempt);
        };
        if !again && look(services, naming, &unsent_execution(&name)).await?.is_none() {
            return Err(already(&name, Some(&taken)));
        }
    }
    Err(too_many(day))
}

fn too_many(day: Date) -> Error {
    Error::failed(format!("{MOST_ATTEMPTS} digests of {day} were sent or tried already"))
}

async fn look(services: &Services, naming: &Naming<'_>, name: &str) -> Result<Option<Execution>> {
    let described = services.sfn.describe_execution(&naming.execution_arn(name)).await;
    described
        .or_absent()
        .while_trying("see whether today's digest was sent")
}

fn already(name: &str, taken: Option<&Execution>) -> Error {
    let when = taken.map_or_else(
        || "is being sent by another run at this moment".to_owned(),
        |taken| format!("was sent at {}", taken.started.strftime("%H:%M UTC")),
    );
    Error::failed(format!("today's digest {when} ({name})"))
        .remedy("`billctl digest --again` sends it once more, `--preview DIR` only writes it")
}

fn outgoing(config: &Config, mail: &DigestMail) -> OutgoingMail {
    OutgoingMail {
        from: config.mail.sender(),
        identity_arn: config.mail.identity_arn.clone(),
        to: config.digest.to.clone(),
        reply_to: config.reply_to().map(str::to_owned),
        configuration_set: Some(config.names.configuration_set.clone()),
        subject: mail.subject.clone(),
        html: mail.html.clone(),
        text: mail.text.clone(),
        tags: Tags::from([("billctl-kind".to_owned(), "digest".to_owned())]),
    }
}

/// Whether it is certain that no mail went out: AWS answered and said no, or the request wasn't sent.
fn was_refused(error: &ServiceError) -> bool {
    match error.kind {
        Kind::Unavailable | Kind::Garbled => false,
        Kind::Other => error.code.is_some(),
        _ => true,
    }
}

/// SES's refusal with its cause and a remedy. Its code for several causes is one: the account's state tells them apart.
fn refusal(error: ServiceError, config: &Config) -> Error {
    let identity = &config.mail.identity;
    let remedy = match error.code.as_deref() {
        // "Email address is not verified": the sender's, or in SES's sandbox a recipient's. SES names it.
        Some("MessageRejected") => format!(
            "verify what SES names: {identity} is the sender (`billctl bootstrap` says how); a recipient has to be verified \
             only in SES's sandbox, which production access ends (SES console, Account dashboard)"
        ),
        Some("SendingPausedException" | "AccountSuspendedException") => {
            "SES has sending switched off for this account: the SES console says why (Account dashboard)".to_owned()
        }
        Some("MailFromDomainNotVerifiedException") => {
            "publish the DNS records that `billctl bootstrap` prints".to_owned()
        }
        Some("TooManyRequestsException" | "LimitExceededException") => {
            "SES's quota for 24 hours is used up, or its rate: ask for a higher one in the SES console".to_owned()
        }
        Some("NotFoundException") => "`billctl bootstrap` makes the identity and the configuration set".to_owned(),
        _ => return Error::from(error),
    };
    Error::from(error).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use billctl_core::service::sesv2::SEND_EMAIL;

    #[test]
    fn only_a_certain_refusal_frees_the_day() {
        let refused = |kind, code: Option<&str>| {
            was_refused(&ServiceError {
                code: code.map(str::to_owned),
                ..ServiceError::new(SEND_EMAIL, kind, "", "")
            })
        };
        assert!(refused(Kind::Denied, Some("MessageRejected")));
        assert!(refused(Kind::Throttled, Some("TooManyRequestsException")));
        assert!(refused(Kind::Credentials, None), "nothing was sent");
        assert!(!refused(Kind::Unavailable, None), "no answer");
        assert!(!refused(Kind::Unavailable, Some("InternalFailure")));
        assert!(!refused(Kind::Garbled, None));
        assert!(!refused(Kind::Other, None), "an answer that can't be used");
    }
}

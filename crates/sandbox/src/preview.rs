//! A mail without waiting for an alarm: the shipped notifier, run on this world as EventBridge would start it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::metrics::{self, Published};
use super::organizations::State;
use super::sesv2::Mail;
use super::{World, sfn};
use billctl_core::error::{Error, Result};
use billctl_core::model::{Account, AccountId, Arn, OrgId, OuId, Usd};
use billctl_core::service::Tags;
use billctl_core::service::sfn::{ExecutionStatus, START_EXECUTION};

/// The kinds of mails that owners get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The account is above its limit.
    First,
    /// It has spent twice as much as the day's mail said.
    Doubling {
        /// What that mail said.
        before: Usd,
    },
    /// It is still above, on this day.
    Reminder {
        /// Which day above the limit it is, from 1.
        days: i64,
    },
    /// It has been below for a day.
    Recovery {
        /// How many days it was above.
        days: i64,
    },
    /// Its charges couldn't be read for half a day.
    Unreadable,
    /// Whether mails about it arrive.
    Test,
}

/// A mail that would be sent.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The mail.
    pub mail: Mail,
    /// Why it goes to whom it goes: `recipientFrom` of the notifier's answer (docs/notifier.md, "How executions end").
    pub recipient_from: Option<String>,
}

/// An account as it really is: what a mail about it needs.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The account.
    pub account: Account,
    /// Its tags.
    pub tags: Tags,
    /// The addresses of its billing contact, where they may be read and there are some.
    pub billing_contact: Option<String>,
    /// The names of its OUs, from below the root down.
    pub path: Vec<String>,
    /// Its charges.
    pub charges: Published,
}

impl World {
    /// An organisation of the root, the management account and this one, at this time.
    pub fn around(id: OrgId, root: OuId, management: Account, subject: Subject, now: Timestamp) -> Self {
        let account = subject.account.id;
        let mut state = State::new(id, root.clone(), management);
        let mut at = root;
        for name in &subject.path {
            // A path that AWS gave has no twins and isn't too deep; were it so, the account hangs higher.
            at = state.add_ou(&at, name).unwrap_or(at);
        }
        if state.has_account(account) {
            if let Some(tags) = state.tags_mut(account) {
                *tags = subject.tags;
            }
        } else {
            state.insert(subject.account, at, subject.tags);
        }
        let mut world = Self::new(state, now);
        if let Some(contact) = subject.billing_contact {
            world.account.trusted = true;
            world.account.billing.insert(account, contact);
        }
        metrics::publish(&mut world, account, subject.charges);
        world
    }

    /// The mail of this kind that the notifier sends about this account now.
    ///
    /// # Errors
    /// The notifier isn't set up, or ended without a mail: its own words.
    pub fn preview_mail(&mut self, notifier: &Arn, account: AccountId, kind: MailKind) -> Result<Preview> {
        let before = self.sesv2.mails().len();
        let ago = |days: i64| {
            let then = self.now - SignedDuration::from_hours(24 * days);
            then.strftime("%Y-%m-%d").to_string()
        };
        let (name, days) = match kind {
            MailKind::First => ("first", None),
            MailKind::Unreadable => ("unreadable", None),
            MailKind::Doubling { .. } => ("doubling", Some(0)),
            MailKind::Test => ("first", None),
            MailKind::Reminder { days } => ("reminder", Some(days - 1)),
            MailKind::Recovery { days } => ("recovery", Some(days)),
        };
        let mut input = json!({"billctl": "mail", "account": account, "as": name});
        if let Some(days) = days {
            input["since"] = json!(ago(days));
            // A recovery is told a day after the amount was last above the limit.
            input["lastOver"] = json!((self.now - SignedDuration::from_hours(24)).as_millisecond());
        }
        match kind {
            MailKind::Test => input["test"] = json!(true),
            MailKind::Doubling { before } => input["base"] = json!(before.to_f64()),
            _ => {}
        }
        let started = sfn::start(self, notifier, Some(format!("preview_{name}")), input);
        let execution = started.map_err(|refusal| refusal.of(START_EXECUTION))?;
        if let Some(mail) = self.sesv2.mails().get(before) {
            return Ok(Preview {
                mail: mail.clone(),
                recipient_from: sfn::output(self, &execution)
                    .and_then(|output| Some(output.get("recipientFrom")?.as_str()?.to_owned())),
            });
        }
        let ended = sfn::outcome(self, &execution);
        Err(Error::failed(match ended {
            Some((ExecutionStatus::Failed, Some((error, cause)))) => format!("{error}: {cause}"),
            _ => "the notifier ended without a mail".to_owned(),
        }))
    }
}

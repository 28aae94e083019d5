//! A mail without waiting for an alarm: the shipped notifier, run on this world as EventBridge would start it.

use jiff::Timestamp;
use serde_json::json;

use super::metrics::{self, Published};
use super::organizations::State;
use super::sesv2::Mail;
use super::{World, sfn};
use crate::error::{Error, Result};
use crate::model::{Account, AccountId, Arn, OrgId, OuId, REGION};
use crate::service::Tags;
use crate::service::cloudwatch::AlarmState;
use crate::service::sfn::ExecutionStatus;

/// An account as it really is: what a mail about it needs.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The account.
    pub account: Account,
    /// Its tags.
    pub tags: Tags,
    /// The names of its OUs, from below the root down.
    pub path: Vec<String>,
    /// Its charges.
    pub charges: Published,
}

impl World {
    /// An organisation of the root, the management account and this one, at this time.
    pub fn around(
        id: OrgId,
        root: OuId,
        management: Account,
        subject: Subject,
        now: Timestamp,
    ) -> Self {
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
        metrics::publish(&mut world, account, subject.charges);
        world
    }

    /// The mail that the notifier sends when this account's alarm goes to `state` now.
    ///
    /// # Errors
    /// The notifier isn't set up, or ended without a mail: its own words.
    pub fn preview_mail(
        &mut self,
        notifier: &Arn,
        account: AccountId,
        alarm: &str,
        state: AlarmState,
    ) -> Result<Mail> {
        let before = self.sesv2.mails().len();
        let id = "00000000-0000-4000-8000-000000000000";
        let (now, previous) = match state {
            AlarmState::Ok => ("OK", "ALARM"),
            AlarmState::Alarm | AlarmState::InsufficientData => ("ALARM", "OK"),
        };
        let event = json!({
            "version": "0", "id": id, "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch", "account": account, "region": REGION,
            // EventBridge writes whole seconds.
            "time": Timestamp::from_second(self.now.as_second()).unwrap_or(self.now).to_string(),
            "resources": [Arn::new("cloudwatch", REGION, account, &format!("alarm:{alarm}"))],
            "detail": {
                "alarmName": alarm,
                "state": {"value": now, "reason": "preview"},
                "previousState": {"value": previous},
            },
        });
        // The name of an execution that mails: it needs no second one.
        let execution = sfn::start(self, notifier, Some(format!("mail_{id}")), event)?;
        if let Some(mail) = self.sesv2.mails().get(before) {
            return Ok(mail.clone());
        }
        let ended = sfn::outcome(self, &execution);
        Err(Error::failed(match ended {
            Some((ExecutionStatus::Failed, Some((error, cause)))) => format!("{error}: {cause}"),
            _ => "the notifier ended without a mail".to_owned(),
        }))
    }
}

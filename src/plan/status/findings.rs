//! What isn't as it should be, each with what to do about it; and what wasn't looked at, so that nothing is claimed of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{BillingStatus, MembersStatus};
use crate::plan::above::Told;
use crate::plan::billing_health::BillingHealth;
use crate::plan::chat::ChannelState;
use crate::plan::coverage::Coverage;
use crate::plan::probe::{ProbeFinding, Probes, make_again};
use crate::resource::stack_set::DEFAULT_THRESHOLD;
use crate::resource::{ExecutionName, LIMITED};
use billctl_core::model::AccountId;
use billctl_core::text::plural;

/// Something that isn't as it should be: `--check` fails on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Which kind: part of the JSON answer.
    pub kind: &'static str,
    /// What was found, in a few words; may hold names from outside.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    fn new(kind: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Whom SES's sandbox doesn't let be written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Reach {
    /// Covered accounts whose owners' addresses aren't verified, so that their mails are refused.
    pub unreachable: Vec<AccountId>,
    /// Covered accounts that weren't looked at.
    pub not_looked_at: usize,
}

/// All that was looked at.
#[derive(Debug)]
pub struct Looked<'a> {
    /// Now.
    pub now: Timestamp,
    /// The members.
    pub members: &'a MembersStatus,
    /// What looking into them found, where that was wanted.
    pub probe: Option<&'a Probes>,
    /// The billing side.
    pub billing: &'a BillingStatus,
    /// Whether something stood in the way of finding out whom SES's sandbox doesn't let be written to.
    pub reach_is_unknown: bool,
    /// The alarm on the management account's own spend, which says nothing of billctl's health.
    pub own_alarm: &'a str,
}

impl Looked<'_> {
    /// Everything that isn't as it should be.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = self.accounts();
        found.extend(self.stack_set());
        found.extend(self.drift());
        found.extend(self.probed());
        let unread = &self.members.unread;
        if !unread.is_empty() {
            let what = format!("not known, because a call failed: {}", unread.join(", "));
            found.push(Finding::new("unread", what, "AWS's answer is below"));
        }
        self.billing(&mut found);
        found
    }

    fn accounts(&self) -> Vec<Finding> {
        let members = self.members;
        let mut found: Vec<Finding> = [
            (Coverage::Missing, "`billctl deploy` creates what is missing"),
            (
                Coverage::Failed,
                "fix what CloudFormation says of them (`--format json`: `reason`), then `billctl deploy`",
            ),
            (Coverage::Outdated, "`billctl deploy` takes them up"),
            (Coverage::WrongThreshold, "`billctl deploy` corrects them"),
            (Coverage::Drifted, "`billctl deploy --repair` makes their stacks again"),
            (
                Coverage::Stray,
                "add their OU to `[deploy] ous`, or `billctl deploy --prune` removes them",
            ),
            (
                Coverage::NoData,
                "the billing account has no charges for them, so their alarms can't go off: `billctl doctor` looks for \
                 the cause",
            ),
        ]
        .into_iter()
        .filter(|(coverage, _)| members.count(*coverage) > 0)
        .map(|(coverage, remedy)| {
            let what = format!("{} {}", members.count(coverage), coverage.word());
            Finding::new(coverage.kind(), what, remedy)
        })
        .collect();
        if members.no_charges {
            let remedy = "`billctl doctor` looks for the cause";
            found.push(Finding::new("no-charges", "no alarm has data", remedy));
        }
        if members.untold() > 0 {
            let what = format!("{} above the limit with nobody told", members.untold());
            let remedy = "`billctl spend --tell` tells them; each is listed with its likely cause";
            found.push(Finding::new("untold", what, remedy));
        }
        found
    }

    fn stack_set(&self) -> Option<Finding> {
        let members = self.members;
        let name = &members.stack_set;
        if !members.exists {
            let what = format!("StackSet {name} does not exist yet");
            return Some(Finding::new("no-stack-set", what, "`billctl deploy` makes it"));
        }
        // The default alone is nobody's threshold yet: whoever has it wrong is a finding of their own.
        let fields: Vec<&str> = members
            .changes
            .iter()
            .map(|change| change.field.as_str())
            .filter(|field| *field != DEFAULT_THRESHOLD)
            .collect();
        if fields.is_empty() {
            return None;
        }
        let what = format!("StackSet {name} differs from config in {}", fields.join(", "));
        Some(Finding::new("stack-set-differs", what, "`billctl deploy` updates it"))
    }

    fn drift(&self) -> Vec<Finding> {
        const LOOK: &str = "`billctl status --drift` or `--check` looks";
        let drift = &self.members.drift;
        let mut found = Vec::new();
        // While an operation works on the StackSet, nobody can look.
        if drift.due && self.members.operations.is_empty() {
            let what = format!("drift was {}", self.drift_looked());
            found.push(Finding::new("drift-due", what, LOOK));
        }
        if drift.unknown > 0 {
            let what = format!("drift of {} couldn't be looked for", plural(drift.unknown, "account"));
            let remedy = "CloudFormation says why: `billctl status --drift`";
            found.push(Finding::new("drift-unknown", what, remedy));
        }
        found
    }

    /// When drift was looked for, in words that fit after "drift was".
    pub fn drift_looked(&self) -> String {
        match self.members.drift.last {
            Some(last) => format!("last looked for {}", ago(last, self.now)),
            None => "never looked for".to_owned(),
        }
    }

    fn probed(&self) -> Option<Finding> {
        let probe = self.probe.filter(|probe| probe.has_findings())?;
        let wrong = probe.accounts.iter().filter(|one| !one.findings.is_empty());
        let what = format!("{} with something wrong inside", plural(wrong.count(), "account"));
        let mut remedies = Vec::new();
        if probe.broken().next().is_some() {
            remedies.push(format!("{} makes their stacks again", make_again(probe.broken())));
        }
        if probe.count(ProbeFinding::NoData) > 0 {
            remedies.push("where there is no data, `billctl spend --tell` hourly covers them".to_owned());
        }
        Some(Finding::new("probe", what, remedies.join("; ")))
    }

    fn billing(&self, found: &mut Vec<Finding>) {
        let BillingStatus::Read {
            plan,
            mail,
            health,
            reach,
        } = self.billing
        else {
            if matches!(self.billing, BillingStatus::Unread { .. }) {
                let what = "the billing side could not be read";
                found.push(Finding::new("billing-unread", what, "AWS's answer is below"));
            }
            return;
        };
        if !plan.is_empty() {
            let what = "the billing side differs";
            let remedy = match plan.takeovers().next() {
                None => "`billctl bootstrap` corrects it".to_owned(),
                Some(step) => format!(
                    "`billctl bootstrap --adopt` corrects it, also {}, which bears no mark of billctl",
                    step.id
                ),
            };
            found.push(Finding::new("billing-differs", what, remedy));
        }
        for kept in plan.kept.iter().filter(|kept| kept.limited) {
            let what = format!("{}: {}", kept.id, kept.reason);
            found.push(Finding::new("role-limited", what, LIMITED));
        }
        if mail.verified == Some(false) {
            let remedy = match mail.is_domain {
                true => "publish the DNS records that `billctl bootstrap` prints",
                false => "open the link in the mail that AWS sent there; `billctl bootstrap` says more",
            };
            let what = format!("no mail can leave: {} isn't verified in SES", mail.identity);
            found.push(Finding::new("sender-unverified", what, remedy));
        }
        if mail.sending_paused {
            let what = "no mail can leave: SES has sending switched off";
            let remedy = "the SES console says why: Account dashboard";
            found.push(Finding::new("sending-off", what, remedy));
        }
        if mail.daily_quota.is_some_and(|quota| health.sent_last_24_hours >= quota) {
            let what = "SES's quota for 24 hours is used up";
            let remedy = "ask for a higher one in the SES console";
            found.push(Finding::new("quota-used-up", what, remedy));
        }
        if let Some(reach) = reach
            && !reach.unreachable.is_empty()
        {
            let accounts = plural(reach.unreachable.len(), "account");
            let what = format!("SES's sandbox lets no mail through to the owners of {accounts}");
            let remedy = "ask for production access in the SES console, or verify their addresses";
            found.push(Finding::new("owners-unreachable", what, remedy));
        }
        let failed = self.failed_since_told(health);
        if failed > 0 {
            let failed = plural(failed, "execution");
            let what = format!("{failed} of the notifier failed since it last told somebody");
            let remedy = "fix what is named below, then `billctl resend`; where that sends nothing, a `billctl test-alert \
                          --account ACCOUNT` that ends well clears it";
            found.push(Finding::new("mails-failed", what, remedy));
        }
        let waiting = health.waiting();
        if waiting > 0 {
            let what = match waiting {
                1 => "1 message lies in the dead-letter queue".to_owned(),
                more => format!("{more} messages lie in the dead-letter queue"),
            };
            let remedy = "fix what is named below, then `billctl resend`; `billctl resend --drop` also deletes what can't be \
                          sent again, such as a test";
            found.push(Finding::new("queue", what, remedy));
        }
        Self::nobody_hears(health, found);
        let alarms = health.alarms.iter().map(|alarm| alarm.name.as_str());
        let alarms: Vec<&str> = alarms.filter(|name| *name != self.own_alarm).collect();
        if !alarms.is_empty() {
            let what = format!("{} on", alarms.join(" and "));
            found.push(Finding::new(
                "health-alarm",
                what,
                "it ends by itself once its cause is gone",
            ));
        }
    }

    /// Those who are to hear besides the owners, and don't.
    fn nobody_hears(health: &BillingHealth, found: &mut Vec<Finding>) {
        if let Some(hearing) = health.hearing.as_deref().filter(|hearing| hearing.is_lost()) {
            let remedy = hearing.remedy().unwrap_or_default();
            found.push(Finding::new("operations-unheard", hearing.to_string(), remedy));
        }
        let lost = health.chat.iter().filter(|channel| channel.is_lost());
        let before = found.len();
        found.extend(lost.map(|channel| {
            let remedy = channel.remedy.clone().unwrap_or_default();
            Finding::new("chat-unheard", channel.to_string(), remedy)
        }));
        // A topic that is known not to be heard is reason enough.
        if health.chats_lost > 0 && found.len() == before {
            let what = match health.chats_lost {
                1 => "1 chat message was lost".to_owned(),
                more => format!("{more} chat messages were lost"),
            };
            let remedy =
                "fix what is named below; a `billctl test-alert --account ACCOUNT` that the chat takes clears it";
            found.push(Finding::new("chat-lost", what, remedy));
        }
    }

    /// Executions that failed after the last that told somebody. A day that is still going on may have told, which only
    /// its history says.
    fn failed_since_told(&self, health: &BillingHealth) -> usize {
        let last_failed = health.failures.first().map(|failed| failed.started);
        let told = self.members.above.iter().filter_map(|above| match &above.told {
            Some(Told::Yes { execution, .. }) => Some(ExecutionName::parse(execution)),
            _ => None,
        });
        let told: BTreeSet<ExecutionName> = told.collect();
        let mut later = health.recent.iter().filter(|recent| Some(recent.started) > last_failed);
        match later.any(|recent| told.contains(&recent.name)) {
            true => 0,
            false => health.failed_since_told,
        }
    }

    /// What nothing is claimed of, in a few words each.
    pub fn not_looked_at(&self) -> Vec<String> {
        let mut left = Vec::new();
        if let BillingStatus::Read { health, .. } = self.billing {
            if health.hearing.is_none() {
                left.push("whether anybody hears when the notifier fails".to_owned());
            }
            if health.chat.iter().any(|channel| channel.state == ChannelState::Unread) {
                left.push("whether chat messages arrive".to_owned());
            }
        }
        if matches!(self.billing, BillingStatus::NotHere) {
            left.push("the billing side".to_owned());
        }
        if self.reach_is_unknown {
            left.push("whether SES's sandbox lets mails through to the owners".to_owned());
        }
        if let BillingStatus::Read { reach: Some(reach), .. } = self.billing
            && reach.not_looked_at > 0
        {
            let accounts = plural(reach.not_looked_at, "account");
            left.push(format!(
                "whether SES's sandbox lets mails through to the owners of {accounts}"
            ));
        }
        let unread = self.members.count(Coverage::ThresholdUnread);
        if unread > 0 {
            left.push(format!("the thresholds of {}", plural(unread, "account")));
        }
        left.extend(self.members.not_looked_at.iter().cloned());
        left
    }
}

/// How long ago that was, in its largest unit.
fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let (count, unit) = match seconds {
        ..120 => return "just now".to_owned(),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (at, said) in [
            ("2026-11-23T11:59:00Z", "just now"),
            ("2026-11-23T10:30:00Z", "90 minutes ago"),
            ("2026-11-22T12:00:00Z", "24 hours ago"),
            ("2026-11-14T06:00:00Z", "9 days ago"),
            // A clock that is behind AWS's.
            ("2026-11-23T12:05:00Z", "just now"),
        ] {
            assert_eq!(ago(at.parse().unwrap(), now), said);
        }
    }
}

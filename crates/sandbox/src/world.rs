//! All that the sandbox knows, and how time passes in it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::member::Member;
use super::policy::RequestContext;
use super::publications::Publications;
use super::seed::Origin;
use super::{account, cloudformation, cloudwatch, eventbridge, iam, metering, organizations, sesv2, sfn, sns, sqs};
use billctl_core::model::{AccountId, Arn};

/// Everything that the sandbox knows: one serialisable value.
///
/// Each service's state is a type of its own in the file of that service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// How it was made: what starting over makes again.
    pub origin: Origin,
    /// The simulated time.
    pub now: Timestamp,
    /// The account whose credentials the caller has; the management account unless a test says otherwise.
    pub caller: AccountId,
    /// How long each API call takes, in real time.
    pub latency: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// When charges are published.
    #[serde(default)]
    pub publications: Publications,
    /// Contacts of accounts.
    #[serde(default)]
    pub account: account::State,
    /// OUs and accounts.
    pub organizations: organizations::State,
    /// StackSets, their instances and operations.
    pub cloudformation: cloudformation::State,
    /// The payer's metrics, alarms and dashboards.
    pub cloudwatch: cloudwatch::State,
    /// The payer's buses and rules.
    pub eventbridge: eventbridge::State,
    /// The payer's roles.
    pub iam: iam::State,
    /// Identities, templates, and mails sent.
    pub sesv2: sesv2::State,
    /// State machines and their executions.
    pub sfn: sfn::State,
    /// Topics, and what was published to them.
    #[serde(default)]
    pub sns: sns::State,
    /// Queues and their messages.
    pub sqs: sqs::State,
    /// Whether the payer shares its metrics with the members ("receive billing alerts").
    pub billing_alerts: bool,
    /// What the StackSets' stacks made in the members.
    #[serde(deserialize_with = "super::file::unique")]
    pub members: BTreeMap<AccountId, Member>,
}

/// Simulated years that a world can be in, so that no reckoning with times leaves what a calendar holds.
const YEARS: RangeInclusive<i16> = 2000..=2099;

/// How long an API call takes at most.
pub const LONGEST_LATENCY: Duration = Duration::from_secs(60);

impl World {
    /// What is impossible in a world that was read, with its place in the file.
    pub(super) fn fault(&self) -> Option<String> {
        if !Self::is_time(self.now) {
            return Some(format!(
                "now: {} isn't in the years {} to {}",
                self.now,
                YEARS.start(),
                YEARS.end()
            ));
        }
        if self.latency > LONGEST_LATENCY {
            return Some(format!(
                "latency: an API call takes at most {} s",
                LONGEST_LATENCY.as_secs()
            ));
        }
        let known = |id: AccountId| self.organizations.parent(id).is_some();
        self.origin
            .fault()
            .or_else(|| self.faults.fault())
            .or_else(|| self.publications.fault())
            .or_else(|| self.organizations.fault())
            .or_else(|| (!known(self.caller)).then(|| format!("caller: there is no account {}", self.caller)))
    }

    /// Whether a world can be at this time.
    pub fn is_time(at: Timestamp) -> bool {
        YEARS.contains(&at.to_zoned_datetime(TimeZone::UTC).year())
    }

    /// An organisation in which nothing has been set up yet, called by its management account.
    pub fn new(organizations: organizations::State, now: Timestamp) -> Self {
        Self {
            origin: Origin::default(),
            now,
            caller: organizations.management_account,
            latency: Duration::ZERO,
            faults: Faults::default(),
            publications: Publications::default(),
            account: account::State::default(),
            organizations,
            cloudformation: cloudformation::State::default(),
            cloudwatch: cloudwatch::State::default(),
            eventbridge: eventbridge::State::default(),
            iam: iam::State::default(),
            sesv2: sesv2::State::default(),
            sfn: sfn::State::default(),
            sns: sns::State::default(),
            sqs: sqs::State::default(),
            billing_alerts: true,
            members: BTreeMap::new(),
        }
    }

    /// The account that pays.
    pub fn management_account(&self) -> AccountId {
        self.organizations.management_account
    }

    /// What trust policies can ask about when a service assumes a role for something of the billing account.
    pub(super) fn assume_context(&self, source: &Arn) -> RequestContext {
        RequestContext::default()
            .with("aws:SourceArn", source)
            .with("aws:SourceAccount", self.management_account())
    }

    /// Lets time pass until `to`: StackSet operations go on, then metrics, alarms, events and executions follow.
    pub fn advance_to(&mut self, to: Timestamp) {
        let from = self.now;
        if to <= from {
            return;
        }
        cloudformation::advance(self, to);
        self.now = to;
        metering::tick(self, from, to);
    }

    /// Lets this much time pass.
    pub fn advance(&mut self, by: Duration) {
        let to = SignedDuration::try_from(by)
            .ok()
            .and_then(|by| self.now.checked_add(by).ok())
            .unwrap_or(Timestamp::MAX);
        self.advance_to(to);
    }
}

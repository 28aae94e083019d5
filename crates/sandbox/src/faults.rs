//! What can be made to go wrong: by chance, but by the same chance for the same seed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use billctl_core::model::AccountId;
use billctl_core::service::{Kind, Operation, ServiceError};

/// Faults of the world. Shares are from 0 to 1, of all API calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Faults {
    /// Decides which calls are hit.
    pub seed: u64,
    /// Calls that are throttled.
    pub throttle: f64,
    /// Calls that get a 5xx, without effect.
    pub server_error: f64,
    /// Calls that get no answer, without effect.
    pub timeout: f64,
    /// Calls whose answer is lost after they took effect.
    pub drop: f64,
    /// IAM actions that the caller lacks, such as `iam:CreateRole` or `iam:*`.
    pub deny: BTreeSet<String>,
    /// Where the calling process dies, once.
    pub die: Option<Die>,
    /// Accounts in which every stack operation fails, and why.
    pub accounts: BTreeMap<AccountId, String>,
    /// `DescribeStackInstance` calls that AWS answers a second; `None` is unlimited.
    pub describe_instance_rate: Option<f64>,
    /// No member has the role that lets the management account in.
    pub no_member_role: bool,
    /// Seconds, in the world's time, that the lists of StackSets are behind: operations, results, instances.
    /// DescribeStackSet and DescribeStackSetOperation are not (docs/aws-facts.md, "StackSets: operations").
    pub lag: u32,
    /// Members see no charges at all, as three organisations report (docs/aws-facts.md, "Charges of linked accounts");
    /// the payer does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub member_metric: bool,
}

/// A death at an API call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Die {
    /// The call's number in the process, from one; retries count.
    pub at: u64,
    /// Whether the call takes effect first.
    pub after: bool,
}

/// What happens to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultAction {
    /// Nothing odd.
    Pass,
    /// It is answered with this error and has no effect.
    Refuse(ServiceError),
    /// It takes effect, but the answer is lost.
    Lose(ServiceError),
}

/// Calls a second that DescribeStackInstance can be told to answer.
pub const DESCRIBE_RATES: RangeInclusive<f64> = 0.01..=10_000.0;

/// Seconds by which the lists of StackSets can be behind at most.
pub const MOST_LAG: u32 = 86_400;

impl Faults {
    /// What is impossible in them.
    pub(super) fn fault(&self) -> Option<String> {
        let shares = [self.throttle, self.server_error, self.timeout, self.drop];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Some("faults: a share is from 0 to 1".to_owned());
        }
        let rate = self.describe_instance_rate;
        if rate.is_some_and(|rate| !DESCRIBE_RATES.contains(&rate)) {
            let (least, most) = DESCRIBE_RATES.into_inner();
            return Some(format!(
                "faults.describe_instance_rate: it is from {least} to {most} calls a second"
            ));
        }
        (self.lag > MOST_LAG).then(|| format!("faults.lag: it is at most {MOST_LAG} seconds"))
    }

    /// Whether anything is set to go wrong.
    pub fn is_none(&self) -> bool {
        let nothing_wrong = Self {
            seed: self.seed,
            describe_instance_rate: self.describe_instance_rate,
            lag: self.lag,
            member_metric: self.member_metric,
            ..Self::default()
        };
        *self == nothing_wrong
    }

    /// What happens to the `nth` call of `operation` in this process.
    pub(super) fn action(&self, operation: Operation, nth: u64) -> FaultAction {
        let hit = |share: f64, what: &str| {
            share > 0.0 && chance(&[&self.seed.to_string(), &operation.to_string(), what], nth) < share
        };
        let refuse =
            |kind, code: &str, message: &str| FaultAction::Refuse(ServiceError::new(operation, kind, code, message));
        let unanswered = |message: &str| ServiceError::without_code(operation, Kind::Unavailable, message);
        if hit(self.throttle, "throttle") {
            return refuse(Kind::Throttled, "ThrottlingException", "Rate exceeded");
        }
        if hit(self.server_error, "server-error") {
            let why = "The request processing has failed because of an unknown error";
            return refuse(Kind::Unavailable, "InternalFailure", why);
        }
        if hit(self.timeout, "timeout") {
            return FaultAction::Refuse(unanswered("the connection timed out"));
        }
        let action = operation.iam_action();
        if self.denies(&action) {
            let why = format!("User is not authorized to perform: {action} because no identity-based policy allows it");
            return refuse(Kind::Denied, "AccessDeniedException", &why);
        }
        if hit(self.drop, "drop") {
            return FaultAction::Lose(unanswered("the connection broke before the answer came"));
        }
        FaultAction::Pass
    }

    /// Whether this IAM action is refused.
    pub(super) fn denies(&self, action: &str) -> bool {
        self.deny.iter().any(|denied| {
            denied.eq_ignore_ascii_case(action)
                || denied.strip_suffix('*').is_some_and(|start| action.starts_with(start))
        })
    }
}

/// A number from 0 to 1 that depends on nothing but its arguments.
pub(super) fn chance(parts: &[&str], nth: u64) -> f64 {
    fastrand::Rng::with_seed(hash(parts) ^ nth.wrapping_mul(0x9E37_79B9_7F4A_7C15)).f64()
}

/// FNV-1a: unlike the standard library's hasher it promises to give the same number in every release.
pub(super) fn hash(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use billctl_core::service::organizations::LIST_ROOTS;

    #[test]
    fn the_share_of_calls_that_are_hit_is_the_share_asked_for() {
        let faults = Faults {
            throttle: 0.3,
            ..Faults::default()
        };
        let hits = (0..10_000)
            .filter(|nth| faults.action(LIST_ROOTS, *nth) != FaultAction::Pass)
            .count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
        let fates = |seed| {
            let faults = Faults {
                seed,
                server_error: 0.5,
                ..Faults::default()
            };
            (0..64)
                .map(|nth| faults.action(LIST_ROOTS, nth) == FaultAction::Pass)
                .collect::<Vec<_>>()
        };
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }

    #[test]
    fn a_denied_action_is_named_in_the_refusal() {
        let faults = Faults {
            deny: BTreeSet::from(["organizations:List*".to_owned()]),
            ..Faults::default()
        };
        let FaultAction::Refuse(error) = faults.action(LIST_ROOTS, 1) else {
            panic!("not refused");
        };
        assert_eq!(error.kind, Kind::Denied);
        assert!(error.message.contains("organizations:ListRoots"));
    }
}

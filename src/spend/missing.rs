use jiff::Timestamp;

use billctl_core::model::{AccountState, DAY};

/// How long after an account was made its first charges may take to be published. Billing data is at most a day behind,
/// and publications are six hours apart (docs/aws-facts.md, "EstimatedCharges"; the sum of both is an allowance, not
/// AWS's word).
const FIRST_DATA: i64 = 2 * DAY;

/// Why there is no spend to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Missing {
    /// "Receive billing alerts" is off in the billing account.
    AlertsOff,
    /// It is not known whether alerts are on, and there is no billing metric: off, or a partner's account.
    AlertsOffOrPartner,
    /// Alerts are on and there is no billing metric: just switched on, or an account in the AWS Partner Network.
    Partner,
    /// The credentials belong to a member: only the billing account holds the accounts' series.
    NotPayer,
    /// There are billing metrics, but none of a linked account.
    NoLinkedSeries,
    /// The account is too new.
    TooNew,
    /// The account is suspended or closed.
    Closed,
    /// The account is in use and nothing was charged to it in the days read.
    NoCharges,
}

impl Missing {
    /// Its name in JSON and CSV.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlertsOff => "billing-alerts-off",
            Self::AlertsOffOrPartner => "billing-alerts-off-or-partner",
            Self::Partner => "partner-or-just-enabled",
            Self::NotPayer => "not-the-billing-account",
            Self::NoLinkedSeries => "no-linked-account-series",
            Self::TooNew => "too-new",
            Self::Closed => "closed",
            Self::NoCharges => "no-charges",
        }
    }

    /// In a few words, for a table's cell.
    pub const fn short(self) -> &'static str {
        match self {
            Self::AlertsOff => "billing alerts are off",
            Self::AlertsOffOrPartner => "no billing metrics",
            Self::Partner => "no billing metrics yet",
            Self::NotPayer => "not the billing account",
            Self::NoLinkedSeries => "no series per account",
            Self::TooNew => "account too new",
            Self::Closed => "suspended/closed",
            Self::NoCharges => "no charges",
        }
    }

    /// What is the matter and what to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::AlertsOff => {
                "CloudWatch has no billing metrics because \"Receive CloudWatch billing alerts\" is off: switch it on \
                 in the billing account under Billing preferences; the first data comes within minutes and the \
                 setting can't be undone"
            }
            Self::AlertsOffOrPartner => {
                "CloudWatch has no billing metrics: either \"Receive CloudWatch billing alerts\" is off (Billing preferences in the billing account), or this is an account of the AWS Partner Network, which has none; allow billing:GetBillingPreferences and billctl can tell which"
            }
            Self::Partner => {
                "billing alerts are on but CloudWatch has no billing metrics: if they were just switched on, the first data comes within minutes to hours; accounts in the AWS Partner Network never get any"
            }
            Self::NotPayer => {
                "only the organisation's management account holds the metrics of every account: use its credentials"
            }
            Self::NoLinkedSeries => {
                "CloudWatch has billing metrics, but none per account: they come with consolidated billing, within a day after the organisation was made"
            }
            Self::TooNew => "made less than two days ago: its first charges aren't published yet",
            Self::Closed => "suspended, being closed, or closed: nothing is charged any more",
            Self::NoCharges => {
                "in use, but AWS published no charges in the days read: it may not have cost anything yet"
            }
        }
    }

    /// Whether it is about the organisation as a whole, not about one account.
    pub const fn everywhere(self) -> bool {
        matches!(
            self,
            Self::AlertsOff | Self::AlertsOffOrPartner | Self::Partner | Self::NotPayer | Self::NoLinkedSeries
        )
    }
}

/// What was found out when accounts had no data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whether any account has data: then the billing account's side works.
    pub some_account_has_data: bool,
    /// Whether the credentials belong to the management account.
    pub payer: bool,
    /// Whether billing alerts are on, where that could be read.
    pub alerts: Option<bool>,
    /// Whether CloudWatch lists any billing metric, where that could be read.
    pub any_metric: Option<bool>,
}

/// Why an account in this state, which joined then, has no data.
pub fn missing(state: AccountState, joined: Option<Timestamp>, now: Timestamp, evidence: Evidence) -> Missing {
    if !evidence.some_account_has_data {
        return match (evidence.payer, evidence.alerts, evidence.any_metric) {
            (false, _, _) => Missing::NotPayer,
            (_, _, Some(true)) => Missing::NoLinkedSeries,
            (_, Some(false), _) => Missing::AlertsOff,
            (_, Some(true), _) => Missing::Partner,
            (_, None, _) => Missing::AlertsOffOrPartner,
        };
    }
    let new = joined.is_some_and(|joined| now.as_second() - joined.as_second() < FIRST_DATA);
    match state {
        AccountState::PendingActivation => Missing::TooNew,
        state if state.is_closed() => Missing::Closed,
        _ if new => Missing::TooNew,
        _ => Missing::NoCharges,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(evidence: Evidence) -> Missing {
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        missing(AccountState::Active, None, now, evidence)
    }

    #[test]
    fn where_no_account_has_data_the_cause_is_the_billing_account() {
        let nothing = Evidence {
            payer: true,
            any_metric: Some(false),
            ..Evidence::default()
        };
        let with = |alerts| Evidence { alerts, ..nothing };
        assert_eq!(why(with(Some(false))), Missing::AlertsOff);
        assert_eq!(why(with(Some(true))), Missing::Partner);
        assert_eq!(why(with(None)), Missing::AlertsOffOrPartner);
        assert_eq!(why(Evidence::default()), Missing::NotPayer);
        let only_total = Evidence {
            any_metric: Some(true),
            ..nothing
        };
        assert_eq!(why(only_total), Missing::NoLinkedSeries);
    }

    #[test]
    fn where_others_have_data_the_cause_is_the_account() {
        let evidence = Evidence {
            some_account_has_data: true,
            ..Evidence::default()
        };
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        for (state, joined, why) in [
            (AccountState::Active, Some("2026-11-22T00:00:00Z"), Missing::TooNew),
            (AccountState::Active, Some("2026-01-01T00:00:00Z"), Missing::NoCharges),
            (AccountState::Suspended, None, Missing::Closed),
            (AccountState::PendingActivation, None, Missing::TooNew),
        ] {
            let joined = joined.map(|at: &str| at.parse().unwrap());
            assert_eq!(missing(state, joined, now, evidence), why, "{state:?} since {joined:?}");
        }
    }
}

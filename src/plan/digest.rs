//! What the daily digest says: values that `spend` and `status` worked out, chosen and put in order. Pure.

use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;

use super::above::Above;
use super::coverage::Coverage;
use super::status::{Finding, MembersStatus};
use crate::resource::day_of;
use crate::spend::{Growth, Report, SpendHistory, Subject};
use billctl_core::model::{AccountId, Month, OrgId, Organization, Time, Usd};

/// The digest as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestMail {
    /// The subject line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
}

/// An account counts as new for so long: a digest on Monday still names who came on the Monday before.
const NEW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Growth below this is no news: a dollar, or a hundredth of what is usual, as in the mail's list of services.
const LEAST_GROWTH: Usd = Usd::from_micros(1_000_000);
const LEAST_SHARE: i64 = 100;

/// The digest of a day.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Digest {
    /// The organisation.
    pub organization: OrgId,
    /// What it is called, by config.
    pub organization_name: Option<String>,
    /// When it was made.
    #[schemars(with = "Time")]
    pub generated_at: Timestamp,
    /// The UTC day that `yesterday` is.
    pub yesterday_is: String,
    /// The newest publication of charges.
    #[schemars(with = "Option<Time>")]
    pub published_until: Option<Timestamp>,
    /// All accounts together: `spend`'s total.
    pub total: Total,
    /// The accounts above their limits, as `status` lists them.
    pub above: Vec<Above>,
    /// How many of them nobody was told about who should have been.
    pub untold: usize,
    /// The accounts that grew, the most first.
    pub grew: Vec<Grown>,
    /// How many accounts stand how, the worst first.
    pub coverage: Vec<Counted>,
    /// What isn't as it should be: what `status --check` fails on.
    pub findings: Vec<Finding>,
    /// What nothing is claimed of, in a few words each.
    pub not_looked_at: Vec<String>,
    /// The accounts that joined the organisation in the last seven days, the newest first.
    pub new_accounts: Vec<NewAccount>,
}

/// What all accounts spend, in US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Total {
    /// How many accounts.
    pub accounts: usize,
    /// Yesterday (UTC).
    pub yesterday: Option<Usd>,
    /// Whether a part of that is estimated.
    pub yesterday_estimated: bool,
    /// The mean of the last seven whole days.
    pub average_7_days: Option<Usd>,
    /// This month so far.
    pub month_to_date: Option<Usd>,
    /// What this month comes to if every day left costs the average.
    pub forecast: Option<Usd>,
    /// What the month before came to.
    pub month_before: Option<Usd>,
    /// By how many percent the forecast is above it; below zero where it is below.
    pub forecast_against_month_before: Option<i64>,
}

/// An account that spent more yesterday than in the week before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Grown {
    /// Which.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The path of its OU.
    pub ou: String,
    /// What it spent yesterday.
    pub yesterday: Usd,
    /// The mean of the seven days before.
    pub before: Usd,
    /// By how much it grew.
    pub growth: Usd,
}

/// How many accounts stand so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Counted {
    /// How.
    pub coverage: Coverage,
    /// How many.
    pub accounts: usize,
}

/// An account that joined lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NewAccount {
    /// Which.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The path of its OU.
    pub ou: String,
    /// When it joined.
    #[schemars(with = "Time")]
    pub joined: Timestamp,
    /// How well it is watched.
    pub coverage: Coverage,
}

/// What a digest is made of.
pub struct DigestInput<'a> {
    /// The organisation.
    pub organization: &'a Organization,
    /// What it is called, by config.
    pub organization_name: Option<&'a str>,
    /// What `spend` shows.
    pub report: &'a Report,
    /// Every account's history, from which the report was made.
    pub histories: &'a [(Subject, SpendHistory)],
    /// What `status` shows of the members.
    pub members: &'a MembersStatus,
    /// What it finds.
    pub findings: &'a [Finding],
    /// What it hasn't looked at.
    pub not_looked_at: &'a [String],
}

/// Makes the digest.
pub fn digest(input: &DigestInput<'_>) -> Digest {
    let (organization, report, members) = (input.organization, input.report, input.members);
    Digest {
        organization: organization.id.clone(),
        organization_name: input.organization_name.map(str::to_owned),
        generated_at: report.now,
        yesterday_is: day_of(report.now).saturating_sub(1.day()).to_string(),
        published_until: report.published,
        total: total(input),
        above: members.above.clone(),
        untold: members.untold(),
        grew: grew(input),
        coverage: coverage(members),
        findings: input.findings.to_vec(),
        not_looked_at: input.not_looked_at.to_vec(),
        new_accounts: new_accounts(organization, members, report.now),
    }
}

fn total(input: &DigestInput<'_>) -> Total {
    let figures = &input.report.total.figures;
    let month_before = input.histories.iter().filter_map(|(_, history)| history.month_before);
    let month_before = month_before.reduce(|sum, month| sum + month);
    Total {
        accounts: input.report.total.members,
        yesterday: figures.yesterday.map(|amount| amount.usd),
        yesterday_estimated: figures.yesterday.is_some_and(|amount| amount.estimated),
        average_7_days: figures.average,
        month_to_date: figures.month_to_date,
        forecast: figures.forecast,
        month_before,
        forecast_against_month_before: figures
            .forecast
            .zip(month_before)
            .and_then(|(forecast, before)| percent(forecast - before, before)),
    }
}

/// How many percent of the whole that is, to the nearest; none of nothing, and none where nobody could read it.
pub fn percent(part: Usd, whole: Usd) -> Option<i64> {
    if !whole.is_positive() {
        return None;
    }
    let percent = part.to_f64() / whole.to_f64() * 100.0;
    (percent.abs() < 100_000.0).then(|| billctl_core::model::nearest(percent))
}

fn grew(input: &DigestInput<'_>) -> Vec<Grown> {
    let organization = input.organization;
    let grown = input.histories.iter().filter_map(|(subject, history)| {
        let Subject::Account(id) = subject else {
            return None;
        };
        let growth = Growth::of(history)?;
        let amount = growth.amount();
        let is_news = amount >= LEAST_GROWTH && amount.micros() >= growth.before.micros() / LEAST_SHARE;
        let (account, parent) = organization.account(*id).filter(|_| is_news)?;
        Some(Grown {
            account: *id,
            name: account.name.clone(),
            ou: organization.path(parent),
            yesterday: growth.yesterday.usd,
            before: growth.before,
            growth: amount,
        })
    });
    let mut grown: Vec<Grown> = grown.collect();
    grown.sort_by_key(|one| (std::cmp::Reverse(one.growth), one.account));
    grown
}

fn coverage(members: &MembersStatus) -> Vec<Counted> {
    // Sorted by coverage, the worst first.
    let groups = members.accounts.chunk_by(|one, next| one.coverage == next.coverage);
    let counted = groups.map(|group| Counted {
        coverage: group[0].coverage,
        accounts: group.len(),
    });
    counted.collect()
}

fn new_accounts(organization: &Organization, members: &MembersStatus, now: Timestamp) -> Vec<NewAccount> {
    let new = members.accounts.iter().filter_map(|status| {
        let (account, _) = organization.account(status.account)?;
        let joined = account.joined.filter(|joined| now.duration_since(*joined) < NEW)?;
        Some(NewAccount {
            account: status.account,
            name: status.name.clone(),
            ou: status.ou.clone(),
            joined,
            coverage: status.coverage,
        })
    });
    let mut new: Vec<NewAccount> = new.collect();
    new.sort_by_key(|one| (std::cmp::Reverse(one.joined), one.account));
    new
}

impl Digest {
    /// The accounts that are watched as they should be, and how many should be.
    pub fn covered(&self) -> (usize, usize) {
        let count = |wanted: &dyn Fn(Coverage) -> bool| {
            let counted = self.coverage.iter().filter(|one| wanted(one.coverage));
            counted.map(|one| one.accounts).sum()
        };
        let well = |coverage| coverage == Coverage::Covered;
        let should_be = |coverage: Coverage| match coverage {
            Coverage::Covered | Coverage::InProgress | Coverage::ThresholdUnread => true,
            // It has one more than it should.
            Coverage::Stray => false,
            coverage => coverage.is_finding(),
        };
        (count(&well), count(&should_be))
    }

    /// The month that the total is about, and the one before: `November`, `October`.
    pub fn months(&self) -> (String, String) {
        let month = Month::of(self.generated_at);
        let name = |month: Month| {
            let start = Timestamp::from_second(month.start()).unwrap_or(self.generated_at);
            start.strftime("%B").to_string()
        };
        (name(month), name(month.previous()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_and_none_of_nothing() {
        let dollars = Usd::dollars;
        assert_eq!(percent(dollars(30), dollars(200)), Some(15));
        assert_eq!(percent(dollars(-1), dollars(3)), Some(-33));
        assert_eq!(percent(dollars(30), Usd::ZERO), None);
        assert_eq!(percent(dollars(2_000_000), dollars(1)), None);
    }
}

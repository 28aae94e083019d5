use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Format, style};
use crate::config::suggested::ProposedRule;
use crate::config::{Measure, ThresholdTarget};
use crate::spend::{GroupedThreshold, Interval, SpendHistory, Subject, Suggestion, group, suggest};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::text;
use billctl_core::text::plural;

/// Thresholds from the accounts' own history: the fewest rules that serve everybody.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The threshold of accounts that no rule is about.
    pub default: Usd,
    /// The rules.
    pub rules: Vec<ProposedRule>,
    /// How many accounts they are made from.
    accounts: usize,
    /// The accounts with too little spend to propose a threshold from.
    without: Vec<String>,
}

/// Proposes thresholds; none where no account has enough history.
///
/// With `fixed`, only part of the organisation was looked at: the default stays what it is.
pub fn proposal(
    organization: &Organization,
    histories: &[(Subject, SpendHistory)],
    measure: Measure,
    fixed: Option<Usd>,
) -> Option<Proposal> {
    let mut own: BTreeMap<AccountId, Suggestion> = BTreeMap::new();
    let mut without: Vec<AccountId> = Vec::new();
    for (subject, history) in histories {
        let Subject::Account(account) = subject else {
            continue;
        };
        // What an account spent that is closed now says nothing about what it will spend.
        if organization
            .account(*account)
            .is_some_and(|(known, _)| known.state.is_closed())
        {
            continue;
        }
        let interval = Interval::of(measure);
        let buckets = match interval {
            Interval::SixHours => &history.quarters,
            Interval::Day => &history.days,
        };
        // The newest bucket is never whole.
        let whole = buckets.split_last().map_or(&[][..], |(_, whole)| whole);
        match suggest(whole, interval, measure) {
            Some(suggestion) => {
                own.insert(*account, suggestion);
            }
            None => without.push(*account),
        }
    }
    let wanted = own
        .iter()
        .map(|(account, suggestion)| (*account, suggestion.threshold))
        .collect();
    let (default, rules) = group(organization, &wanted, fixed)?;
    let snippet = Snippet {
        organization,
        own: &own,
        noun: measure.proposed_from(),
    };
    Some(Proposal {
        default,
        rules: rules.iter().map(|rule| snippet.rule(rule)).collect(),
        accounts: own.len(),
        without: without.iter().map(|account| snippet.label(*account)).collect(),
    })
}

/// The same as a snippet for config.toml.
pub fn suggestion(
    organization: &Organization,
    histories: &[(Subject, SpendHistory)],
    measure: Measure,
    fixed: Option<Usd>,
    now: Timestamp,
) -> String {
    let Some(proposal) = proposal(organization, histories, measure, fixed) else {
        return "# No account has a week of spend to propose a threshold from.".to_owned();
    };
    let mut lines = vec![
        format!(
            "# Thresholds that billctl proposes from what the accounts spent until {}.",
            now.strftime("%Y-%m-%d")
        ),
        format!(
            "# {} served by {} and the default: each threshold is at least the account's own and at most twice that.",
            plural(proposal.accounts, "account"),
            plural(proposal.rules.len(), "rule")
        ),
    ];
    if !proposal.without.is_empty() {
        lines.push(format!(
            "# {} with less than a week of spend, served by the OU's threshold or the default until then:",
            plural(proposal.without.len(), "account")
        ));
        lines.extend(proposal.without.iter().map(|account| format!("#   {account}")));
    }
    lines.push(String::new());
    lines.push("[alarm]".to_owned());
    // Without it the thresholds would mean days.
    lines.extend((measure != Measure::default()).then(|| format!("measure = \"{}\"", measure.word())));
    let kept = if fixed.is_some() { " # as it is" } else { "" };
    lines.push(format!("threshold = {}{kept}", proposal.default.to_decimal()));
    for rule in &proposal.rules {
        let whose = match &rule.target {
            ThresholdTarget::Ou(ou) => format!("ou = {}", text::toml(ou)),
            ThresholdTarget::Account(account) => format!("account = \"{account}\""),
        };
        let usd = format!("usd = {}", rule.usd.to_decimal());
        lines.extend([
            String::new(),
            "[[threshold]]".to_owned(),
            rule.comment.clone(),
            whose,
            usd,
        ]);
    }
    lines.join("\n")
}

/// What would be different in a file, for people.
pub fn file_diff(format: Format, name: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut unified = diff.unified_diff();
    let unified = unified.context_radius(2).header(name, name).to_string();
    if format == Format::Markdown {
        return format.block("diff", unified.trim_end());
    }
    let lines = unified.lines().map(|line| {
        let style = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => style::STRONG,
            [b'+', ..] => style::GOOD,
            [b'-', ..] => style::BAD,
            [b'@', ..] => style::FAINT,
            _ => return text::line(line),
        };
        format.paint(style, text::line(line))
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Snippet<'a> {
    organization: &'a Organization,
    own: &'a BTreeMap<AccountId, Suggestion>,
    noun: &'a str,
}

impl Snippet<'_> {
    fn label(&self, account: AccountId) -> String {
        match self.organization.account(account) {
            Some((known, parent)) => {
                format!(
                    "{account} {} in {}",
                    text::line(&known.name),
                    text::line(&self.organization.path(parent))
                )
            }
            None => account.to_string(),
        }
    }

    fn rule(&self, rule: &GroupedThreshold) -> ProposedRule {
        match rule {
            GroupedThreshold::Ou(ou, usd) => ProposedRule {
                target: ThresholdTarget::Ou(self.selector(ou)),
                usd: *usd,
                comment: self.ou_comment(ou),
            },
            GroupedThreshold::Account(account, usd) => {
                let high = self.own.get(account).map(|own| own.usual_high);
                let high = high.map_or_else(String::new, |high| format!(", usually up to {high} {}", self.noun));
                ProposedRule {
                    target: ThresholdTarget::Account(*account),
                    usd: *usd,
                    comment: format!("# {}{high}", self.label(*account)),
                }
            }
        }
    }

    fn ou_comment(&self, ou: &OuId) -> String {
        let below = self.organization.accounts_below(std::slice::from_ref(ou));
        let highs: Vec<Usd> = below
            .iter()
            .filter_map(|account| self.own.get(account))
            .map(|own| own.usual_high)
            .collect();
        let (low, high) = (highs.iter().min(), highs.iter().max());
        match (low, high) {
            (Some(low), Some(high)) => {
                format!(
                    "# {}, usually up to {low} to {high} {}",
                    plural(highs.len(), "account"),
                    self.noun
                )
            }
            _ => "#".to_owned(),
        }
    }

    /// The OU's path, which reads best, unless it leads elsewhere (a name can hold a slash).
    fn selector(&self, ou: &OuId) -> String {
        let path = self.organization.path(ou);
        match self.organization.select(&path) {
            Ok(found) if found.id == *ou => path,
            _ => ou.to_string(),
        }
    }
}

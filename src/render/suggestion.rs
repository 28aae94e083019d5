use std::collections::BTreeMap;

use jiff::Timestamp;

use super::plural;
use crate::config::Measure;
use crate::spend::{Interval, Rule, SpendHistory, Subject, Suggestion, group, suggest};
use billctl_core::model::{AccountId, Organization, OuId, Usd};
use billctl_core::text;

/// Thresholds from the accounts' own history as a snippet for config.toml: the fewest rules that serve everybody.
///
/// With `fixed`, only part of the organisation was looked at: the default stays what it is.
pub fn suggestion(
    organization: &Organization,
    histories: &[(Subject, SpendHistory)],
    measure: Measure,
    fixed: Option<Usd>,
    now: Timestamp,
) -> String {
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
    let Some((default, rules)) = group(organization, &wanted, fixed) else {
        return "# No account has a week of spend to propose a threshold from.".to_owned();
    };
    let snippet = Snippet {
        organization,
        own: &own,
        noun: measure.proposed_from(),
    };
    let mut lines = vec![
        format!(
            "# Thresholds that billctl proposes from what the accounts spent until {}.",
            now.strftime("%Y-%m-%d")
        ),
        format!(
            "# {} served by {} and the default: each threshold is at least the account's own and at most twice that.",
            plural(own.len(), "account"),
            plural(rules.len(), "rule")
        ),
    ];
    if !without.is_empty() {
        lines.push(format!(
            "# {} with less than a week of spend, served by the OU's threshold or the default until then:",
            plural(without.len(), "account")
        ));
        lines.extend(without.iter().map(|account| format!("#   {}", snippet.label(*account))));
    }
    lines.push(String::new());
    lines.push("[alarm]".to_owned());
    // Without it the thresholds would mean days.
    lines.extend((measure != Measure::default()).then(|| format!("measure = \"{}\"", measure.word())));
    let kept = if fixed.is_some() { " # as it is" } else { "" };
    lines.push(format!("threshold = {}{kept}", default.to_decimal()));
    for rule in &rules {
        lines.push(String::new());
        lines.extend(snippet.rule(rule));
    }
    lines.join("\n")
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

    fn rule(&self, rule: &Rule) -> [String; 4] {
        let (comment, key, usd) = match rule {
            Rule::Ou(ou, usd) => (
                self.ou_comment(ou),
                format!("ou = {}", text::toml(&self.selector(ou))),
                usd,
            ),
            Rule::Account(account, usd) => {
                let high = self.own.get(account).map(|own| own.usual_high);
                let high = high.map_or_else(String::new, |high| format!(", usually up to {high} {}", self.noun));
                (
                    format!("# {}{high}", self.label(*account)),
                    format!("account = \"{account}\""),
                    usd,
                )
            }
        };
        [
            "[[threshold]]".to_owned(),
            comment,
            key,
            format!("usd = {}", usd.to_decimal()),
        ]
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

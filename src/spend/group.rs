use std::collections::{BTreeMap, BTreeSet, HashMap};

use billctl_core::model::{AccountId, Organization, OuId, Usd};

/// A threshold for an OU or an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupedThreshold {
    /// For the accounts of an OU and those below.
    Ou(OuId, Usd),
    /// For one account.
    Account(AccountId, Usd),
}

/// A threshold serves an account if it is at least the account's own (no false alarm) and at most twice that (it
/// still wakes somebody).
const SLACK: i64 = 2;

/// The fewest rules that serve every account, and the default that goes with them. Of equally few, the tightest. With
/// `fixed`, that is the default whatever it costs.
///
/// Accounts without a suggestion are served by anything. The most specific rule wins, as in
/// [`Thresholds`](crate::plan::Thresholds): an account's own, then the deepest OU's, then the default.
pub fn group(
    organization: &Organization,
    own: &BTreeMap<AccountId, Usd>,
    fixed: Option<Usd>,
) -> Option<(Usd, Vec<GroupedThreshold>)> {
    if own.is_empty() {
        return None;
    }
    let values: BTreeSet<Usd> = own.values().copied().chain(fixed).collect();
    let values: Vec<Usd> = values.into_iter().collect();
    let tree = Tree::new(organization, own);
    let mut costs: HashMap<OuId, Vec<Choice>> = HashMap::new();
    for root in &tree.roots {
        tree.cost(root, &values, &mut costs);
    }
    let total = |index: usize| {
        tree.roots
            .iter()
            .filter_map(|root| costs.get(root)?.get(index))
            .fold(Cost::default(), |sum, choice| sum + choice.inherit)
    };
    let default = match fixed {
        Some(fixed) => values.iter().position(|value| *value == fixed)?,
        None => (0..values.len()).min_by_key(|index| total(*index))?,
    };
    let mut rules = Vec::new();
    for root in &tree.roots {
        // Where the default is free to choose, a root needs no rule.
        let may_set = fixed.is_some() && organization.ou(root).is_some();
        tree.rules(root, default, may_set, &values, &costs, &mut rules);
    }
    Some((*values.get(default)?, rules))
}

/// How good an assignment is: fewer rules first, then less slack (in millionths of a doubling).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    rules: usize,
    slack: u64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            rules: self.rules + other.rules,
            slack: self.slack + other.slack,
        }
    }
}

/// What it costs below an OU when it inherits a value, and when it has a rule of its own.
#[derive(Debug, Clone, Copy)]
struct Choice {
    inherit: Cost,
    /// The value that a rule here would set: the same whatever is inherited.
    own: usize,
    own_cost: Cost,
}

struct Tree<'a> {
    roots: Vec<OuId>,
    children: HashMap<&'a OuId, Vec<&'a OuId>>,
    accounts: HashMap<&'a OuId, Vec<(AccountId, Usd)>>,
}

impl<'a> Tree<'a> {
    fn new(organization: &'a Organization, own: &BTreeMap<AccountId, Usd>) -> Self {
        let mut children: HashMap<&OuId, Vec<&OuId>> = HashMap::new();
        let mut accounts: HashMap<&OuId, Vec<(AccountId, Usd)>> = HashMap::new();
        let mut roots = Vec::new();
        for ou in organization.ous() {
            match &ou.parent {
                Some(parent) if organization.ou(parent).is_some() => {
                    children.entry(parent).or_default().push(&ou.id);
                }
                _ => roots.push(ou.id.clone()),
            }
        }
        for (account, parent) in organization.accounts() {
            if let Some(usd) = own.get(&account.id) {
                accounts.entry(parent).or_default().push((account.id, *usd));
            }
        }
        // Accounts whose OU wasn't read (moved meanwhile) can only be served by the default or a rule of their own.
        let lost = accounts.keys().filter(|ou| organization.ou(ou).is_none());
        roots.extend(lost.map(|ou| (*ou).clone()));
        roots.sort();
        Self {
            roots,
            children,
            accounts,
        }
    }

    fn below(&self, ou: &OuId) -> impl Iterator<Item = &'a OuId> {
        self.children.get(ou).into_iter().flatten().copied()
    }

    fn accounts_of(&self, ou: &OuId) -> &[(AccountId, Usd)] {
        self.accounts.get(ou).map_or(&[], Vec::as_slice)
    }

    /// Fills `costs` for `ou` and all below it. OUs nest five deep (docs/aws-facts.md, "Organizations"), so recursion
    /// is shallow.
    fn cost(&self, ou: &OuId, values: &[Usd], costs: &mut HashMap<OuId, Vec<Choice>>) {
        for child in self.below(ou) {
            self.cost(child, values, costs);
        }
        let inherit: Vec<Cost> = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let accounts = self
                    .accounts_of(ou)
                    .iter()
                    .fold(Cost::default(), |sum, (_, own)| sum + account_cost(*own, *value));
                self.below(ou).fold(accounts, |sum, child| {
                    let below = costs.get(child).and_then(|choices| choices.get(index));
                    sum + below.map_or_else(Cost::default, |choice| choice.inherit.min(choice.own_cost))
                })
            })
            .collect();
        let rule = Cost { rules: 1, slack: 0 };
        let (own, own_cost) = inherit
            .iter()
            .enumerate()
            .map(|(index, cost)| (index, *cost + rule))
            .min_by_key(|(_, cost)| *cost)
            .unwrap_or_default();
        let choices = inherit
            .into_iter()
            .map(|inherit| Choice { inherit, own, own_cost })
            .collect();
        costs.insert(ou.clone(), choices);
    }

    fn rules(
        &self,
        ou: &OuId,
        inherited: usize,
        may_set: bool,
        values: &[Usd],
        costs: &HashMap<OuId, Vec<Choice>>,
        rules: &mut Vec<GroupedThreshold>,
    ) {
        let Some(choice) = costs.get(ou).and_then(|choices| choices.get(inherited)) else {
            return;
        };
        let index = if may_set && choice.own_cost < choice.inherit {
            choice.own
        } else {
            inherited
        };
        let Some(value) = values.get(index) else {
            return;
        };
        if index != inherited {
            rules.push(GroupedThreshold::Ou(ou.clone(), *value));
        }
        for (account, own) in self.accounts_of(ou) {
            if account_cost(*own, *value).rules > 0 {
                rules.push(GroupedThreshold::Account(*account, *own));
            }
        }
        for child in self.below(ou) {
            self.rules(child, index, true, values, costs, rules);
        }
    }
}

/// What it costs to give an account `value`: nothing but slack if that serves it, else a rule.
fn account_cost(own: Usd, value: Usd) -> Cost {
    let (own, value) = (own.micros().max(1), value.micros());
    if value >= own && value <= own.saturating_mul(SLACK) {
        Cost {
            rules: 0,
            slack: ((value - own) as u128 * 1_000_000 / own as u128) as u64,
        }
    } else {
        Cost { rules: 1, slack: 0 }
    }
}

#[cfg(test)]
mod tests;

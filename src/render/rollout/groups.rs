//! Many accounts on few lines: those of one place to which the same happens stand together.

use std::collections::BTreeMap;

use anstyle::Style;

use crate::plan::rollout::{AccountChange, AccountLine};
use crate::render::style;
use billctl_core::model::Usd;

/// What happens to an account, in words.
pub(super) struct Words {
    /// A sign for it.
    pub symbol: &'static str,
    /// In full.
    pub exact: String,
    /// Without its amount.
    kind: String,
    /// Its amount.
    to: Option<Usd>,
}

impl Words {
    /// The words; `None` where nothing happens.
    pub(super) fn of(change: &AccountChange) -> Option<Self> {
        let moves = |from: &Option<Usd>, to: &Usd, how: &str| {
            let from = from.map_or_else(|| "?".to_owned(), |from| from.to_string());
            Self {
                symbol: "~",
                exact: format!("threshold {from} -> {to}{how}"),
                kind: "threshold becomes".to_owned(),
                to: Some(*to),
            }
        };
        let plain = |symbol, text: String| Self {
            symbol,
            exact: text.clone(),
            kind: text,
            to: None,
        };
        Some(match change {
            AccountChange::Leave { .. } => return None,
            AccountChange::Create { threshold, overridden } => Self {
                symbol: "+",
                exact: format!(
                    "create with {threshold}{}",
                    if *overridden { " (override)" } else { "" }
                ),
                kind: "create with".to_owned(),
                to: Some(*threshold),
            },
            AccountChange::Change { from, to } => moves(from, to, ""),
            AccountChange::Reset { from, to } => moves(from, to, " (the default)"),
            AccountChange::Follow { from, to } => moves(from, to, " (with the StackSet)"),
            AccountChange::Update { .. } => plain("~", "update with the StackSet".to_owned()),
            AccountChange::Retry { .. } => plain("~", "try again what failed or is behind".to_owned()),
            AccountChange::Recreate { retain: true, .. } => {
                plain("~", "release the broken instance, create it again".to_owned())
            }
            AccountChange::Recreate { .. } => plain("~", "remove and create again".to_owned()),
            AccountChange::Remove { retain: true } => plain("-", "remove; its stack stays in the account".to_owned()),
            AccountChange::Remove { .. } => plain("-", "remove".to_owned()),
            AccountChange::Skip { reason } => plain("=", format!("skip: {reason}")),
        })
    }
}

/// The colour of a sign.
pub(super) fn style_of(symbol: &str) -> Style {
    match symbol {
        "+" => style::GOOD,
        "-" => style::BAD,
        "~" => style::WARN,
        _ => style::FAINT,
    }
}

/// Accounts that stand on one line.
pub(super) struct Group {
    /// A sign for what happens to them.
    pub symbol: &'static str,
    /// Where they are: an OU's path, with `/...` after it where some are in OUs below.
    pub ou: String,
    /// What happens to them.
    pub what: String,
    /// How many they are.
    pub accounts: usize,
    /// How many of their alarms go off at once.
    pub at_once: usize,
}

/// The accounts to which something happens in at most `most` groups, as close to OU and change as that allows: first
/// amounts are taken together, then OUs with those above them. No account is left out, so the groups' sum is the
/// plan's counts.
pub(super) fn groups(lines: &[AccountLine], most: usize) -> Vec<Group> {
    let deepest = lines.iter().map(|line| line.ou.split('/').count()).max().unwrap_or(1);
    let mut found = Vec::new();
    for depth in (1..=deepest).rev() {
        for exact in [true, false] {
            found = grouped(lines, depth, exact);
            if found.len() <= most {
                return found;
            }
        }
    }
    found
}

fn grouped(lines: &[AccountLine], depth: usize, exact: bool) -> Vec<Group> {
    #[derive(Default)]
    struct Found {
        amounts: Option<(Usd, Usd)>,
        below: bool,
        accounts: usize,
        at_once: usize,
    }
    let mut found: BTreeMap<(String, &'static str, String), Found> = BTreeMap::new();
    for line in lines {
        let Some(words) = Words::of(&line.change) else { continue };
        let segments: Vec<&str> = line.ou.split('/').collect();
        let above = segments[..depth.min(segments.len())].join("/");
        let (what, amount) = match exact {
            true => (words.exact, None),
            false => (words.kind, words.to),
        };
        let group = found.entry((above, words.symbol, what)).or_default();
        group.below |= segments.len() > depth;
        group.accounts += 1;
        group.at_once += usize::from(line.already_spent.is_some());
        if let Some(amount) = amount {
            let (least, most) = group.amounts.unwrap_or((amount, amount));
            group.amounts = Some((least.min(amount), most.max(amount)));
        }
    }
    found
        .into_iter()
        .map(|((ou, symbol, what), group)| Group {
            symbol,
            ou: if group.below { format!("{ou}/...") } else { ou },
            what: match group.amounts {
                None => what,
                Some((least, most)) if least == most => format!("{what} {least}"),
                Some((least, most)) => format!("{what} {least} to {most}"),
            },
            accounts: group.accounts,
            at_once: group.at_once,
        })
        .collect()
}

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::config::Config;
use crate::plan::Thresholds;
use crate::plan::rollout::target_of;
use crate::resource::stack_set;
use billctl_core::model::{AccountId, AccountState, Organization, OuId, SelectorError, Usd};
use billctl_core::service::cloudformation::{StackSet, StackSetSpec};

/// What the config wants, in the accounts that a run is about.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The StackSet.
    pub spec: StackSetSpec,
    /// The OUs of this run, none inside another.
    pub targets: BTreeSet<OuId>,
    /// The accounts that should have an instance, with what they should have.
    pub accounts: BTreeMap<AccountId, Wanted>,
    /// The accounts in scope that can't or shouldn't have one.
    pub skipped: BTreeMap<AccountId, Skip>,
    /// Every account that config targets, in this run's scope or not: what prune spares.
    pub covered: BTreeSet<AccountId>,
    /// The accounts that the run is about, where it is not about all: prune touches no others.
    pub scope: Option<BTreeSet<AccountId>>,
    /// Whether the run names single accounts, so that an OU as a whole is never a target.
    pub only_named: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What an account should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The threshold.
    pub threshold: Usd,
    /// The target OU through which it is reached.
    pub target: OuId,
}

/// Why an account gets no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// StackSets never reach the management account; `bootstrap` makes its alarm.
    ManagementAccount,
    /// It isn't active.
    NotActive(AccountState),
    /// Config excludes it.
    Excluded,
}

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ManagementAccount => f.write_str("management account: its alarm is bootstrap's"),
            Self::NotActive(state) => write!(f, "{state}"),
            Self::Excluded => f.write_str("excluded by config"),
        }
    }
}

/// Which part of the organisation a run is about.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// OU selectors; empty for everything that config targets.
    pub ous: Vec<String>,
    /// Accounts; `None` for all of those OUs.
    pub accounts: Option<BTreeSet<AccountId>>,
}

/// The OUs that selectors name; an OU inside another of them is left out, since a parent includes its children.
///
/// # Errors
/// The first selector that doesn't name exactly one OU.
pub fn targets<'a>(
    selectors: impl IntoIterator<Item = &'a String>,
    organization: &Organization,
) -> Result<BTreeSet<OuId>, SelectorError> {
    let all: BTreeSet<OuId> = selectors
        .into_iter()
        .map(|selector| organization.select(selector).map(|ou| ou.id.clone()))
        .collect::<Result<_, _>>()?;
    Ok(all
        .iter()
        .filter(|ou| !organization.ancestry(ou).skip(1).any(|above| all.contains(above)))
        .cloned()
        .collect())
}

/// What holds for every account right below an OU.
struct Place {
    /// The target that it is below.
    target: Option<OuId>,
    /// Whether config or this run's scope reaches it.
    covered: bool,
    /// The threshold of accounts without one of their own.
    threshold: Usd,
    /// Whether an account of it gets the alarm.
    populated: bool,
}

impl Desired {
    /// Nothing at all: with [`prune`](super::Options::prune), the way to remove every instance of `live`.
    pub fn nothing(live: &StackSet) -> Self {
        Self {
            spec: stack_set::as_it_is(live),
            targets: BTreeSet::new(),
            accounts: BTreeMap::new(),
            skipped: BTreeMap::new(),
            covered: BTreeSet::new(),
            scope: None,
            only_named: false,
            notes: Vec::new(),
        }
    }

    /// What `config` wants for `scope`.
    ///
    /// # Errors
    /// A selector that doesn't name exactly one OU.
    pub fn new(
        config: &Config,
        spec: StackSetSpec,
        organization: &Organization,
        thresholds: &Thresholds,
        scope: &Scope,
    ) -> Result<Self, SelectorError> {
        let configured = targets(config.ous(), organization)?;
        let targets = if scope.ous.is_empty() {
            configured.clone()
        } else {
            targets(&scope.ous, organization)?
        };
        let mut desired = Self {
            spec,
            targets,
            accounts: BTreeMap::new(),
            skipped: BTreeMap::new(),
            covered: BTreeSet::new(),
            scope: None,
            only_named: scope.accounts.is_some(),
            notes: Vec::new(),
        };
        let named = |account: &AccountId| scope.accounts.as_ref().is_none_or(|named| named.contains(account));
        if !scope.ous.is_empty() || scope.accounts.is_some() {
            let ous: Vec<OuId> = desired.targets.iter().cloned().collect();
            let mut reached = organization.accounts_below(&ous);
            reached.retain(named);
            desired.scope = Some(reached);
        }
        // What follows from where an account is, once for each of the OUs, which are far fewer.
        let mut places: HashMap<&OuId, Place> = HashMap::new();
        for (account, parent) in organization.accounts() {
            let place = places.entry(parent).or_insert_with(|| {
                let target = target_of(organization, parent, &desired.targets).cloned();
                Place {
                    covered: target.is_some() || target_of(organization, parent, &configured).is_some(),
                    target,
                    threshold: thresholds.below(parent, organization),
                    populated: false,
                }
            });
            let excluded = config.deploy.exclude_accounts.contains(&account.id);
            if !excluded && place.covered {
                desired.covered.insert(account.id);
            }
            let Some(target) = place.target.as_ref().filter(|_| named(&account.id)) else {
                continue;
            };
            let skip = if account.id == organization.management_account {
                Skip::ManagementAccount
            } else if excluded {
                Skip::Excluded
            } else if account.state != AccountState::Active {
                Skip::NotActive(account.state)
            } else {
                let wanted = Wanted {
                    threshold: thresholds.own(account.id).unwrap_or(place.threshold),
                    target: target.clone(),
                };
                place.populated = true;
                desired.accounts.insert(account.id, wanted);
                continue;
            };
            desired.skipped.insert(account.id, skip);
        }
        let populated: BTreeSet<OuId> = places
            .into_values()
            .filter(|place| place.populated)
            .filter_map(|place| place.target)
            .collect();
        if scope.accounts.is_none() {
            for ou in desired.targets.difference(&populated) {
                let what = match organization.accounts_below(std::slice::from_ref(ou)).len() {
                    0 => "holds no account yet".to_owned(),
                    1 => "holds no account that can get the alarm yet, only one that is skipped".to_owned(),
                    holds => format!("holds no account that can get the alarm yet, only {holds} that are skipped"),
                };
                let then = match desired.spec.auto_deployment.enabled {
                    true => "it is a target all the same, so whoever comes gets the default threshold at once",
                    false => "run deploy again when that changes",
                };
                desired.notes.push(format!("{} {what}: {then}", organization.path(ou)));
            }
        }
        Ok(desired)
    }
}

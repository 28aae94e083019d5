use std::collections::BTreeMap;

use crate::config::{Config, Place, Problem, ThresholdRule, ThresholdTarget};
use crate::resource::{Chat, Facts};
use billctl_core::error::Error;
use billctl_core::model::{AccountId, AccountState, Organization, OuId, Usd};

/// The thresholds of an organisation, resolved: the most specific rule wins (account, then deepest OU, then default).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// Where no rule says otherwise.
    pub default: Usd,
    ous: BTreeMap<OuId, Usd>,
    accounts: BTreeMap<AccountId, Usd>,
    /// The config's other rules for OUs, found in the same organisation.
    chat: Chat,
}

impl Thresholds {
    /// Resolves the rules of `config` in `organization`.
    ///
    /// # Errors
    /// Every rule whose OU doesn't exist or is ambiguous, whose account isn't in the organisation, or that names
    /// an OU which another rule has named in other words; and every OU to deploy to that isn't one.
    pub fn resolve(config: &Config, organization: &Organization) -> Result<Self, Vec<Problem>> {
        let mut problems = unknown_ous(config, organization);
        let chat = Chat::resolve(config, organization).unwrap_or_else(|more| {
            problems.extend(more);
            Chat::default()
        });
        let mut thresholds = Self {
            default: config.alarm.threshold,
            ous: BTreeMap::new(),
            accounts: BTreeMap::new(),
            chat,
        };
        for (index, rule) in config.thresholds.iter().enumerate() {
            let mut problem = |message: String| {
                let place = Place::ThresholdTarget(index);
                problems.push(config.source.problem(place, message));
            };
            match &rule.target {
                ThresholdTarget::Ou(selector) => match organization.select(selector) {
                    Ok(ou) => {
                        if thresholds.ous.insert(ou.id.clone(), rule.usd).is_some() {
                            problem(format!(
                                "`{selector}` is {}, which another rule names too",
                                organization.path(&ou.id)
                            ));
                        }
                    }
                    Err(error) => problem(error.to_string()),
                },
                ThresholdTarget::Account(account) => {
                    if organization.account(*account).is_none() {
                        problem(format!("account {account} is not in the organisation"));
                    }
                    thresholds.accounts.insert(*account, rule.usd);
                }
            }
        }
        if problems.is_empty() {
            Ok(thresholds)
        } else {
            Err(problems)
        }
    }

    /// The same, with every problem underlined in its config.
    ///
    /// # Errors
    /// As [`Thresholds::resolve`].
    pub fn checked(config: &Config, organization: &Organization) -> Result<Self, Error> {
        Self::resolve(config, organization).map_err(|problems| config.source.error(problems))
    }

    /// The accounts that config has watched, each with its limit: nobody else can be above one. They are the active ones
    /// below the OUs that it names (all, where it names none) that it doesn't exclude, and the management account, which
    /// has an alarm of its own.
    ///
    /// # Errors
    /// An OU to deploy to that isn't one, which [`Thresholds::checked`] has refused before.
    pub fn limits(&self, config: &Config, organization: &Organization) -> Result<BTreeMap<AccountId, Usd>, Error> {
        let ous: Vec<OuId> = config
            .ous()
            .map(|selector| Ok(organization.select(selector)?.id.clone()))
            .collect::<Result<_, Error>>()?;
        let below = (!ous.is_empty()).then(|| organization.accounts_below(&ous));
        let wanted = |id: AccountId| {
            id == organization.management_account || below.as_ref().is_none_or(|below| below.contains(&id))
        };
        Ok(organization
            .accounts()
            .filter(|(account, _)| account.state == AccountState::Active && wanted(account.id))
            .filter(|(account, _)| !config.deploy.exclude_accounts.contains(&account.id))
            .map(|(account, parent)| (account.id, self.of(account.id, parent, organization)))
            .collect())
    }

    /// The threshold of an account where no OU has to be known to say it.
    pub fn without_ous(config: &Config, account: AccountId) -> Option<Usd> {
        let rules = &config.thresholds;
        let is_own = |rule: &&ThresholdRule| rule.target == ThresholdTarget::Account(account);
        let for_ous = |rule: &ThresholdRule| matches!(rule.target, ThresholdTarget::Ou(_));
        match rules.iter().find(is_own) {
            Some(rule) => Some(rule.usd),
            None if rules.iter().any(for_ous) => None,
            None => Some(config.alarm.threshold),
        }
    }

    /// The threshold of the management account, whose alarm is its own.
    pub fn of_management_account(&self, organization: &Organization) -> Usd {
        let account = organization.management_account;
        organization
            .account(account)
            .map_or(self.default, |(_, parent)| self.of(account, parent, organization))
    }

    /// What has to be known of AWS, where the organisation has been read.
    pub fn facts(&self, organization: &Organization) -> Facts {
        Facts {
            organization: organization.id.clone(),
            management_account: organization.management_account,
            own_threshold: self.of_management_account(organization),
            chat: self.chat.clone(),
        }
    }

    /// The threshold of an account whose parent is `parent`.
    pub fn of(&self, account: AccountId, parent: &OuId, organization: &Organization) -> Usd {
        self.own(account).unwrap_or_else(|| self.below(parent, organization))
    }

    /// The threshold that a rule gives to just this account.
    pub fn own(&self, account: AccountId) -> Option<Usd> {
        self.accounts.get(&account).copied()
    }

    /// The threshold of the accounts right below an OU that have none of their own.
    pub fn below(&self, ou: &OuId, organization: &Organization) -> Usd {
        let mut above = organization.ancestry(ou);
        above.find_map(|ou| self.ous.get(ou)).copied().unwrap_or(self.default)
    }
}

/// The OUs to deploy to that don't exist or are ambiguous.
fn unknown_ous(config: &Config, organization: &Organization) -> Vec<Problem> {
    let deployed = config.deploy.ous.iter().enumerate();
    let deployed = deployed.map(|(index, ou)| (Place::DeployOu(index), ou));
    let waves = config.waves.iter().enumerate().flat_map(|(wave, waves)| {
        let ous = waves.ous.iter().enumerate();
        ous.map(move |(index, ou)| (Place::WaveOu(wave, index), ou))
    });
    deployed
        .chain(waves)
        .filter_map(|(place, ou)| {
            let error = organization.select(ou).err()?;
            Some(config.source.problem(place, error.to_string()))
        })
        .collect()
}

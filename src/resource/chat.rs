use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Place, Problem};
use billctl_core::model::{Arn, Organization, OuId};

/// Which topic hears about which accounts: `[[chat]]`, with its OUs found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat {
    /// The topic of accounts none of whose OUs has one.
    pub default: Option<Arn>,
    /// Topics of OUs. The deepest of an account's decides, which the notifier finds out when it writes: an account that
    /// is moved needs nothing.
    pub ous: BTreeMap<OuId, Arn>,
}

impl Chat {
    /// Finds the OUs of `config` in `organization`.
    ///
    /// # Errors
    /// Every OU that doesn't exist or is ambiguous, or that another `[[chat]]` names in other words.
    pub fn resolve(config: &Config, organization: &Organization) -> Result<Self, Vec<Problem>> {
        let mut chat = Self::default();
        let mut problems = Vec::new();
        for (index, rule) in config.chat.iter().enumerate() {
            let Some(selector) = &rule.ou else {
                chat.default = Some(rule.topic.clone());
                continue;
            };
            let fault = match organization.select(selector) {
                Ok(ou) => chat.ous.insert(ou.id.clone(), rule.topic.clone()).map(|_| {
                    let path = organization.path(&ou.id);
                    format!("`{selector}` is {path}, which another `[[chat]]` names too")
                }),
                Err(error) => Some(error.to_string()),
            };
            problems.extend(fault.map(|message| config.source.problem(Place::ChatOu(index), message)));
        }
        if problems.is_empty() { Ok(chat) } else { Err(problems) }
    }

    /// The same where no OU has to be known to say it.
    pub fn without_ous(config: &Config) -> Option<Self> {
        let for_all = config.chat.iter().all(|rule| rule.ou.is_none());
        for_all.then(|| Self {
            default: config.chat.last().map(|rule| rule.topic.clone()),
            ous: BTreeMap::new(),
        })
    }

    /// Every topic, each once.
    pub fn topics(&self) -> BTreeSet<&Arn> {
        self.default.iter().chain(self.ous.values()).collect()
    }

    /// The topics of OUs as the notifier reads them: `ou-ab12-c3d4e5f6=arn:...`, separated by spaces.
    pub(super) fn by_ou(&self) -> String {
        let each: Vec<String> = self.ous.iter().map(|(ou, topic)| format!("{ou}={topic}")).collect();
        each.join(" ")
    }
}

//! Organizations in memory (docs/aws-facts.md, "Organizations").

mod api;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::faults::hash;
use super::{World, cloudformation, metrics};
use billctl_core::error::Error;
use billctl_core::model::{Account, AccountId, AccountState, OrgId, Organization, OrganizationalUnit, OuId};
use billctl_core::service::Tags;

/// Deepest OU below the root (docs/aws-facts.md, "Organizations").
const DEEPEST: usize = 5;

/// The organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Its id.
    pub id: OrgId,
    /// The account that pays.
    pub management_account: AccountId,
    /// Whether the caller's account is in an organisation at all.
    pub in_use: bool,
    /// Whether all features are on, or only consolidated billing.
    pub all_features: bool,
    /// Members registered as delegated administrators of StackSets.
    pub stacksets_administrators: BTreeSet<AccountId>,
    root: OuId,
    #[serde(deserialize_with = "super::file::unique")]
    units: BTreeMap<OuId, Unit>,
    #[serde(deserialize_with = "super::file::unique")]
    accounts: BTreeMap<AccountId, Entry>,
}

/// The root or an OU, with what is directly in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unit {
    name: String,
    parent: Option<OuId>,
    units: BTreeSet<OuId>,
    accounts: BTreeSet<AccountId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    name: String,
    email: String,
    state: AccountState,
    parent: OuId,
    tags: Tags,
    /// Whether it was invited, and not made by Organizations: it lacks the role for the management account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    invited: bool,
}

impl State {
    /// An organisation of nothing but the root and the management account in it.
    pub fn new(id: OrgId, root: OuId, management: Account) -> Self {
        let mut state = Self {
            id,
            management_account: management.id,
            in_use: true,
            all_features: true,
            stacksets_administrators: BTreeSet::new(),
            root: root.clone(),
            units: BTreeMap::from([(root.clone(), Unit::new("Root", None))]),
            accounts: BTreeMap::new(),
        };
        state.insert(management, root, Tags::new());
        state
    }

    /// What can't be in an organisation, with its place in the file: it is one tree, and each link is there from both
    /// ends.
    pub(super) fn fault(&self) -> Option<String> {
        let at = |id: &OuId, what: &str| format!("organizations.units.{id}.{what}");
        if !self.units.contains_key(&self.root) {
            return Some(format!("organizations.root: there is no unit {}", self.root));
        }
        for (id, unit) in &self.units {
            match &unit.parent {
                None if *id != self.root => return Some(format!("{}: only the root has none", at(id, "parent"))),
                Some(_) if *id == self.root => return Some(format!("{}: the root has none", at(id, "parent"))),
                Some(parent) if !self.units.get(parent).is_some_and(|above| above.units.contains(id)) => {
                    return Some(format!("{}: {parent} doesn't hold it", at(id, "parent")));
                }
                _ => {}
            }
            let mut below = unit.units.iter();
            let astray = |child: &&OuId| {
                self.units
                    .get(child)
                    .is_none_or(|child| child.parent.as_ref() != Some(id))
            };
            if let Some(child) = below.find(astray) {
                return Some(format!("{}: {child} isn't below it", at(id, "units")));
            }
            let mut inside = unit.accounts.iter();
            if let Some(account) = inside.find(|account| self.parent(**account) != Some(id)) {
                return Some(format!("{}: {account} isn't in it", at(id, "accounts")));
            }
        }
        for (id, entry) in &self.accounts {
            let parent = &entry.parent;
            if !self.units.get(parent).is_some_and(|unit| unit.accounts.contains(id)) {
                return Some(format!("organizations.accounts.{id}.parent: {parent} doesn't hold it"));
            }
        }
        if !self.accounts.contains_key(&self.management_account) {
            let id = self.management_account;
            return Some(format!("organizations.management_account: there is no account {id}"));
        }
        // Each has one parent that holds it, so whatever can't be reached from the root is in a circle.
        let mut reached = BTreeSet::new();
        let mut level = vec![&self.root];
        for depth in 0.. {
            if level.is_empty() {
                break;
            }
            if depth > DEEPEST {
                let id = level.first().map(ToString::to_string).unwrap_or_default();
                return Some(format!("organizations.units.{id}: OUs are on at most {DEEPEST} levels"));
            }
            reached.extend(level.iter().copied());
            level = level
                .iter()
                .filter_map(|id| self.units.get(id))
                .flat_map(|unit| &unit.units)
                .collect();
        }
        let circle = self.units.keys().find(|id| !reached.contains(id));
        circle.map(|id| format!("{}: it is in a circle", at(id, "parent")))
    }

    /// All of it as billctl's model: what a person sees in the console.
    pub fn organization(&self) -> Organization {
        Organization::new(
            self.id.clone(),
            self.management_account,
            self.ous(),
            self.accounts().map(|(account, parent)| (account, parent.clone())),
        )
    }

    /// The root.
    pub fn root(&self) -> &OuId {
        &self.root
    }

    /// The root and every OU, by id.
    pub fn ous(&self) -> impl Iterator<Item = OrganizationalUnit> + '_ {
        self.units.iter().map(|(id, unit)| unit.described(id))
    }

    /// Whether there is such an OU or root.
    pub fn has_ou(&self, id: &OuId) -> bool {
        self.units.contains_key(id)
    }

    /// Every account, by id, with its parent.
    pub fn accounts(&self) -> impl Iterator<Item = (Account, &OuId)> + '_ {
        self.accounts
            .iter()
            .map(|(id, entry)| (entry.described(*id), &entry.parent))
    }

    /// The ids of all accounts, the management account's among them.
    pub fn account_ids(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts.keys().copied()
    }

    /// The account of this id.
    pub fn account(&self, id: AccountId) -> Option<Account> {
        Some(self.accounts.get(&id)?.described(id))
    }

    /// Whether there is such an account; the management account is one.
    pub fn has_account(&self, id: AccountId) -> bool {
        self.accounts.contains_key(&id)
    }

    /// An account's state.
    pub fn account_state(&self, id: AccountId) -> Option<AccountState> {
        Some(self.accounts.get(&id)?.state)
    }

    /// What an account is directly in.
    pub fn parent(&self, id: AccountId) -> Option<&OuId> {
        Some(&self.accounts.get(&id)?.parent)
    }

    /// An account's tags.
    pub fn tags(&self, id: AccountId) -> Option<&Tags> {
        Some(&self.accounts.get(&id)?.tags)
    }

    /// An account's tags, to be changed.
    pub fn tags_mut(&mut self, id: AccountId) -> Option<&mut Tags> {
        Some(&mut self.accounts.get_mut(&id)?.tags)
    }

    /// `ou` and everything above it, deepest first.
    pub fn ancestry<'a>(&'a self, ou: &'a OuId) -> impl Iterator<Item = &'a OuId> {
        std::iter::successors(Some(ou), |id| self.units.get(*id)?.parent.as_ref())
    }

    /// The closest above an account of those that `is` is true of.
    pub(super) fn closest_above(&self, account: AccountId, is: impl Fn(&OuId) -> bool) -> Option<&OuId> {
        self.ancestry(self.parent(account)?).find(|ou| is(ou))
    }

    /// The accounts anywhere below `ou`.
    pub fn accounts_below(&self, ou: &OuId) -> BTreeSet<AccountId> {
        let mut found = BTreeSet::new();
        let mut open = vec![ou];
        while let Some(unit) = open.pop().and_then(|id| self.units.get(id)) {
            found.extend(&unit.accounts);
            open.extend(&unit.units);
        }
        found
    }

    /// Adds an account.
    pub(super) fn insert(&mut self, account: Account, parent: OuId, tags: Tags) {
        if let Some(unit) = self.units.get_mut(&parent) {
            unit.accounts.insert(account.id);
        }
        self.accounts.insert(
            account.id,
            Entry {
                name: account.name,
                email: account.email,
                state: account.state,
                parent,
                tags,
                invited: false,
            },
        );
    }

    /// Marks an account as one that was invited.
    pub fn invite(&mut self, id: AccountId) {
        if let Some(entry) = self.accounts.get_mut(&id) {
            entry.invited = true;
        }
    }

    /// Whether an account was invited, and not made by Organizations.
    pub fn is_invited(&self, id: AccountId) -> bool {
        self.accounts.get(&id).is_some_and(|entry| entry.invited)
    }

    /// Gives an account another name.
    pub fn rename_account(&mut self, id: AccountId, name: &str) {
        if let Some(entry) = self.accounts.get_mut(&id) {
            entry.name = name.to_owned();
        }
    }

    /// Adds an OU.
    ///
    /// # Errors
    /// The parent is unknown or too deep, or has an OU of that name.
    pub fn add_ou(&mut self, parent: &OuId, name: &str) -> Result<OuId, Error> {
        let depth = self.ancestry(parent).count();
        let Some(unit) = self.units.get(parent) else {
            return Err(Error::usage(format!("there is no OU {parent}")));
        };
        if depth > DEEPEST {
            return Err(Error::usage(format!(
                "OUs go {DEEPEST} levels deep, and {parent} is on the last"
            )));
        }
        let mut siblings = unit.units.iter().filter_map(|id| self.units.get(id));
        if siblings.any(|unit| unit.name == name) {
            return Err(Error::usage(format!("{parent} has an OU named {name} already")));
        }
        let id = self.fresh_ou_id(parent, name)?;
        if let Some(unit) = self.units.get_mut(parent) {
            unit.units.insert(id.clone());
        }
        self.units.insert(id.clone(), Unit::new(name, Some(parent.clone())));
        Ok(id)
    }

    fn fresh_ou_id(&self, parent: &OuId, name: &str) -> Result<OuId, Error> {
        let root = self.root.as_str().trim_start_matches("r-");
        let mut rng = fastrand::Rng::with_seed(hash(&[parent.as_str(), name]));
        loop {
            let unique: String = std::iter::repeat_with(|| rng.lowercase()).take(8).collect();
            let id: OuId = format!("ou-{root}-{unique}")
                .parse()
                .map_err(|error| Error::failed(format!("{error}")))?;
            if !self.has_ou(&id) {
                return Ok(id);
            }
        }
    }

    /// An account id that is free.
    pub(super) fn fresh_account_id(&self, name: &str) -> AccountId {
        let mut rng = fastrand::Rng::with_seed(hash(&[self.id.as_str(), name]));
        loop {
            let number = rng.u64(100_000_000_000..1_000_000_000_000);
            if let Some(id) = AccountId::from_number(number).filter(|id| !self.has_account(*id)) {
                return id;
            }
        }
    }

    fn entry_mut(&mut self, id: AccountId) -> Result<&mut Entry, Error> {
        let entry = self.accounts.get_mut(&id);
        entry.ok_or_else(|| Error::usage(format!("there is no account {id} in the sandbox")))
    }

    fn set_parent(&mut self, id: AccountId, parent: &OuId) -> Result<(), Error> {
        let old = std::mem::replace(&mut self.entry_mut(id)?.parent, parent.clone());
        if let Some(unit) = self.units.get_mut(&old) {
            unit.accounts.remove(&id);
        }
        if let Some(unit) = self.units.get_mut(parent) {
            unit.accounts.insert(id);
        }
        Ok(())
    }
}

impl Unit {
    fn new(name: &str, parent: Option<OuId>) -> Self {
        Self {
            name: name.to_owned(),
            parent,
            units: BTreeSet::new(),
            accounts: BTreeSet::new(),
        }
    }

    fn described(&self, id: &OuId) -> OrganizationalUnit {
        OrganizationalUnit {
            id: id.clone(),
            name: self.name.clone(),
            parent: self.parent.clone(),
        }
    }
}

impl Entry {
    fn described(&self, id: AccountId) -> Account {
        Account {
            id,
            name: self.name.clone(),
            email: self.email.clone(),
            state: self.state,
            joined: None,
        }
    }
}

/// What people do to the organisation in the console; StackSets that deploy automatically follow.
impl World {
    /// A new account in `parent`.
    ///
    /// # Errors
    /// There is no such OU.
    pub fn add_account(&mut self, name: &str, parent: &OuId, tags: Tags) -> Result<AccountId, Error> {
        self.known_ou(parent)?;
        let id = self.organizations.fresh_account_id(name);
        let account = Account {
            id,
            name: name.into(),
            email: format!(
                "aws+{}@example.com",
                name.to_lowercase().replace(char::is_whitespace, "-")
            ),
            state: AccountState::Active,
            joined: None,
        };
        self.organizations.insert(account, parent.clone(), tags);
        metrics::open(self, id);
        cloudformation::follow(self, id);
        Ok(id)
    }

    /// Moves an account.
    ///
    /// # Errors
    /// There is no such account or OU.
    pub fn move_account(&mut self, id: AccountId, parent: &OuId) -> Result<(), Error> {
        self.known_ou(parent)?;
        self.organizations.set_parent(id, parent)?;
        cloudformation::follow(self, id);
        Ok(())
    }

    /// Suspends, closes or reactivates an account.
    ///
    /// # Errors
    /// There is no such account.
    pub fn set_account_state(&mut self, id: AccountId, state: AccountState) -> Result<(), Error> {
        self.organizations.entry_mut(id)?.state = state;
        Ok(())
    }

    fn known_ou(&self, id: &OuId) -> Result<(), Error> {
        if self.organizations.has_ou(id) {
            Ok(())
        } else {
            Err(Error::usage(format!("there is no OU {id} in the sandbox")))
        }
    }
}

#[cfg(test)]
mod tests;

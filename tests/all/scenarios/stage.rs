//! A place with names for its accounts, and the config that billctl runs with there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::place::Place;
use crate::support::home::Ended;

/// A rule for a threshold: for what (`ou` or `account`), which one, and how many dollars.
pub(super) type Rule<'a> = (&'a str, &'a str, u32);

/// What a scenario plays on.
pub(super) struct Stage<'a> {
    place: Box<dyn Place + 'a>,
    /// Ids by name.
    accounts: BTreeMap<String, String>,
    call_as: Option<&'static str>,
}

impl<'a> Stage<'a> {
    /// With nothing on it yet.
    pub(super) fn new(place: Box<dyn Place + 'a>) -> Self {
        Self {
            place,
            accounts: BTreeMap::new(),
            call_as: None,
        }
    }

    /// OUs, parents first.
    pub(super) fn ous(&mut self, ous: &[&str]) {
        for ou in ous {
            self.place.add_ou(ou);
        }
    }

    /// Accounts in an OU.
    pub(super) fn accounts(&mut self, ou: &str, names: &[&str]) {
        for name in names {
            let id = self.place.add_account(ou, name);
            self.accounts.insert((*name).to_owned(), id);
        }
    }

    /// An account's id.
    pub(super) fn id(&self, name: &str) -> String {
        self.accounts[name].clone()
    }

    /// Moves an account.
    pub(super) fn move_account(&mut self, name: &str, ou: &str) {
        let id = self.id(name);
        self.place.move_account(&id, ou);
        self.place.settle(None);
    }

    /// Waits for an account that came to a targeted OU.
    pub(super) fn settle(&mut self, name: &str) {
        let id = self.id(name);
        self.place.settle(Some(&id));
    }

    /// Takes an account out of service.
    pub(super) fn suspend(&mut self, name: &str) {
        let id = self.id(name);
        self.place.suspend(&id);
    }

    /// Lets the stack fail in an account.
    pub(super) fn obstruct(&mut self, name: &str) {
        let id = self.id(name);
        self.place.obstruct(&id);
    }

    /// Ends what [`Stage::obstruct`] began.
    pub(super) fn clear(&mut self, name: &str) {
        let id = self.id(name);
        self.place.clear(&id);
    }

    /// Gives an account's alarm another threshold by hand.
    pub(super) fn edit_alarm(&mut self, name: &str, usd: u32) {
        let id = self.id(name);
        self.place.edit_alarm(&id, usd);
    }

    /// Deletes an account's alarm by hand.
    pub(super) fn delete_alarm(&mut self, name: &str) {
        let id = self.id(name);
        self.place.delete_alarm(&id);
    }

    /// From now on billctl runs in this account, as a delegated administrator.
    pub(super) fn delegate(&mut self, name: &str) {
        let id = self.id(name);
        self.place.delegate(&id);
        self.call_as = Some("delegated-admin");
    }

    /// Writes the config: the default threshold, rules, and the OUs that are targeted.
    pub(super) fn config(&self, default: u32, rules: &[Rule<'_>], ous: &[&str]) {
        let call_as = self
            .call_as
            .map(|whom| format!("call-as = \"{whom}\"\n"))
            .unwrap_or_default();
        let rules: String = rules
            .iter()
            .map(|(key, whose, usd)| {
                let whose = match *key {
                    "account" => self.id(whose),
                    _ => self.place.path(whose),
                };
                format!("[[threshold]]\n{key} = \"{whose}\"\nusd = {usd}\n\n")
            })
            .collect();
        let ous: Vec<String> = ous.iter().map(|ou| self.place.path(ou)).collect();
        self.place.home().config(&format!(
            "{call_as}[alarm]\nthreshold = {default}\n\n{rules}\
             [deploy]\nstack-set = \"{}\"\nous = {ous:?}\n\n\
             [mail]\nfrom = \"billing@example.com\"\n",
            self.place.stack_set()
        ));
    }

    /// Runs billctl.
    pub(super) fn run(&self, line: &str) -> Ended {
        self.place.billctl(line)
    }

    /// The accounts that a plan would touch, by name.
    pub(super) fn touched(&self, line: &str) -> Vec<String> {
        let ended = self.run(line).code(0);
        let plan: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let mut names: Vec<String> = plan["accounts"]
            .as_array()
            .expect("accounts")
            .iter()
            .filter(|line| !matches!(line["action"].as_str(), Some("leave" | "skip")))
            .map(|line| self.name_of(line["account"].as_str().unwrap_or_default()))
            .collect();
        names.sort();
        names
    }

    /// What `status` says of an account.
    pub(super) fn status(&self, name: &str) -> Value {
        let id = self.id(name);
        let ended = self.run("status --deep --format json");
        let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        status["accounts"]
            .as_array()
            .and_then(|all| all.iter().find(|line| line["account"] == *id))
            .cloned()
            .unwrap_or_default()
    }

    /// That exactly these accounts have the alarm, with these thresholds, as another client sees it.
    #[track_caller]
    pub(super) fn has(&mut self, expected: &[(&str, u32)]) {
        let expected: BTreeMap<String, f64> = expected
            .iter()
            .map(|(name, usd)| ((*name).to_owned(), f64::from(*usd)))
            .collect();
        let found: BTreeMap<String, f64> = self
            .place
            .thresholds()
            .into_iter()
            .map(|(id, usd)| (self.name_of(&id), usd))
            .collect();
        assert_eq!(found, expected, "the thresholds in force");
    }

    /// How many operations the StackSet has had.
    pub(super) fn operations(&mut self) -> u64 {
        self.place.operations()
    }

    fn name_of(&self, id: &str) -> String {
        self.accounts
            .iter()
            .find(|(_, one)| *one == id)
            .map_or_else(|| id.to_owned(), |(name, _)| name.clone())
    }
}

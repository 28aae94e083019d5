//! The sandbox as a place: changed by `billctl sandbox`, looked at by `billctl sandbox show`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::place::{Engine, Place};
use crate::support::home::{Ended, Home};

/// An organisation of its own, with nothing in it but the management account.
pub(super) struct SandboxPlace {
    home: Home,
}

impl SandboxPlace {
    /// Where the billing side stands, and with it trusted access of StackSets.
    pub(super) fn open() -> Self {
        let home = Home::empty();
        home.config("[mail]\nfrom = \"billing@example.com\"\n");
        home.run("sandbox new --accounts 0 --ous 0").code(0);
        home.run("bootstrap").code(0);
        Self { home }
    }

    fn do_it(&self, line: &str) {
        self.home.run(line).code(0);
    }

    fn shown(&self) -> Value {
        let shown = self.home.run("sandbox show --format json").code(0);
        serde_json::from_str(&shown.stdout).expect("JSON")
    }

    fn accounts(&self) -> Vec<Value> {
        let shown = self.shown();
        shown["accounts"].as_array().cloned().unwrap_or_default()
    }
}

impl Place for SandboxPlace {
    fn engine(&self) -> Engine {
        Engine::Sandbox
    }

    fn path(&self, ou: &str) -> String {
        format!("Root/{ou}")
    }

    fn stack_set(&self) -> &'static str {
        "billctl"
    }

    fn add_ou(&mut self, ou: &str) {
        let (parent, name) = ou
            .rsplit_once('/')
            .map_or_else(|| ("Root".to_owned(), ou), |(up, name)| (self.path(up), name));
        self.do_it(&format!("sandbox add-ou --name {name} --parent {parent}"));
    }

    fn add_account(&mut self, ou: &str, name: &str) -> String {
        let ou = self.path(ou);
        self.do_it(&format!("sandbox add-account --name {name} --ou {ou}"));
        self.accounts()
            .iter()
            .find(|account| account["name"] == name)
            .and_then(|account| Some(account["id"].as_str()?.to_owned()))
            .expect("the account that was added")
    }

    fn move_account(&mut self, account: &str, ou: &str) {
        let ou = self.path(ou);
        self.do_it(&format!("sandbox move --account {account} --ou {ou}"));
    }

    fn suspend(&mut self, account: &str) {
        self.do_it(&format!("sandbox suspend --account {account}"));
    }

    fn obstruct(&mut self, account: &str) {
        self.do_it(&format!("sandbox fail account {account} the_name_is_taken"));
    }

    fn clear(&mut self, account: &str) {
        self.do_it(&format!("sandbox fail fix {account}"));
    }

    fn edit_alarm(&mut self, account: &str, usd: u32) {
        self.do_it(&format!(
            "sandbox break alarm-edit --account {account} --threshold {usd}"
        ));
    }

    fn delete_alarm(&mut self, account: &str) {
        self.do_it(&format!("sandbox break alarm-delete --account {account}"));
    }

    fn delegate(&mut self, account: &str) {
        self.do_it(&format!("sandbox delegate --account {account}"));
        self.do_it(&format!("sandbox login --account {account}"));
    }

    fn settle(&mut self, _account: Option<&str>) {
        self.do_it("sandbox advance 1h");
    }

    fn thresholds(&mut self) -> BTreeMap<String, f64> {
        self.accounts()
            .iter()
            .filter_map(|account| Some((account["id"].as_str()?.to_owned(), account["threshold"].as_f64()?)))
            .collect()
    }

    fn operations(&mut self) -> u64 {
        self.shown()["stack_sets"][0]["operations"].as_u64().unwrap_or(0)
    }

    fn home(&self) -> &Home {
        &self.home
    }

    fn billctl(&self, line: &str) -> Ended {
        self.home.run(line)
    }
}

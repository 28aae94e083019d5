//! Where a scenario takes place: an organisation that can be changed, and looked at by somebody else than billctl.

use std::collections::BTreeMap;

use crate::support::home::{Ended, Home};

/// The role that the member template makes in each account (config's default).
pub(super) const MEMBER_ROLE: &str = "EventBridge-InvokeEventBus-Role";
/// The alarm in each account (config's default).
pub(super) const ALARM: &str = "Billing-Alarm";

/// What answers for AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// The sandbox, which is billctl's own.
    Sandbox,
    /// moto (docs/emulators.md).
    Moto,
    /// fakecloud (docs/emulators.md).
    Fakecloud,
    /// AWS itself, or what behaves as AWS documents.
    Aws,
}

/// An organisation of a scenario's own. OUs are given as paths below [`Place::path`] of nothing, such as `A/B`;
/// accounts by id.
pub(super) trait Place {
    /// What answers for AWS.
    fn engine(&self) -> Engine;

    /// The OU as config and the command line name it.
    fn path(&self, ou: &str) -> String;

    /// The StackSet's name.
    fn stack_set(&self) -> &str;

    /// Makes an OU; the one above it is there.
    fn add_ou(&mut self, ou: &str);

    /// Makes an account in an OU: its id.
    fn add_account(&mut self, ou: &str, name: &str) -> String;

    /// Moves an account to another OU.
    fn move_account(&mut self, account: &str, ou: &str);

    /// Takes an account out of service.
    fn suspend(&mut self, account: &str);

    /// Lets the stack fail in this account.
    fn obstruct(&mut self, account: &str);

    /// Ends what [`Place::obstruct`] began.
    fn clear(&mut self, account: &str);

    /// Gives an account's alarm another threshold, by hand.
    fn edit_alarm(&mut self, account: &str, usd: u32);

    /// Deletes an account's alarm, by hand.
    fn delete_alarm(&mut self, account: &str);

    /// Makes an account a delegated administrator; from now on billctl runs with its credentials.
    fn delegate(&mut self, account: &str);

    /// Lets happen what AWS does by itself, such as the deployment to `account`, which came to a targeted OU.
    fn settle(&mut self, account: Option<&str>);

    /// The threshold in force in each account that has the alarm.
    fn thresholds(&mut self) -> BTreeMap<String, f64>;

    /// How many operations the StackSet has had.
    fn operations(&mut self) -> u64;

    /// The folder in which billctl runs.
    fn home(&self) -> &Home;

    /// Runs billctl; words are separated by single spaces.
    fn billctl(&self, line: &str) -> Ended;
}

//! The rollout's scenarios, each written once, through the built binary, and run wherever AWS is answered for.
//!
//! They run on the sandbox; with `BILLCTL_SCENARIO_ENDPOINT` set, at that endpoint instead (`aws` for a real
//! organisation), and those that moto can do on moto as well. What is true is always read by another client. What
//! an engine can't do is named beside the scenario: there the scenario has to fail, so that a gap which has closed
//! is noticed. See docs/emulators.md.

mod endpoint;
mod place;
mod rollout;
mod sandbox;
mod stage;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use endpoint::EndpointPlace;
use place::{Engine, Place};
use sandbox::SandboxPlace;
use stage::Stage;

use crate::support::{emulator, venv};

/// Where the scenarios run instead of on the sandbox: a URL, or `aws`.
const ENDPOINT: &str = "BILLCTL_SCENARIO_ENDPOINT";
/// Whose gaps count there: `fakecloud`, `moto`, or by default `aws`, which has none.
const ENGINE: &str = "BILLCTL_SCENARIO_ENGINE";

/// What an engine can't do, why the scenario fails there, and words of the failure: another one is no gap.
type Gap = (Engine, &'static str, &'static str);

/// One scenario.
struct Scenario {
    name: &'static str,
    play: fn(&mut Stage),
    gaps: &'static [Gap],
}

impl Scenario {
    /// On the sandbox, or at the endpoint that the environment names.
    fn here(&self) {
        let Ok(url) = std::env::var(ENDPOINT) else {
            return self.on(Box::new(SandboxPlace::open()));
        };
        let engine = match std::env::var(ENGINE).as_deref() {
            Ok("fakecloud") => Engine::Fakecloud,
            Ok("moto") => Engine::Moto,
            Ok("aws") | Err(_) => Engine::Aws,
            Ok(other) => panic!("{ENGINE} is fakecloud, moto or aws, not {other}"),
        };
        let Some(venv) = venv::shared(self.name) else {
            return;
        };
        // All of them change one organisation: one after the other.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        self.on(Box::new(EndpointPlace::at(&url, engine, venv)));
    }

    /// On a moto of the test run's own.
    fn on_moto(&self) {
        let (Some(venv), Some(emulators)) = (venv::shared(self.name), emulator::shared(self.name)) else {
            return;
        };
        self.on(Box::new(EndpointPlace::on_moto(emulators, venv)));
    }

    /// It holds here, or fails by a gap that is known.
    fn on(&self, place: Box<dyn Place + '_>) {
        let engine = place.engine();
        let gap = self.gaps.iter().find(|(whose, ..)| *whose == engine);
        let played = catch_unwind(AssertUnwindSafe(|| (self.play)(&mut Stage::new(place))));
        match (gap, played) {
            (None, Ok(())) => {}
            (None, Err(panic)) => resume_unwind(panic),
            (Some((_, why, words)), Err(panic)) => {
                let said = panic.downcast_ref::<String>();
                if !said.is_some_and(|said| said.contains(words)) {
                    resume_unwind(panic);
                }
                // `eprintln!` would be swallowed by the capture, as the test passes.
                let line = format!("GAP: {} on {engine:?}: {why}\n", self.name);
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            (Some((_, why, _)), Ok(())) => panic!("{} holds on {engine:?} now: take the gap out ({why})", self.name),
        }
    }
}

/// A test of each scenario here, and one on moto.
macro_rules! scenarios {
    ($($name:ident: [$($engine:ident $why:literal $words:literal),* $(,)?];)*) => { $(
        mod $name {
            use super::{Scenario, rollout};

            const SCENARIO: Scenario = Scenario {
                name: stringify!($name),
                play: rollout::$name,
                gaps: &[$((super::Engine::$engine, $why, $words)),*],
            };

            #[test]
            fn holds() {
                SCENARIO.here();
            }

            #[test]
            fn holds_on_moto() {
                SCENARIO.on_moto();
            }
        }
    )* };
}

scenarios! {
    the_whole_of_an_ou_gets_the_alarm_and_a_second_run_starts_nothing: [];
    the_deepest_rule_gives_the_threshold: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    changed_and_reset_thresholds_touch_only_their_accounts: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    a_changed_default_leaves_overrides_as_they_are: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    a_new_account_is_covered_with_its_own_threshold: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    a_moved_account_gets_the_threshold_of_its_new_place: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    // What AWS says of an OU without instances that was a target is unverified (docs/aws-facts.md, "StackSets: instances"):
    // its reference calls them those that were specified.
    a_suspended_account_is_skipped: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
        Fakecloud "it lists only OUs with instances as a StackSet's" "holds no account that can get the alarm yet",
    ];
    an_empty_ou_is_said_and_covered_once_it_holds_an_account: [
        Fakecloud "it lists only OUs with instances as a StackSet's" "holds no account yet",
    ];
    an_account_that_fails_is_named_and_taken_up_again: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    prune_removes_what_config_no_longer_targets: [
        Moto "an override takes the StackSet's other parameters away" "Missing parameter EventBusArn",
    ];
    a_delegated_administrator_rolls_out: [
        Moto "it refuses the StackSets principal as a delegated service" "unrecognized service principal",
    ];
    an_alarm_deleted_by_hand_is_named_and_recreated: [
        Moto "its StackSets make no alarms" "has no alarm Billing-Alarm",
    ];
    an_alarm_edited_by_hand_is_put_right_by_making_it_anew: [
        Moto "its StackSets make no alarms" "has no alarm Billing-Alarm",
    ];
}

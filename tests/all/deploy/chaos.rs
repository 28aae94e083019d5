//! Everything goes wrong at once, by seed: the end is right all the same.

use super::{assert_right, config};
use crate::support::home::Home;

/// A rollout and a change of it; answers what is there afterwards.
fn played(seed: u64, faults: &[&str]) -> Home {
    let home = Home::empty();
    let accounts = 6 + seed * 5 % 17;
    let ous = 2 + seed % 5;
    home.config(&config(&["Root"], 100, &[]));
    home.run(&format!(
        "sandbox new --seed {seed} --accounts {accounts} --ous {ous}"
    ))
    .code(0);
    home.run("bootstrap").code(0);
    let members: Vec<String> = home.world()["organizations"]["accounts"]
        .as_object()
        .map(|accounts| accounts.keys().cloned().collect())
        .unwrap_or_default();
    let management = home.world()["caller"].as_str().map(str::to_owned);
    let chosen: Vec<&String> = members
        .iter()
        .filter(|account| Some(*account) != management.as_ref())
        .step_by(2 + seed as usize % 3)
        .collect();
    let rules = |first: u32| -> Vec<(&str, &str, u32)> {
        (0..)
            .zip(&chosen)
            .map(|(index, account)| ("account", account.as_str(), first + 100 * (index % 3)))
            .collect()
    };
    home.config(&config(&["Root"], 100, &rules(300)));
    for fault in faults {
        home.run(&format!("sandbox fail {fault}")).code(0);
    }
    home.run("deploy").code(0);
    // Another default, overrides that equal it, others that go.
    let mut second = rules(400);
    second.truncate(second.len() / 2 + 1);
    home.config(&config(&["Root"], 500, &second));
    home.run("deploy").code(0);
    home.run("sandbox fail none").code(0);
    home.run("bootstrap --yes").code(0);
    home
}

#[test]
fn whatever_goes_wrong_the_end_is_the_same_and_nothing_is_submitted_twice() {
    for seed in 4..=6 {
        let calm = played(seed, &[]);
        assert_right(&calm);
        let chaos = played(
            seed,
            &[
                "throttle 15%",
                "server-error 8%",
                "timeout 8%",
                "drop 12%",
                "lag 4",
            ],
        );
        assert_right(&chaos);
        assert_eq!(chaos.overrides(), calm.overrides(), "seed {seed}");
        let what = |home: &Home| -> Vec<String> {
            home.operations()
                .iter()
                .map(|id| {
                    id.rsplit_once('-')
                        .map_or(id.clone(), |(mark, _)| mark.to_owned())
                })
                .collect()
        };
        assert_eq!(what(&chaos), what(&calm), "seed {seed}");
    }
}

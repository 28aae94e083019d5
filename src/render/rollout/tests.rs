//! Plans of any size are read by people: how long they get, and that nobody is left out of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::plan::rollout::{AccountChange, Rollout, Skip, Wave};
use crate::resource::stack_set::desired;
use billctl_core::model::{Account, AccountId, OrganizationalUnit, OuId, Usd};

fn id(number: usize) -> AccountId {
    AccountId::from_number(100_000_000_000 + number as u64).unwrap()
}

/// A tree of OUs of which each has `width` below it, `depth` deep; then the accounts, spread over all of them.
fn organization(accounts: usize, width: usize, depth: usize, name: &str) -> Organization {
    let ou = |number: usize| -> OuId {
        match number {
            0 => "r-ab12".parse().unwrap(),
            _ => format!("ou-ab12-{number:08}").parse().unwrap(),
        }
    };
    let count: usize = (0..=depth).map(|level| width.pow(level as u32)).sum();
    let units = (0..count).map(|number| OrganizationalUnit {
        id: ou(number),
        name: match number {
            0 => "Root".to_owned(),
            _ => format!("{name}{}", (number - 1) % width + 1),
        },
        parent: (number > 0).then(|| ou((number - 1) / width)),
    });
    let accounts = (0..accounts).map(|number| {
        let account = Account {
            id: id(number),
            name: format!("{name}-{number}"),
            email: String::new(),
            state: AccountState::Active,
            joined: None,
        };
        (account, ou(number % count))
    });
    Organization::new("o-a1b2c3d4e5".parse().unwrap(), id(0), units, accounts)
}

fn plan(changes: impl IntoIterator<Item = AccountChange>) -> Waves {
    let config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").unwrap();
    let accounts: BTreeMap<AccountId, AccountChange> = (0..).map(id).zip(changes).collect();
    let above = accounts
        .keys()
        .step_by(7)
        .map(|account| (*account, Usd::dollars(900)))
        .collect();
    let rollout = Rollout {
        spec: desired(&config, id(0)),
        creates_stack_set: false,
        stack_set: vec![FieldChange {
            field: "template".to_owned(),
            before: Some((0..2_000).map(|line| format!("before {line}\n")).collect()),
            after: Some((0..2_000).map(|line| format!("after {line}\n")).collect()),
        }],
        accounts,
        steps: Vec::new(),
        notes: (0..60)
            .map(|note| format!("note {note} of the sort that every OU of many has"))
            .collect(),
    };
    let wave = |name: String| Wave {
        name: Some(name),
        rollout: rollout.clone(),
    };
    Waves {
        waves: (0..3).map(|number| wave(format!("wave-{number}"))).collect(),
        above,
        notes: Vec::new(),
    }
}

/// One of all changes, by number.
fn change(number: usize) -> AccountChange {
    let usd = Usd::dollars(10 + (number / 3 % 40) as i32);
    match number % 12 {
        0..=3 => AccountChange::Create {
            threshold: usd,
            overridden: number.is_multiple_of(2),
        },
        4 => AccountChange::Change {
            from: Some(Usd::dollars(100)),
            to: usd,
        },
        5 => AccountChange::Reset { from: None, to: usd },
        6 => AccountChange::Follow {
            from: Some(Usd::dollars(100)),
            to: usd,
        },
        7 => AccountChange::Update { threshold: Some(usd) },
        8 => AccountChange::Retry { threshold: usd },
        9 => AccountChange::Recreate {
            retain: true,
            threshold: usd,
        },
        10 => AccountChange::Remove {
            retain: number.is_multiple_of(5),
        },
        _ if number.is_multiple_of(2) => AccountChange::Leave { threshold: usd },
        _ => AccountChange::Skip { reason: Skip::Excluded },
    }
}

fn shown(format: Format, plan: &Waves, organization: &Organization, full: bool, width: Option<usize>) -> String {
    let text = rollout(format, plan, organization, None, Detail { full, width });
    anstream::adapter::strip_str(&text).to_string()
}

/// The lines that a text takes on a terminal of 80 columns.
fn height(text: &str) -> usize {
    text.lines().map(|line| display_width(line).div_ceil(80).max(1)).sum()
}

/// The accounts that a grouped plan counts.
fn grouped_sum(text: &str) -> usize {
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next()?, "+" | "~" | "-" | "=").then(|| words.next()?.parse::<usize>().ok())?
    });
    rows.sum()
}

#[test]
fn six_hundred_accounts_fit_on_a_screen() {
    let organization = organization(600, 4, 3, "ou");
    let changes = (0..600).map(|number| match number % 100 {
        0 => AccountChange::Remove { retain: false },
        1..=30 => AccountChange::Change {
            from: Some(Usd::dollars(100)),
            to: Usd::dollars(20),
        },
        _ => AccountChange::Create {
            threshold: Usd::dollars(50 * (1 + number % 3)),
            overridden: number % 3 > 0,
        },
    });
    let mut plan = plan(changes);
    for wave in &mut plan.waves {
        wave.rollout.notes.clear();
        wave.rollout.stack_set.clear();
    }
    let text = shown(Format::Table, &plan, &organization, false, Some(80));
    assert!(height(&text) <= 40, "{text}");
    insta::assert_snapshot!(text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the organisation and the changes: a screen for people, a comment for Markdown, and in each of them the
    /// accounts that the counts say.
    #[test]
    fn no_plan_is_longer_than_may_be_and_none_leaves_anybody_out(
        accounts in 1..1_500_usize,
        width in 1..6_usize,
        depth in 0..4_usize,
        kinds in prop::collection::vec(0..720_usize, 1..40),
        name in prop_oneof![Just("ou"), Just("a-rather-long-name-of-an-ou"), Just("|*_`<b>"), Just("部門の名前")],
    ) {
        let organization = organization(accounts, width, depth, name);
        let changes = (0..accounts).map(|number| change(kinds[number % kinds.len()]));
        let plan = plan(changes);
        let counts = plan.counts();
        let touched = counts.create + counts.change + counts.repair + counts.remove + counts.skip;

        let text = shown(Format::Table, &plan, &organization, false, Some(80));
        prop_assert!(height(&text) <= 60, "{text}");
        let whole = shown(Format::Table, &plan, &organization, true, None);
        let listed = whole.lines().filter(|line| line.contains(" 1000000")).count();
        prop_assert_eq!(listed, touched);
        if touched > MOST_NAMED {
            prop_assert_eq!(grouped_sum(&text), touched, "{}", text);
        }

        let json: serde_json::Value = serde_json::from_str(&shown(Format::Json, &plan, &organization, false, None)).unwrap();
        let lines = json["accounts"].as_array().unwrap();
        let acted = |what: &[&str]| lines.iter().filter(|line| what.contains(&line["action"].as_str().unwrap())).count();
        for (count, actions) in [
            (counts.create, &["create"][..]),
            (counts.change, &["change", "reset", "follow", "update"]),
            (counts.repair, &["retry", "recreate"]),
            (counts.remove, &["remove"]),
            (counts.skip, &["skip"]),
            (counts.leave, &["leave"]),
        ] {
            prop_assert_eq!(count, acted(actions));
        }
        for full in [false, true] {
            let markdown = shown(Format::Markdown, &plan, &organization, full, None);
            prop_assert!(markdown.chars().count() < 60_000, "{}", markdown.chars().count());
        }
    }
}

#[test]
fn ten_thousand_accounts_fit_into_a_comment_and_what_is_left_out_is_counted() {
    for name in ["ou", "a-rather-long-name-of-an-ou", "|*_`<b>"] {
        let organization = organization(10_000, 5, 4, name);
        let plan = plan((0..10_000).map(change));
        let counts = plan.counts();
        let touched = counts.create + counts.change + counts.repair + counts.remove + counts.skip;
        let text = shown(Format::Markdown, &plan, &organization, false, None);
        assert!(text.chars().count() < 60_000, "{}", text.chars().count());
        let text = shown(Format::Markdown, &plan, &organization, true, None);
        assert!(text.chars().count() < 60_000, "{}", text.chars().count());
        let listed = text.lines().filter(|line| line.contains(" 10000")).count();
        assert!(listed > 20, "{listed}");
        let more = format!("... {} accounts more", touched - listed);
        assert!(text.contains(&more), "{more}: {listed}");
    }
}

#[test]
fn a_path_that_is_too_long_keeps_its_end() {
    assert_eq!(ending("Root/Production", 20), "Root/Production");
    assert_eq!(ending("Root/Production/Payments", 12), ".../Payments");
    assert_eq!(ending("部門の名前", 7), "...名前");
}

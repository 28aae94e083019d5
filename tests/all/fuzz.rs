//! Inputs that nobody meant: config, OU selectors, events, sandbox files, AWS's answers, command lines, environments,
//! credential files and texts from outside, made at random and by breaking good ones. Whatever comes is read or refused,
//! and nothing panics.
//!
//! A normal run makes 20,000 inputs. `BILLCTL_FUZZ=1000000 cargo test --test all fuzz` makes that many, shared out over
//! the targets; a find is written to `tests/fuzz/`, whose files every run reads first.

mod answers;
mod broken;
mod runs;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::Duration;

use billctl::config::Config;
use billctl::resource::{self, Naming};
use billctl::{apply, observe, plan, render};
use billctl_core::event::NullListener;
use billctl_core::model::{Account, AccountState, Organization, OrganizationalUnit};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::text;
use billctl_sandbox::{Sandbox, World, seed};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use broken::{broken_json, broken_text, json_of};

/// Inputs of a normal run, all targets together.
const FEW: u64 = 20_000;

/// Runs `target` on every find that was kept and on its share, in thousandths, of this run's inputs. `target` panics,
/// or all is well.
fn fuzz(name: &str, share: u64, inputs: &BoxedStrategy<Vec<u8>>, target: impl Fn(&[u8])) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz")).join(name);
    for entry in std::fs::read_dir(&folder).into_iter().flatten() {
        let file = entry.expect("a readable folder").path();
        target(&std::fs::read(&file).expect("a readable file"));
    }
    let wanted = std::env::var("BILLCTL_FUZZ")
        .ok()
        .map(|text| text.parse().expect("BILLCTL_FUZZ is how many inputs to make"));
    // The few are the same in every run, so that no test fails by chance; the many are new each time.
    let mut runner = match wanted {
        None => TestRunner::new_with_rng(
            RunnerConfig::default(),
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        ),
        Some(_) => TestRunner::new(RunnerConfig::default()),
    };
    for _ in 0..wanted.unwrap_or(FEW) * share / 1_000 {
        let input = inputs
            .new_tree(&mut runner)
            .expect("a strategy without filters")
            .current();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            let mut hasher = DefaultHasher::new();
            input.hash(&mut hasher);
            let file = folder.join(format!("{:016x}", hasher.finish()));
            std::fs::create_dir_all(&folder).expect("a folder for finds");
            std::fs::write(&file, &input).expect("the find is kept");
            eprintln!("kept as {}", file.display());
            resume_unwind(panic);
        }
    }
}

/// Waits without a thread of its own.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

#[test]
fn any_config_is_read_or_refused() {
    const SAMPLE: &str = include_str!("../../config.toml");
    const WORDS: &[&str] = &[
        "[alarm]",
        "[mail]",
        "[[threshold]]",
        "[[wave]]",
        "[names]",
        "[deploy]",
        "[x.y]",
        "\n",
        "\r\n",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "=",
        "[",
        "]",
        "{",
        "}",
        ",",
        "threshold",
        "usd",
        "ou",
        "account",
        "from",
        "identity",
        "1e999",
        "-0",
        "nan",
        "inf",
        "9223372036854775808",
        "0x1F",
        "1979-05-27",
        "true",
        "\"\\u{10FFFF}\"",
        "\u{0}",
        "\u{7f}",
        "\u{feff}",
        "ä",
        "🦀",
        "\u{202e}",
        "\t",
        "\\",
        "\"billing@example.com\"",
        "\"Root/Production\"",
        "\"123456789012\"",
    ];
    let inputs = prop_oneof![
        4 => broken_text(SAMPLE.as_bytes(), WORDS),
        2 => broken_text(b"[mail]\nfrom = \"a@example.com\"\n", WORDS),
        1 => prop::collection::vec(prop::sample::select(WORDS), 0..40)
            .prop_map(|words| words.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    fuzz("config", 300, &inputs.boxed(), |bytes| {
        if let Err(error) = Config::parse_bytes("config.toml", bytes) {
            assert!(!render::error(&error).is_empty());
        }
    });
}

/// Names that try to be something else.
fn strange_organization() -> Organization {
    let ou = |id: &str, name: &str, parent: &str| OrganizationalUnit {
        id: id.parse().expect("an id"),
        name: name.into(),
        parent: Some(parent.parse().expect("an id")),
    };
    let root = OrganizationalUnit {
        id: "r-ab12".parse().expect("an id"),
        name: "Root".into(),
        parent: None,
    };
    Organization::new(
        "o-a1b2c3d4e5".parse().expect("an id"),
        "111122223333".parse().expect("an id"),
        [
            root,
            ou("ou-ab12-00000001", "Production", "r-ab12"),
            ou("ou-ab12-00000002", "Production", "ou-ab12-00000001"),
            ou("ou-ab12-00000003", "a/b", "r-ab12"),
            ou("ou-ab12-00000004", "ou-ab12-00000001", "r-ab12"),
            ou("ou-ab12-00000005", " ", "ou-ab12-00000003"),
            ou("ou-ab12-00000006", "Root", "ou-ab12-00000005"),
            ou("ou-ab12-00000007", "Ünïcödé 🦀", "r-ab12"),
            // Above it is an OU that isn't there, and a circle.
            ou("ou-ab12-00000008", "Orphan", "ou-ab12-99999999"),
            ou("ou-ab12-00000009", "One", "ou-ab12-0000000a"),
            ou("ou-ab12-0000000a", "Other", "ou-ab12-00000009"),
        ],
        [(
            Account {
                id: "222222222222".parse().expect("an id"),
                name: "member".into(),
                email: "member@example.com".into(),
                state: AccountState::Active,
                joined: None,
            },
            "ou-ab12-00000002".parse().expect("an id"),
        )],
    )
}

#[test]
fn any_selector_names_an_ou_or_none() {
    const WORDS: &[&str] = &[
        "Root",
        "Production",
        "/",
        "//",
        "a/b",
        "ou-ab12-00000001",
        "ou-ab12-",
        "r-ab12",
        "r-",
        " ",
        "ou-",
        "123456789012",
        "Orphan",
        "One",
        "Other",
        "Ünïcödé 🦀",
        "*",
        "%",
        "\\",
        "\u{0}",
        "..",
        "e\u{301}",
    ];
    let organization = strange_organization();
    let inputs = prop_oneof![
        prop::collection::vec(prop::sample::select(WORDS), 0..6).prop_map(|words| words.concat().into_bytes()),
        any::<String>().prop_map(String::into_bytes),
        broken_text(b"Root/Production/Production", WORDS),
    ];
    fuzz("selectors", 300, &inputs.boxed(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match organization.select(&text) {
            Ok(ou) => {
                assert!(organization.ou(&ou.id).is_some());
                assert!(organization.subtree(&ou.id).contains(&ou.id));
                organization.path(&ou.id);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

#[test]
fn any_text_is_harmless_where_it_is_shown() {
    const WORDS: &[&str] = &[
        "`", "\\", "|", "[", "](", "<", "@", "#", "##[", "::", "\n", "\u{1b}[", "]8;;", "\u{9b}", "\u{202e}", "=",
        "://",
    ];
    let inputs = prop_oneof![
        prop::collection::vec(prop::sample::select(WORDS), 0..20).prop_map(|words| words.concat().into_bytes()),
        broken_text(b"payments-prod (Root/Production), 95% of $100.00", WORDS),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    fuzz("texts", 147, &inputs.boxed(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        for safe in [
            text::line(&text),
            text::markdown(&text),
            text::code(&text),
            text::csv(&text),
            text::html(&text),
        ] {
            assert_eq!(text::lines(&safe), safe, "{text:?}");
            assert!(!safe.contains('\n'), "{text:?}");
        }
        let mut table = render::Table::new(render::Format::Markdown, &["one", "other"]);
        table.row([text::markdown(&text), text::code(&text)]);
        let page = format!("x {} y\n\n{}\n", text::markdown(&text), table.render());
        crate::hostile::is_inert("any text", &page);
        let toml: toml::Table = format!("a = {}", text::toml(&text)).parse().expect("TOML");
        assert_eq!(toml["a"].as_str(), Some(&*text));
    });
}

/// A billing side that is set up.
fn bootstrapped() -> World {
    let config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").expect("a config");
    let sandbox = Sandbox::in_memory(seed::demo());
    let services = sandbox.services();
    wait(async {
        let facts = observe::billing::facts(&services, &config).await.expect("facts");
        let naming = Naming {
            config: &config,
            facts: &facts,
        };
        let plan = plan::billing::plan(resource::desired(&naming), &Default::default());
        apply::billing::run(&plan, &services, &NullListener)
            .await
            .expect("a bootstrap");
        services.clock.sleep(Duration::from_secs(3_600)).await;
    });
    sandbox.world()
}

#[test]
fn any_event_leaves_the_notifier_standing() {
    const CASES: [&str; 3] = [
        include_str!("../notifier/cases/forged-alarm.json"),
        include_str!("../notifier/cases/test-event.json"),
        include_str!("../notifier/cases/recovery.json"),
    ];
    let world = bootstrapped();
    let member = world
        .organizations
        .accounts()
        .map(|(account, _)| account.id)
        .find(|id| *id != world.management_account())
        .expect("a member");
    let events: Vec<Value> = CASES
        .iter()
        .map(|case| {
            // From an account that is in the sandbox, so that the notifier goes all the way.
            let case = case.replace("123456789012", &member.to_string());
            let case: Value = serde_json::from_str(&case).expect("a case");
            case["event"].clone()
        })
        .collect();
    let inputs = prop::sample::select(events).prop_flat_map(broken_json).boxed();
    let world = RefCell::new(world);
    fuzz("events", 10, &inputs, |bytes| {
        let Some(event) = json_of(bytes) else { return };
        let mut world = world.borrow_mut();
        for bus in ["billctl", "default"] {
            world.receive_event(bus, &event);
        }
        world.advance(Duration::from_secs(60));
    });
}

#[test]
fn any_sandbox_file_is_opened_or_refused() {
    let whole = serde_json::to_value(bootstrapped()).expect("a world");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sandbox.json");
    fuzz("worlds", 3, &broken_json(whole).boxed(), |bytes| {
        let header = b"{\"billctl-sandbox\":1,\"generation\":\"g\"}\n";
        std::fs::write(&file, [header, bytes].concat()).expect("a file");
        let Ok(opened) = Sandbox::open(&file, CallAs::Own) else {
            return;
        };
        // In memory from here on, so that no run waits for a disk.
        let sandbox = Sandbox::in_memory(opened.world());
        let services = sandbox.services();
        wait(async {
            let config = Config::parse("config.toml", "[mail]\nfrom = \"billing@example.com\"\n").expect("a config");
            let readings = observe::doctor::readings(&services, &config, true).await;
            plan::doctor::examine(&config, &readings);
            if let Ok(facts) = observe::billing::facts(&services, &config).await {
                let naming = Naming {
                    config: &config,
                    facts: &facts,
                };
                let _ = observe::billing::read(&services, &naming).await;
            }
            let _ = observe::stack_set::observe(&services, "billctl").await;
            services.clock.sleep(Duration::from_secs(7 * 3_600)).await;
        });
    });
}

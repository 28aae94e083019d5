use super::*;
use crate::faults::{Die, Faults};
use crate::seed;
use billctl_core::service::billing::GET_BILLING_PREFERENCES;
use billctl_core::service::cloudformation::ACTIVATE_ORGANIZATIONS_ACCESS;
use billctl_core::service::{Clock, Organizations, Sts};

/// A call that changes something one can see.
async fn turn_off_alerts(sandbox: &Sandbox) -> ServiceResult<()> {
    sandbox
        .call(ACTIVATE_ORGANIZATIONS_ACCESS, |world| {
            world.billing_alerts = false;
            Ok(())
        })
        .await
}

fn alerts(sandbox: &Sandbox) -> bool {
    sandbox.peek(|world| world.billing_alerts)
}

fn with_faults(set: impl FnOnce(&mut Faults)) -> Sandbox {
    let mut world = seed::demo();
    set(&mut world.faults);
    Sandbox::in_memory(world)
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.json");
    let error = Sandbox::open(&path, CallAs::Own).err().unwrap();
    assert!(error.to_string().contains("there is no sandbox"), "{error}");
    assert!(error.remedy.unwrap().contains("billctl sandbox new"));
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_sandbox_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let header = r#"{"billctl-sandbox":1,"generation":"1"}"#;
    for text in [
        "",
        "{}",
        "not json at all",
        "\u{0}\u{1}",
        header,
        &format!("{header}\n{{\"now\":"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Sandbox::open(&path, CallAs::Own).err().unwrap();
        assert!(error.to_string().contains("can be read"), "{error}");
        assert!(Sandbox::create(&path, seed::demo(), false).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_file_of_a_newer_billctl_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    std::fs::write(&path, "{\"billctl-sandbox\":99,\"generation\":\"1\"}\n{}").unwrap();
    let error = Sandbox::open(&path, CallAs::Own).err().unwrap();
    assert!(error.to_string().contains("newer billctl"), "{error}");
}

#[tokio::test]
async fn two_processes_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let one = Sandbox::create(&path, seed::demo(), false).unwrap();
    let two = Sandbox::open(&path, CallAs::Own).unwrap();
    turn_off_alerts(&one).await.unwrap();
    assert!(!alerts(&two));
    let before = two.now();
    two.sleep(Duration::from_secs(60)).await;
    assert_eq!(one.peek(|world| world.now.duration_since(before)).as_secs(), 60);
}

#[tokio::test]
async fn a_read_saves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let sandbox = Sandbox::create(&path, seed::demo(), false).unwrap();
    let before = std::fs::read_to_string(&path).unwrap();
    sandbox.list_roots(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    turn_off_alerts(&sandbox).await.unwrap();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), before);
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let before = Sandbox::create(&path, seed::demo(), false).unwrap().world();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let sandbox = Sandbox::open(&path, CallAs::Own).unwrap();
                for _ in 0..25 {
                    sandbox
                        .change(|world| {
                            world.latency += Duration::from_millis(1);
                            Ok(())
                        })
                        .unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let after = Sandbox::open(&path, CallAs::Own).unwrap().world();
    assert_eq!(after.latency - before.latency, Duration::from_millis(100));
}

#[tokio::test]
async fn a_death_before_the_effect_leaves_the_world_and_every_later_call_fails() {
    let sandbox = with_faults(|faults| faults.die = Some(Die { at: 2, after: false }));
    sandbox.get_caller_identity().await.unwrap();
    assert!(turn_off_alerts(&sandbox).await.is_err());
    assert!(alerts(&sandbox));
    assert!(sandbox.get_caller_identity().await.is_err());
    // The next process is spared.
    let next = Sandbox::in_memory(sandbox.world());
    for _ in 0..3 {
        turn_off_alerts(&next).await.unwrap();
    }
}

#[tokio::test]
async fn a_death_after_the_effect_keeps_it() {
    let sandbox = with_faults(|faults| faults.die = Some(Die { at: 1, after: true }));
    assert!(turn_off_alerts(&sandbox).await.is_err());
    assert!(!alerts(&sandbox));
}

#[tokio::test]
async fn a_dropped_answer_took_effect() {
    let sandbox = with_faults(|faults| faults.drop = 1.0);
    let error = turn_off_alerts(&sandbox).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(!alerts(&sandbox));
}

#[tokio::test]
async fn throttled_calls_come_through_by_retrying() {
    let sandbox = with_faults(|faults| faults.throttle = 0.3);
    for _ in 0..100 {
        sandbox.get_caller_identity().await.unwrap();
    }
    let count = sandbox.gate().counts()[&billctl_core::service::sts::GET_CALLER_IDENTITY];
    assert!((20..80).contains(&count.throttled), "{} throttled", count.throttled);
}

#[tokio::test]
async fn a_denied_action_stays_denied_and_has_no_effect() {
    let denied = "cloudformation:ActivateOrganizationsAccess";
    let sandbox = with_faults(|faults| faults.deny = [denied.to_owned()].into());
    let error = turn_off_alerts(&sandbox).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(alerts(&sandbox));
    assert_eq!(sandbox.gate().counts()[&ACTIVATE_ORGANIZATIONS_ACCESS].calls, 1);
}

#[tokio::test]
async fn a_call_takes_the_latency_of_the_world() {
    let mut world = seed::demo();
    world.latency = Duration::from_millis(30);
    let sandbox = Sandbox::in_memory(world);
    let began = Instant::now();
    sandbox.read(GET_BILLING_PREFERENCES, |_| Ok(())).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(30));
}

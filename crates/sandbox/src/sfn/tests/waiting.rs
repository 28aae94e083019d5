//! Executions that wait: they live on the world's clock.

use jiff::SignedDuration;

use super::*;
use billctl_core::model::AccountId;
use billctl_core::service::Kind;

fn loop_of(seconds: u64) -> Value {
    json!({
        "A": {"Type": "Pass", "Assign": {"turns": 0, "seen": []}, "Next": "Turn"},
        "Turn": {"Type": "Pass", "Assign": {"turns": "{% $turns + 1 %}", "seen": "{% $append($seen, $millis()) %}"},
                 "Next": "Enough"},
        "Enough": {"Type": "Choice", "Default": "Sleep", "Choices": [
            {"Condition": "{% $turns > $states.context.Execution.Input.times %}", "Next": "Done"}
        ]},
        "Sleep": {"Type": "Wait", "Seconds": seconds, "Next": "Turn"},
        "Done": {"Type": "Succeed", "Output": "{% {'turns': $turns, 'seen': $seen} %}"}
    })
}

impl Stage {
    /// Another machine with this role, and what the role may do.
    async fn another(&self, name: &str, definition: Value, may: &[&str]) -> Arn {
        let sfn = &self.services.sfn;
        let role = sfn.describe_state_machine(&self.machine).await.unwrap().role_arn;
        self.allow(may).await;
        self.pass(60).await;
        sfn.create_state_machine(&new(name, definition, role)).await.unwrap()
    }
}

#[tokio::test]
async fn a_loop_of_waits_keeps_its_variables_and_its_times() {
    let stage = Stage::with(loop_of(3_300)).await;
    let arn = stage.named("n", json!({"times": 4})).unwrap();
    let began = stage.look(&arn).await.started;
    // In one step and in many it is the same.
    stage.pass(3_200).await;
    assert_eq!(stage.look(&arn).await.status, ExecutionStatus::Running);
    stage.pass(101).await;
    assert_eq!(stage.count(&arn, "WaitStateEntered").await, 2);
    stage.pass(24 * HOUR).await;
    let ended = stage.look(&arn).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    let output = ended.output.unwrap();
    assert_eq!(output["turns"], json!(5));
    let seen = output["seen"].as_array().unwrap();
    for (turn, at) in seen.iter().enumerate() {
        let after = at.as_i64().unwrap() - began.as_millisecond() - 3_300_000 * turn as i64;
        assert!((0..1_000).contains(&after), "{turn}: {after}");
    }
    let took = ended.stopped.unwrap().duration_since(began);
    assert!((13_200..13_202).contains(&took.as_secs()), "{took:?}");
    // The history goes on where it stopped.
    assert_eq!(stage.count(&arn, "ExecutionStarted").await, 1);
    assert_eq!(stage.count(&arn, "WaitStateExited").await, 4);
}

#[tokio::test]
async fn whoever_wakes_sees_what_was_published_by_then_and_the_worlds_time_is_right_afterwards() {
    let stage = Stage::with(json!({"A": {"Type": "Succeed"}})).await;
    let account: AccountId = stage.sandbox.peek(World::management_account);
    let watch = stage
        .another(
            "watch",
            machine(json!({
                "A": {"Type": "Pass", "Assign": {"newest": []}, "Next": "Look"},
                "Look": {
                    "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:cloudwatch:getMetricData",
                    "Arguments": {
                        "StartTime": "{% $fromMillis($millis() - 86400000) %}",
                        "EndTime": "{% $fromMillis($millis() + 86400000) %}",
                        "MetricDataQueries": [{"Id": "m", "MetricStat": {"Period": 300, "Stat": "Maximum", "Metric": {
                            "Namespace": "AWS/Billing", "MetricName": "EstimatedCharges", "Dimensions": [
                                {"Name": "Currency", "Value": "USD"},
                                {"Name": "LinkedAccount", "Value": account.to_string()}]}}}]
                    },
                    "Assign": {"newest": "{% $append($newest, $toMillis($states.result.MetricDataResults[0].Timestamps[0])) %}"},
                    "Next": "Enough"
                },
                "Enough": {"Type": "Choice", "Default": "Sleep", "Choices": [
                    {"Condition": "{% $count($newest) > 20 %}", "Next": "Done"}]},
                "Sleep": {"Type": "Wait", "Seconds": 3300, "Next": "Look"},
                "Done": {"Type": "Succeed", "Output": "{% $newest %}"}
            })),
            &["cloudwatch:GetMetricData"],
        )
        .await;
    let began = stage.services.clock.now();
    let sfn = &stage.services.sfn;
    let arn = sfn.start_execution(&watch, "w", &json!({})).await.unwrap();
    stage.pass(24 * HOUR).await;
    let now = stage.services.clock.now();
    assert_eq!(now, began + SignedDuration::from_hours(24));
    let ended = stage.look(&arn).await;
    let newest = ended.output.unwrap_or_else(|| panic!("{:?}", ended.error));
    let times = stage.sandbox.peek(|world| {
        let start = began - SignedDuration::from_hours(24);
        world.publications.times(account, start, now)
    });
    for (turn, newest) in newest.as_array().unwrap().iter().enumerate() {
        let at = began + SignedDuration::from_secs(3_300 * turn as i64 + 2);
        let published = times.iter().rfind(|time| **time < at).unwrap();
        // Buckets of five minutes start on multiples of five.
        let start = published.as_millisecond().div_euclid(300_000) * 300_000;
        assert_eq!(newest.as_i64(), Some(start), "{turn}");
    }
}

#[tokio::test]
async fn executions_wake_in_the_order_of_their_times_and_start_others_then() {
    let stage = Stage::with(json!({"A": {"Type": "Succeed"}})).await;
    let chain = stage
        .another(
            "chain",
            machine(json!({
                "A": {"Type": "Wait", "Seconds": "{% $states.input.wait %}", "Next": "Next"},
                "Next": {"Type": "Choice", "Default": "End", "Choices": [
                    {"Condition": "{% $states.input.left > 0 %}", "Next": "Start"}]},
                "Start": {
                    "Type": "Task", "Resource": "arn:aws:states:::states:startExecution",
                    "Arguments": {
                        "StateMachineArn": "{% $states.context.StateMachine.Id %}",
                        "Name": "{% $states.input.name & '_' & $states.input.left %}",
                        "Input": "{% $merge([$states.input, {'left': $states.input.left - 1}]) %}"
                    },
                    "Next": "End"
                },
                "End": {"Type": "Succeed"}
            })),
            &["states:StartExecution"],
        )
        .await;
    let began = stage.services.clock.now();
    for (name, wait) in [("slow", 5 * HOUR), ("quick", 2 * HOUR)] {
        let input = json!({"name": name, "wait": wait, "left": 8});
        let started = stage.services.sfn.start_execution(&chain, name, &input).await;
        started.unwrap();
    }
    stage.pass(30 * HOUR).await;
    let list = stage.list(&chain, None).await;
    let hours: Vec<(String, f64)> = list
        .iter()
        .map(|one| {
            let after = one.started.duration_since(began).as_secs_f64();
            (one.name.clone(), (after / 3_600.0).round())
        })
        .collect();
    // Newest first: one every five hours and one every two.
    let expected: Vec<(String, f64)> = [
        ("slow_3", 30.0),
        ("slow_4", 25.0),
        ("slow_5", 20.0),
        ("quick_1", 16.0),
        ("slow_6", 15.0),
        ("quick_2", 14.0),
        ("quick_3", 12.0),
        ("quick_4", 10.0),
        ("slow_7", 10.0),
        ("quick_5", 8.0),
        ("quick_6", 6.0),
        ("slow_8", 5.0),
        ("quick_7", 4.0),
        ("quick_8", 2.0),
        ("quick", 0.0),
        ("slow", 0.0),
    ]
    .map(|(name, hour)| (name.to_owned(), hour))
    .into();
    // The world is at 30 hours to the second, and a chain is a little later by each call.
    assert_eq!(hours, expected[1..], "{hours:?}");
}

#[tokio::test]
async fn timeout_seconds_count_waits() {
    let stage = Stage::with(json!({"A": {"Type": "Succeed"}})).await;
    let mut definition = machine(loop_of(3_300));
    definition["TimeoutSeconds"] = json!(7_200);
    let limited = stage.another("limited", definition, &["sts:GetCallerIdentity"]).await;
    let sfn = &stage.services.sfn;
    let arn = sfn.start_execution(&limited, "n", &json!({"times": 9})).await.unwrap();
    stage.pass(7_190).await;
    assert_eq!(stage.look(&arn).await.status, ExecutionStatus::Running);
    stage.pass(3_600).await;
    let ended = stage.look(&arn).await;
    assert_eq!(ended.status, ExecutionStatus::TimedOut);
    assert_eq!(ended.stopped.unwrap().duration_since(ended.started).as_secs(), 7_200);
    assert_eq!(ended.error.as_deref(), Some("States.Timeout"));
    assert_eq!(stage.kinds(&arn).await.last().unwrap(), "ExecutionTimedOut");
}

#[tokio::test]
async fn a_long_pause_before_a_retry_is_a_wait_too() {
    let stage = Stage::with(json!({
        "A": {
            "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:organizations:describeAccount",
            "Arguments": {"AccountId": "{% $states.input %}"},
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3600, "BackoffRate": 1, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", "Output": "caught"}],
            "End": true
        },
        "B": {"Type": "Succeed"}
    }))
    .await;
    let account = stage.sandbox.peek(World::management_account);
    let refused = stage.named("refused", json!(account)).unwrap();
    stage.pass(2 * HOUR + 10).await;
    assert_eq!(stage.count(&refused, "TaskFailed").await, 3);
    stage.pass(2 * HOUR).await;
    let ended = stage.look(&refused).await;
    assert_eq!(ended.output, Some(json!("caught")));
    assert_eq!(stage.count(&refused, "TaskFailed").await, 4);
    // What is fixed meanwhile works at the next try.
    let fixed = stage.named("fixed", json!(account)).unwrap();
    stage.pass(HOUR / 2).await;
    stage.allow(&["organizations:DescribeAccount"]).await;
    stage.pass(HOUR).await;
    let ended = stage.look(&fixed).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(stage.count(&fixed, "TaskFailed").await, 1);
}

#[tokio::test]
async fn an_execution_keeps_the_definition_that_it_started_with() {
    let stage = Stage::with(json!({
        "A": {"Type": "Wait", "Seconds": 3600, "Next": "B"},
        "B": {"Type": "Succeed", "Output": "old"}
    }))
    .await;
    let old = stage.named("old", json!({})).unwrap();
    let new = machine(json!({"A": {"Type": "Succeed", "Output": "new"}}));
    let sfn = &stage.services.sfn;
    let role = sfn.describe_state_machine(&stage.machine).await.unwrap().role_arn;
    sfn.update_state_machine(&stage.machine, &new, &role).await.unwrap();
    let started = stage.named("new", json!({})).unwrap();
    stage.pass(2 * HOUR).await;
    assert_eq!(stage.look(&old).await.output, Some(json!("old")));
    assert_eq!(stage.look(&started).await.output, Some(json!("new")));
}

#[tokio::test]
async fn deleting_a_machine_stops_what_runs() {
    let stage = Stage::with(loop_of(3_300)).await;
    let arn = stage.named("n", json!({"times": 9})).unwrap();
    stage.pass(HOUR).await;
    stage.services.sfn.delete_state_machine(&stage.machine).await.unwrap();
    stage.pass(24 * HOUR).await;
    let ended = stage.look(&arn).await;
    assert_eq!(ended.status, ExecutionStatus::Aborted);
    assert_eq!(ended.stopped.unwrap().duration_since(ended.started).as_secs(), 3_600);
    assert_eq!(stage.kinds(&arn).await.last().unwrap(), "ExecutionAborted");
}

#[tokio::test]
async fn the_same_name_and_input_while_it_runs_is_the_same_execution() {
    let stage = Stage::with(loop_of(3_300)).await;
    let (sfn, machine) = (&stage.services.sfn, &stage.machine);
    let input = json!({"times": 3});
    let start = |input: Value| async move {
        let started = sfn.start_execution(machine, "n", &input).await;
        started.map_err(|error| error.kind)
    };
    let first = start(input.clone()).await.unwrap();
    assert_eq!(start(json!({"times": 4})).await, Err(Kind::Exists));
    stage.pass(HOUR).await;
    assert_eq!(start(input.clone()).await, Ok(first));
    stage.pass(24 * HOUR).await;
    assert_eq!(start(input.clone()).await, Err(Kind::Exists));
    // The name is free after 90 days.
    stage.pass(89 * 24 * HOUR).await;
    assert_eq!(start(input.clone()).await, Err(Kind::Exists));
    stage.pass(24 * HOUR).await;
    start(input).await.unwrap();
    let none = "arn:aws:states:us-east-1:111111111111:stateMachine:none";
    let none = sfn.start_execution(&none.parse().unwrap(), "n", &json!({})).await;
    assert_eq!(none.unwrap_err().kind, Kind::NotFound);
    let bad = sfn.start_execution(machine, "a b", &json!({})).await;
    assert_eq!(bad.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn ten_thousand_executions_leave_names_lists_and_the_running_ones() {
    let stage = Stage::with(json!({
        "A": {"Type": "Choice", "Default": "C", "Choices": [
            {"Condition": "{% $states.input.wait %}", "Next": "B"}]},
        "B": {"Type": "Wait", "Seconds": 86400, "Next": "C"},
        "C": {"Type": "Succeed"}
    }))
    .await;
    let sandbox = &stage.sandbox;
    let at_once = json!({"wait": false});
    let waits = stage.named("waits", json!({"wait": true})).unwrap();
    for number in 0..10_000 {
        stage.named(&format!("n{number}"), at_once.clone()).unwrap();
    }
    stage.pass(HOUR).await;
    assert_eq!(stage.named("n0", at_once.clone()).unwrap_err().kind, Kind::Exists);
    let running = stage.list(&stage.machine, Some(ExecutionStatus::Running)).await;
    assert_eq!(running.len(), 1);
    // What is kept on disk: it comes back whole, and small.
    let kept = || sandbox.peek(|world| serde_json::to_string(&world.sfn).unwrap());
    let text = kept();
    assert!(text.len() < 6_000_000, "{}", text.len());
    let again: State = serde_json::from_str(&text).unwrap();
    let put_back = sandbox.change(|world| {
        world.sfn = again;
        Ok(())
    });
    put_back.unwrap();
    let other = kept();
    assert_eq!(text, other);
    assert!(stage.kinds(&waits).await.len() > 2);
    stage.pass(24 * HOUR).await;
    assert_eq!(stage.look(&waits).await.status, ExecutionStatus::Succeeded);
    assert_eq!(stage.named("n9", at_once).unwrap_err().kind, Kind::Exists);
}

#[tokio::test]
async fn ends_of_every_kind_are_counted() {
    let stage = Stage::with(json!({
        "A": {"Type": "Wait", "Seconds": 60, "Next": "B"},
        "B": {"Type": "Choice", "Default": "C", "Choices": [
            {"Condition": "{% $states.input.fails %}", "Next": "D"}]},
        "C": {"Type": "Succeed"},
        "D": {"Type": "Fail", "Error": "E", "Cause": "c"}
    }))
    .await;
    stage.named("a", json!({"fails": true})).unwrap();
    stage.named("b", json!({"fails": false})).unwrap();
    stage.named("c", json!({"fails": false})).unwrap();
    stage.pass(600).await;
    let count = |name: &str| {
        stage.sandbox.peek(|world| {
            let dimensions = [("StateMachineArn".to_owned(), stage.machine.to_string())];
            let metric = billctl_core::service::cloudwatch::Metric {
                namespace: "AWS/States".into(),
                name: name.into(),
                dimensions: dimensions.into(),
            };
            let payer = world.management_account();
            let source = crate::cloudwatch::source(world, payer, &metric);
            let start = world.now - SignedDuration::from_hours(1);
            source.map(|source| source.points(world, start, world.now).len())
        })
    };
    assert_eq!(count("ExecutionsFailed"), Some(1));
    assert_eq!(count("ExecutionsSucceeded"), Some(2));
    for name in ["ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"] {
        assert_eq!(count(name), Some(0), "{name}");
    }
    assert_eq!(count("ExecutionsStarted"), None);
}

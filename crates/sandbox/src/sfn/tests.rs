mod waiting;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::iam::trusting;
use crate::seed;
use billctl_core::service::Services;

const HOUR: u64 = 3_600;

/// The demo organisation with one state machine, whose role may do nothing.
struct Stage {
    sandbox: Sandbox,
    services: Services,
    machine: Arn,
}

impl Stage {
    async fn with(states: Value) -> Self {
        let sandbox = Sandbox::in_memory(seed::demo());
        let services = sandbox.services();
        let role = services.iam.create_role(&trusting(STATES_SERVICE)).await.unwrap();
        services.clock.sleep(Duration::from_secs(10)).await;
        let new = new("m", machine(states), role);
        let machine = services.sfn.create_state_machine(&new).await.unwrap();
        Self {
            sandbox,
            services,
            machine,
        }
    }

    /// Runs an execution and waits for a day.
    async fn run(&self, input: Value) -> Execution {
        let arn = self.start(None, input).unwrap();
        self.pass(24 * HOUR).await;
        self.look(&arn).await
    }

    fn start(&self, name: Option<&str>, input: Value) -> Answer<Arn> {
        let name = name.map(str::to_owned);
        self.sandbox
            .change(|world| Ok(start(world, &self.machine, name, input)))
            .unwrap()
    }

    fn named(&self, name: &str, input: Value) -> Answer<Arn> {
        self.start(Some(name), input)
    }

    async fn pass(&self, seconds: u64) {
        self.services.clock.sleep(Duration::from_secs(seconds)).await;
    }

    async fn look(&self, arn: &Arn) -> Execution {
        self.services.sfn.describe_execution(arn).await.unwrap()
    }

    async fn list(&self, machine: &Arn, status: Option<ExecutionStatus>) -> Vec<Execution> {
        let page = self.services.sfn.list_executions(machine, status, None).await;
        page.unwrap().items
    }

    async fn kinds(&self, arn: &Arn) -> Vec<String> {
        let history = self.services.sfn.get_execution_history(arn, None).await;
        let events = history.unwrap().items.into_iter();
        events.map(|event| event.kind).collect()
    }

    /// How many events of this kind its history has.
    async fn count(&self, arn: &Arn, kind: &str) -> usize {
        self.kinds(arn).await.iter().filter(|one| *one == kind).count()
    }

    /// Lets the role do this.
    async fn allow(&self, actions: &[&str]) {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"}
        ]});
        self.services.iam.put_role_policy("r", "may", &policy).await.unwrap();
    }
}

fn machine(states: Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states})
}

fn new(name: &str, definition: Value, role_arn: Arn) -> NewStateMachine {
    NewStateMachine {
        name: name.into(),
        definition,
        role_arn,
        tags: Tags::new(),
    }
}

/// What the expression makes of the input.
async fn yields(expression: &str, input: Value) -> std::result::Result<Value, String> {
    let stage = Stage::with(json!({
        "A": {"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}
    }))
    .await;
    let execution = stage.run(input).await;
    execution.output.ok_or_else(|| execution.error.unwrap_or_default())
}

#[tokio::test]
async fn an_expression_sees_the_input_and_step_functions_own_functions() {
    let input = json!({"a": [1, 2, 3], "text": "{\"b\": 4}"});
    for (expression, expected) in [
        ("$sum($states.input.a)", json!(6)),
        ("$parse($states.input.text).b", json!(4)),
        ("$partition($states.input.a, 2)", json!([[1, 2], [3]])),
        ("$range(0, 10, 5)", json!([0, 5, 10])),
        ("$random(7) = $random(7)", json!(true)),
        ("$length($uuid())", json!(36)),
        ("$split($states.context.StateMachine.Id, ':')[6]", json!("m")),
        ("[$states.input.a[$ > 2]]", json!([3])),
    ] {
        assert_eq!(yields(expression, input.clone()).await, Ok(expected), "{expression}");
    }
}

#[tokio::test]
async fn an_expression_without_a_value_fails_the_execution() {
    for expression in ["$states.input.none", "bare", "$nosuch()", "function($x) { $x }"] {
        let answer = yields(expression, json!({"bare": 1})).await;
        assert_eq!(answer, Err("States.QueryEvaluationError".to_owned()), "{expression}");
    }
}

#[tokio::test]
async fn what_a_state_assigns_is_seen_by_the_next_one_only() {
    let stage = Stage::with(json!({
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": 10}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"x": "{% $y %}", "y": "{% $x %}"}, "Output": "{% $x %}", "Next": "C"},
        "C": {"Type": "Succeed", "Output": "{% {'x': $x, 'y': $y, 'before': $states.input} %}"}
    }))
    .await;
    let execution = stage.run(json!({})).await;
    assert_eq!(execution.output, Some(json!({"x": 10, "y": 1, "before": 1})));
}

#[tokio::test]
async fn a_choice_takes_the_first_condition_that_is_met() {
    let stage = Stage::with(json!({
        "A": {"Type": "Choice", "Default": "D", "Choices": [
            {"Condition": "{% $states.input.n > 10 %}", "Next": "B"},
            {"Condition": "{% $states.input.n > 5 %}", "Next": "C", "Output": "middle"}
        ]},
        "B": {"Type": "Fail", "Error": "TooMuch", "Cause": "{% 'n is ' & $states.input.n %}"},
        "C": {"Type": "Succeed"},
        "D": {"Type": "Succeed", "Output": "small"}
    }))
    .await;
    assert_eq!(stage.run(json!({"n": 7})).await.output, Some(json!("middle")));
    assert_eq!(stage.run(json!({"n": 1})).await.output, Some(json!("small")));
    let failed = stage.run(json!({"n": 11})).await;
    assert_eq!(failed.status, ExecutionStatus::Failed);
    assert_eq!(
        (failed.error.as_deref(), failed.cause.as_deref()),
        (Some("TooMuch"), Some("n is 11"))
    );
    // A condition must be a boolean.
    let odd = stage.run(json!({"n": "x"})).await;
    assert_eq!(odd.error.as_deref(), Some("States.QueryEvaluationError"));
}

#[tokio::test]
async fn a_call_that_the_role_does_not_allow_is_retried_and_caught_as_the_state_says() {
    let stage = Stage::with(json!({
        "A": {
            "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:organizations:describeAccount",
            "Arguments": {"AccountId": "{% $states.input %}"},
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["Organizations.AccessDeniedException"], "Next": "B",
                       "Assign": {"why": "{% $states.errorOutput.Cause %}"}}],
            "End": true
        },
        "B": {"Type": "Succeed", "Output": "{% $why %}"}
    }))
    .await;
    let account = stage.sandbox.peek(World::management_account);
    let execution = stage.run(json!(account)).await;
    let why = execution.output.unwrap().to_string();
    assert!(why.contains("not authorized to perform: organizations:DescribeAccount"));
    // 10, 20 and 40 seconds of pauses.
    let took = execution.stopped.unwrap().duration_since(execution.started);
    assert!((70..75).contains(&took.as_secs()), "{took:?}");
    assert_eq!(stage.count(&execution.arn, "TaskFailed").await, 4);
}

#[tokio::test]
async fn an_execution_that_waits_is_running_until_its_time_has_come() {
    let stage = Stage::with(json!({
        "A": {"Type": "Wait", "Seconds": "{% $states.input %}", "Next": "B"},
        "B": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "X", "States": {"X": {"Type": "Succeed", "Output": 1}}},
            {"StartAt": "Y", "States": {"Y": {"Type": "Succeed", "Output": 2}}}
        ]}
    }))
    .await;
    let arn = stage.start(None, json!(3_600)).unwrap();
    let execution = stage.look(&arn).await;
    assert_eq!(execution.status, ExecutionStatus::Running);
    assert_eq!(execution.output, None);
    stage.pass(3_610).await;
    let execution = stage.look(&arn).await;
    assert_eq!(execution.status, ExecutionStatus::Succeeded);
    assert_eq!(execution.output, Some(json!([1, 2])));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let stage = Stage::with(json!({"A": {"Type": "Succeed"}})).await;
    stage.named("n", json!(1)).unwrap();
    stage.pass(60).await;
    let again = stage.named("n", json!(1));
    assert_eq!(again.unwrap_err().code, "ExecutionAlreadyExists");
    let succeeded = stage.list(&stage.machine, Some(ExecutionStatus::Succeeded)).await;
    assert_eq!(succeeded.len(), 1);
}

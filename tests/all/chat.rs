//! Messages to chats: from the config to what a topic takes, and what becomes of the mail where it takes nothing.

use billctl_core::model::{AccountId, Arn};
use billctl_core::service::sfn::ExecutionStatus;
use billctl_sandbox::sns::Notification;
use billctl_sandbox::{World, metrics};
use serde_json::{Value, json};

use crate::support::emulator::{Endpoints, shared};
use crate::support::home::Home;
use crate::support::node;

/// In Root/Production/Payments, and in Root/Production.
const PAYMENTS: &str = "payments-prod";
const WEB: &str = "prod-web";
/// Another account than the demo's.
const ELSEWHERE: &str = "arn:aws:sns:us-east-1:123456789012:spend";

fn account(home: &Home, name: &str) -> AccountId {
    let mut found = None;
    home.change(|world| {
        found = world
            .organizations
            .accounts()
            .find(|(account, _)| account.name == name)
            .map(|(account, _)| account.id);
    });
    found.unwrap_or_else(|| panic!("no account {name}"))
}

fn topic(home: &Home, name: &str) -> Arn {
    let mut payer = None;
    home.change(|world| payer = Some(world.management_account()));
    Arn::new("sns", "us-east-1", payer.unwrap(), name)
}

/// The demo with a sender, and these `[[chat]]`s.
fn with_chats(chats: &[(Option<&str>, &str)]) -> Home {
    let home = Home::with_sandbox("");
    let mut config = "[mail]\nfrom = \"billing@example.com\"\nidentity = \"example.com\"\n".to_owned();
    for (ou, name) in chats {
        let topic = if name.starts_with("arn:") {
            (*name).to_owned()
        } else {
            topic(&home, name).to_string()
        };
        config.push_str("\n[[chat]]\n");
        if let Some(ou) = ou {
            config.push_str(&format!("ou = \"{ou}\"\n"));
        }
        config.push_str(&format!("topic = \"{topic}\"\n"));
    }
    home.config(&config);
    home.change(|world| {
        let now = world.now;
        world.sesv2.verify("example.com", now);
        world.sesv2.production_access = true;
    });
    home
}

fn told(home: &Home) -> Vec<Notification> {
    let mut told = Vec::new();
    home.change(|world| told = world.sns.notifications().to_vec());
    told
}

fn mails(home: &Home) -> usize {
    let mut mails = 0;
    home.change(|world| mails = world.sesv2.mails().len());
    mails
}

fn journey(home: &Home, account: AccountId, code: i32) -> Value {
    let ended = home.run(&[
        "test-alert",
        "--yes",
        "--format",
        "json",
        "--account",
        &account.to_string(),
    ]);
    serde_json::from_str(&ended.code(code).stdout).expect("JSON")
}

fn hop<'a>(journey: &'a Value, name: &str) -> &'a Value {
    let mut hops = journey["hops"].as_array().unwrap().iter();
    hops.find(|hop| hop["name"] == name)
        .unwrap_or_else(|| panic!("{journey:#}"))
}

#[test]
fn a_test_is_followed_to_the_topic_of_the_accounts_deepest_ou() {
    let home = with_chats(&[
        (None, "spend"),
        (Some("Production"), "prod"),
        (Some("Production/Payments"), "payments"),
    ]);
    for name in ["spend", "prod", "payments"] {
        let said = home.succeeds(&["sandbox", "add-topic", name]);
        assert!(said.contains(topic(&home, name).as_str()), "{said}");
    }
    let made = home.succeeds("bootstrap");
    assert!(!made.contains("chat"), "{made}");
    for (name, wanted) in [(PAYMENTS, "payments"), (WEB, "prod"), ("sandbox-amira", "spend")] {
        let before = told(&home).len();
        let journey = journey(&home, account(&home, name), 0);
        let hop = hop(&journey, &format!("chat topic {wanted}"));
        assert_eq!(hop["status"], "ok");
        let id = journey["chat_message_id"].as_str().unwrap();
        assert!(hop["detail"].as_str().unwrap().contains(id), "{hop}");
        let told = told(&home);
        assert_eq!(told.len(), before + 1);
        let last = told.last().unwrap();
        assert_eq!(last.topic, topic(&home, wanted));
        let title = last.chat_title().unwrap();
        assert!(title.starts_with(&format!("Test: Account {name}: $")), "{title}");
    }
    // People see the latest in the sandbox too.
    let shown = home.succeeds("sandbox show");
    assert!(shown.contains("chat, by topic payments, "), "{shown}");
    // What the role may do is exactly this.
    let role = home.world()["iam"].to_string();
    for name in ["spend", "prod", "payments"] {
        assert!(role.contains(topic(&home, name).as_str()), "{name}: {role}");
    }
}

#[test]
fn an_account_that_is_moved_is_heard_of_in_its_new_ous_chat_without_another_bootstrap() {
    let home = with_chats(&[(Some("Production"), "prod"), (Some("Sandboxes"), "play")]);
    for name in ["prod", "play"] {
        home.succeeds(&["sandbox", "add-topic", name]);
    }
    home.succeeds("bootstrap");
    home.succeeds(&["sandbox", "move", "--name", WEB, "--ou", "Sandboxes"]);
    journey(&home, account(&home, WEB), 0);
    assert_eq!(told(&home).last().unwrap().topic, topic(&home, "play"));
    // Nobody's topic: nothing is published, and nothing is said of a chat.
    let journey = journey(&home, account(&home, "nimbus-shop"), 0);
    assert_eq!(journey["chat_message_id"], Value::Null);
    assert!(!journey["hops"].to_string().contains("chat"), "{journey}");
}

#[test]
fn a_topic_that_refuses_ends_the_test_there_with_its_remedy_and_the_mail_is_out() {
    let home = with_chats(&[(None, "spend")]);
    let account = account(&home, WEB);
    let said = home.succeeds("bootstrap");
    assert!(
        said.contains("chat messages reach nobody: there is no topic spend"),
        "{said}"
    );
    let gone = journey(&home, account, 1);
    assert_eq!(hop(&gone, "chat topic spend")["status"], "failed");
    assert!(
        gone["remedy"].as_str().unwrap().contains("there is no topic"),
        "{gone:#}"
    );
    assert_eq!((mails(&home), gone["message_id"].is_string()), (1, true));

    // A key that lets nobody in.
    home.change(|world| {
        let arn = Arn::new("sns", "us-east-1", world.management_account(), "spend");
        world.sns.add(&arn, Some("alias/mine"));
        world.sns.add_channel(&arn);
        world.sns.locked.insert("alias/mine".to_owned());
    });
    let said = home.succeeds("bootstrap");
    let asks =
        "to do: chat messages go to topic spend, if the policy of its key alias/mine lets the notifier use it: let";
    assert!(
        said.contains(asks) && said.contains("kms:GenerateDataKey* and kms:Decrypt"),
        "{said}"
    );
    let shut = journey(&home, account, 1);
    assert!(
        shut["remedy"].as_str().unwrap().contains("kms:GenerateDataKey*"),
        "{shut:#}"
    );

    // The managed key lets its own account in; then the role's right is taken away.
    home.change(|world| {
        let arn = Arn::new("sns", "us-east-1", world.management_account(), "spend");
        world.sns.add(&arn, Some("alias/aws/sns"));
        world.sns.add_channel(&arn);
    });
    journey(&home, account, 0);
    home.edit_world(|world| {
        let text = world.to_string().replace("sns:Publish", "sns:Unpublish");
        *world = serde_json::from_str(&text).unwrap();
    });
    let denied = journey(&home, account, 1);
    assert!(
        hop(&denied, "chat topic spend")["detail"]
            .as_str()
            .unwrap()
            .contains("sns:Publish"),
        "{denied:#}"
    );
    assert!(
        denied["remedy"].as_str().unwrap().contains("billctl bootstrap"),
        "{denied:#}"
    );
    assert_eq!(mails(&home), 4);
}

#[test]
fn another_accounts_topic_has_to_let_the_role_in() {
    let home = with_chats(&[(None, ELSEWHERE)]);
    home.change(|world| {
        world.sns.add(&ELSEWHERE.parse().unwrap(), None);
    });
    let said = home.succeeds("bootstrap");
    assert!(
        said.contains("which is another account's, if its policy lets the notifier publish"),
        "{said}"
    );
    assert!(said.contains("call sns:Publish in the policy of the topic"), "{said}");
    let account = account(&home, WEB);
    let denied = journey(&home, account, 1);
    assert!(
        denied["remedy"].as_str().unwrap().contains("another account's topic"),
        "{denied:#}"
    );
    home.change(|world| {
        let role = format!("arn:aws:iam::{}:role/billctl-notifier", world.management_account());
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": role}, "Action": "sns:Publish", "Resource": ELSEWHERE,
        }]});
        world.sns.set_policy(&ELSEWHERE.parse().unwrap(), &policy);
    });
    journey(&home, account, 0);
    assert_eq!(told(&home).len(), 1);
}

/// The account spends far above its limit from now on, and is told of.
fn tell(home: &Home, account: AccountId) {
    home.change(|world| metrics::set_daily(world, account, "900".parse().unwrap()));
    home.succeeds("sandbox advance 2d");
    home.succeeds("spend --tell");
}

fn executions(home: &Home, begins: &str) -> Vec<(String, ExecutionStatus, String)> {
    let home = home.sandbox();
    let services = home.services();
    let machine = home.peek(|world: &World| {
        let payer = world.management_account();
        format!("arn:aws:states:us-east-1:{payer}:stateMachine:billctl-notifier")
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let page = services
            .sfn
            .list_executions(&machine.parse().unwrap(), None, None)
            .await
            .unwrap();
        let mut found = Vec::new();
        for one in page.items.into_iter().filter(|one| one.name.starts_with(begins)) {
            let whole = services.sfn.describe_execution(&one.arn).await.unwrap();
            found.push((one.name, whole.status, whole.error.unwrap_or_default()));
        }
        found
    })
}

#[test]
fn a_chat_that_is_not_told_costs_no_mail_and_operations_hear_of_it() {
    let home = with_chats(&[(None, "spend")]);
    home.succeeds("bootstrap");
    let account = account(&home, WEB);
    tell(&home, account);
    home.succeeds("sandbox advance 5m");
    assert_eq!((mails(&home), told(&home).len()), (1, 0));
    let days = executions(&home, "day_");
    assert!(
        days.iter().all(|(_, status, _)| *status == ExecutionStatus::Running),
        "{days:?}"
    );
    let chats = executions(&home, "chat_");
    let [(_, status, error)] = chats.as_slice() else {
        panic!("{chats:?}")
    };
    assert_eq!(
        (*status, error.as_str()),
        (ExecutionStatus::Failed, "Billctl.ChatNotTold")
    );
    let status = home.run("status").stdout;
    assert!(
        status.contains("chat messages reach nobody: there is no topic spend"),
        "{status}"
    );
    assert!(status.contains("Billctl.ChatNotTold"), "{status}");
    assert!(status.contains("in ALARM: billctl-notifier-failed"), "{status}");
    // Nothing is sent again for it, and with the topic there the next mail is told of.
    let again = home.run("resend --dry-run").stdout;
    assert!(!again.contains("day_") || again.contains("nothing"), "{again}");
    home.succeeds("sandbox add-topic spend");
    home.succeeds("sandbox advance 1d");
    home.succeeds("spend --tell");
    home.succeeds("sandbox advance 5m");
    let told = told(&home);
    assert!(!told.is_empty());
    let title = told[0].chat_title().unwrap();
    assert!(title.starts_with("Account prod-web, day 2: $"), "{title}");
}

#[test]
fn doctor_says_what_each_topic_lacks() {
    let home = with_chats(&[(None, "spend"), (Some("Production"), "prod")]);
    home.succeeds("sandbox add-topic spend");
    let answer = home.run("doctor --format json");
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    let checks = answer["checks"].as_array().unwrap();
    let chat = checks.iter().find(|check| check["name"] == "chat").unwrap();
    assert_eq!(chat["verdict"], "warning");
    let finding = chat["finding"].as_str().unwrap();
    assert!(finding.contains("chat messages go to topic spend"), "{finding}");
    assert!(finding.contains("there is no topic prod"), "{finding}");
    assert!(chat["remedy"].as_str().unwrap().contains("[[chat]]"), "{chat}");
}

#[test]
fn an_ou_that_is_not_there_is_underlined_in_the_config() {
    let home = with_chats(&[(Some("Productoin"), "prod")]);
    for line in ["bootstrap --plan", "deploy --plan --ou Production"] {
        let ended = home.run(line).code(2);
        assert!(
            ended.stderr.contains("there is no OU `Productoin`"),
            "{line}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("did you mean Root/"), "{line}: {}", ended.stderr);
    }
}

/// The state that publishes, alone, on an engine that others wrote: the call that it makes over the wire, and what comes
/// out at a subscriber.
#[test]
fn ministack_publishes_what_the_state_machine_asks_for() {
    let Some(emulators) = shared("the chat's message on ministack") else {
        return;
    };
    let tenant = emulators.tenant();
    let shipped = std::fs::read_to_string(node::NOTIFIER).unwrap();
    let shipped: Value = serde_json::from_str(&shipped).unwrap();
    let mut tell = shipped["States"]["Tell the chat"].clone();
    tell["Next"] = json!("Done");
    tell["Catch"][0]["Next"] = json!("Done");
    let mail = json!({
        "account_name": "shop_prod <!channel>", "amount": "$412.80", "span": "in the 24 hours to 12:00 UTC",
        "limit": "$250.00", "limit_noun": "daily limit", "limit_phrase": "the daily limit of $250.00",
        "verdict": "65% above the daily limit of $250.00", "services": [], "has_outlook": false, "forecast": "–",
        "since": "", "doubt": "", "limit_note": "", "state_note": "", "missing_note": "", "ou_path": "Root / Production",
        "cost_url": "https://example.com/cost", "alarm_url": "https://example.com/alarm",
    });
    let machine = json!({
        "QueryLanguage": "JSONata", "StartAt": "Begin",
        "States": {
            "Begin": {"Type": "Pass", "Next": "Tell the chat", "Assign": {
                "topic": "{% $states.input.topic %}", "mail": mail, "account": "123456789012", "isTest": false,
                "as": "first", "dayCount": 1, "eventId": "e-1", "amount": 412.8, "amountKnown": true, "threshold": 250,
                "verdict": "certain", "chats": 0, "chatsFailed": 0,
            }},
            "Tell the chat": tell,
            "Done": {"Type": "Pass", "End": true, "Output": {
                "chats": "{% $chats %}", "failed": "{% $chatsFailed %}", "why": "{% $chatFailure %}",
            }},
        },
    });
    let made = tenant.boto3(
        Endpoints::Ministack,
        &format!(
            r#"
import time
sns, sqs, sfn = client('sns'), client('sqs'), client('stepfunctions')
topic = sns.create_topic(Name='spend')['TopicArn']
queue = sqs.create_queue(QueueName='chat')['QueueUrl']
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
sns.subscribe(TopicArn=topic, Protocol='sqs', Endpoint=arn)
account = client('sts').get_caller_identity()['Account']
machine = sfn.create_state_machine(name='chat', definition=json.dumps(json.loads({machine:?})),
                                   roleArn=f'arn:aws:iam::{{account}}:role/x')['stateMachineArn']
def run(topic):
    run = sfn.start_execution(stateMachineArn=machine, input=json.dumps({{'topic': topic}}))['executionArn']
    for _ in range(200):
        seen = sfn.describe_execution(executionArn=run)
        if seen['status'] != 'RUNNING':
            return json.loads(seen.get('output', 'null'))
        time.sleep(0.1)
told = run(topic)
[message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)['Messages']
result = {{'told': told, 'message': json.loads(message['Body']), 'gone': run(topic + '-gone')}}
"#,
            machine = machine.to_string(),
        ),
    );
    assert_eq!(made["told"], json!({"chats": 1, "failed": 0, "why": ""}), "{made:#}");
    assert_eq!(made["message"]["Subject"], "spend of account 123456789012");
    let message: Value = serde_json::from_str(made["message"]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&message["version"], &message["source"]),
        (&json!("1.0"), &json!("custom"))
    );
    assert_eq!(
        message["content"]["title"],
        "Account shop_prod ‹!channel›: $412.80 in the 24 hours to 12:00 UTC (daily limit $250.00)"
    );
    // A topic that isn't there is caught, whatever the engine calls it.
    assert_eq!(made["gone"]["failed"], 1, "{made:#}");
}

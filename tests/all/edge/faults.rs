//! A proxy that makes faults, between the built binary and emulators: `bootstrap`, `deploy`, `status`, `spend` and
//! `destroy` end as without it, or end as documented, and the next run does the rest.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use super::assert_for_people;
use super::server::{Reply, Request, Server};
use crate::support::emulator::{Emulators, Endpoints, Tenant, shared};

const CONFIG: &str = "[alarm]\nthreshold = 120\n[mail]\nfrom = \"billing@example.com\"\n[deploy]\nous = [\"Production\", \"Sandboxes\"]\n";

/// Root/{Production/{web, api}, Sandboxes/{play}}.
const ORGANIZATION: &str = "
org = client('organizations')
result = org.create_organization(FeatureSet='ALL')['Organization']['Id']
root = org.list_roots()['Roots'][0]['Id']
for ou, names in [('Production', ['web', 'api']), ('Sandboxes', ['play'])]:
    parent = org.create_organizational_unit(ParentId=root, Name=ou)['OrganizationalUnit']['Id']
    for name in names:
        made = org.create_account(AccountName=name, Email=name + '@example.com')['CreateAccountStatus']
        org.move_account(AccountId=made['AccountId'], SourceParentId=root, DestinationParentId=parent)
";

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It takes this much longer.
    Latency(Duration),
    /// It isn't done, and this is answered.
    Instead(u16, &'static str),
    /// It isn't done, and the connection ends.
    Reset,
    /// It is done, and the connection ends before the answer.
    Lost,
    /// It is done, and half the answer comes.
    Cut,
    /// It isn't done, and nothing is answered for so long.
    Stall(Duration),
    /// The answer says that there is another page, each time by the same token.
    Again,
}

/// Which calls a fault meets, by their number and operation.
type Hit = Arc<dyn Fn(usize, &str) -> bool + Send + Sync>;

fn hit(which: impl Fn(usize, &str) -> bool + Send + Sync + 'static) -> Hit {
    Arc::new(which)
}

/// A proxy before this address that makes the fault at some calls: which, `hit` says by the call's number.
fn before(upstream: &str, fault: Fault, hit: Hit, count: Arc<AtomicUsize>) -> Server {
    let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
    Server::start(move |request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let pass = || forward(&upstream, request).unwrap_or(Reply::HangUp);
        if !hit(number, &request.operation()) {
            return pass();
        }
        match fault {
            Fault::Latency(pause) => {
                std::thread::sleep(pause);
                pass()
            }
            Fault::Instead(status, body) => Reply::text(status, body),
            Fault::Reset => Reply::HangUp,
            Fault::Lost => {
                pass();
                Reply::HangUp
            }
            Fault::Cut => match pass() {
                Reply::Answer(status, _, body) => {
                    let half = body.len() / 2;
                    Reply::Cut(status, body, half)
                }
                other => other,
            },
            Fault::Stall(pause) => Reply::Silence(pause),
            Fault::Again => match pass() {
                Reply::Answer(status, headers, body) => Reply::Answer(status, headers, again(&body)),
                other => other,
            },
        }
    })
}

/// The same answer with a token for a next page.
fn again(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(mut answer) => {
            answer["NextToken"] = "again".into();
            answer.to_string().into_bytes()
        }
        Err(_) => text
            .replace("</Summaries>", "</Summaries><NextToken>again</NextToken>")
            .replace("<Summaries/>", "<Summaries/><NextToken>again</NextToken>")
            .into_bytes(),
    }
}

/// The emulator's own answer.
fn forward(upstream: &str, request: &Request) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(upstream)?;
    let headers: String = request
        .headers
        .iter()
        .filter(|(name, _)| !["connection", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "{} {} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
        request.method,
        request.target,
        request.body.len()
    )?;
    stream.write_all(&request.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| std::io::Error::other("no answer"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = &answer[end + 4..];
    let body = match headers
        .get("transfer-encoding")
        .is_some_and(|how| how.contains("chunked"))
    {
        true => unchunked(body),
        false => body.to_vec(),
    };
    let kept = [
        "content-type",
        "smithy-protocol",
        "x-amzn-requestid",
        "x-amzn-errortype",
        "x-amzn-query-error",
    ];
    let kept = kept
        .into_iter()
        .filter_map(|name| Some((name, headers.get(name)?.clone())));
    Ok(Reply::Answer(status.unwrap_or(500), kept.collect(), body))
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&body[..end])
            .ok()
            .and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size @ 1..) = size else { break };
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}

/// The binary's end, what it printed, and how long it took.
fn run(dir: &TempDir, env: &BTreeMap<String, String>, arguments: &[&str]) -> (Option<i32>, String, String, Duration) {
    let begun = Instant::now();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("billctl"));
    command
        .env_clear()
        .envs(env)
        .current_dir(dir.path())
        .args(arguments)
        .timeout(Duration::from_secs(300));
    let output = command.output().expect("the binary runs");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_for_people(&stderr);
    (output.status.code(), stdout, stderr, begun.elapsed())
}

/// The tenant's environment, with every endpoint behind a proxy that makes this fault.
fn behind(tenant: &Tenant<'_>, fault: Fault, hit: &Hit) -> BTreeMap<String, String> {
    let count = Arc::new(AtomicUsize::new(0));
    through(tenant, |url| before(url, fault, hit.clone(), count.clone()))
}

/// The tenant's environment, with every endpoint behind such a server.
fn through(tenant: &Tenant<'_>, server: impl Fn(&str) -> Server) -> BTreeMap<String, String> {
    let mut env = tenant.env(Endpoints::Closest);
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for (_, url) in env.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL")) {
        let proxy = made.entry(url.clone()).or_insert_with(|| server(url).url());
        url.clone_from(proxy);
    }
    env
}

/// A tenant with an organisation of two OUs and three accounts, a folder with a config, and the organisation's id.
fn organization(emulators: &Emulators) -> (Tenant<'_>, TempDir, String) {
    let tenant = emulators.tenant();
    let made = tenant.boto3(Endpoints::Moto, ORGANIZATION);
    let dir = TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("config.toml"), CONFIG).expect("a config");
    (tenant, dir, made.as_str().unwrap_or_default().to_owned())
}

/// What is in the members, and how many operations it took where the emulator keeps them.
fn members(tenant: &Tenant<'_>) -> Value {
    tenant.boto3(
        Endpoints::Moto,
        "cfn = client('cloudformation')\n\
         names = {a['Id']: a['Name'] for a in client('organizations').list_accounts()['Accounts']}\n\
         sets = [s['StackSetName'] for s in cfn.list_stack_sets(Status='ACTIVE')['Summaries'] if s['Status'] == 'ACTIVE']\n\
         result = {s: {'instances': sorted(names[i['Account']] for i in \
cfn.list_stack_instances(StackSetName=s)['Summaries']),\n\
                       'threshold': [p['ParameterValue'] for p in \
cfn.describe_stack_set(StackSetName=s)['StackSet']['Parameters'] if p['ParameterKey'] == 'Threshold']} for s in sets}",
    )
}

/// What bears billctl's name after all is removed.
fn left(tenant: &Tenant<'_>) -> Value {
    tenant.boto3(
        Endpoints::Closest,
        "events = client('events')\n\
         found = [r['RoleName'] for r in client('iam').list_roles()['Roles']]\n\
         found += [b['Name'] for b in events.list_event_buses()['EventBuses']]\n\
         found += [r['Name'] for r in events.list_rules()['Rules']]\n\
         found += [m['name'] for m in client('stepfunctions').list_state_machines()['stateMachines']]\n\
         found += client('sqs').list_queues().get('QueueUrls', [])\n\
         found += [a['AlarmName'] for a in client('cloudwatch').describe_alarms()['MetricAlarms']]\n\
         result = [name for name in found if 'billctl' in name]",
    )
}

/// What is on the billing account's side, without the tenant's own numbers.
fn state(tenant: &Tenant<'_>) -> String {
    let read = "me = client('sts').get_caller_identity()['Account']\n\
        machine = f'arn:aws:states:us-east-1:{me}:stateMachine:billctl-notifier'\n\
        events, iam = client('events'), client('iam')\n\
        roles = sorted(r['RoleName'] for r in iam.list_roles()['Roles'] if r['RoleName'].startswith('billctl'))\n\
        buses = sorted(b['Name'] for b in events.list_event_buses()['EventBuses'])\n\
        rules = {b: sorted(r['Name'] for r in events.list_rules(EventBusName=b)['Rules']) for b in buses}\n\
        result = {'buses': buses, 'rules': rules, 'roles': roles,\n\
         'targets': {b: {r: events.list_targets_by_rule(Rule=r, EventBusName=b)['Targets'] for r in rules[b]} \
for b in buses},\n\
         'policies': {r: {p: iam.get_role_policy(RoleName=r, PolicyName=p)['PolicyDocument'] \
for p in iam.list_role_policies(RoleName=r)['PolicyNames']} for r in roles},\n\
         'machines': [m['name'] for m in client('stepfunctions').list_state_machines()['stateMachines']],\n\
         'definition': client('stepfunctions').describe_state_machine(stateMachineArn=machine)['definition'],\n\
         'queues': [u.rsplit('/', 1)[1] for u in client('sqs').list_queues().get('QueueUrls', [])],\n\
         'alarms': sorted((a['AlarmName'], a.get('Threshold')) for a in \
client('cloudwatch').describe_alarms()['MetricAlarms'])}";
    let found: Value = tenant.boto3(Endpoints::Closest, read);
    let text = serde_json::to_string_pretty(&found).expect("JSON");
    let organization = text
        .find("o-")
        .map(|at| text[at..at + 12].to_owned())
        .unwrap_or_default();
    text.replace(tenant.account(), "ACCOUNT").replace(&organization, "ORG")
}

/// The commands from the first to the last, each as `with` runs it, with what must be true after each.
fn story(
    emulators: &Emulators,
    wanted: Option<&(String, Value)>,
    with: &dyn Fn(&Tenant<'_>, &TempDir, &[&str]) -> String,
) -> (String, Value) {
    let (tenant, dir, organization) = organization(emulators);
    with(&tenant, &dir, &["bootstrap", "--yes"]);
    let billing = state(&tenant);
    with(&tenant, &dir, &["deploy", "--yes"]);
    let found = (billing, members(&tenant));
    if let Some(wanted) = wanted {
        assert_eq!(&found, wanted);
    }
    with(&tenant, &dir, &["status"]);
    with(&tenant, &dir, &["spend"]);
    let said = with(&tenant, &dir, &["destroy", "--organization", &organization]);
    assert_eq!(members(&tenant), serde_json::json!({}), "{said}");
    assert_eq!(left(&tenant), serde_json::json!([]), "{said}");
    found
}

/// The story where nothing goes wrong, told once for all tests.
fn undisturbed(emulators: &Emulators) -> &'static (String, Value) {
    static TOLD: std::sync::OnceLock<(String, Value)> = std::sync::OnceLock::new();
    TOLD.get_or_init(|| {
        story(emulators, None, &|tenant, dir, arguments| {
            let (code, stdout, stderr, _) = run(dir, &tenant.env(Endpoints::Closest), arguments);
            assert_eq!(code, Some(0), "{arguments:?}: {stdout}\n{stderr}");
            stdout
        })
    })
}

#[test]
fn every_command_ends_as_without_faults() {
    let Some(emulators) = shared("faults on the wire") else {
        return;
    };
    let wanted = undisturbed(emulators);
    assert_eq!(
        wanted.1["billctl"]["instances"],
        serde_json::json!(["api", "play", "web"])
    );
    let third = || hit(|number, _| number % 3 == 1);
    let rare = || hit(|number, _| number % 5 == 2);
    let once = || hit(|number, operation| number == 9 || operation == "DeleteStackInstances");
    let html = "<html><body>Http/1.1 Service Unavailable</body></html>";
    let faults = [
        (Fault::Latency(Duration::from_millis(150)), rare()),
        (Fault::Instead(429, "slow down"), third()),
        (Fault::Instead(500, "oops"), third()),
        (Fault::Instead(503, html), third()),
        (Fault::Instead(502, ""), third()),
        (Fault::Reset, third()),
        (Fault::Lost, rare()),
        (Fault::Cut, rare()),
    ];
    std::thread::scope(|scope| {
        for (fault, hit) in faults {
            scope.spawn(move || {
                story(emulators, Some(wanted), &|tenant, dir, arguments| {
                    let (code, stdout, stderr, taken) = run(dir, &behind(tenant, fault, &hit), arguments);
                    assert_eq!(code, Some(0), "{fault:?} {arguments:?}: {stdout}\n{stderr}");
                    assert!(taken < Duration::from_secs(180), "{fault:?} {arguments:?}: {taken:?}");
                    format!("{fault:?}: {stdout}\n{stderr}")
                })
            });
        }
        // One after the other answers nothing: half a minute each, of which billctl says so.
        scope.spawn(move || {
            let stall = Fault::Stall(Duration::from_secs(45));
            let mut once = Some(once());
            let (tenant, dir, _) = organization(emulators);
            for arguments in [["bootstrap", "--yes"], ["deploy", "--yes"]] {
                let hit = once.clone().unwrap_or_else(|| hit(|number, _| number == 9));
                let (code, stdout, stderr, taken) = run(&dir, &behind(&tenant, stall, &hit), &arguments);
                assert_eq!(code, Some(0), "{arguments:?}: {stdout}\n{stderr}");
                assert!(stderr.contains("no answer from "), "{arguments:?}: {stderr}");
                assert!(taken < Duration::from_secs(90), "{arguments:?}: {taken:?}");
                once = None;
            }
            assert_eq!(&(state(&tenant), members(&tenant)), wanted);
        });
    });
}

/// Runs a command and kills it at its `at`-th call: after it was done, or before.
fn killed(tenant: &Tenant<'_>, dir: &TempDir, arguments: &[&str], at: usize, done: bool) {
    let running: Arc<Mutex<Option<std::process::Child>>> = Arc::default();
    let count = Arc::new(AtomicUsize::new(0));
    let env = through(tenant, |url| {
        let upstream = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (running, count) = (running.clone(), count.clone());
        Server::start(move |request| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            if number == at && !done {
                end(&running);
            }
            if number > at || (number == at && !done) {
                return Reply::HangUp;
            }
            let reply = forward(&upstream, request).unwrap_or(Reply::HangUp);
            if number == at {
                end(&running);
            }
            reply
        })
    });
    let mut held = running.lock().expect("no thread died");
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("billctl"))
        .env_clear()
        .envs(&env)
        .current_dir(dir.path())
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    *held = Some(child);
    drop(held);
    loop {
        let ended = running
            .lock()
            .expect("no thread died")
            .as_mut()
            .map(std::process::Child::try_wait);
        if let Some(Ok(Some(_))) = ended {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(running: &Mutex<Option<std::process::Child>>) {
    if let Some(child) = running.lock().expect("no thread died").as_mut() {
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
}

#[test]
fn killed_at_any_call_the_next_run_does_the_rest() {
    let Some(emulators) = shared("kills at a call") else {
        return;
    };
    let wanted = undisturbed(emulators);
    std::thread::scope(|scope| {
        // Of every command's calls, some of the reads at the beginning and most of the writes.
        for (places, done) in [([3, 22, 31, 40, 52], true), ([7, 19, 27, 36, 45], false)] {
            scope.spawn(move || {
                story(emulators, Some(wanted), &|tenant, dir, arguments| {
                    for at in places {
                        killed(tenant, dir, arguments, at, done);
                    }
                    let (code, stdout, stderr, _) = run(dir, &tenant.env(Endpoints::Closest), arguments);
                    assert_eq!(code, Some(0), "{arguments:?}: {stdout}\n{stderr}");
                    stdout
                })
            });
        }
    });
}

#[test]
fn what_stays_wrong_ends_with_the_documented_code_and_a_later_run_goes_on() {
    let Some(emulators) = shared("faults that stay") else {
        return;
    };
    let wanted = undisturbed(emulators);
    let expired = "{\"__type\": \"ExpiredTokenException\", \"message\": \"The security token is expired\"}";
    let lists = |operation: &str| operation.starts_with("List");
    std::thread::scope(|scope| {
        for (fault, met, said) in [
            // As when a session ends in the middle of a run.
            (
                Fault::Instead(400, expired),
                hit(|number, _| number >= 8),
                "ExpiredToken",
            ),
            (
                Fault::Instead(200, "<html>Sign in</html>"),
                hit(|number, _| number >= 6),
                "isn't AWS's",
            ),
            (
                Fault::Instead(403, "<html>blocked</html>"),
                hit(|number, _| number >= 9),
                "isn't AWS's",
            ),
            (
                Fault::Again,
                hit(move |_, operation| lists(operation)),
                "page token came twice",
            ),
        ] {
            scope.spawn(move || {
                story(emulators, Some(wanted), &|tenant, dir, arguments| {
                    let (code, stdout, stderr, taken) = run(dir, &behind(tenant, fault, &met), arguments);
                    assert_eq!(code, Some(1), "{fault:?} {arguments:?}: {stdout}\n{stderr}");
                    assert!(stderr.contains(said), "{fault:?} {arguments:?}: {stderr}");
                    assert!(
                        matches!(fault, Fault::Again) || stderr.contains("remedy: "),
                        "{fault:?} {arguments:?}: {stderr}"
                    );
                    assert!(taken < Duration::from_secs(90), "{fault:?} {arguments:?}: {taken:?}");
                    let (code, stdout, stderr, _) = run(dir, &tenant.env(Endpoints::Closest), arguments);
                    assert_eq!(code, Some(0), "{fault:?} {arguments:?}: {stdout}\n{stderr}");
                    stdout
                })
            });
        }
    });
}

//! A proxy that makes faults, between the built binary and emulators: `bootstrap` and `status` end as without it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use super::assert_for_people;
use super::server::{Reply, Request, Server};
use crate::support::emulator::{Emulators, Endpoints, Tenant, shared};

const CONFIG: &str = "[alarm]\nthreshold = 120\n[mail]\nfrom = \"billing@example.com\"\n[deploy]\nous = [\"Root\"]\n";

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
}

/// A proxy before this address that makes the fault at some calls: which, `hit` says by the call's number.
fn before(upstream: &str, fault: Fault, hit: fn(usize) -> bool, count: Arc<AtomicUsize>) -> Server {
    let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
    Server::start(move |request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let pass = || forward(&upstream, request).unwrap_or(Reply::HangUp);
        if !hit(number) {
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
        }
    })
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
fn behind(tenant: &Tenant<'_>, fault: Fault, hit: fn(usize) -> bool) -> BTreeMap<String, String> {
    let count = Arc::new(AtomicUsize::new(0));
    let mut env = tenant.env(Endpoints::Closest);
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for (_, url) in env.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL")) {
        let proxy = made
            .entry(url.clone())
            .or_insert_with(|| before(url, fault, hit, count.clone()).url());
        url.clone_from(proxy);
    }
    env
}

fn organization<'a>(emulators: &'a Emulators) -> (Tenant<'a>, TempDir) {
    let tenant = emulators.tenant();
    tenant.boto3(
        Endpoints::Moto,
        "client('organizations').create_organization(FeatureSet='ALL')\nresult = None",
    );
    let dir = TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("config.toml"), CONFIG).expect("a config");
    (tenant, dir)
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

#[test]
fn bootstrap_and_status_end_as_without_faults() {
    let Some(emulators) = shared("faults on the wire") else {
        return;
    };
    let (tenant, dir) = organization(emulators);
    let (code, stdout, stderr, _) = run(&dir, &tenant.env(Endpoints::Closest), &["bootstrap", "--yes"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let wanted = state(&tenant);

    let second: fn(usize) -> bool = |number| number % 3 == 1;
    let rare: fn(usize) -> bool = |number| number % 5 == 2;
    let once: fn(usize) -> bool = |number| number == 9;
    let html = "<html><body>Http/1.1 Service Unavailable</body></html>";
    std::thread::scope(|scope| {
        for (fault, hit) in [
            (Fault::Latency(Duration::from_millis(150)), rare),
            (Fault::Instead(429, "slow down"), second),
            (Fault::Instead(500, "oops"), second),
            (Fault::Instead(503, html), second),
            (Fault::Instead(502, ""), second),
            (Fault::Reset, second),
            (Fault::Lost, rare),
            (Fault::Cut, rare),
            (Fault::Stall(Duration::from_secs(45)), once),
        ] {
            let wanted = &wanted;
            scope.spawn(move || {
                let (tenant, dir) = organization(emulators);
                let env = behind(&tenant, fault, hit);
                let (code, stdout, stderr, taken) = run(&dir, &env, &["bootstrap", "--yes"]);
                assert_eq!(code, Some(0), "{fault:?}: {stdout}\n{stderr}");
                assert_eq!(&state(&tenant), wanted, "{fault:?}");
                if let Fault::Stall(_) = fault {
                    assert!(stderr.contains("no answer from "), "{stderr}");
                    assert!(taken < Duration::from_secs(90), "{taken:?}");
                    return;
                }
                let (code, stdout, stderr, _) = run(&dir, &env, &["bootstrap", "--yes", "-v"]);
                assert_eq!(code, Some(0), "{fault:?}: {stdout}\n{stderr}");
                assert!(stdout.contains("nothing to change"), "{fault:?}: {stdout}");
                let (code, stdout, stderr, _) = run(&dir, &env, &["status"]);
                assert_eq!(code, Some(0), "{fault:?}: {stdout}\n{stderr}");
            });
        }
    });
}

#[test]
fn what_stays_wrong_ends_with_the_documented_code_and_a_later_run_goes_on() {
    let Some(emulators) = shared("faults that stay") else {
        return;
    };
    let later: fn(usize) -> bool = |number| number >= 20;
    let expired = "{\"__type\": \"ExpiredTokenException\", \"message\": \"The security token is expired\"}";
    for (fault, said) in [
        // As when a session ends in the middle of a run.
        (Fault::Instead(400, expired), "ExpiredToken"),
        (Fault::Instead(200, "<html>Sign in</html>"), "isn't AWS's"),
        (Fault::Instead(403, "<html>blocked</html>"), "isn't AWS's"),
    ] {
        let (tenant, dir) = organization(emulators);
        let (code, stdout, stderr, _) = run(&dir, &behind(&tenant, fault, later), &["bootstrap", "--yes"]);
        assert_eq!(code, Some(1), "{fault:?}: {stdout}\n{stderr}");
        assert!(
            stderr.contains(said) && stderr.contains("remedy: "),
            "{fault:?}: {stderr}"
        );
        let (code, stdout, stderr, _) = run(&dir, &tenant.env(Endpoints::Closest), &["bootstrap", "--yes"]);
        assert_eq!(code, Some(0), "{fault:?}: {stdout}\n{stderr}");
    }
}

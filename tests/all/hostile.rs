//! Names, tags and answers that try to be something else, in every command and format of the built binary: a terminal
//! with colours on, Markdown as GitHub and GitLab read it, CSV, HTML, JSON, and the log of a CI job.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use billctl_core::text;
use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use serde_json::Value;

use crate::support::home::{Ended, Home};

/// Each is a name that somebody gives an account, an OU or a tag, or that comes back in AWS's message.
const HOSTILE: [&str; 12] = [
    "red \u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}",
    "c1 \u{9b}2J\u{9d}0;t\u{9c}",
    "bidi \u{202e}gpj\u{2066}x\u{200b}\u{feff}\u{e0041}",
    "lines\n\r\nall well: 38 accounts covered\u{2028}::error::x",
    "::stop-commands::x ##[error]y ##vso[task.setvariable variable=z]1",
    "[log in](https://evil.example/login) ![p](https://evil.example/p.png)",
    "<img src=https://evil.example/x onerror=alert(1)><script>alert(2)</script>",
    "@org/everyone #1 !2 ~bug www.evil.example https://evil.example",
    "a|b | c\\|d `e` ``` f",
    "=HYPERLINK(\"https://evil.example\")",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "**bold** _em_ ~~del~~ $x$ :smile: &lt; {{subject}} {% $x %}",
];

const CONFIG: &str = "[alarm]\nthreshold = 100\n[mail]\nfrom = \"billing@example.com\"\n[deploy]\nous = [\"Root\"]\n";

/// An organisation in which everything that somebody else names has one of these names.
fn home() -> Home {
    let home = Home::empty();
    home.config(CONFIG);
    home.run("sandbox new --accounts 2 --ous 1").code(0);
    let run = |words: &[&str]| {
        home.end(home.command().arg("--sandbox=sandbox.json").args(words))
            .code(0)
    };
    for (number, name) in HOSTILE.iter().enumerate() {
        run(&["sandbox", "add-ou", "--name", name]);
        let organization = home.world();
        let ou = ou_named(&organization, name);
        let owner = format!("{name}@example.com");
        run(&["sandbox", "add-account", "--name", name, "--ou", &ou, "--owner", &owner]);
        if number % 3 == 0 {
            run(&["sandbox", "spend", "--name", name, "--daily", "400"]);
        }
    }
    home
}

/// The id of the OU of this name.
fn ou_named(world: &Value, name: &str) -> String {
    let units = world["organizations"]["units"].as_object();
    let found = units.into_iter().flatten().find(|(_, unit)| unit["name"] == name);
    found.expect("an OU of this name").0.clone()
}

/// Without the colours that billctl paints with.
fn unpainted(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Nothing in it drives a terminal, hides, or is a command to the system that runs the job.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    // Whole sequences are taken out, so what they leave would be seen; other escapes than colours must not be there.
    for piece in text.split('\u{1b}').skip(1) {
        let numbers = piece
            .trim_start_matches('[')
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        assert!(
            piece.starts_with('[') && numbers.starts_with('m'),
            "{what}: {piece:?}\n{text}"
        );
    }
    let plain = unpainted(text);
    for line in plain.split('\n') {
        assert_eq!(
            text::lines(&line.replace('\t', " ")),
            line.replace('\t', " "),
            "{what}: {line:?}"
        );
        assert!(!line.trim_start().starts_with("::"), "{what}: {line}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{what}: {line}");
        assert!(!line.starts_with("all well: 38"), "{what}: {line}");
    }
}

/// It has no links, images, HTML, mentions or references, and each table has as many cells in each row.
#[track_caller]
pub(crate) fn is_inert(what: &str, markdown: &str) {
    is_harmless(what, markdown);
    assert!(!markdown.contains('\u{1b}'), "{what}: {markdown}");
    let mut options = Options::default();
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    let arena = Arena::new();
    let page = parse_document(&arena, markdown, &options);
    for node in page.descendants() {
        match &node.data.borrow().value {
            NodeValue::Link(_) | NodeValue::Image(_) => panic!("{what}: a link or an image in\n{markdown}"),
            NodeValue::HtmlBlock(_) | NodeValue::HtmlInline(_) => panic!("{what}: HTML in\n{markdown}"),
            NodeValue::Strikethrough | NodeValue::BlockQuote => panic!("{what}: markup in\n{markdown}"),
            NodeValue::Text(shown) => {
                for sign in ["@org", "@SUM", "#1", "!2", "~bug", "www.", "https:", ":smile:", "$x$"] {
                    assert!(!shown.contains(sign), "{what}: {sign} in {shown:?}");
                }
            }
            _ => {}
        }
    }
    // Bars that aren't escaped, row by row.
    let mut columns = None;
    for line in markdown.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        if line.starts_with('|') {
            assert_eq!(*columns.get_or_insert(bars), bars, "{what}: {line}");
        } else {
            columns = None;
        }
    }
}

/// No field of it is a formula.
#[track_caller]
fn is_no_formula(what: &str, csv: &str) {
    is_harmless(what, csv);
    let mut records = csv::Reader::from_reader(csv.as_bytes());
    let mut rows = 0;
    for record in records.records() {
        rows += 1;
        for field in &record.expect("a record") {
            let begins = field.trim_start().starts_with(['=', '+', '-', '@']);
            assert!(!begins || field.parse::<f64>().is_ok(), "{what}: {field}");
        }
    }
    assert!(rows > 0, "{what}");
}

/// It is JSON, and shows nothing that isn't to be seen.
#[track_caller]
fn is_json(what: &str, text: &str) -> Value {
    is_harmless(what, text);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"))
}

#[test]
fn hostile_names_do_nothing_anywhere() {
    let home = home();
    let summary = home.path().join("summary.md");
    let run = |line: &str| -> Ended {
        let words = line.split(' ');
        let mut command = home.command();
        command
            .env("GITHUB_STEP_SUMMARY", &summary)
            .args(["--sandbox=sandbox.json", "--color=always"])
            .args(words);
        let ended = home.end(&mut command);
        assert!(
            [0, 1, 2, 3, 4].contains(&ended.code),
            "{line}: {}\n{}",
            ended.code,
            ended.stderr
        );
        is_harmless(line, &ended.stdout);
        is_harmless(line, &ended.stderr);
        ended
    };
    let in_all = |line: &str| {
        run(line);
        is_inert(line, &run(&format!("{line} --format markdown")).stdout);
        is_json(line, &run(&format!("{line} --format json")).stdout);
    };
    in_all("bootstrap --plan");
    run("bootstrap --yes");
    in_all("deploy --plan");
    let failing = HOSTILE[5].to_owned();
    let reason = HOSTILE.concat();
    let words = [
        "--sandbox=sandbox.json",
        "sandbox",
        "fail",
        "account",
        &failing,
        &reason,
    ];
    home.end(home.command().args(words)).code(0);
    run("deploy --yes");
    run("sandbox advance 3d");
    in_all("status --all");
    in_all("status --all --deep --drift");
    in_all("spend");
    in_all("spend --by ou");
    in_all("spend --by service");
    in_all("digest --preview digest");
    for part in ["digest.html", "digest.txt"] {
        let part = std::fs::read_to_string(home.path().join("digest").join(part)).expect("a part");
        is_harmless("the digest", &part);
        // Nothing that a mail program makes a link of, and nothing that becomes HTML.
        let links = ["://evil", "evil.example", "www.evil", "@org"];
        assert!(links.iter().all(|link| !part.contains(link)), "{part}");
        let html = part.starts_with("<!DOCTYPE");
        assert!(!html || !part.contains("<img") && !part.contains("<script"), "{part}");
        assert!(part.contains("HYPERLINK"), "the names are there: {part}");
    }
    in_all("doctor");
    home.edit_world(|world| {
        let queues = world["sqs"]["queues"].as_object_mut().expect("queues");
        let messages = HOSTILE.map(|text| {
            serde_json::json!({
                "at": "2026-03-11T09:00:00Z",
                "body": {"id": text, "source": text, "detail-type": text, "account": text, "time": text,
                    "resources": [text], "detail": {"alarmName": text, "account": text, "accountName": text}},
                "attributes": {"RULE_ARN": text, "ERROR_CODE": text, "ERROR_MESSAGE": text},
            })
        });
        queues.values_mut().next().expect("a queue")["messages"] = messages.to_vec().into();
    });
    let waiting = is_json("resend --plan", &run("resend --plan --format json").stdout);
    let items = waiting["items"].as_array().map_or(0, Vec::len);
    assert!(items >= HOSTILE.len(), "{waiting}");
    in_all("resend --plan");
    in_all("status --all");
    in_all("resend");
    is_harmless("spend --suggest", &run("spend --suggest").stdout);
    is_no_formula("spend --csv", &run("spend --csv -").stdout);
    let page = run("spend --html -").stdout;
    assert!(!page.contains("<img") && !page.contains("<script>alert"), "{page}");
    let shown = is_json("sandbox show", &run("sandbox show --format json").stdout);
    let names: Vec<&str> = shown["accounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|account| account["name"].as_str())
        .collect();
    for name in HOSTILE {
        assert!(names.contains(&name), "JSON keeps a name as it is: {name:?}");
    }
    let mut mails = 0;
    // One account's own: mail, test event, template, and what was sent in vain.
    for account in shown["accounts"].as_array().into_iter().flatten() {
        let (Some(id), Some(name)) = (account["id"].as_str(), account["name"].as_str()) else {
            continue;
        };
        if !HOSTILE.contains(&name) {
            continue;
        }
        let preview = format!("preview --account {id} --out mail --format markdown");
        is_inert(&preview, &run(&preview).stdout);
        // An owner tag without an address, and no fallback: nobody to write to, which is said.
        let Ok(files) = std::fs::read_dir(home.path().join("mail")) else {
            continue;
        };
        for file in files.flatten() {
            let written = std::fs::read_to_string(file.path()).expect("a text");
            is_harmless(&file.path().display().to_string(), &written);
            assert!(
                !written.contains("<img src=https://evil") && !written.contains("<script>alert"),
                "{written}"
            );
            mails += 1;
        }
        std::fs::remove_dir_all(home.path().join("mail")).expect("a folder");
    }
    assert!(mails > 6, "{mails} files of mails");
    in_all("preview --out mail");
    // Each of these waits for the sandbox's notifier: one account for each format.
    let id_of = |name: &str| {
        let found = shown["accounts"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|account| account["name"] == name);
        found.expect("the account")["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    run(&format!("test-alert --account {}", id_of(HOSTILE[3])));
    let test = format!("test-alert --account {} --format markdown", id_of(HOSTILE[5]));
    is_inert(&test, &run(&test).stdout);
    let test = format!("test-alert --account {} --format json", id_of(HOSTILE[0]));
    is_json(&test, &run(&test).stdout);
    is_harmless("template", &run("template").stdout);
    for job in ["operator", "deploy", "thresholds", "status", "tell"] {
        is_json(job, &run(&format!("policy {job}")).stdout);
    }
    run("sandbox show");
    run("-vv status");
    run("destroy --plan");
    run("destroy --plan --format markdown");
    run("init --config other.toml --from a@example.com");
    let written = std::fs::read_to_string(home.path().join("other.toml")).expect("a config");
    assert_eq!(text::lines(&written), written);
    is_inert(
        "the step summary",
        &std::fs::read_to_string(&summary).expect("a summary"),
    );
}

/// Run by the test below in a process of its own: it ends it.
#[test]
#[ignore = "ends the process"]
fn a_fault() {
    billctl::cli::end_faults_as_errors();
    panic!("the sum is \u{1b}[2J wrong");
}

#[test]
fn a_fault_of_billctls_own_is_an_error_with_an_exit_code() {
    let program = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(program)
        .args(["--exact", "hostile::a_fault", "--ignored", "--nocapture"])
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("ran into a bug of its own: the sum is  [2J wrong (tests/all/hostile.rs:"),
        "{stderr}"
    );
    assert!(stderr.contains("please report"), "{stderr}");
}

/// Numbers that no clock, no organisation and no patience holds.
#[test]
fn what_is_out_of_range_is_refused_with_the_range() {
    let home = Home::with_sandbox(CONFIG);
    for (line, said) in [
        ("bootstrap --wait-verified=99999999999", "4320"),
        ("bootstrap --wait-verified=18446744073709551616", "number too large"),
        ("spend --days 0", "is not in"),
        ("spend --days 99999999", "is not in"),
        ("spend --top 0", "is not in"),
        ("sandbox new --accounts 50001 --force", "50000"),
        ("sandbox new --accounts 18446744073709551615 --force", "50000"),
        ("sandbox new --ous 2001 --force", "2000"),
        ("sandbox new --depth 6 --force", "is not in"),
        ("sandbox new --latency 61s --force", "at most 60 s"),
        ("sandbox new --latency 99999999999d --force", "write it as"),
        ("sandbox new --publications 1m --force", "10m to 7d"),
        ("sandbox new --missing 91% --force", "0% to 90%"),
        ("sandbox new --payer-late 4d --force", "3 days"),
        ("sandbox advance 401d", "at most 400d"),
        ("sandbox advance 99999999d", "write it as"),
        ("sandbox advance -- -1d", "forward only"),
        ("sandbox spend --name prod-web --daily 1e30", "amount"),
        ("sandbox fail describe-rate 1e-300", "0.01"),
        ("sandbox fail describe-rate inf", "0.01"),
        ("sandbox fail lag 4294967295", "86400"),
        ("sandbox fail die-at 0", "is not in"),
        ("sandbox fail throttle 101%", "0% to 100%"),
    ] {
        let ended = home.run(line).code(2);
        assert!(ended.stderr.contains(said), "{line}: {}", ended.stderr);
    }
    home.edit_world(|world| world["now"] = "2099-06-01T00:00:00Z".into());
    home.run("sandbox advance 300d").code(2);
    home.run("sandbox advance 1d").code(0);
}

#[test]
fn a_line_of_any_width_is_cut_to_what_can_be_read() {
    let home = Home::empty();
    let ids: Vec<String> = (0..20_000_u64)
        .map(|number| format!("\"{}\"", 100_000_000_000 + number))
        .collect();
    let ids = ids.join(",");
    for bad in [
        format!("exclude-accounts = [{ids},\"12345\",{ids}]"),
        format!("exclude-accounts = [{ids},12345,{ids}]"),
        format!(
            "ous = [\"Root\"] # {}\nnothing = \"{}\"",
            "x".repeat(1_000_000),
            "y".repeat(1_000_000)
        ),
        format!("{} = 1", "k".repeat(100_000)),
        format!("ous = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("ous = [{}]", "\"\",".repeat(30_000)),
        format!("{}{}", "a.".repeat(50_000), "b = 1"),
        "\"".repeat(100_000),
        "\t".repeat(100_000) + "x",
    ] {
        home.config(&format!("[mail]\nfrom = \"a@example.com\"\n[deploy]\n{bad}\n"));
        let started = std::time::Instant::now();
        let ended = home.end(home.command().args(["policy", "deploy"])).code(2);
        assert!(ended.stderr.len() < 100_000, "{} bytes of error", ended.stderr.len());
        assert!(started.elapsed().as_secs() < 30, "{:.60}: {:?}", bad, started.elapsed());
    }
    std::fs::write(home.path().join("config.toml"), vec![b'#'; 17 << 20]).expect("a config");
    let ended = home.end(home.command().args(["policy", "deploy"])).code(2);
    assert!(ended.stderr.contains("larger than 16 MB"), "{}", ended.stderr);
    #[cfg(unix)]
    home.end(home.command().args(["--config=/dev/zero", "policy", "deploy"]))
        .code(2);
}

/// What no command makes: the file is refused, and the place is named.
#[test]
fn an_impossible_sandbox_is_refused_with_the_place() {
    let home = Home::with_sandbox(CONFIG);
    let world = home.world();
    let root = world["organizations"]["root"].as_str().expect("an id").to_owned();
    let ou = ou_named(&world, "Production");
    let other = ou_named(&world, "Staging");
    let account = world["organizations"]["units"][&ou]["accounts"][0].clone();
    let leaf = ou_named(&world, "Sandboxes");
    let stranger = "999999999999";
    let units = |change: &dyn Fn(&mut Value)| {
        let mut world = world.clone();
        change(&mut world);
        world
    };
    let cases: Vec<(&str, Value)> = vec![
        (
            "organizations.root",
            units(&|world| world["organizations"]["root"] = "r-zzzz".into()),
        ),
        (
            ".parent: the root has none",
            units(&|world| {
                world["organizations"]["units"][&root]["parent"] = ou.clone().into();
            }),
        ),
        (
            ".parent: only the root has none",
            units(&|world| {
                world["organizations"]["units"][&ou]["parent"] = Value::Null;
            }),
        ),
        (
            ".parent: ou-zzzz-99999999 doesn't hold it",
            units(&|world| {
                world["organizations"]["units"][&ou]["parent"] = "ou-zzzz-99999999".into();
            }),
        ),
        (
            ".units: ou-zzzz-99999999 isn't below it",
            units(&|world| {
                world["organizations"]["units"][&leaf]["units"] = vec!["ou-zzzz-99999999"].into();
            }),
        ),
        (
            ".accounts: 999999999999 isn't in it",
            units(&|world| {
                world["organizations"]["units"][&ou]["accounts"] = vec![stranger].into();
            }),
        ),
        (
            "isn't in it",
            units(&|world| {
                let id = account.as_str().expect("an id");
                world["organizations"]["accounts"][id]["parent"] = other.clone().into();
            }),
        ),
        (
            "organizations.management_account",
            units(&|world| {
                world["organizations"]["management_account"] = stranger.into();
            }),
        ),
        (
            "it is in a circle",
            units(&|world| {
                let units = &mut world["organizations"]["units"];
                let circle = |name: &str, parent: &str, below: &str| serde_json::json!({ "name": name, "parent": parent, "units": [below], "accounts": [] });
                let (one, two) = ("ou-ab12-0000000a", "ou-ab12-0000000b");
                units[one] = circle("One", two, two);
                units[two] = circle("Two", one, one);
            }),
        ),
        (
            "at most 5 levels",
            units(&|world| {
                let units = &mut world["organizations"]["units"];
                let mut above = root.clone();
                for level in 0..5_000 {
                    let id = format!("ou-ab12-{level:08}");
                    units[&above]["units"]
                        .as_array_mut()
                        .expect("units")
                        .push(id.clone().into());
                    units[&id] = serde_json::json!({ "name": id, "parent": above, "units": [], "accounts": [] });
                    above = id;
                }
            }),
        ),
        ("now:", units(&|world| world["now"] = "9999-12-30T00:00:00Z".into())),
        (
            "latency:",
            units(&|world| world["latency"] = serde_json::json!({ "secs": u64::MAX, "nanos": 0 })),
        ),
        (
            "faults.describe_instance_rate",
            units(&|world| world["faults"]["describe_instance_rate"] = 1e-300.into()),
        ),
        (
            "faults: a share",
            units(&|world| world["faults"]["throttle"] = 7.into()),
        ),
        (
            "publications:",
            units(&|world| world["publications"]["cadence"] = 0.into()),
        ),
        ("caller:", units(&|world| world["caller"] = stranger.into())),
    ];
    for (said, changed) in cases {
        home.edit_world(|world| *world = changed);
        for line in ["sandbox show", "status", "sandbox advance 1d"] {
            let ended = home.run(line);
            assert!(
                ended.code == 1 && ended.stderr.contains(said),
                "{said}: {line}: {}\n{}",
                ended.code,
                ended.stderr
            );
        }
    }
    // The same key twice, which no JSON value can hold.
    let text = serde_json::to_string(&world).expect("JSON");
    let key = format!("\"{ou}\":");
    let (before, after) = text.split_once(&key).expect("the OU");
    let twice = format!("{before}{key}{{\"name\":\"x\",\"parent\":null,\"units\":[],\"accounts\":[]}},{key}{after}");
    let file = home.path().join("sandbox.json");
    std::fs::write(
        &file,
        format!("{{\"billctl-sandbox\":1,\"generation\":\"x\"}}\n{twice}\n"),
    )
    .expect("a file");
    let ended = home.run("status").code(1);
    assert!(
        ended.stderr.contains(&format!("{ou} is there twice")),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_typed_comes_back_harmless() {
    let home = Home::empty();
    home.config(&format!("[mail]\nfrom = \"a@example.com\"\n[{}]\n", HOSTILE[0]));
    // Who types a line's end gets one.
    for name in HOSTILE.into_iter().filter(|name| !name.contains('\n')) {
        for words in [
            vec![name],
            vec!["status", "--config", name],
            vec!["--sandbox", name, "status"],
            vec!["--profile", name, "status"],
            vec!["deploy", "--ou", name, "--account", name],
            vec!["sandbox", "new", "--accounts", name],
            vec!["status"],
        ] {
            let ended = home.end(home.command().arg("--color=always").args(&words));
            assert!(
                [1, 2].contains(&ended.code),
                "{words:?}: {}\n{}",
                ended.code,
                ended.stderr
            );
            is_harmless("arguments", &ended.stderr);
        }
    }
}

/// Answers every request with this error, as AWS's JSON protocol and its query protocol write it.
pub(crate) fn refusing(message: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let json = serde_json::json!({ "__type": "AccessDeniedException", "message": message }).to_string();
    // XML can't hold control characters below a space, however they are written; C1 and the rest it can.
    let text: String = message.chars().filter(|c| *c >= ' ').collect();
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let xml = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{text}</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let (mut length, mut query) = (0, false);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                query |= lower.contains("x-www-form-urlencoded");
                line.clear();
            }
            let _ = reader.take(length).read_to_end(&mut Vec::new());
            let (kind, body) = if query {
                ("text/xml", &xml)
            } else {
                ("application/x-amz-json-1.1", &json)
            };
            let _ = write!(
                stream,
                "HTTP/1.1 400 Bad Request\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

#[test]
fn what_aws_answers_reaches_no_terminal_as_it_came() {
    let message = HOSTILE.join(" ");
    let url = refusing(&message);
    let home = Home::empty();
    home.config(CONFIG);
    let summary = home.path().join("summary.md");
    for line in [
        "status",
        "doctor",
        "bootstrap --plan",
        "deploy --plan",
        "spend",
        "-vv status",
        "doctor --format markdown",
    ] {
        let mut command = home.command();
        command
            .envs([
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "x"),
                ("AWS_ENDPOINT_URL", &url),
            ])
            .env("GITHUB_STEP_SUMMARY", &summary)
            .arg("--color=always")
            .args(line.split(' '));
        let ended = home.end(&mut command);
        assert_eq!(ended.code, 1, "{line}: {}", ended.stderr);
        is_harmless(line, &ended.stdout);
        is_harmless(line, &ended.stderr);
        assert!(
            format!("{}{}", ended.stdout, ended.stderr).contains("evil.example"),
            "{line}: {}",
            ended.stderr
        );
        if line.contains("markdown") {
            is_inert(line, &ended.stdout);
        }
    }
    is_inert(
        "the step summary",
        &std::fs::read_to_string(&summary).expect("a summary"),
    );
}

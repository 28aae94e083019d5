//! The daily digest: what it says is what `spend` and `status` say, it goes out once a day, and a refusal is told by its
//! cause.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use billctl_sandbox::faults::Die;
use serde_json::Value;

use crate::support::browser::{Page, documented};
use crate::support::home::{Ended, Home};
use crate::support::{install, node};

const CONFIG: &str = "[alarm]\nthreshold = 50\n[deploy]\nous = [\"Production\", \"Sandboxes\"]\n\
                      [mail]\nfrom = \"billing@example.com\"\nreply-to = \"platform@example.com\"\n[digest]\nto = [\"finops@example.com\", \"cfo@example.com\"]\n";

/// Rolled out, with two accounts above the limit, one of which nobody was told about.
fn company() -> Home {
    let home = Home::with_sandbox(CONFIG);
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("deploy --yes").code(0);
    home.run("sandbox break alarm-delete --name sandbox-chen").code(0);
    home.run("sandbox spend --name payments-prod --daily 120").code(0);
    home.run("sandbox spend --name sandbox-chen --daily 90").code(0);
    home.run("sandbox advance 40h").code(0);
    let ou = home.run("sandbox add-account --name newcomer --ou Production");
    ou.code(0);
    home.run("sandbox advance 30m").code(0);
    home
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// The digests in the outbox: their facts, oldest first.
pub(crate) fn digests(home: &Home) -> Vec<Value> {
    let Ok(outbox) = std::fs::read_dir(home.path().join("sandbox-outbox")) else {
        return Vec::new();
    };
    let files = outbox.map(|file| file.expect("a file").path());
    let mut facts: Vec<Value> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
        .map(|file| serde_json::from_slice(&std::fs::read(file).expect("facts")).expect("JSON"))
        .filter(|facts: &Value| facts["tags"]["billctl-kind"] == "digest")
        .collect();
    facts.sort_by_key(|facts| facts["number"].as_u64());
    facts
}

/// The parts of the last mail.
fn parts(home: &Home) -> (String, String) {
    let number = digests(home).last().expect("a digest")["number"]
        .as_u64()
        .expect("a number");
    let read = |ending: &str| {
        let file = home.path().join(format!("sandbox-outbox/{number:04}-mail.{ending}"));
        std::fs::read_to_string(file).expect("a part")
    };
    (read("html"), read("txt"))
}

/// The calls of each operation, as `-v` counts them.
fn calls(ended: &Ended) -> BTreeMap<String, usize> {
    let lines = ended.stderr.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, "read" | "write", count, ..] => Some(((*name).to_owned(), count.parse().ok()?)),
            _ => None,
        }
    });
    lines.collect()
}

#[test]
fn it_says_what_spend_and_status_say() {
    let home = company();
    let (spend, status) = (
        json(&home.run("spend --format json").code(0)),
        json(&home.run("status --format json").code(0)),
    );
    let digest = json(&home.run("digest --format json").code(0));
    assert_eq!(digest["organization"], status["organization"]);
    assert_eq!(digest["published_until"], spend["published_until"]);
    for field in ["yesterday", "average_7_days", "month_to_date", "forecast"] {
        assert!(!spend["total"][field].is_null(), "{field}");
        assert_eq!(digest["total"][field], spend["total"][field], "{field}");
    }
    assert_eq!(
        digest["total"]["accounts"],
        spend["rows"].as_array().expect("rows").len()
    );
    assert_eq!(digest["findings"], status["findings"]);
    assert_eq!(digest["not_looked_at"], status["not_looked_at"]);
    assert_eq!(digest["above"], status["above"]);
    assert_eq!(digest["above"].as_array().expect("accounts").len(), 2);
    // By the same judgement: whoever `spend` sees above is there.
    let above = |account: &Value| {
        let all = digest["above"].as_array().expect("accounts");
        all.iter().any(|one| one["account"] == *account)
    };
    let over = spend["rows"].as_array().expect("rows").iter();
    let over: Vec<&Value> = over.filter(|row| row["over_threshold"] == true).collect();
    assert!(
        !over.is_empty() && over.iter().all(|row| above(&row["account"])),
        "{over:?}"
    );
    assert_eq!(digest["untold"], 1, "{}", digest["above"]);
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for account in status["accounts"].as_array().expect("accounts") {
        *counted
            .entry(account["coverage"].as_str().expect("a word"))
            .or_default() += 1;
    }
    let told = digest["coverage"].as_array().expect("counts").iter();
    let told: BTreeMap<&str, u64> = told
        .map(|one| {
            (
                one["coverage"].as_str().expect("a word"),
                one["accounts"].as_u64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(told, counted);
    let new = digest["new_accounts"].as_array().expect("accounts");
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["name"], "newcomer");
    // The month before, by the figures that another read shows.
    let before = digest["total"]["month_before"].as_f64().expect("an amount");
    let forecast = digest["total"]["forecast"].as_f64().expect("an amount");
    let percent = digest["total"]["forecast_against_month_before"]
        .as_f64()
        .expect("a share");
    assert!(((forecast / before - 1.0) * 100.0 - percent).abs() <= 0.51, "{digest}");
}

#[test]
fn who_grew_is_told_by_the_days_that_spend_shows() {
    let home = company();
    let spend = json(&home.run("spend --format json --days 14").code(0));
    let digest = json(&home.run("digest --format json --preview out").code(0));
    let grew = digest["grew"].as_array().expect("accounts");
    assert_eq!(grew[0]["name"], "payments-prod", "{}", digest["grew"]);
    assert!(grew.is_sorted_by(|a, b| a["growth"].as_f64() >= b["growth"].as_f64()));
    for grown in grew {
        let rows = spend["rows"].as_array().expect("rows");
        let row = rows
            .iter()
            .find(|row| row["account"] == grown["account"])
            .expect("its row");
        let days: Vec<Option<f64>> = row["spend"]
            .as_array()
            .expect("days")
            .iter()
            .map(Value::as_f64)
            .collect();
        let [before @ .., yesterday, _today] = days.as_slice() else {
            panic!("{days:?}");
        };
        let week: Vec<f64> = before.iter().rev().take(7).copied().flatten().collect();
        let mean = week.iter().sum::<f64>() / week.len() as f64;
        let near = |field: &str, value: f64| {
            let told = grown[field].as_f64().expect("an amount");
            assert!((told - value).abs() < 1e-5, "{field}: {told} and {value}");
        };
        near("yesterday", yesterday.expect("a day"));
        near("before", mean);
        near("growth", yesterday.expect("a day") - mean);
    }
}

#[test]
fn it_goes_out_once_a_day() {
    let home = company();
    let ended = home.run("digest").code(0);
    assert!(
        ended.stdout.contains("sent to finops@example.com, cfo@example.com"),
        "{}",
        ended.stdout
    );
    let sent = digests(&home);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0]["to"],
        serde_json::json!(["finops@example.com", "cfo@example.com"])
    );
    assert_eq!(sent[0]["from"], "billing@example.com");
    assert_eq!(sent[0]["replyTo"], serde_json::json!(["platform@example.com"]));
    let subject = sent[0]["subject"].as_str().expect("a subject");
    assert!(
        subject.starts_with("AWS spend of ") && subject.ends_with("2 above the limit"),
        "{subject}"
    );
    let (html, text) = parts(&home);
    for part in [&html, &text] {
        for word in [
            "payments-prod",
            "sandbox-chen",
            "newcomer",
            "above their limits",
            "Nobody was told",
        ] {
            assert!(part.contains(word), "{word}: {part}");
        }
    }
    let ended = home.run("digest").code(1);
    for word in ["today's digest was sent at", "--again"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    assert_eq!(digests(&home).len(), 1);
    home.run("digest --again").code(0);
    home.run("digest --again").code(0);
    assert_eq!(digests(&home).len(), 3);
    home.run("sandbox advance 24h").code(0);
    home.run("digest").code(0);
    assert_eq!(digests(&home).len(), 4);
    // Its claims are no failures, and no mails to owners.
    let status = json(&home.run("status --format json").code(0));
    assert_eq!(
        status["billing"]["health"]["failed"], 0,
        "{}",
        status["billing"]["health"]
    );
    assert_eq!(status["billing"]["health"]["refused"], 0);
}

#[test]
fn of_two_at_once_one_sends() {
    let home = company();
    let start = || {
        let mut command = home.process();
        command.args(["--sandbox=sandbox.json", "digest"]);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().expect("it starts")
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    let mut codes: Vec<i32> = running
        .into_iter()
        .map(|one| Ended::from(one.wait_with_output().expect("it ends")).code)
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 1, 1]);
    assert_eq!(digests(&home).len(), 1);
}

#[test]
fn a_refusal_is_told_by_its_cause_and_frees_the_day() {
    let home = company();
    home.change(|world| world.sesv2.production_access = false);
    let ended = home.run("digest").code(1);
    for word in [
        "MessageRejected",
        "finops@example.com, cfo@example.com",
        "SES's sandbox",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    home.change(|world| world.sesv2.sending_off = true);
    let ended = home.run("digest").code(1);
    assert!(ended.stderr.contains("sending switched off"), "{}", ended.stderr);
    home.change(|world| {
        world.sesv2.sending_off = false;
        world.sesv2.production_access = true;
        world.sesv2.suppressed.insert("cfo@example.com".into(), "BOUNCE".into());
    });
    let ended = home.run("digest").code(1);
    for word in ["cfo@example.com (a mail to it bounced)", "suppression list"] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert!(digests(&home).is_empty());
    home.change(|world| world.sesv2.suppressed.clear());
    // Without --again: it is known that nothing went out.
    home.run("digest").code(0);
    home.run("digest").code(1);
    assert_eq!(digests(&home).len(), 1);
}

/// A run that ends right after the mail, or right before it: nobody knows, so nothing is sent a second time unasked.
#[test]
fn a_run_that_dies_at_the_mail_leaves_the_day_claimed() {
    let counted = home_and_calls();
    for (after, mails) in [(true, 1), (false, 0)] {
        let home = company();
        home.change(|world| world.faults.die = Some(Die { at: counted, after }));
        home.run("digest").code(137);
        assert_eq!(digests(&home).len(), mails, "after: {after}");
        home.run("digest").code(1);
        assert_eq!(digests(&home).len(), mails);
        home.run("digest --again").code(0);
        assert_eq!(digests(&home).len(), mails + 1);
    }
}

/// The number of the call that mails, which is the last one.
fn home_and_calls() -> u64 {
    let ended = company().run("digest -v").code(0);
    (ended.calls("read") + ended.calls("write")) as u64
}

#[test]
fn a_preview_writes_both_parts_and_nothing_on_aws() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let ended = home.run("digest --preview out/there -v").code(0);
    assert_eq!(ended.calls("write"), 0, "{}", ended.stderr);
    let read = |name: &str| std::fs::read_to_string(home.path().join("out/there").join(name)).expect("a file");
    assert!(read("digest.html").contains("AWS spend, daily digest"));
    assert!(
        read("digest.txt").contains("No account is above its limit."),
        "{}",
        read("digest.txt")
    );
    home.run("digest --preview out --again").code(2);
}

#[test]
fn what_is_missing_is_said_before_anything_is_read() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let ended = home.run("digest").code(2);
    assert!(ended.stderr.contains("[digest]"), "{}", ended.stderr);
    home.config(CONFIG);
    let ended = home.run("digest").code(1);
    for word in ["there is no state machine billctl-notifier", "billctl bootstrap"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    // One that would take the claim for a broken event.
    home.run("bootstrap --yes").code(0);
    home.edit_world(|world| {
        let older = world.to_string().replace("Digest claimed", "Something else");
        *world = serde_json::from_str(&older).expect("a world");
    });
    let ended = home.run("digest").code(1);
    assert!(ended.stderr.contains("is of an older billctl"), "{}", ended.stderr);
    home.config(&CONFIG.replace("[alarm]", "call-as = \"delegated-admin\"\n[alarm]"));
    let ended = home.run("digest").code(2);
    assert!(ended.stderr.contains("management account"), "{}", ended.stderr);
    let many: Vec<String> = (0..51).map(|number| format!("\"a{number}@example.com\"")).collect();
    home.config(&format!(
        "[mail]\nfrom = \"a@example.com\"\n[digest]\nto = [{}]\n",
        many.join(",")
    ));
    let ended = home.run("digest").code(2);
    assert!(ended.stderr.contains("51 recipients"), "{}", ended.stderr);
}

/// Each account's charges are one metric on the bill, and each page of the organisation waits for the one before.
#[test]
fn a_large_organisation_is_read_as_spend_and_status_read_it_and_each_thing_once() {
    let home = Home::empty();
    home.run("sandbox new --accounts 1200 --ous 30 --seed 7").code(0);
    home.config("[deploy]\nous = [\"Root\"]\n[mail]\nfrom = \"billing@example.com\"\n");
    let (spend, status) = (
        calls(&home.run("spend -v").code(0)),
        calls(&home.run("status -v").code(0)),
    );
    let digest = calls(&home.run("digest -v --preview out").code(0));
    for (operation, count) in &digest {
        let most = spend
            .get(operation)
            .max(status.get(operation))
            .copied()
            .unwrap_or_default();
        assert!(
            *count <= most,
            "{operation}: {count} calls, {most} of `spend` or `status`"
        );
    }
    assert_eq!(digest["cloudwatch:GetMetricData"], spend["cloudwatch:GetMetricData"]);
}

#[test]
fn caniemail_finds_nothing_without_a_fallback() {
    let Some(packages) = node::shared("caniemail on the digest") else {
        return;
    };
    let home = company();
    home.run("digest --preview out").code(0);
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notifier/caniemail.mjs");
    let script = format!(
        "import fs from 'node:fs'; import {{ findings }} from 'file://{}';\n\
         console.log(JSON.stringify(findings(fs.readFileSync('out/digest.html', 'utf8'))));",
        module.display()
    );
    std::fs::write(home.path().join("look.mjs"), script).expect("a script");
    let mut node = packages.node("caniemail.mjs");
    let environment: Vec<_> = node
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    node = Command::new("node");
    node.arg("look.mjs").current_dir(home.path());
    node.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let answer = install::run(&mut node).expect("caniemail");
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "[]");
}

#[test]
fn the_picture_in_the_documentation_is_of_this_mail() {
    let home = company();
    home.run("digest --preview out").code(0);
    let html = std::fs::read_to_string(home.file("out/digest.html")).expect("a page");
    let page = Page {
        width: 700,
        ..Page::new("the digest's picture", &html)
    };
    let Some(picture) = page.picture("", None) else {
        return;
    };
    documented("digest.png", &picture);
}

#[test]
fn it_comes_from_whom_the_owners_mails_come_and_is_answered_there() {
    let home = Home::with_sandbox(
        "[mail]\nfrom = \"Acme FinOps <billing@example.com>\"\n[operations]\nmail = \"platform@example.com\"\n\
         [digest]\nto = [\"finops@example.com\"]\n",
    );
    home.run("bootstrap --yes").code(0);
    home.run("sandbox verify billing@example.com").code(0);
    home.run("digest").code(0);
    let sent = digests(&home);
    assert_eq!(sent[0]["from"], "\"Acme FinOps\" <billing@example.com>");
    assert_eq!(sent[0]["replyTo"], serde_json::json!(["platform@example.com"]));
}

#[test]
fn the_organisation_is_called_by_its_name_where_config_has_one() {
    let home = company();
    home.run("digest --preview without").code(0);
    let read = |file: &str| std::fs::read_to_string(home.path().join(file)).expect("a part");
    assert!(
        read("without/digest.txt").starts_with("AWS SPEND, DAILY DIGEST"),
        "nothing is made up"
    );

    home.config(&format!("organization-name = \"Größe & Söhne.io\"\n{CONFIG}"));
    let answer = json(&home.run("digest --preview out --format json").code(0));
    assert_eq!(answer["organization_name"], "Größe & Söhne.io");
    let id = answer["organization"].as_str().expect("an id");
    let (html, text) = (read("out/digest.html"), read("out/digest.txt"));
    assert!(
        text.starts_with("Größe & Söhne\u{2024}io\n\nAWS SPEND, DAILY DIGEST"),
        "{text}"
    );
    assert!(
        text.contains(&format!("billctl for Größe & Söhne\u{2024}io ({id}) names you")),
        "{text}"
    );
    assert!(
        html.contains("<span dir=\"auto\">Größe &amp; Söhne\u{2024}io</span>"),
        "{html}"
    );
    // As in the owner's mail, the subject begins with what it is about.
    assert!(
        answer["mail"]["subject"]
            .as_str()
            .expect("a subject")
            .starts_with("AWS spend of ")
    );
}

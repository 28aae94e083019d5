//! `billctl preview`: the mail as it would be sent, of every sample and of an account.

mod browser;

use std::path::Path;
use std::sync::OnceLock;

use billctl_core::model::Usd;
use billctl_sandbox::metrics;
use serde_json::Value;

use crate::support::home::Home;

/// A mail as its reader gets it.
struct Mail {
    case: String,
    subject: String,
    html: String,
    text: String,
}

/// Every sample, made once for all tests, without a config or a sandbox.
fn samples() -> &'static [Mail] {
    static SAMPLES: OnceLock<Vec<Mail>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let home = Home::empty();
        let said = home.run("preview --all --format json").code(0).stdout;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let mails = said["mails"].as_array().expect("mails");
        mails.iter().map(|mail| read(&home, mail)).collect()
    })
}

fn sample(case: &str) -> &'static Mail {
    let found = samples().iter().find(|mail| mail.case == case);
    found.unwrap_or_else(|| panic!("no {case}"))
}

/// The mail of an answer.
fn read(home: &Home, answer: &Value) -> Mail {
    let files: Vec<&str> = answer["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let part = |ending: &str| {
        let file = files.iter().find(|file| file.ends_with(ending)).expect("a file");
        std::fs::read_to_string(home.path().join(file)).expect("its text")
    };
    let name = Path::new(files[0]).file_stem().expect("a name");
    Mail {
        case: name.to_string_lossy().into_owned(),
        subject: answer["subject"].as_str().expect("a subject").to_owned(),
        html: part(".html"),
        text: part(".txt"),
    }
}

/// What a reader of the HTML part sees, in its order, with the links: without markup and styles.
fn outline(html: &str) -> String {
    let (_, body) = html.split_once("<body").expect("a body");
    let mut text = String::new();
    let mut rest = body.split_once('>').expect("its begin").1;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = if after.starts_with("!--") {
            after.split_once("-->").expect("a comment's end")
        } else {
            after.split_once('>').expect("a tag's end")
        };
        if let Some((_, link)) = tag.split_once("href=\"") {
            text.push_str(&format!("[{}] ", link.split_once('"').expect("its end").0));
        } else if tag.starts_with("/td") {
            text.push(' ');
        } else if ["/tr", "/p", "/h1", "/h2", "/div", "br"].contains(&tag) {
            text.push('\n');
        }
        rest = after;
    }
    let lines = text.replace("&nbsp;", " ");
    let lines = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Gmail shows no more of a mail's HTML.
const GMAIL: usize = 102 * 1024;

#[test]
fn every_kind_of_mail_reads_as_it_was_designed() {
    assert_eq!(samples().len(), 13);
    for mail in samples() {
        insta::assert_snapshot!(
            format!("mail_{}", mail.case.replace('-', "_")),
            format!(
                "{}\n\n{}\n\n=== HTML ===\n\n{}",
                mail.subject,
                mail.text,
                outline(&mail.html)
            )
        );
    }
}

#[test]
fn every_sample_is_a_whole_mail_without_a_config_or_a_sandbox() {
    for Mail {
        case,
        subject,
        html,
        text,
    } in samples()
    {
        assert!(!subject.is_empty() && !subject.contains("undefined"), "{case}");
        assert!(html.len() < GMAIL / 3, "{case}: {}", html.len());
        assert!(html.ends_with("</html>\n"), "{case}");
        // Of the hostile names alone, braces belong to the name.
        if case != "hostile" {
            assert!(!html.contains("{{") && !text.contains("{{"), "{case}");
        }
        assert!(!html.contains("[[") && !text.contains("[["), "{case}");
    }
}

#[test]
fn the_account_comes_first_and_the_button_before_the_chart() {
    for Mail {
        case,
        subject,
        html,
        text,
    } in samples().iter().filter(|mail| mail.case != "hostile")
    {
        let subject = subject.trim_start_matches("[Test] ");
        assert!(subject.starts_with("policy-canary: "), "{case}: {subject}");
        // What an inbox shows of it on a phone.
        assert!(subject.chars().count() <= 78, "{case}: {subject}");
        assert!(
            text.starts_with("policy-canary\n131975389527, Root / Policy Staging\n"),
            "{case}: {text}"
        );
        let shown = outline(html);
        let place = |what: &str| {
            shown
                .find(what)
                .unwrap_or_else(|| panic!("{case}: no {what:?} in {shown}"))
        };
        assert!(
            place("policy-canary\n131975389527") < place("Open in Cost Explorer"),
            "{case}"
        );
        if case != "no-history" {
            let chart = ["The last 14 days", "Daily spend", "The month, added up"];
            let chart = chart.iter().find_map(|title| shown.find(title)).expect("a chart");
            assert!(place("Open in Cost Explorer") < chart, "{case}");
            // The figure of the judgement stands in the chart too.
            let amount = subject
                .split(['$', ' '])
                .find(|word| word.contains('.'))
                .unwrap_or("Back under");
            assert!(
                shown
                    .get(chart..)
                    .is_some_and(|chart| case == "recovery" || case == "test" || chart.contains(amount)),
                "{case}"
            );
        }
    }
}

#[test]
fn cost_explorer_opens_at_the_account_its_days_and_its_service() {
    let links = |mail: &Mail| -> Vec<String> {
        let found = mail.text.lines().filter(|line| line.contains("#/cost-explorer"));
        found
            .map(|line| {
                line.replace("%22", "\"")
                    .replace("%5B", "[")
                    .replace("%5D", "]")
                    .replace("%7B", "{")
                    .replace("%7D", "}")
            })
            .collect()
    };
    let found = links(sample("spike"));
    assert_eq!(found.len(), 2);
    for link in &found {
        assert!(link.contains("&startDate=2026-03-14&endDate=2026-03-27&"), "{link}");
        assert!(
            link.contains("\"id\":\"LinkedAccount\"") && link.contains("{\"value\":\"131975389527\""),
            "{link}"
        );
    }
    assert!(found[0].contains("&groupBy=[\"Service\"]&"), "{}", found[0]);
    assert!(found[1].contains("&groupBy=[\"UsageType\"]&"), "{}", found[1]);
    // CloudWatch's AmazonEC2 is two services there.
    assert!(
        found[1].contains("Elastic%20Compute%20Cloud") && found[1].contains("EC2%20-%20Other"),
        "{}",
        found[1]
    );
    // The filter is JSON, as the console writes it.
    for link in &found {
        let (_, filter) = link.split_once("&filter=").expect("a filter");
        let filter: Value = serde_json::from_str(&filter.replace("%20", " ")).expect("JSON");
        assert_eq!(filter[0]["values"][0]["value"], "131975389527");
    }
    // Nothing grew, and a recovery has no cause to look for.
    assert_eq!(links(sample("recovery")).len(), 1);
}

#[test]
fn what_hardly_grew_is_no_news() {
    // Five services grow in every sample, by cents.
    for case in ["third-day", "spike", "just-above"] {
        let shown = outline(&sample(case).html);
        let (_, grew) = shown.split_once("What grew\n").expect("a list");
        let (grew, _) = grew.split_once("Those 24 hours").expect("its end");
        assert_eq!(grew.matches("+$").count(), 1, "{case}: {grew}");
        assert!(grew.starts_with("Amazon EC2"), "{case}: {grew}");
    }
    assert!(!sample("recovery").text.contains("What grew"));
}

#[test]
fn the_limit_is_told_in_one_form() {
    for (case, words) in [
        ("spike", "2.5x the daily limit of $100.00"),
        ("just-above", "Just above the daily limit of $100.00"),
        ("huge", "12,346x the daily limit of $100.00"),
        ("month-to-date", "1.04x the monthly limit of $1,150.00"),
        ("recovery", "Back under the daily limit of $100.00"),
    ] {
        let mail = sample(case);
        assert!(
            mail.text.contains(words) && mail.html.contains(words),
            "{case}: {}",
            mail.text
        );
    }
    for mail in samples() {
        assert!(
            !mail.text.contains("% above") && !mail.text.contains(" times "),
            "{}",
            mail.text
        );
    }
}

#[test]
fn names_from_outside_stay_text() {
    let mail = sample("hostile");
    assert!(
        !mail.html.contains("<b>") && mail.html.contains("&lt;b&gt;"),
        "{}",
        mail.html
    );
    // It may run from right to left, so it is isolated: first strong isolate, pop directional isolate.
    assert!(
        mail.subject.starts_with("\u{200e}\u{2068}<b>") && mail.subject.contains("\u{2069}: $250.96"),
        "{}",
        mail.subject
    );
    assert!(!mail.subject.contains('\u{202e}'));
}

#[test]
fn the_longest_names_and_amounts_stay_below_gmails_limit_and_in_the_window() {
    let home = Home::with_sandbox(
        "organization-name = \"ארגון לדוגמה עם שם ארוך במיוחד שממשיך\"\n[mail]\nfrom = \"Größe & Söhne <billing@example.com>\"\n",
    );
    let account = longest(&home);
    let said = home
        .run(&format!("preview --account {account} --format json"))
        .code(0)
        .stdout;
    let mail = read(&home, &serde_json::from_str(&said).expect("JSON"));
    assert!(mail.html.len() < GMAIL, "{}", mail.html.len());
    assert!(mail.html.contains("&quot;&quot;&quot;"), "{}", mail.html);
    // The organisation is named, isolated as well, and so are its people, whom to ask.
    assert!(mail.text.starts_with("\u{200e}\u{2068}ארגון"), "{}", mail.text);
    assert!(
        mail.text
            .contains("Ask the people who run billing at \u{200e}\u{2068}ארגון"),
        "{}",
        mail.text
    );
    browser::fits("the longest mail", &mail.html);
}

/// An account with the longest name of quotes, and spend of ten digits.
fn longest(home: &Home) -> String {
    let shown: Value = serde_json::from_str(&home.run("--format json sandbox show").code(0).stdout).expect("JSON");
    let accounts = shown["accounts"].as_array().expect("accounts");
    let found = accounts
        .iter()
        .find(|account| account["name"] == "payments-prod")
        .expect("it");
    let id = found["id"].as_str().expect("an id").to_owned();
    home.change(|world| {
        let account = id.parse().expect("an id");
        world.organizations.rename_account(account, &"\"".repeat(50));
        metrics::add_once(world, account, Usd::dollars(2_123_456_789));
        world.advance(std::time::Duration::from_secs(8 * 3_600));
    });
    id
}

#[test]
fn who_to_ask_is_the_reply_address_or_the_operations_or_the_organisations_people() {
    for (config, words) in [
        (
            "",
            "Ask the people who run your organisation’s billing for a higher limit.",
        ),
        (
            "reply-to = \"finops@example.com\"\n",
            "Ask finops@example.com for a higher limit, or answer this mail.",
        ),
        (
            "[operations]\nmail = \"ops@example.com\"\n",
            "Ask ops@example.com for a higher limit, or answer this mail.",
        ),
    ] {
        let home = Home::with_config(&format!("[mail]\nfrom = \"billing@example.com\"\n{config}"));
        home.run("preview --out here").code(0);
        for ending in ["html", "txt"] {
            let part = std::fs::read_to_string(home.path().join(format!("here/spike.{ending}"))).expect("a part");
            assert!(part.contains(words), "{config}: {part}");
        }
    }
}

#[test]
fn an_account_of_the_organisation_is_shown_as_it_is_and_nothing_is_sent() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    home.run("bootstrap").code(0);
    let before = std::fs::read(home.path().join("sandbox.json")).expect("the sandbox");
    let shown = home.run("--format json sandbox show").code(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let account = shown["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .find(|account| account["name"] == "payments-prod")
        .expect("the account");
    let id = account["id"].as_str().expect("an id");
    let ended = home.run(&format!("preview --account {id} --out here")).code(0);
    assert!(ended.stdout.contains("payments-prod"), "{}", ended.stdout);
    let html = std::fs::read_to_string(home.path().join(format!("here/{id}.html"))).expect("a file");
    assert!(html.contains(id) && html.contains("Production"), "{html}");
    let after = std::fs::read(home.path().join("sandbox.json")).expect("the sandbox");
    assert!(before == after, "the sandbox changed");
}

#[test]
fn an_account_that_is_not_there_and_a_folder_that_is_a_file_are_refused() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let ended = home.run("preview --account 999999999999").code(2);
    assert!(ended.stderr.contains("999999999999"), "{}", ended.stderr);
    std::fs::write(home.path().join("taken"), "").expect("a file");
    let ended = home.run("preview --out taken").code(1);
    assert!(ended.stderr.contains("taken"), "{}", ended.stderr);
    assert!(!Path::new("billctl-preview").exists());
}

#[test]
fn the_recipient_is_named_with_the_reason_as_the_notifier_would_find_them() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\nfallback = \"finops@example.com\"\n");
    let preview = |account: &str| {
        let ended = home.run(&format!("preview --account {account} --format json")).code(0);
        let mail: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        (mail["to"].clone(), mail["recipient_from"].clone(), ended.stderr)
    };
    let (_, from, _) = preview("payments-prod");
    assert_eq!(from, "owner-tag");
    let said = home.run("preview --account payments-prod").code(0).stdout;
    assert!(said.contains(" (owner tag)\n"), "{said}");

    home.run("sandbox add-account --name untagged --ou Production").code(0);
    home.run("sandbox advance 48h").code(0);
    let id = crate::deploy::id(&home, "untagged");
    let (_, from, said) = preview("untagged");
    assert_eq!(from, "account-email");
    assert!(
        said.contains("the billing contact can't be read, so it is left out"),
        "{said}"
    );

    home.edit_world(|world| {
        world["account"]["trusted"] = true.into();
        world["account"]["billing"][&id] = "Bills@example.com".into();
    });
    let (to, from, said) = preview("untagged");
    assert_eq!(from, "billing-contact");
    assert_eq!(to, serde_json::json!(["bills@example.com"]));
    assert!(!said.contains("billing contact"), "{said}");
    // The contact isn't read where it can't matter.
    let calls = home.run("preview --account payments-prod -v").code(0).stderr;
    assert!(!calls.contains("account:GetAlternateContact"), "{calls}");
}

/// The report and the mail open the same view of Cost Explorer, but for the days.
#[test]
fn the_reports_address_of_cost_explorer_is_the_mails() {
    let home = Home::with_sandbox("[mail]\nfrom = \"billing@example.com\"\n");
    let id = crate::deploy::id(&home, "payments-prod");
    home.run(&format!("preview --account {id} --out mail")).code(0);
    let read = |file: &str| std::fs::read_to_string(home.path().join(file)).expect("a file");
    let mail = read(&format!("mail/{id}.txt"));
    let of_mail = mail
        .lines()
        .find(|line| line.contains("costmanagement"))
        .expect("an address");
    home.run("spend --html page.html").code(0);
    let page = read("page.html");
    let (_, rest) = page.split_once("\"cost\":\"").expect("an address");
    let (of_page, _) = rest.split_once('"').expect("its end");
    let around_days = |address: &str| {
        let (before, rest) = address.split_once("startDate=").expect("days");
        let (days, after) = rest.split_once("&groupBy").expect("more");
        assert_eq!(days.len(), "2026-01-01&endDate=2026-01-14".len(), "{days}");
        (before.to_owned(), after.to_owned())
    };
    assert_eq!(around_days(&of_page.replace("ACCOUNT", &id)), around_days(of_mail));
    // Services and OUs are nobody's.
    home.run("spend --by ou --html ous.html").code(0);
    assert!(read("ous.html").contains("\"cost\":null"));
}

//! config.toml: what is read from it, and what is said about everything that can be wrong with it.

mod reference;

use std::path::Path;

use billctl::config::{self, Config, MailConfig, Measure, Names, Operations, Place, ThresholdTarget};
use billctl_core::error::{Cause, Error, ErrorKind};
use billctl_core::model::Usd;
use billctl_core::service::cloudformation::{CallAs, ConcurrencyMode, CountOrPercent};
use jiff::SignedDuration;
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::fresh;

/// The smallest config.
const SMALLEST: &str = "[mail]\nfrom = \"billing@example.com\"\n";

fn parse(text: &str) -> Config {
    Config::parse("config.toml", text).unwrap_or_else(|error| panic!("{}", shown(&error)))
}

/// The error as a user sees it, without colour and in 100 columns.
fn shown(error: &Error) -> String {
    let mut text = match &error.cause {
        Cause::Report(report) => {
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
            let mut text = String::new();
            handler.render_report(&mut text, report.as_ref().as_ref()).unwrap();
            text
        }
        _ => format!("{error}\n"),
    };
    if let Some(remedy) = &error.remedy {
        text += &format!("remedy: {remedy}\n");
    }
    text
}

/// What is said about this text, which has to be refused as a usage error.
fn complaint(text: &str) -> String {
    complaint_of(text.as_bytes())
}

fn complaint_of(bytes: &[u8]) -> String {
    let error = Config::parse_bytes("config.toml", bytes).expect_err("has to be refused");
    assert_eq!(error.kind, ErrorKind::Usage);
    shown(&error)
}

/// The complaint about this text with a `[mail]` that nothing is wrong with after it.
fn with_mail(text: &str) -> String {
    complaint(&format!("{text}\n{SMALLEST}"))
}

#[test]
fn the_smallest_config_is_one_address_and_gets_every_default() {
    let config = parse(SMALLEST);
    assert_eq!(config.mail.from, "billing@example.com");
    assert_eq!(config.mail.identity, "billing@example.com");
    assert_eq!(config.mail.owner_tag, MailConfig::OWNER_TAG);
    assert_eq!(config.alarm.name, "Billing-Alarm");
    assert_eq!(config.alarm.threshold, Usd::dollars(100));
    assert_eq!(config.alarm.measure, Measure::Daily);
    assert_eq!(config.names, Names::default());
    assert_eq!(config.names.member_role, "EventBridge-InvokeEventBus-Role");
    assert_eq!(config.call_as, CallAs::Own);
    assert!(config.thresholds.is_empty() && config.waves.is_empty());
    assert!(config.mail.remind && !config.mail.notify_ok);
    assert_eq!(config.mail.escalate_after, None);
    assert_eq!(config.operations, None);
    assert_eq!(config.members.role, "OrganizationAccountAccessRole");
}

#[test]
fn a_sender_may_have_a_name_which_goes_into_the_header_alone() {
    let config = parse("organization-name = \"Größe & Söhne\"\n[mail]\nfrom = \"Acme FinOps <Billing@Example.com>\"\n");
    assert_eq!(config.organization_name.as_deref(), Some("Größe & Söhne"));
    assert_eq!(config.mail.from, "Billing@example.com");
    assert_eq!(config.mail.from_name.as_deref(), Some("Acme FinOps"));
    assert_eq!(config.mail.identity, "Billing@example.com");
    assert_eq!(config.mail.sender(), "\"Acme FinOps\" <Billing@example.com>");
    let error = complaint("organization-name = \"{% $from %}\"\n[mail]\nfrom = \"ceo@bank.example <a@example.com>\"\n");
    assert!(error.contains("the name `ceo@bank.example` has a character"), "{error}");
    assert!(error.contains("the name `{% $from %}` has a character"), "{error}");
    let error = complaint("[mail]\nfrom = \"Acme FinOps\"\n");
    assert!(error.contains("Acme FinOps <billing@example.com>"), "{error}");
}

#[test]
fn domains_are_lower_case_and_what_is_before_the_at_stays() {
    let config = parse(
        r#"[mail]
from = "Billing@Example.COM"
identity = "Example.com"
mail-from-domain = "Bounce.example.com"
identity-arn = "arn:aws:ses:us-east-1:123456789012:identity/Example.com"
reply-to = "Ann@EXAMPLE.com"
fallback = "Bob@EXAMPLE.com"
cc = ["Cleo@EXAMPLE.com"]
escalate-after = 1
escalate-to = ["Dan@EXAMPLE.com"]
[operations]
mail = "Eve@EXAMPLE.com"
"#,
    );
    let mail = &config.mail;
    assert_eq!(mail.from, "Billing@example.com");
    assert_eq!(mail.identity, "example.com");
    assert_eq!(mail.mail_from_domain.as_deref(), Some("bounce.example.com"));
    let arn = mail.identity_arn.as_ref().unwrap().to_string();
    assert_eq!(arn, "arn:aws:ses:us-east-1:123456789012:identity/example.com");
    assert_eq!(mail.reply_to.as_deref(), Some("Ann@example.com"));
    assert_eq!(mail.fallback.as_deref(), Some("Bob@example.com"));
    assert_eq!(mail.cc, ["Cleo@example.com"]);
    assert_eq!(mail.escalate_to, ["Dan@example.com"]);
    let operations = Operations::Mail("Eve@example.com".into());
    assert_eq!(config.operations, Some(operations));
    // The identity is the address in `from` where none is named.
    let short = parse("[mail]\nfrom = \"Billing@Example.COM\"\n");
    assert_eq!(short.mail.identity, "Billing@example.com");
}

#[test]
fn the_older_place_of_notify_ok_is_read_too() {
    let older = parse(&format!("[alarm]\nnotify-ok = true\n{SMALLEST}"));
    assert!(older.mail.notify_ok);
    let both = parse(&format!("[alarm]\nnotify-ok = true\n{SMALLEST}notify-ok = true\n"));
    assert!(both.mail.notify_ok);
}

#[test]
fn a_topic_that_is_there_is_named_by_its_arn() {
    let arn = "arn:aws:sns:us-east-1:123456789012:ops_1";
    let config = parse(&format!("{SMALLEST}[operations]\ntopic = \"{arn}\"\n"));
    assert_eq!(config.operations, Some(Operations::Topic(arn.parse().unwrap())));
}

/// `escalate-to` with so many addresses, beside one in `cc`.
fn escalated_to(count: usize) -> String {
    let to: Vec<String> = (0..count).map(|number| format!("\"a{number}@example.com\"")).collect();
    format!(
        "{SMALLEST}cc = [\"a0@example.com\", \"cc@example.com\"]\nescalate-after = 3\nescalate-to = [{}]\n",
        to.join(", ")
    )
}

#[test]
fn fifty_recipients_are_as_many_as_a_mail_can_have() {
    // The owner, one in `cc` alone, and 48; whoever is in both lists counts once.
    let config = parse(&escalated_to(48));
    assert_eq!(config.mail.escalate_to.len(), 48);
    let refused = complaint(&escalated_to(49));
    assert!(
        refused.contains("a mail would have 51 recipients: the owner, 2 in `cc` and 49 in `escalate-to`"),
        "{refused}"
    );
    assert!(refused.contains("Amazon SES takes at most 50"), "{refused}");
}

#[test]
fn every_key_is_read() {
    let config = parse(EVERY_KEY);
    assert_eq!(config.organization.as_ref().unwrap().as_str(), "o-a1b2c3d4e5");
    assert_eq!(config.call_as, CallAs::DelegatedAdmin);
    assert_eq!(config.alarm.measure, Measure::SixHourly);
    assert!(config.mail.notify_ok && !config.mail.remind);
    assert_eq!(config.alarm.threshold.to_decimal(), "12.5");
    assert_eq!(config.thresholds.len(), 2);
    assert_eq!(
        config.thresholds[0].target,
        ThresholdTarget::Ou("Production/Payments".into())
    );
    assert_eq!(
        config.thresholds[1].target,
        ThresholdTarget::Account("012345678901".parse().unwrap())
    );
    assert_eq!(config.deploy.ous, ["Sandbox", "ou-ab12-c3d4e5f6"]);
    assert_eq!(config.deploy.exclude_accounts.len(), 1);
    assert!(!config.deploy.auto_deploy);
    assert_eq!(config.deploy.preferences.tolerance, CountOrPercent::Count(5));
    assert_eq!(config.deploy.preferences.concurrency, CountOrPercent::Percent(50));
    assert_eq!(config.deploy.preferences.mode, ConcurrencyMode::Strict);
    assert_eq!(config.waves[0].name, "first");
    assert_eq!(config.waves[1].name, "wave 2");
    assert_eq!(config.waves[1].tolerance, Some(CountOrPercent::Count(0)));
    assert_eq!(config.mail.identity, "example.com");
    assert_eq!(config.mail.mail_from_domain.as_deref(), Some("bounce.example.com"));
    assert_eq!(config.mail.cc, ["finops@example.com"]);
    assert_eq!(config.mail.escalate_after, Some(5));
    assert_eq!(config.mail.escalate_to, ["head@example.com"]);
    assert_eq!(config.operations, Some(Operations::Mail("platform@example.com".into())));
    assert_eq!(config.members.role, "AWSControlTowerExecution");
    let boundaries = [
        config.bootstrap.permissions_boundary,
        config.members.permissions_boundary,
    ];
    assert_eq!(
        boundaries,
        [Some("/teams/Boundary".to_owned()), Some("MembersBoundary".to_owned())]
    );
    assert_eq!(config.status.drift_every, Some(SignedDuration::from_hours(7 * 24)));
    assert_eq!(config.names.dashboard, "n-dashboard");
}

const EVERY_KEY: &str = r#"organization = "o-a1b2c3d4e5"
organization-name = "Acme"
call-as = "delegated-admin"
region = "us-east-1"
partition = "aws"

[alarm]
name = "Daily spend (€)"
threshold = 12.50
measure = "six-hourly"
notify-ok = true

[[threshold]]
ou = "/Production/Payments/"
usd = 2_500

[[threshold]]
account = "012345678901"
usd = 5

[deploy]
stack-set = "n-stack-set"
ous = ["Sandbox", "ou-ab12-c3d4e5f6"]
exclude-accounts = ["123456789012"]
auto-deploy = false
failure-tolerance = 5
max-concurrent = "50%"
concurrency-mode = "strict"

[[wave]]
name = "first"
ous = ["Canaries"]

[[wave]]
ous = ["Production"]
failure-tolerance = 0

[mail]
from = "billing@mail.example.com"
identity = "example.com"
identity-arn = "arn:aws:ses:us-east-1:123456789012:identity/example.com"
mail-from-domain = "bounce.example.com"
reply-to = "platform@example.com"
owner-tag = "team:mail"
billing-contact = false
fallback = "platform@example.com"
cc = ["finops@example.com"]
notify-ok = true
remind = false
escalate-after = 5
escalate-to = ["head@example.com"]

[digest]
to = ["digest@example.com"]

[operations]
mail = "platform@example.com"

[bootstrap]
permissions-boundary = "/teams/Boundary"

[[chat]]
ou = "Production"
topic = "arn:aws:sns:us-east-1:123456789012:spend"

[members]
role = "AWSControlTowerExecution"
permissions-boundary = "MembersBoundary"

[status]
drift-every = "7d"

[names]
event-bus = "default"
member-rule = "n.member-rule"
own-rule = "n.own-rule"
rule-role = "n+rule-role"
notifier = "n-notifier"
notifier-role = "n-notifier-role"
queue = "n-queue"
template = "n-template"
configuration-set = "n-configuration-set"
operations-topic = "n-topic"
dashboard = "n-dashboard"
member-role = "n@member-role"
"#;

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    // Every key of the schema is set above, and the reader took it.
    let written: toml::Table = EVERY_KEY.parse().unwrap();
    let schema = config::schema();
    let keys = |schema: &Value| -> Vec<String> { schema["properties"].as_object().unwrap().keys().cloned().collect() };
    for key in keys(&schema) {
        let value = written.get(&key).unwrap_or_else(|| panic!("{key} isn't set"));
        let property = &schema["properties"][&key];
        let elements = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for inner in [property, &property["items"]] {
            if inner["properties"].is_object() {
                for key in keys(inner) {
                    // Either of the two; the other one has a test of its own.
                    if key == "topic" {
                        continue;
                    }
                    assert!(
                        elements.iter().any(|table| table.get(&key).is_some()),
                        "{key} isn't set"
                    );
                }
            }
        }
    }
}

#[test]
fn the_defaults_in_the_schema_are_those_of_the_reader() {
    let schema = config::schema();
    let mut text = String::new();
    let mut tables = String::new();
    for (key, property) in schema["properties"].as_object().unwrap() {
        if let Some(default) = property.get("default") {
            text += &format!("{key} = {default}\n");
        }
        let Some(inner) = property["properties"].as_object() else {
            continue;
        };
        if !inner.values().any(|property| property.get("default").is_some()) {
            // A table without defaults isn't there by default.
            continue;
        }
        tables += &format!("[{key}]\n");
        for (key, property) in inner {
            if let Some(default) = property.get("default") {
                tables += &format!("{key} = {default}\n");
            }
            if key == "from" {
                tables += "from = \"billing@example.com\"\n";
            }
        }
    }
    let mut spelled_out = parse(&(text + &tables));
    let mut short = parse(SMALLEST);
    spelled_out.source = config::Source::default();
    short.source = config::Source::default();
    assert_eq!(spelled_out, short);
}

#[test]
fn the_smallest_config_the_full_one_and_the_sample_fit_the_schema() {
    let validator = jsonschema::validator_for(&config::schema()).unwrap();
    let sample = std::fs::read_to_string(top("config.toml")).unwrap();
    parse(&sample);
    for text in [SMALLEST, EVERY_KEY, &sample] {
        let instance = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&instance)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&config::schema()).unwrap();
    let mail = json!({"from": "billing@example.com"});
    for bad in [
        json!({}),
        json!({"mail": {}}),
        json!({"mail": mail, "surprise": 1}),
        json!({"mail": mail, "region": "eu-west-1"}),
        json!({"mail": mail, "alarm": {"threshold": 0}}),
        json!({"mail": mail, "alarm": {"threshold": "$100"}}),
        json!({"mail": mail, "alarm": {"measure": "weekly"}}),
        json!({"mail": mail, "threshold": [{"usd": 5}]}),
        json!({"mail": mail, "threshold": [{"ou": "A", "account": "123456789012", "usd": 5}]}),
        json!({"mail": mail, "threshold": [{"account": "1234", "usd": 5}]}),
        json!({"mail": mail, "deploy": {"failure-tolerance": "10"}}),
        json!({"mail": mail, "deploy": {"stack-set": "1st"}}),
        json!({"mail": mail, "wave": [{"ous": []}]}),
        json!({"mail": mail, "names": {"queue": "a.fifo"}}),
        json!({"mail": mail, "members": {"role": "a/b"}}),
        json!({"mail": mail, "operations": {}}),
        json!({"mail": mail, "operations": {"topic": "arn:aws:sns:eu-west-1:123456789012:ops"}}),
        json!({"mail": mail, "operations": {"topic": "arn:aws:sns:us-east-1:123456789012:ops", "mail": "a@example.com"}}),
        json!({"mail": {"from": "a@example.com", "escalate-after": 0, "escalate-to": ["b@example.com"]}}),
        json!({"mail": {"from": "a@example.com", "escalate-after": 400, "escalate-to": ["b@example.com"]}}),
    ] {
        let text = toml::to_string(&bad).unwrap();
        assert!(Config::parse("config.toml", &text).is_err(), "{text}");
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

fn top(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn the_shipped_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&config::schema()).unwrap();
    fresh("assets/config.schema.json", &(schema + "\n"));
}

#[test]
fn the_reference_is_fresh() {
    fresh("docs/configuration.md", &reference::reference());
}

/// One snapshot for each thing that can be wrong.
macro_rules! refused {
    ($($name:ident: $complaint:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), $complaint);
            }
        )*
    };
}

refused! {
    an_empty_file: complaint("");
    a_file_of_comments_only: complaint("# nothing yet\n");
    bytes_that_are_not_utf8: complaint_of(b"[mail]\nfrom = \"b\xfcro@example.com\"\n");
    utf16_is_recognised: complaint_of(b"\xff\xfe[\0m\0]\0");
    no_mail: complaint("[alarm]\nthreshold = 5\n");
    no_from: complaint("[mail]\nreply-to = \"a@example.com\"\n");
    a_syntax_error: with_mail("[alarm\nthreshold = 5\n");
    several_syntax_errors: with_mail("[alarm]\nthreshold = $100\nmeasure = daily\n");
    an_account_id_with_a_leading_zero_and_no_quotes: with_mail("[[threshold]]\naccount = 012345678901\nusd = 5");
    an_unknown_key_with_a_near_one: with_mail("[alarm]\ntreshold = 5\nnotify_ok = true");
    an_unknown_key_with_nothing_near: with_mail("[alarm]\ncolour = \"red\"");
    an_unknown_table: with_mail("[alarms]\nthreshold = 5\n[xyzzy]\na = 1");
    a_key_in_the_wrong_table: with_mail("from = \"a@example.com\"\n[alarm]\nregion = \"us-east-1\"");
    a_misspelt_required_key_is_not_also_missing: complaint("[mail]\nform = \"a@example.com\"\n");
    a_threshold_of_zero: with_mail("[alarm]\nthreshold = 0");
    a_negative_threshold: with_mail("[[threshold]]\nou = \"A\"\nusd = -5.0");
    a_threshold_that_is_not_a_number: with_mail("[alarm]\nthreshold = nan");
    an_infinite_threshold: with_mail("[alarm]\nthreshold = inf");
    a_threshold_beyond_all_bills: with_mail("[alarm]\nthreshold = 1e12");
    a_threshold_beyond_all_integers: with_mail("[alarm]\nthreshold = 99999999999999999999");
    a_threshold_with_a_currency_sign: with_mail("[alarm]\nthreshold = \"$100\"");
    a_threshold_in_other_words: with_mail("[alarm]\nthreshold = \"a lot\"");
    an_account_id_as_a_number: with_mail("[[threshold]]\naccount = 123456789012\nusd = 5");
    malformed_account_ids: with_mail(
        "[[threshold]]\naccount = \"1234-5678-9012\"\nusd = 5\n[deploy]\nexclude-accounts = [\"12345\", 42, \"ou-ab12-c3d4e5f6\"]"
    );
    the_same_account_twice: with_mail(
        "[[threshold]]\naccount = \"123456789012\"\nusd = 5\n\n[[threshold]]\naccount = \"123456789012\"\nusd = 6"
    );
    the_same_ou_twice: with_mail(
        "[[threshold]]\nou = \"Production\"\nusd = 5\n[[threshold]]\nou = \"/Production\"\nusd = 6\n[deploy]\nous = [\"A/B\", \"C\", \"A/B/\"]"
    );
    a_threshold_for_nobody: with_mail("[[threshold]]\nusd = 5");
    a_threshold_for_an_ou_and_an_account: with_mail("[[threshold]]\nou = \"A\"\naccount = \"123456789012\"\nusd = 5");
    a_threshold_without_an_amount: with_mail("[[threshold]]\nou = \"A\"");
    single_brackets_for_a_list: with_mail("[threshold]\nou = \"A\"\nusd = 5");
    double_brackets_for_a_table: with_mail("[[alarm]]\nthreshold = 5");
    an_account_both_excluded_and_with_a_threshold: with_mail(
        "[[threshold]]\naccount = \"123456789012\"\nusd = 5\n[deploy]\nexclude-accounts = [\"123456789012\"]"
    );
    an_account_id_as_an_ou: with_mail("[deploy]\nous = [\"123456789012\", \"\"]");
    a_text_for_a_list: with_mail("[deploy]\nous = \"Production\"");
    a_text_for_a_truth_value: with_mail("[deploy]\nauto-deploy = \"true\"");
    an_unknown_measure: with_mail("[alarm]\nmeasure = \"dayly\"");
    an_unknown_mode: with_mail("[deploy]\nconcurrency-mode = \"fast\"");
    another_region: with_mail("region = \"eu-central-1\"");
    another_partition: with_mail("partition = \"aws-cn\"");
    an_identity_in_another_partition: complaint(
        "[mail]\nfrom = \"a@example.com\"\nidentity-arn = \"arn:aws-cn:ses:cn-north-1:123456789012:identity/example.com\""
    );
    a_malformed_organisation: with_mail("organization = \"my-company\"");
    amounts_that_are_none: with_mail(
        "[deploy]\nfailure-tolerance = \"10\"\nmax-concurrent = 0\n[[wave]]\nous = [\"A\"]\nfailure-tolerance = \"110%\"\n[[wave]]\nous = [\"B\"]\nfailure-tolerance = -1\n[[wave]]\nous = [\"C\"]\nfailure-tolerance = 2.5"
    );
    waves_that_share_an_ou: with_mail("[[wave]]\nous = [\"A\", \"B\"]\n[[wave]]\nous = [\"B\", \"C\"]");
    waves_of_nothing: with_mail("[[wave]]\nname = \"first\"\n[[wave]]\nous = []");
    addresses_that_cannot_be: complaint(
        "[mail]\nfrom = \"Billing <billing@example.com>\"\nreply-to = \"nobody\"\nfallback = \"a@localhost\"\ncc = [\"a@b@c.com\", \"o'brien@example.com\", \"büro@example.com\", \"x@bücher.example\"]"
    );
    identities_that_cannot_send: complaint(
        "[mail]\nfrom = \"billing@example.com\"\nidentity = \"other.example\"\nmail-from-domain = \"example.com\""
    );
    an_identity_that_is_another_address: complaint("[mail]\nfrom = \"a@example.com\"\nidentity = \"b@example.com\"");
    names_that_aws_refuses: with_mail(
        "[alarm]\nname = \"\"\n[deploy]\nstack-set = \"1st\"\n[names]\nevent-bus = \"a/b\"\nmember-rule = \"a b\"\nrule-role = \"no spaces\"\nnotifier = \"a*\"\nqueue = \"a.fifo\"\ntemplate = \"Größe\"\nconfiguration-set = \"a.b\"\ndashboard = \"a.b\"\nmember-role = \"x/y\""
    );
    names_that_collide: with_mail(
        "[names]\nevent-bus = \"default\"\nmember-rule = \"one\"\nown-rule = \"one\"\nrule-role = \"Same\"\nnotifier-role = \"same\""
    );
    escalation_to_nobody_and_never: complaint(
        "[mail]\nfrom = \"a@example.com\"\nescalate-after = 3\n"
    );
    escalation_at_no_time: complaint(
        "[mail]\nfrom = \"a@example.com\"\nescalate-to = [\"b@example.com\"]\n"
    );
    escalation_after_no_days: complaint(
        "[mail]\nfrom = \"a@example.com\"\nescalate-after = 0\nescalate-to = [\"b@example.com\"]\n"
    );
    escalation_after_half_a_day: complaint(
        "[mail]\nfrom = \"a@example.com\"\nescalate-after = 0.5\nescalate-to = [\"b@example.com\"]\n"
    );
    recoveries_told_and_not_told: complaint(
        "[alarm]\nnotify-ok = true\n[mail]\nfrom = \"a@example.com\"\nnotify-ok = false\n"
    );
    operations_with_a_topic_and_an_address: with_mail(
        "[operations]\ntopic = \"arn:aws:sns:us-east-1:123456789012:ops\"\nmail = \"ops@example.com\""
    );
    operations_of_nobody: with_mail("[operations]");
    two_chat_topics_for_all: with_mail("[[chat]]\ntopic = \"arn:aws:sns:us-east-1:123456789012:a\"\n\n[[chat]]\ntopic = \"arn:aws:sns:us-east-1:123456789012:b\"");
    one_chat_in_single_brackets: with_mail("[chat]\ntopic = \"arn:aws:sns:us-east-1:123456789012:a\"");
    a_chat_topic_of_another_region_and_one_without: with_mail("[[chat]]\ntopic = \"arn:aws:sns:eu-west-1:123456789012:a\"\n\n[[chat]]\nou = \"Production\"");
    a_topic_of_another_region: with_mail("[operations]\ntopic = \"arn:aws:sns:eu-west-1:123456789012:ops\"");
    a_topic_that_is_a_queue: with_mail("[operations]\ntopic = \"arn:aws:sqs:us-east-1:123456789012:ops\"");
    a_topic_that_is_a_name: with_mail("[operations]\ntopic = \"ops\"");
    a_topic_that_is_first_in_first_out: with_mail("[operations]\ntopic = \"arn:aws:sns:us-east-1:123456789012:ops.fifo\"");
    a_length_of_time_that_is_none: with_mail("[status]\ndrift-every = \"soon\"");
    a_length_of_time_of_nothing: with_mail("[status]\ndrift-every = \"0d\"");
    a_role_that_cannot_be: with_mail("[members]\nrole = \"role/OrganizationAccountAccessRole\"");
    control_characters_are_shown_as_escapes: with_mail("[deploy]\nstack-set = \"a\\u001b[31mred\"");
    a_duplicate_key: with_mail("[alarm]\nthreshold = 5\nthreshold = 6");
    everything_at_once: complaint(
        "region = \"eu-west-1\"\n\n[alarm]\ntreshold = 5\nmeasure = \"hourly\"\n\n[[threshold]]\naccount = 123456789012\nusd = \"$250\"\n\n[[threshold]]\nou = \"Production\"\nusd = -1\n\n[mail]\nfrom = \"billing\"\n"
    );
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let error = Config::load(Path::new("no/such/config.toml")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    insta::assert_snapshot!(shown(&error));
}

#[test]
fn a_directory_is_no_config_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(directory.path()).unwrap_err();
    let text = shown(&error).replace(&directory.path().display().to_string(), "DIR");
    insta::assert_snapshot!(text);
}

#[test]
fn what_only_aws_can_tell_is_underlined_too() {
    let config = parse(EVERY_KEY);
    let source = &config.source;
    let error = source.error(vec![
        source
            .problem(Place::ThresholdTarget(0), "there is no OU `Production/Payments`")
            .remedy("did you mean Root/Production/Payment?"),
        source.problem(Place::WaveOu(1, 0), "there is no OU `Production`"),
        source.problem(Place::DeployOu(1), "there is no OU of this id"),
        source.problem(Place::Organization, "the credentials are for another organisation"),
        source.problem(Place::ThresholdTarget(1), "there is no such account"),
        source.problem(Place::ExcludedAccount(7), "nowhere to be found"),
    ]);
    insta::assert_snapshot!(shown(&error));
}

/// TOML-like text, so that the reader gets past the parser more often than with any text.
fn toml_like() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("threshold"),
        Just("from"),
        Just("ous"),
        Just("ou"),
        Just("account"),
        Just("usd"),
        Just("name"),
        Just("measure"),
        Just("failure-tolerance"),
        Just("identity"),
        Just("region"),
        Just("exclude-accounts"),
        Just("mail-from-domain"),
        Just("cc"),
        Just("queue"),
        Just("identity-arn"),
        Just("x"),
        Just("alarm"),
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}").to_lowercase()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        "[0-9]{12}".prop_map(|id| format!("\"{id}\"")),
        "[0-9]{0,4}%".prop_map(|share| format!("\"{share}\"")),
        "[a-z@.]{0,20}".prop_map(|text| format!("\"{text}\"")),
        any::<String>().prop_map(|text| toml::Value::String(text).to_string()),
        Just("[]".to_owned()),
        Just("[\"a\", 1, {}]".to_owned()),
        Just("{ a = 1 }".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("0xffffffffffffffffff".to_owned()),
    ];
    let header = prop_oneof![
        Just(""),
        Just("[alarm]"),
        Just("[[threshold]]"),
        Just("[deploy]"),
        Just("[[wave]]"),
        Just("[mail]"),
        Just("[names]"),
        Just("[[mail]]"),
        Just("[threshold]"),
        Just("[x.y]"),
    ];
    let line = (header, prop::collection::vec((key, value), 0..4)).prop_map(|(header, pairs)| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        format!("{header}\n{}\n", pairs.join("\n"))
    });
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

fn never_panics(bytes: &[u8]) {
    if let Err(error) = Config::parse_bytes("config.toml", bytes) {
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(!shown(&error).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        never_panics(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        never_panics(text.as_bytes());
    }

    #[test]
    fn anything_like_toml_is_read_or_refused(text in toml_like()) {
        never_panics(text.as_bytes());
    }

    #[test]
    fn a_cut_or_broken_config_is_read_or_refused(at in 0..EVERY_KEY.len(), with in any::<Vec<u8>>()) {
        let mut bytes = EVERY_KEY.as_bytes().to_vec();
        let end = (at + with.len() / 2).min(bytes.len());
        bytes.splice(at..end, with);
        never_panics(&bytes);
    }
}

//! What comes with the program: its version, man pages, completions, the members' template.

use std::fs;
use std::process::{Command, Stdio};

use yaml_serde::Value;

use crate::support::home::{Ended, Home};
use crate::support::install;

const VERBS: [&str; 15] = [
    "init",
    "doctor",
    "bootstrap",
    "deploy",
    "status",
    "spend",
    "destroy",
    "preview",
    "test-alert",
    "policy",
    "template",
    "demo",
    "sandbox",
    "completions",
    "man",
];

#[test]
fn the_version_names_the_commit_if_there_is_one() {
    let out = Home::demo().succeeds(&["--version"]);
    let version = out.trim().strip_prefix("billctl ").unwrap();
    let number = env!("CARGO_PKG_VERSION");
    let commit = version.strip_prefix(number).unwrap();
    // A source tree without git has the number alone.
    if !commit.is_empty() {
        let hash = commit.strip_prefix(" (").unwrap().strip_suffix(')').unwrap();
        let hash = hash.strip_suffix("-modified").unwrap_or(hash);
        assert!(
            hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{version}"
        );
    }
}

#[test]
fn every_command_has_a_man_page_and_the_first_one_names_them_all() {
    let home = Home::demo();
    let front = home.succeeds(&["man"]);
    home.succeeds(&["man", "--dir", "pages"]);
    for verb in VERBS {
        let named = verb.replace('-', "\\-");
        assert!(front.contains(&format!("billctl\\-{named}(1)")), "{verb} in\n{front}");
        let page = fs::read_to_string(home.file("pages").join(format!("billctl-{verb}.1"))).unwrap();
        assert!(
            page.contains(".SH NAME") && page.contains(".SH OPTIONS"),
            "{verb}:\n{page}"
        );
    }
}

#[test]
fn completions_know_every_command_in_every_shell() {
    let home = Home::demo();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.succeeds(&["completions", shell]);
        for verb in VERBS {
            assert!(script.contains(verb), "{verb} in {shell}");
        }
    }
    // The one shell that is everywhere reads it.
    let script = home.succeeds(&["completions", "bash"]);
    fs::write(home.file("billctl.bash"), script).unwrap();
    let check = "source ./billctl.bash; COMP_WORDS=(billctl boot); COMP_CWORD=1; \
                 COMPREPLY=(); _billctl billctl boot billctl; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", check])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output();
    let (out, err) = Ended::from(output.unwrap()).texts();
    assert_eq!(out.trim(), "bootstrap", "{err}");
}

#[test]
fn the_template_is_yaml_with_the_parameters_that_deploy_gives() {
    let home = Home::demo();
    home.config("[alarm]\nthreshold = 70\nname = \"Spend\"\n[mail]\nfrom = \"billing@example.com\"\n");
    // Named, so that nothing has to be asked.
    let output = home.run_on_aws(&["template", "--account", "111122223333"]);
    let (out, err) = output.texts();
    assert!(output.code == 0, "{err}");
    for line in [
        "#   Threshold: 70",
        "#   AlarmName: Spend",
        "#   EventBusArn: arn:aws:events:us-east-1:111122223333:event-bus/billctl",
    ] {
        assert!(out.lines().any(|there| there == line), "{line} in\n{out}");
    }
    let yaml: Value = yaml_serde::from_str(&out).unwrap();
    let parameters = yaml["Parameters"].as_mapping().unwrap();
    let json: serde_json::Value = serde_json::from_str(&home.succeeds(&["--format", "json", "template"])).unwrap();
    assert_eq!(json["kind"], "template");
    for (name, _) in json["parameters"].as_object().unwrap() {
        assert!(parameters.contains_key(name.as_str()), "{name}");
    }
    assert!(json["template"].as_str().is_some_and(|text| out.ends_with(text)));
}

#[test]
fn without_an_account_and_without_credentials_the_template_says_what_to_name() {
    let home = Home::demo();
    home.config("[mail]\nfrom = \"billing@example.com\"\n");
    let output = home.run_on_aws(&["template"]);
    assert_eq!(output.code, 1);
    assert!(output.texts().1.contains("--account"), "{:?}", output.texts());
}

/// An index as Cargo keeps it, with an SDK of 20 October: what is said of it a month and half a year later.
#[test]
fn an_sdk_of_more_than_90_days_is_named() {
    let script = "import os, sys, tempfile\n\
        sys.dont_write_bytecode = True\n\
        sys.path.insert(0, '.ci')\n\
        import dependencies as d\n\
        home = tempfile.TemporaryDirectory()\n\
        os.environ['CARGO_HOME'] = home.name\n\
        folder = home.name + '/registry/index/x/.cache/aw/s-'\n\
        os.makedirs(folder)\n\
        entry = b'{\"vers\": \"1.13.0\", \"pubtime\": \"2026-10-20T19:09:34Z\"}'\n\
        open(folder + '/aws-config', 'wb').write(b'\\3\\0' + b'1.13.0\\0' + entry + b'\\0')\n\
        sdk = [{'name': 'aws-config', 'version': '1.13.0'}]\n\
        out = d.published('aws-config', '1.13.0')\n\
        for packages, days in [(sdk, 30), (sdk, 182), ([], 0), ([{'name': 'aws-config', 'version': '9.0.0'}], 0)]:\n\
        \x20   print(d.of_sdk_age(d.sdk_age(packages, out + days * 86400)))\n";
    let ran = std::process::Command::new("python3")
        .args(["-c", script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let Ok(ran) = ran else {
        eprintln!("NOT RUN: .ci/dependencies.py, for want of python3");
        return;
    };
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let [month, half_a_year, none, unknown] = lines.as_slice() else {
        panic!("{said}{}", String::from_utf8_lossy(&ran.stderr));
    };
    assert_eq!(*month, "the AWS SDK in Cargo.lock came out 30 days ago");
    assert!(
        half_a_year.starts_with("WARNING: the AWS SDK in Cargo.lock came out 182 days ago"),
        "{said}"
    );
    assert!(
        none.starts_with("NOT CHECKED") && unknown.starts_with("NOT CHECKED"),
        "{said}"
    );
}

/// What the release does with billctl's own static binaries, here with a small one.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_static_binary_starts_and_finds_hosts_where_nothing_else_is() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = Home::empty();
    let compile = |name: &str, flags: &[&str]| {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024"]).args(flags);
        let made = home.file(name);
        install::run(rustc.arg(root.join("tests/support/resolver.rs")).arg("-o").arg(&made)).unwrap();
        made
    };
    let run = |binary: &std::path::Path| {
        let output = Command::new("python3")
            .arg(root.join(".ci/static"))
            .arg(binary)
            .output();
        Ended::from(output.unwrap())
    };
    let ended = run(&compile("static", &["-C", "target-feature=+crt-static"]));
    // A container often may not make networks.
    if ended.stderr.contains("unshare") {
        install::skip("the static binary in an empty root", ended.stderr.trim());
        return;
    }
    let ended = ended.code(0);
    assert_eq!(ended.stdout.matches("found by-dns").count(), 2, "{}", ended.stdout);
    assert_eq!(ended.stdout.matches("found by-hosts").count(), 2, "{}", ended.stdout);
    // One that needs the system's libraries is told from it.
    let ended = run(&compile("dynamic", &[])).code(1);
    assert!(
        ended.stderr.contains("doesn't start in an empty root"),
        "{}",
        ended.stderr
    );
}

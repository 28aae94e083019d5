//! Releases: what the workflows do is done here, with programs that stand in for those that would publish.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use yaml_serde::Value;

use crate::support::home::Ended;
use crate::support::{install, venv};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const LINUX: &str = "x86_64-unknown-linux-gnu";
const ARM: &str = "aarch64-unknown-linux-gnu";
const TARGETS: [&str; 4] = [LINUX, ARM, "aarch64-apple-darwin", "x86_64-apple-darwin"];
const WINDOWS: &str = "x86_64-pc-windows-msvc";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of what releases are made of, with programs of its own before all others.
struct Shop {
    dir: TempDir,
}

impl Shop {
    fn new() -> Self {
        let shop = Self {
            dir: TempDir::new().unwrap(),
        };
        for folder in [".ci", "bin", "temp"] {
            fs::create_dir(shop.file(folder)).unwrap();
        }
        for file in [
            ".ci/release.py",
            "Cargo.toml",
            "Cargo.lock",
            "CHANGELOG.md",
            "README.md",
            "SECURITY.md",
            "LICENSE-MIT",
            "LICENSE-APACHE",
            "Dockerfile",
        ] {
            fs::copy(root().join(file), shop.file(file)).unwrap();
        }
        // As released: the changelog has a section on the version, whatever is being collected for it.
        let changelog = format!("# Changelog\n\n## {VERSION} (2026-11-27)\n\n- What is new.\n\n## 0.0.1\n\n- Old.\n");
        fs::write(shop.file("CHANGELOG.md"), changelog).unwrap();
        // What compiles makes a program that is the one that was built.
        let real = assert_cmd::cargo::cargo_bin!("billctl").display().to_string();
        let billctl = format!("#!/bin/sh\\nexec {real} \\\"\\$@\\\"\\n");
        shop.program(
            "cargo",
            &format!(
                "echo cargo \"$@\" >> log\ncase $1 in\n\
                 build) case $TARGET in *windows*) exe=.exe ;; esac\n\
                   mkdir -p target/$TARGET/release; printf \"{billctl}\" > target/$TARGET/release/billctl$exe\n\
                   chmod +x target/$TARGET/release/billctl$exe ;;\n\
                 cyclonedx) echo '{{}}' > billctl.cdx.json ;;\n\
                 update) echo '# newer' >> Cargo.lock ;;\nesac"
            ),
        );
        for noted in ["rustup", "sudo"] {
            shop.program(noted, &format!("echo {noted} \"$@\" >> log"));
        }
        shop.program("gh", "echo gh \"$@\" >> log; ! echo \"$@\" | grep -q fails");
        shop.program(
            "docker",
            "echo docker \"$@\" >> log\ncase $1-$2 in\n\
             login-*) cat > password ;;\n\
             manifest-push) printf 'pushing\\nsha256:abc\\n' ;;\nesac",
        );
        shop.program(".ci/run", "echo .ci/run >> log");
        shop.git(&["init", "--quiet", "--initial-branch", "main"]);
        shop.git(&["add", "--all"]);
        shop.git(&["commit", "--quiet", "--message", "all"]);
        shop
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn program(&self, name: &str, script: &str) {
        let name = if name.contains('/') {
            name.to_owned()
        } else {
            format!("bin/{name}")
        };
        fs::write(self.file(&name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(self.file(&name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
        let output = install::run(command.args(arguments).current_dir(self.dir.path())).unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, script: &str, env: &[(&str, &str)]) -> Ended {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", format!("{}:{path}", self.file("bin").display()))
            .env("HOME", self.dir.path())
            .env("RUST_VERSION", "1.95.0")
            .env("GITHUB_OUTPUT", self.file("output"))
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("GITHUB_REPOSITORY", "Acme/billctl")
            .env("GITHUB_ACTOR", "somebody")
            .env("GITHUB_REF_NAME", format!("v{VERSION}"))
            .env("GH_TOKEN", "secret")
            .envs(env.iter().copied())
            .current_dir(self.dir.path())
            .output();
        Ended::from(output.unwrap())
    }

    /// Runs the scripts of a job of one of the repository's own workflows.
    fn job(&self, workflow: &str, job: &str, env: &[(&str, &str)]) -> Ended {
        let text = fs::read_to_string(root().join(format!(".github/workflows/{workflow}.yml"))).unwrap();
        let workflow: Value = yaml_serde::from_str(&text).unwrap();
        let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap();
        let scripts: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
        assert!(!scripts.is_empty(), "{job} runs nothing");
        let mut ended = None;
        for script in scripts {
            let now = self.run(script, env);
            let code = now.code;
            ended = Some(now);
            if code != 0 {
                break;
            }
        }
        ended.unwrap()
    }

    /// The files of an archive, by their names below its folder, with the rights of each.
    fn files(&self, archive: &str) -> BTreeMap<String, String> {
        let list = "import sys, tarfile, zipfile\n\
                    if sys.argv[1].endswith('zip'):\n    \
                        found = [(one.filename, one.external_attr >> 16) for one in zipfile.ZipFile(sys.argv[1]).infolist()]\n\
                    else:\n    \
                        found = [(one.name, one.mode) for one in tarfile.open(sys.argv[1])]\n\
                    [print(name.partition('/')[2], oct(mode)) for name, mode in found]";
        let path = self.file(&format!("dist/{archive}"));
        let output = install::run(Command::new("python3").args(["-c", list]).arg(&path)).unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let pairs = lines.lines().map(|line| line.rsplit_once(' ').unwrap());
        pairs.map(|(name, mode)| (name.to_owned(), mode.to_owned())).collect()
    }

    fn sum(&self, file: &str) -> String {
        let output = install::run(Command::new("sha256sum").arg(self.file(file))).unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    }
}

#[test]
fn a_tag_makes_archives_checksums_a_formula_an_image_and_a_release() {
    let shop = Shop::new();
    shop.job("release", "check", &[]).code(0);
    for target in TARGETS.into_iter().chain([WINDOWS]) {
        shop.job("release", "build", &[("TARGET", target)]).code(0);
    }
    shop.job("release", "sbom", &[]).code(0);
    shop.job("release", "publish", &[]).code(0);

    // What is in an archive.
    let files = shop.files(&format!("billctl-{VERSION}-{LINUX}.tar.gz"));
    for name in [
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "man/billctl.1",
        "man/billctl-deploy.1",
        "completions/billctl.bash",
        "completions/_billctl",
        "completions/billctl.fish",
        "completions/_billctl.ps1",
        "completions/billctl.elv",
    ] {
        assert_eq!(
            files.get(name).map(String::as_str),
            Some("0o644"),
            "{name} in {files:?}"
        );
    }
    assert_eq!(files["billctl"], "0o755");
    let windows = shop.files(&format!("billctl-{VERSION}-{WINDOWS}.zip"));
    assert!(
        windows.contains_key("billctl.exe") && windows.len() == files.len(),
        "{windows:?}"
    );

    // Every archive has its line, with the right sum, and nothing else has.
    let sums = shop.read("dist/SHA256SUMS");
    assert_eq!(sums.lines().count(), 2 * (TARGETS.len() + 1), "{sums}");
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(shop.sum(&format!("dist/{name}")), sum, "{name}");
    }
    // The same commit makes the same archive.
    let name = format!("dist/billctl-{VERSION}-{LINUX}.tar.gz");
    let before = shop.sum(&name);
    shop.job("release", "build", &[("TARGET", LINUX)]).code(0);
    assert_eq!(shop.sum(&name), before);

    let formula = shop.read("dist/billctl.rb");
    for target in TARGETS {
        let file = format!("billctl-{VERSION}-{target}.tar.gz");
        let address = format!("url \"https://github.com/Acme/billctl/releases/download/v{VERSION}/{file}\"");
        let (_, after) = formula
            .split_once(&address)
            .unwrap_or_else(|| panic!("{address} in\n{formula}"));
        let sum = after.trim_start().lines().next().unwrap();
        assert_eq!(sum, format!("sha256 \"{}\"", shop.sum(&format!("dist/{file}"))));
    }
    let description = formula
        .lines()
        .find_map(|line| line.trim().strip_prefix("desc "))
        .unwrap();
    assert!(
        description.len() <= 82 && !description.starts_with("\"A "),
        "{description}"
    );
    // Ruby's blocks, counted.
    let words = |word: &str| {
        formula
            .lines()
            .filter(|line| line.trim() == word || line.ends_with(&format!(" {word}")))
            .count()
    };
    let opened = words("do")
        + formula
            .lines()
            .filter(|line| line.starts_with("class ") || line.starts_with("  def "))
            .count();
    assert_eq!(words("end"), opened, "{formula}");

    // What is copied into the image is there, and no more; the password was not on a command line.
    let dockerfile = shop.read("Dockerfile");
    for architecture in ["amd64", "arm64"] {
        for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
            let source = line.split(' ').next().unwrap().replace("${TARGETARCH}", architecture);
            assert!(shop.file("context").join(&source).is_file(), "{source}");
        }
    }
    assert_eq!(shop.read("password"), "secret");
    let log = shop.read("log");
    assert!(!log.contains("secret"), "{log}");
    let image = format!("ghcr.io/acme/billctl:{VERSION}");
    for line in [
        format!("docker push {image}-arm64"),
        format!("docker manifest create {image} {image}-amd64 {image}-arm64"),
    ] {
        assert!(log.lines().any(|there| there == line), "{line} in\n{log}");
    }
    assert_eq!(shop.read("output"), "name=ghcr.io/acme/billctl\ndigest=sha256:abc\n");
    let created = log.lines().find(|line| line.starts_with("gh release create")).unwrap();
    for file in ["SHA256SUMS", "billctl.rb", "billctl.cdx.json", "--verify-tag"] {
        assert!(created.contains(file), "{file} in {created}");
    }
    assert_eq!(shop.read("notes.md"), "- What is new.\n");
}

#[test]
fn a_tag_that_is_not_the_version_makes_no_release() {
    let shop = Shop::new();
    let ended = shop.job("release", "check", &[("GITHUB_REF_NAME", "v9.9.9")]).code(1);
    assert!(ended.stderr.contains("the tag is v9.9.9"), "{}", ended.stderr);
    let unreleased = format!("# Changelog\n\n## {VERSION} (unreleased)\n\n- New.\n");
    fs::write(shop.file("CHANGELOG.md"), unreleased).unwrap();
    let ended = shop.job("release", "check", &[]).code(1);
    assert!(ended.stderr.contains("unreleased: put the date"), "{}", ended.stderr);
    fs::write(shop.file("CHANGELOG.md"), "# Changelog\n\n## 0.0.1\n\n- Old.\n").unwrap();
    let ended = shop.job("release", "check", &[]).code(1);
    assert!(
        ended.stderr.contains(&format!("no section on {VERSION}")),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_changelog_has_a_section_on_the_version() {
    let script = root().join(".ci/release.py");
    let output = install::run(Command::new("python3").arg(script).args(["notes", VERSION])).unwrap();
    assert!(output.stdout.starts_with(b"- ") || output.stdout.len() > 200);
}

#[test]
fn a_month_s_dependencies_are_proposed_as_the_next_version() {
    let shop = Shop::new();
    shop.git(&["init", "--quiet", "--bare", "origin.git"]);
    let origin = shop.file("origin.git").display().to_string();
    shop.git(&["remote", "add", "origin", &origin]);
    shop.job("monthly", "update", &[]).code(0);
    let patch = shop.read("update.patch");
    assert!(
        patch.contains("+# newer") && shop.read("log").contains(".ci/run"),
        "{patch}"
    );
    // The other job begins with what is committed.
    shop.git(&["checkout", "--quiet", "--", "."]);
    shop.job("monthly", "propose", &[]).code(0);
    let (head, patch) = VERSION.rsplit_once('.').unwrap();
    let next = format!("{head}.{}", patch.parse::<u32>().unwrap() + 1);
    let branch = format!("dependencies-{next}");
    let made = shop.git(&["--git-dir", &origin, "show", "--stat", "--format=%s", &branch]);
    assert!(made.starts_with(&format!("Fresh dependencies: {next}")), "{made}");
    let manifest = shop.git(&["--git-dir", &origin, "show", &format!("{branch}:Cargo.toml")]);
    assert!(
        !manifest.contains(&format!("\"{VERSION}\"")),
        "all of the workspace's own versions"
    );
    assert_eq!(manifest.matches(&format!("version = \"{next}\"")).count(), 4);
    let changelog = shop.git(&["--git-dir", &origin, "show", &format!("{branch}:CHANGELOG.md")]);
    assert!(
        changelog.starts_with(&format!("# Changelog\n\n## {next} (20")),
        "{changelog}"
    );
    assert!(
        shop.read("log")
            .contains(&format!("gh pr create --title Fresh dependencies: {next}"))
    );
    // It is a release's text like any other.
    shop.git(&["switch", "--quiet", &branch]);
    shop.run(&format!("python3 .ci/release.py check v{next}"), &[]).code(0);
}

/// The YAML that GitHub reads, and what is copied from the docs.
fn workflows() -> Vec<PathBuf> {
    let own = fs::read_dir(root().join(".github/workflows")).unwrap();
    let mut found: Vec<PathBuf> = own.map(|entry| entry.unwrap().path()).collect();
    found.push(root().join("docs/ci/github.yml"));
    found
}

#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    let Some(venv) = venv::shared("actionlint on the workflows") else {
        return;
    };
    // Shell scripts too, where shellcheck is; .ci/run installs it.
    let lint = |files: &[PathBuf]| {
        let output = Command::new(venv.tool("actionlint"))
            .arg("-no-color")
            .args(files)
            .output();
        Ended::from(output.unwrap())
    };
    lint(&workflows()).code(0);
    let dir = TempDir::new().unwrap();
    // The action's scripts, as a job's: what lints workflows doesn't read actions.
    let action: Value =
        yaml_serde::from_str(&fs::read_to_string(root().join(".github/actions/billctl/action.yml")).unwrap()).unwrap();
    let mut job = String::from("on: push\njobs:\n  all:\n    runs-on: ubuntu-24.04\n    steps:\n");
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        if let Some(script) = step["run"].as_str() {
            job += "      - shell: bash\n        run: |\n";
            for line in script.lines() {
                job += &format!("          {line}\n");
            }
        }
    }
    let file = dir.path().join("action.yml");
    fs::write(&file, &job).unwrap();
    lint(std::slice::from_ref(&file)).code(0);
    // It would find something.
    fs::write(&file, job.replace("ubuntu-24.04", "ubuntu-1.04")).unwrap();
    let found = lint(&[file]).code(1);
    assert!(found.stdout.contains("ubuntu-1.04"), "{found:?}");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let Some(venv) = venv::shared("hadolint on the Dockerfile") else {
        return;
    };
    let lint = |file: &Path| {
        let output = Command::new(venv.tool("hadolint"))
            .args(["--failure-threshold", "style", "--no-color"])
            .arg(file)
            .output();
        Ended::from(output.unwrap())
    };
    let ended = lint(&root().join("Dockerfile")).code(0);
    assert_eq!(ended.stdout, "");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("Dockerfile");
    fs::write(&file, "FROM debian\nRUN cd /tmp && apt-get install curl\n").unwrap();
    assert!(lint(&file).code != 0, "it would find something");
}

#[test]
fn the_image_is_empty_but_for_the_program_and_runs_as_nobody() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(lines[0], "FROM scratch");
    assert!(
        !lines
            .iter()
            .any(|line| line.starts_with("RUN") || line.starts_with("ADD")),
        "{text}"
    );
    assert!(lines.contains(&"USER 65532:65532"));
    assert_eq!(lines.iter().filter(|line| line.starts_with("COPY")).count(), 2);
}

#[test]
fn packages_hold_what_is_built_and_read_and_nothing_else() {
    let output = install::run(
        Command::new(env!("CARGO"))
            .args(["package", "--workspace", "--list", "--allow-dirty", "--offline"])
            .current_dir(root()),
    );
    let listed = String::from_utf8(output.unwrap().stdout).unwrap();
    for needed in [
        "src/main.rs",
        "assets/build.rs",
        "assets/notifier.asl.yaml",
        "README.md",
        "LICENSE-APACHE",
        "Cargo.lock",
    ] {
        assert!(listed.lines().any(|line| line == needed), "{needed} in\n{listed}");
    }
    for line in listed.lines() {
        let folder = line.split('/').next().unwrap();
        let well = ["src", "assets"].contains(&folder) || !line.contains('/') || line == "docs/images/mail-light.png";
        assert!(well, "{line}");
    }
}

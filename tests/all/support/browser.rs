//! Headless Chromium: what a page answers to a script, and what it looks like.
//!
//! `BILLCTL_CHROMIUM` names it, or it is found on the path. Without one the tests say that they were not run, and with
//! `BILLCTL_REQUIRE_EMULATORS=1` they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::install;

/// Milliseconds that a page may take in its own time, where it waits for something.
const BUDGET: u32 = 20_000;

/// A page, and how it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    /// What isn't tested where there is no browser.
    pub test: &'a str,
    /// The page.
    pub html: &'a str,
    /// The window's width in pixels.
    pub width: u32,
    /// Whether the reader prefers dark mode.
    pub dark: bool,
    /// What follows the address, `#` included.
    pub hash: &'a str,
}

/// The browser; `None` after saying why `test` is skipped.
fn chromium(test: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BILLCTL_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.exists());
    if found.is_none() {
        install::skip(
            test,
            "there is no Chromium: install it (Debian: apt-get install chromium) or name one with BILLCTL_CHROMIUM",
        );
    }
    found
}

impl<'a> Page<'a> {
    /// A page in a wide window, in light mode.
    pub(crate) const fn new(test: &'a str, html: &'a str) -> Self {
        Self {
            test,
            html,
            width: 1200,
            dark: false,
            hash: "",
        }
    }

    /// Opens it with `script` at its end.
    fn open(&self, folder: &Path, script: &str, height: u32, arguments: &[String]) -> Option<Output> {
        let browser = chromium(self.test)?;
        let page = folder.join("page.html");
        let (before, after) = self.html.rsplit_once("</body>").unwrap();
        std::fs::write(&page, format!("{before}<script>{script}</script></body>{after}")).unwrap();
        let scheme = if self.dark { 0 } else { 1 };
        let mut command = Command::new(browser);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ]);
        let output = command
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--window-size={},{height}", self.width))
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}{}", page.display(), self.hash))
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let complaints: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
        assert!(complaints.is_empty(), "{}: {complaints:?}", self.test);
        Some(output)
    }

    /// What `script`, the body of an async function, returns in it. Fails on anything in the console.
    pub(crate) fn answer(&self, script: &str) -> Option<Value> {
        let folder = tempfile::tempdir().unwrap();
        let probe = format!(
            "(async function(){{\"use strict\";{script}}})().catch(function(error){{return {{error:String(error)}};}})\
             .then(function(answer){{var out=document.createElement('pre');out.id='answer';\
             out.textContent=JSON.stringify(answer);document.body.appendChild(out);}});"
        );
        let mut arguments = vec!["--dump-dom".to_owned()];
        // Otherwise its clock is the real one.
        if script.contains("await ") || script.contains("Promise") {
            arguments.push(format!("--virtual-time-budget={BUDGET}"));
        }
        let output = self.open(folder.path(), &probe, 900, &arguments)?;
        let dom = String::from_utf8_lossy(&output.stdout);
        let (_, rest) = dom
            .rsplit_once("<pre id=\"answer\">")
            .unwrap_or_else(|| panic!("{}: no answer: {}", self.test, String::from_utf8_lossy(&output.stderr)));
        let (answer, _) = rest.split_once("</pre>").unwrap();
        let answer = answer.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{}: {answer}", self.test);
        Some(answer)
    }

    /// A picture of it as PNG once `script` has run; of the whole page, unless a height is given.
    pub(crate) fn picture(&self, script: &str, height: Option<u32>) -> Option<Vec<u8>> {
        let height = match height {
            Some(height) => height,
            None => {
                let whole = "return Math.ceil(document.documentElement.getBoundingClientRect().height);";
                u32::try_from(self.answer(whole)?.as_u64().unwrap()).unwrap()
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.png");
        let output = self.open(
            folder.path(),
            script,
            height,
            &[format!("--screenshot={}", file.display())],
        )?;
        let taken = std::fs::read(&file);
        Some(taken.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// Holds a picture of the documentation to what it shows. Fonts differ from machine to machine, so it is compared by its
/// size, and its height roughly; `UPDATE=1` takes it anew.
pub(crate) fn documented(file: &str, picture: &[u8]) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, picture).unwrap();
    }
    let there = std::fs::read(&kept).unwrap_or_else(|error| panic!("{file}: {error}; take it with UPDATE=1"));
    let size = |png: &[u8]| [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()));
    let ([width, height], [kept_width, kept_height]) = (size(picture), size(&there));
    assert!(
        width == kept_width && height.abs_diff(kept_height) * 20 <= height,
        "{file} is {kept_width} by {kept_height}, and what it shows {width} by {height}: take it anew with UPDATE=1"
    );
}

//! Headless Chromium: what a page answers to a script, and what it looks like.
//!
//! `BILLCTL_CHROMIUM` names it, or it is found on the path. Without one the tests say that they were not run, and with
//! `BILLCTL_REQUIRE_EMULATORS=1` they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::install;

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The window's width in pixels.
    pub width: u32,
    /// Whether the reader prefers dark mode.
    pub dark: bool,
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

fn start(browser: &Path, folder: &Path, page: &Path, view: View, height: u32, arguments: &[String]) -> Output {
    let scheme = if view.dark { 0 } else { 1 };
    Command::new(browser)
        .args([
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
        ])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--window-size={},{height}", view.width))
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap()
}

/// Opens the page and answers what `script`, the body of an async function, returns in it. Fails on anything in the
/// console.
pub(crate) fn asked(test: &str, html: &str, view: View, script: &str) -> Option<Value> {
    let browser = chromium(test)?;
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let probe = format!(
        "<script>(async function(){{{script}}})().catch(function(error){{return {{error:String(error)}};}})\
         .then(function(answer){{var out=document.createElement('pre');out.id='answer';\
         out.textContent=JSON.stringify(answer);document.body.appendChild(out);}});</script></body>"
    );
    std::fs::write(&page, html.replace("</body>", &probe)).unwrap();
    let arguments = ["--dump-dom", "--virtual-time-budget=20000"].map(str::to_owned);
    let output = start(&browser, folder.path(), &page, view, 900, &arguments);
    let log = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = dom
        .split_once("<pre id=\"answer\">")
        .unwrap_or_else(|| panic!("no answer: {log}"));
    let (answer, _) = rest.split_once("</pre>").unwrap();
    let answer = answer.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&answer).unwrap())
}

/// A picture of the whole page, as PNG.
pub(crate) fn picture(test: &str, html: &str, view: View) -> Option<Vec<u8>> {
    let height = asked(
        test,
        html,
        view,
        "return Math.ceil(document.documentElement.getBoundingClientRect().height);",
    )?;
    let height = u32::try_from(height.as_u64().unwrap()).unwrap();
    let browser = chromium(test)?;
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let file = folder.path().join("page.png");
    std::fs::write(&page, html).unwrap();
    let arguments = [format!("--screenshot={}", file.display())];
    let output = start(&browser, folder.path(), &page, view, height, &arguments);
    let taken = std::fs::read(&file);
    Some(taken.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
}

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser as _};
use tokio::sync::mpsc;

use super::Cli;
use super::output::Outputs;
use crate::render;
use billctl_core::error::{Error, ErrorKind, Result, WhileTrying};

/// The file that marks a folder as the demo's own, so that a second demo may replace it.
const MARK: &str = ".billctl-demo";

/// The demo's config.
const CONFIG: &str = include_str!("../../assets/demo.toml");

/// How long a screen stays if nobody presses Enter: whoever went for a coffee finds the mail.
const SCREEN: Duration = Duration::from_secs(20);

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where to keep the sandbox, its config and the mails.
    #[arg(long, default_value = "billctl-demo", value_name = "FOLDER")]
    pub dir: PathBuf,
    /// Don't stop after each screen.
    #[arg(long)]
    pub fast: bool,
}

/// What the story says, and the commands it types.
enum Scene {
    /// A new screen, with its heading.
    Screen(&'static str),
    Say(&'static str),
    Type(&'static [&'static str]),
    /// The newest mail, as its reader sees it.
    Mail,
    /// What to try when the story is over: what it shows, and the command. `DIR` is the demo's folder.
    Try(&'static str, &'static [&'static str]),
}

use Scene::{Mail, Say, Screen, Try, Type};

/// The story. Everything but the narration is said by the commands themselves.
const STORY: &[Scene] = &[
    Screen("An organisation"),
    Say(
        "Some 40 accounts in nested OUs, kept in a file: no AWS account is needed, and none is touched. The config: \
         $100 a day for every account, $250 in Production, $400 for one account.",
    ),
    Type(&["sandbox", "new", "--force"]),
    Screen("The billing account"),
    Say("Everything there is made once: event bus, roles, queue, state machine, mail."),
    Type(&["bootstrap"]),
    Screen("The sender"),
    Say("Somebody opens SES's mail and clicks. A second bootstrap finds nothing to change, and writes nothing."),
    Type(&["sandbox", "verify", "billing@example.com"]),
    Type(&["bootstrap"]),
    Screen("The alarms"),
    Say("One StackSet puts an alarm into every account of two OUs."),
    Type(&["deploy", "--ou", "Production", "--ou", "Staging"]),
    Screen("Somebody starts something large"),
    Say(
        "Three quiet days pass, then payments-prod starts to cost $900 a day. AWS publishes charges about every six \
         hours; half a day later the alarm has fired. The alarm only wakes the notifier: the owner gets a mail because \
         the billing account's own figures bear it out.",
    ),
    Type(&["sandbox", "advance", "3d"]),
    Type(&["sandbox", "spend", "--name", "payments-prod", "--daily", "900"]),
    Type(&["sandbox", "advance", "12h"]),
    Screen("What the owner reads"),
    Mail,
    Screen("Where every account stands"),
    Type(&["status", "--drift", "--only", "above"]),
    Type(&["spend", "--top", "5"]),
    Screen("Your turn"),
    Say("The organisation is still there, and every command above can be typed again. Three to try:"),
    Try(
        "four weeks pass and nobody stops it: the owner is reminded",
        &["sandbox", "advance", "28d"],
    ),
    Try(
        "every account's spend as one page for a browser",
        &["spend", "--html", "DIR/report.html"],
    ),
    Try(
        "what an alarm in one more OU would take; nothing is changed",
        &["deploy", "--ou", "Sandboxes", "--plan"],
    ),
];

/// Plays the story on the embedded sandbox.
///
/// # Errors
/// A folder that is somebody else's; anything that a command of the story answers.
pub(super) async fn run(args: &DemoArgs) -> Result<()> {
    let dir = &args.dir;
    prepare(dir)?;
    let global = [
        format!("--sandbox={}", dir.join("sandbox.json").display()),
        format!("--config={}", dir.join("config.toml").display()),
    ];
    // How this program was called, so that a command that is shown can be pasted: `billctl` where the path finds it,
    // `target/debug/billctl` after `cargo run`.
    let called = std::env::args_os().next().unwrap_or_else(|| "billctl".into());
    let prompt = |words: &[String]| render::prompt(&called.to_string_lossy(), &global, words);
    let mut pause = (!args.fast && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()).then(Pause::new);
    let screens = STORY.iter().filter(|scene| matches!(scene, Screen(_))).count();
    let mut screen = 0;
    for scene in STORY {
        match scene {
            Screen(title) => {
                if let Some(pause) = pause.as_mut().filter(|_| screen > 0) {
                    pause.wait().await?;
                }
                screen += 1;
                say!("\n{}", render::heading(screen, screens, title, Outputs::width()))?;
            }
            Say(text) => say!("{}", render::narration(text, Outputs::width()))?,
            Type(words) => {
                let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
                say!("\n{}", prompt(&words))?;
                let line = ["billctl".to_owned()].into_iter();
                let line = line.chain(global.iter().cloned()).chain(words);
                let mut cli = Cli::try_parse_from(line).map_err(|error| Error::usage(error.to_string()))?;
                // The reader is told a story: nobody asks them whether it may go on, and a screen holds what came of it.
                cli.global.yes = true;
                cli.global.only_answers = true;
                // Boxed, because a command of the story could be any command.
                Box::pin(super::run(&cli)).await?;
            }
            Mail => mail(&dir.join("sandbox-outbox"))?,
            Try(what, words) => {
                let folder = dir.display().to_string();
                let words: Vec<String> = words.iter().map(|word| word.replace("DIR", &folder)).collect();
                say!("\n{}\n{}", render::comment(what), prompt(&words))?;
            }
        }
    }
    Ok(())
}

/// Waits for Enter, or a while: nobody has to answer.
struct Pause {
    enter: mpsc::UnboundedReceiver<()>,
}

impl Pause {
    fn new() -> Self {
        let (pressed, enter) = mpsc::unbounded_channel();
        // On a thread of its own, which the end of the process ends.
        tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) && pressed.send(()).is_ok() {
                line.clear();
            }
        });
        Self { enter }
    }

    async fn wait(&mut self) -> Result<()> {
        // What was pressed while a command worked was not meant for this screen.
        while self.enter.try_recv().is_ok() {}
        render::aside("\nEnter goes on; so does waiting. ");
        tokio::select! {
            _ = self.enter.recv() => {}
            () = tokio::time::sleep(SCREEN) => aside!(""),
            _ = tokio::signal::ctrl_c() => {
                return Err(Error::new(ErrorKind::Interrupted, "the demo was stopped"));
            }
        }
        Ok(())
    }
}

/// Shows the newest mail: its text, and where the page is.
fn mail(outbox: &Path) -> Result<()> {
    let reading = || format!("read {}", outbox.display());
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(outbox).while_trying(reading())? {
        let path = entry.while_trying(reading())?.path();
        if path.extension().is_some_and(|kind| kind == "txt") {
            texts.push(path);
        }
    }
    let Some(newest) = texts.into_iter().max() else {
        return Err(Error::failed(format!("there is no mail in {}", outbox.display())));
    };
    let text = std::fs::read_to_string(&newest).while_trying(reading())?;
    let page = std::fs::canonicalize(newest.with_extension("html")).while_trying(reading())?;
    say!("{}", render::mail(&text, &page, Outputs::width()))
}

/// An empty folder of the demo's own, with its config.
fn prepare(dir: &Path) -> Result<()> {
    if dir.exists() {
        if !dir.join(MARK).exists() {
            return Err(
                Error::usage(format!("{} exists, and the demo didn't make it", dir.display()))
                    .remedy("name another folder with --dir"),
            );
        }
        std::fs::remove_dir_all(dir).while_trying(format!("clear {}", dir.display()))?;
    }
    let write = |name: &str, text: &str| {
        super::output::replace(&dir.join(name), text).while_trying(format!("write {}", dir.join(name).display()))
    };
    std::fs::create_dir_all(dir).while_trying(format!("make {}", dir.display()))?;
    write(MARK, "")?;
    write("config.toml", CONFIG)
}

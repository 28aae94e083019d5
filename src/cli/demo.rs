use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};

use super::Cli;
use crate::render;
use billctl_core::error::{Context as _, Error, Result};

/// The file that marks a folder as the demo's own, so that a second demo may replace it.
const MARK: &str = ".billctl-demo";

/// The demo's config.
const CONFIG: &str = include_str!("../../assets/demo.toml");

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where to keep the sandbox, its config and the mails.
    #[arg(long, default_value = "billctl-demo", value_name = "FOLDER")]
    pub dir: PathBuf,
}

/// What the story says, and the commands it types.
enum Scene {
    Say(&'static str),
    Type(&'static [&'static str]),
}

use Scene::{Say, Type};

/// The story. Everything but the narration is said by the commands themselves.
const STORY: &[Scene] = &[
    Say("An organisation of about 40 accounts in nested OUs, in a file instead of at AWS."),
    Type(&["sandbox", "new", "--force"]),
    Say("The config: $100 a day by default, more for Production, one account with its own threshold."),
    Say("First the billing account's side: bus, roles, queue, state machine, mail."),
    Type(&["bootstrap"]),
    Say("Whoever owns the address clicks the link in SES's mail."),
    Type(&["sandbox", "verify", "billing@example.com"]),
    Say("A second run finds nothing to change, and writes nothing."),
    Type(&["bootstrap"]),
    Say("Now the alarms, in two OUs."),
    Type(&["deploy", "--ou", "Production", "--ou", "Staging"]),
    Say("The same again: nothing differs, so no operation is started."),
    Type(&["deploy", "--ou", "Production", "--ou", "Staging"]),
    Say("Three quiet days pass. Then somebody starts something large in one account."),
    Type(&["sandbox", "advance", "3d"]),
    Type(&["sandbox", "spend", "--name", "payments-prod", "--daily", "900"]),
    Say(
        "AWS publishes charges about every six hours. Half a day later the alarm has fired, and its event has crossed to \
         the billing account. It only wakes the notifier there: the owner has mail because the billing account's own \
         figures bear it out.",
    ),
    Type(&["sandbox", "advance", "12h"]),
    Type(&["status", "--drift"]),
    Type(&["spend", "--top", "8"]),
];

/// What to try when the story is over.
const NEXT: &[&str] = &["sandbox", "advance", "28d"];

/// Plays the story on the embedded sandbox.
///
/// # Errors
/// A folder that is somebody else's; anything that a command of the story answers.
pub(super) async fn run(args: &DemoArgs) -> Result<()> {
    let dir = &args.dir;
    prepare(dir)?;
    let sandbox = dir.join("sandbox.json");
    let config = dir.join("config.toml");
    let global = [
        format!("--sandbox={}", sandbox.display()),
        format!("--config={}", config.display()),
    ];
    for scene in STORY {
        match scene {
            Say(text) => say!("\n{}", render::narration(text))?,
            Type(words) => {
                say!("\n{}", render::prompt(&global, words))?;
                let line = std::iter::once("billctl".to_owned())
                    .chain(global.iter().cloned())
                    .chain(words.iter().map(|word| (*word).to_owned()));
                let cli = Cli::try_parse_from(line).map_err(|error| Error::usage(error.to_string()))?;
                // Boxed, because a command of the story could be any command.
                Box::pin(super::run(&cli)).await?;
            }
        }
    }
    let outbox = dir.join("sandbox-outbox");
    say!(
        "\n{}",
        render::narration(&format!(
            "The mail is in {}: open its .html in a browser. Every command above can be typed by hand. Try this next: \
             four weeks pass, nobody stops it, and the owner is reminded on the second and third day and then every \
             seventh.",
            outbox.display()
        ))
    )?;
    say!("\n{}", render::prompt(&global, NEXT))
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
        std::fs::write(dir.join(name), text).while_trying(format!("write {}", dir.join(name).display()))
    };
    std::fs::create_dir_all(dir).while_trying(format!("make {}", dir.display()))?;
    write(MARK, "")?;
    write("config.toml", CONFIG)
}

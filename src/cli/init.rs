use std::io::ErrorKind as IoError;
use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::context::{ask, interactive};
use super::output::create;
use super::{GlobalArgs, complete, report_calls, services};
use crate::config::starter::{Answers, SCHEMA_FILE, choices, starter, suggested};
use crate::config::{AlarmConfig, Config, bare_address, is_address, schema};
use crate::observe::{self, precheck};
use crate::render::Progress;
use billctl_core::error::{Error, Result};
use billctl_core::event::{Event, Listener as _};
use billctl_core::model::{Organization, ParseUsdError, Usd};
use billctl_core::service::cloudformation::CallAs;

/// Arguments of `init`. What isn't given is asked for on a terminal.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Where the mails come from.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Where replies to the mails go; the mails also name it for questions.
    #[arg(long, value_name = "ADDRESS")]
    pub reply_to: Option<String>,
    /// The threshold of accounts that get none of their own, in US dollars a day [default: 100].
    #[arg(long, value_name = "USD")]
    pub threshold: Option<Usd>,
    /// An OU to cover, by path, id or unique name; repeatable [default: those right below the root].
    #[arg(long = "ou", value_name = "OU", add = complete::ous())]
    pub ous: Vec<String>,
}

/// Writes a config from the organisation. Never overwrites one.
///
/// # Errors
/// There is a config already; the organisation can't be read; an answer is missing and nobody can be asked.
pub(super) async fn run(args: &InitArgs, global: &GlobalArgs, started: Instant) -> Result<()> {
    let path = &global.config;
    let name = path.display().to_string();
    if path.exists() {
        return Err(already(&name));
    }
    let services = services(global, CallAs::Own).await?;
    let progress = Progress::new(global.quiet);
    services.gate.report_to(move |note| progress.on(Event::Note(note)));
    let read = precheck::checked(precheck::call_as(&services), observe::tree(&services)).await;
    report_calls(global, &services, started);
    let ((call_as, info), tree) = read?;
    let organization = tree.organization(info)?;
    let answers = answers(args, &organization, call_as).await?;
    let text = starter(&name, &organization, &answers)?;
    create(path, &text).map_err(|error| match error.kind() {
        IoError::AlreadyExists => already(&name),
        _ => Error::failed(format!("{name} can't be written: {error}")),
    })?;
    write_schema(path);
    global.conclude(
        &format!("wrote {name} for organisation {}", organization.id),
        "look it over, then `billctl doctor`, then `billctl bootstrap --plan`",
    )
}

/// Puts the schema beside the config, unless one is there. An editor does without.
fn write_schema(config: &Path) {
    let path = config.with_file_name(SCHEMA_FILE);
    match create(&path, &format!("{:#}\n", schema())) {
        Err(error) if error.kind() != IoError::AlreadyExists => {
            aside!("warning: {} can't be written: {error}", path.display());
        }
        _ => {}
    }
}

fn already(name: &str) -> Error {
    Error::usage(format!("{name} is there already, and init never overwrites"))
        .remedy("write another file with --config FILE, or check this one with `billctl doctor`")
}

/// The flags' answers, and a person's for what they leave open.
async fn answers(args: &InitArgs, organization: &Organization, call_as: CallAs) -> Result<Answers> {
    let person = interactive();
    let from = match &args.from {
        Some(from) => sender(from)?,
        None if person => ask_until("Where do the mails come from (an address of yours)?", "", sender).await?,
        None => {
            return Err(Error::usage("where do the mails come from?")
                .remedy("pass --from billing@example.com: there is no terminal to ask on"));
        }
    };
    let reply_to = match &args.reply_to {
        Some(address) => Some(reply_address(address)?),
        None if person => {
            let question = "Where do replies go? The mail also names this address for questions.";
            Some(ask_until(question, bare_address(&from), reply_address).await?)
        }
        None => None,
    };
    let usual = AlarmConfig::default().threshold;
    let threshold = match args.threshold {
        Some(threshold) => positive(threshold)?,
        None if person => {
            let question = "Above how many US dollars a day should a mail go out?";
            let usd = |text: &str| {
                text.parse()
                    .map_err(|error: ParseUsdError| Error::usage(error.to_string()))
            };
            ask_until(question, &usual.to_decimal(), |text| usd(text).and_then(positive)).await?
        }
        None => usual,
    };
    // Before anything is written: a config that deploy would refuse helps nobody.
    let known = |ous: Vec<String>| -> Result<Vec<String>> {
        for ou in &ous {
            organization.select(ou)?;
        }
        Ok(ous)
    };
    let suggested = suggested(organization);
    let ous = if !args.ous.is_empty() {
        known(args.ous.clone())?
    } else if person {
        for choice in choices(organization) {
            let indent = "  ".repeat(choice.depth + 1);
            aside!("{indent}{} ({})", choice.selector.escape_debug(), choice.accounts);
        }
        let question = "Which OUs get the alarm (separated by commas)?";
        ask_until(question, &suggested.join(", "), |text| {
            let ous = text.split(',').map(str::trim).filter(|ou| !ou.is_empty());
            known(ous.map(str::to_owned).collect())
        })
        .await?
    } else {
        known(suggested)?
    };
    Ok(Answers {
        from,
        reply_to,
        threshold,
        ous,
        call_as,
    })
}

/// A From address that the config takes.
fn sender(from: &str) -> Result<String> {
    let mail = toml::Table::from_iter([("from".to_owned(), toml::Value::from(from))]);
    let text = toml::Table::from_iter([("mail".to_owned(), toml::Value::from(mail))]);
    match Config::parse("--from", &text.to_string()) {
        Ok(_) => Ok(from.to_owned()),
        Err(_) => Err(Error::usage(format!(
            "{from:?} is not an address that mails can come from"
        ))),
    }
}

/// An address for answers that the config takes.
fn reply_address(text: &str) -> Result<String> {
    match is_address(text) {
        true => Ok(text.to_owned()),
        false => Err(Error::usage(format!("{text:?} is not an address"))),
    }
}

fn positive(threshold: Usd) -> Result<Usd> {
    match threshold.is_positive() {
        true => Ok(threshold),
        false => Err(Error::usage("a threshold has to be more than $0")),
    }
}

/// Asks until the answer can be read; an empty one is the default.
async fn ask_until<T>(question: &str, default: &str, read: impl Fn(&str) -> Result<T>) -> Result<T> {
    let shown = match default {
        "" => String::new(),
        default => format!("[{default}] "),
    };
    loop {
        let line = ask(&format!("{question} {shown}")).await?;
        if line.is_empty() {
            return Err(Error::usage("no answer: nothing was written"));
        }
        let answer = match line.trim() {
            "" => default,
            text => text,
        };
        match read(answer) {
            Ok(answer) => return Ok(answer),
            Err(error) => aside!("{error}"),
        }
    }
}

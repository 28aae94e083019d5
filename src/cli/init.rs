use std::io::{ErrorKind as IoError, IsTerminal};
use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::output::create;
use super::{GlobalArgs, complete, report_calls, services};
use crate::config::starter::{Answers, SCHEMA_FILE, choices, starter, suggested};
use crate::config::{AlarmConfig, Config, bare_address, is_address, schema};
use crate::observe::{self, precheck};
use crate::render::{self, Progress};
use billctl_core::error::{Error, Result};
use billctl_core::event::{Event, Listener as _};
use billctl_core::model::{Organization, Usd};
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
    let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let from = match &args.from {
        Some(from) => from.clone(),
        None if person => ask_until("Where do the mails come from (an address of yours)?", "", from_fault).await?,
        None => {
            return Err(Error::usage("where do the mails come from?")
                .remedy("pass --from billing@example.com: there is no terminal to ask on"));
        }
    };
    if let Some(fault) = from_fault(&from) {
        return Err(fault);
    }
    let usual = AlarmConfig::default().threshold;
    let reply_to = match &args.reply_to {
        Some(address) => Some(address.clone()),
        None if person => Some(
            ask_until(
                "Where do replies go? The mail also names this address for questions.",
                bare_address(&from),
                reply_to_fault,
            )
            .await?,
        ),
        None => None,
    };
    if let Some(fault) = reply_to.as_deref().and_then(reply_to_fault) {
        return Err(fault);
    }
    let threshold = match args.threshold {
        Some(threshold) => threshold,
        None if person => {
            let text = ask_until(
                "Above how many US dollars a day should a mail go out?",
                &usual.to_decimal(),
                usd_fault,
            )
            .await?;
            text.parse().map_err(|error| Error::usage(format!("{error}")))?
        }
        None => usual,
    };
    if !threshold.is_positive() {
        return Err(Error::usage("a threshold has to be more than $0"));
    }
    let ous = if !args.ous.is_empty() {
        args.ous.clone()
    } else if person {
        for choice in choices(organization) {
            let indent = "  ".repeat(choice.depth + 1);
            aside!("{indent}{} ({})", choice.selector.escape_debug(), choice.accounts);
        }
        let suggestion = suggested(organization).join(", ");
        let text = ask_until("Which OUs get the alarm (separated by commas)?", &suggestion, |text| {
            split(text).find_map(|ou| organization.select(ou).err().map(Error::from))
        })
        .await?;
        split(&text).map(str::to_owned).collect()
    } else {
        suggested(organization)
    };
    // Before anything is written: a config that deploy would refuse helps nobody.
    for ou in &ous {
        organization.select(ou)?;
    }
    Ok(Answers {
        from,
        reply_to,
        threshold,
        ous,
        call_as,
    })
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|ou| !ou.is_empty())
}

/// What the config would say of this From address.
fn from_fault(from: &str) -> Option<Error> {
    let mail = toml::Table::from_iter([("from".to_owned(), toml::Value::from(from))]);
    let text = toml::Table::from_iter([("mail".to_owned(), toml::Value::from(mail))]);
    Config::parse("--from", &text.to_string())
        .err()
        .map(|_| Error::usage(format!("{from:?} is not an address that mails can come from")))
}

/// What the config would say of this address for answers.
fn reply_to_fault(text: &str) -> Option<Error> {
    (!is_address(text)).then(|| Error::usage(format!("{text:?} is not an address")))
}

fn usd_fault(text: &str) -> Option<Error> {
    match text.parse::<Usd>() {
        Ok(usd) if usd.is_positive() => None,
        Ok(_) => Some(Error::usage("a threshold has to be more than $0")),
        Err(error) => Some(Error::usage(error.to_string())),
    }
}

/// Asks until the answer will do; an empty one is the default.
async fn ask_until(question: &str, default: &str, fault: impl Fn(&str) -> Option<Error>) -> Result<String> {
    loop {
        if default.is_empty() {
            render::aside(&format!("{question} "));
        } else {
            render::aside(&format!("{question} [{default}] "));
        }
        // On a thread of its own, so that Ctrl-C is heard meanwhile.
        let reading = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|length| (length, line))
        });
        let (length, line) = reading.await.map_err(|error| Error::failed(error.to_string()))??;
        if length == 0 {
            return Err(Error::usage("no answer: nothing was written"));
        }
        let answer = match line.trim() {
            "" => default,
            text => text,
        };
        match fault(answer) {
            None => return Ok(answer.to_owned()),
            Some(error) => aside!("{error}"),
        }
    }
}

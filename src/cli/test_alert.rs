use clap::Args;
use serde::Serialize;

use super::context::interactive;
use super::{Context, Format, accounts, complete};
use crate::apply::test_alert as apply;
use crate::config::is_address;
use crate::observe::{billing as observe, recipients};
use crate::plan::test_alert::{Hop, Journey};
use crate::render;
use crate::resource::Facts;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::{Account, AccountId};
use billctl_core::service::OrAbsent;
use billctl_core::text;

/// Arguments of `test-alert`.
#[derive(Debug, Args)]
pub(super) struct TestAlertArgs {
    /// The account that the mail is about, by id or unique name: its owner gets it, marked as a test, unless `--to` says who.
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    pub account: String,
    /// Write to this address alone, instead of to the account's owner and whoever gets a copy.
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with = "from_member")]
    pub to: Option<String>,
    /// Begin in the member: set its alarm to ALARM for a moment, by the role of `[members]`, and follow what comes of
    /// it to the notifier. It judges by the billing account's figures, so only an account above its limit gets a mail.
    #[arg(long)]
    pub from_member: bool,
}

/// Sends a test event through bus, rule, notifier and SES, and follows it; or begins in the member.
///
/// # Errors
/// An account outside the organisation, the wrong account, or a hop that failed, with its remedy.
pub(super) async fn run(args: &TestAlertArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let facts = observe::facts(services, &context.config).await?;
    let naming = context.naming(&facts);
    let account = accounts::id_or_name(services, &args.account).await?;
    let found = in_organization(account, args.from_member, context, &facts).await?;
    if args.from_member {
        let question = format!(
            "set alarm {} in account {account} to ALARM? CloudWatch puts it back within minutes; an owner above the \
             limit gets the real mail",
            context.config.alarm.name
        );
        context.confirm(&question, false).await?;
    } else if args.to.is_none() {
        may_write(&found, context, &facts).await?;
    }
    context.phase(match args.from_member {
        true => format!("setting off the alarm in account {account} ..."),
        false => format!("sending a test alarm about account {account} ..."),
    });
    let format = context.global.format;
    let human = format == Format::Table;
    let mut said = Ok(());
    let mut see = |hop: &Hop| {
        if human && said.is_ok() {
            said = say!("{}", render::hop(hop));
        }
    };
    let following = async {
        if args.from_member {
            apply::from_member(services, &naming, account, &mut see).await
        } else {
            apply::run(services, &naming, account, args.to.as_deref(), &mut see).await
        }
    };
    let goes_on = format!("what was sent about account {account} is on its way, and a mail may still come of it");
    let journey = context.watched.beginning(goes_on, following).await?;
    said?;
    match format {
        Format::Table => {
            for note in &journey.notes {
                say!("note: {note}")?;
            }
        }
        Format::Markdown => say!("{}", render::journey(&journey))?,
        Format::Json => {
            let journey = &journey;
            say!("{}", render::json("test-alert", &Answer { account, journey }))?;
        }
    }
    if let Some(failed) = journey.failed() {
        return Err(Error {
            remedy: journey.remedy.clone(),
            ..Error::failed(format!("the test stopped at {}", failed.name))
        });
    }
    if args.from_member {
        let next = "CloudWatch puts the alarm back within minutes; `billctl status` shows whom the notifier tells";
        let done = format!("the alarm in account {account} reached the notifier");
        return context.global.conclude(&done, next);
    }
    let inbox = match &args.to {
        Some(to) => format!("the inbox of {to}"),
        None => "the owner's inbox".to_owned(),
    };
    // The management account has no member to begin in.
    let begin = match account == facts.management_account {
        true => String::new(),
        false => format!("; `billctl test-alert --account {account} --from-member` begins in the account itself"),
    };
    let next = format!("look into {inbox}{begin}");
    let done = format!("a test about account {account} went all the way");
    context.global.conclude(&done, &next)
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answer<'a> {
    account: AccountId,
    #[serde(flatten)]
    journey: &'a Journey,
}

/// Whether the account is in the organisation, before anything is sent.
async fn in_organization(account: AccountId, from_member: bool, context: &Context, facts: &Facts) -> Result<Account> {
    let found = context
        .services
        .organizations
        .describe_account(account)
        .await
        .or_absent()
        .while_trying(format!("find account {account}"))?
        .ok_or_else(|| accounts::stranger(account, &facts.organization))?;
    if from_member && account == facts.management_account {
        return Err(
            Error::usage("the management account is no member: its alarm is on the billing side")
                .remedy(format!("`billctl test-alert --account {account}` tests it")),
        );
    }
    Ok(found)
}

/// Whether a real owner may be written to: whoever is there is asked, and a script has to say so.
async fn may_write(account: &Account, context: &Context, facts: &Facts) -> Result<()> {
    if context.global.yes {
        return Ok(());
    }
    if !interactive() {
        return Err(
            Error::usage(format!("a test would write to the owner of account {}", account.id))
                .remedy("say who gets it with --to you@example.com, or pass --yes to write to the owner"),
        );
    }
    let (services, mail) = (&context.services, &context.config.mail);
    let read = recipients::read(services, mail, facts.management_account, vec![account.clone()]).await;
    let read = read.while_trying("find out who the owner is")?;
    let to = read.accounts.into_values().next();
    let to = to.map_or_else(String::new, |(_, to)| {
        format!("{} ({})", to.addresses.join(", "), to.from.word())
    });
    let copies = match mail.cc.is_empty() {
        true => String::new(),
        false => format!(", with a copy to {}", mail.cc.join(", ")),
    };
    let question = format!("send a test mail about account {} to {to}{copies}?", account.id);
    context.confirm(&text::line(&question), false).await
}

pub(super) fn address(text: &str) -> std::result::Result<String, String> {
    match is_address(text) {
        true => Ok(text.to_owned()),
        false => Err("write a bare address such as you@example.com".to_owned()),
    }
}

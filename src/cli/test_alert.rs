use clap::Args;
use serde::Serialize;

use super::{Context, Format};
use crate::apply::test_alert::{self as apply, HopStatus, Journey};
use crate::error::{Context as _, Error, Result};
use crate::event::Event;
use crate::model::AccountId;
use crate::observe::billing as observe;
use crate::render;
use crate::resource::Scope;

/// Arguments of `test-alert`.
#[derive(Debug, Args)]
pub struct TestAlertArgs {
    /// The account that the mail is about: its owner gets it, marked as a test.
    #[arg(long, value_name = "ID")]
    pub account: AccountId,
}

/// Sends a test event through bus, rule, notifier and SES, and follows it.
///
/// # Errors
/// The wrong account, or a hop that failed, with its cure.
pub async fn run(args: &TestAlertArgs, context: &Context) -> Result<()> {
    let services = &context.services;
    let facts = observe::facts(services, &context.config).await?;
    let scope = Scope {
        config: &context.config,
        facts: &facts,
    };
    services
        .organizations
        .describe_account(args.account)
        .await
        .while_trying(format!("find account {}", args.account))?;
    context.listener.on(Event::Phase(format!(
        "sending a test alarm about account {} ...",
        args.account
    )));
    let human = context.global.format == Format::Table;
    let mut said = Ok(());
    let journey = apply::run(services, &scope, args.account, &mut |hop| {
        if human && said.is_ok() {
            said = say!("{}", render::hop(hop));
        }
    })
    .await?;
    said?;
    if !human {
        print(context.global.format, args.account, &journey)?;
    }
    conclude(&journey)
}

#[derive(Serialize)]
struct Answer<'a> {
    account: AccountId,
    #[serde(flatten)]
    journey: &'a Journey,
}

fn print(format: Format, account: AccountId, journey: &Journey) -> Result<()> {
    let text = if format == Format::Json {
        render::json("test-alert", &Answer { account, journey })
    } else {
        render::journey(journey)
    };
    say!("{text}")
}

/// A mail that was sent and not reported as failed is success; else the last hop that failed is why.
fn conclude(journey: &Journey) -> Result<()> {
    let failed = journey
        .hops
        .iter()
        .rev()
        .find(|hop| hop.status == HopStatus::Failed);
    match (failed, &journey.cure, &journey.message_id) {
        (_, None, Some(_)) => Ok(()),
        (failed, cure, _) => {
            let what = failed.map_or_else(
                || "no mail went out".to_owned(),
                |hop| format!("the test stopped at {}", hop.name),
            );
            let error = Error::failed(what);
            Err(match cure {
                Some(cure) => error.hint(cure.clone()),
                None => error,
            })
        }
    }
}

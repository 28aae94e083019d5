//! What people do to the organisation and to its accounts.

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::Who;
use crate::cli::complete;
use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountState, Arn, REGION, Usd};
use billctl_core::service::Tags;
use billctl_core::text;
use billctl_sandbox::Sandbox;
use billctl_sandbox::cloudformation::HandEdit;

#[derive(Debug, Subcommand)]
pub(super) enum BreakCommand {
    /// Delete an account's alarm.
    AlarmDelete(Who),
    /// Give an account's alarm another threshold.
    AlarmEdit {
        #[command(flatten)]
        who: Who,
        /// The threshold.
        #[arg(long, value_name = "USD")]
        threshold: Usd,
    },
    /// Delete the role with which an account forwards its alarm.
    RoleDelete(Who),
    /// Switch the rule off that forwards an account's alarm.
    RuleDisable(Who),
    /// Delete the stacks that were left behind in an account when their instances were deleted.
    LeftoversDelete(Who),
}

#[derive(Debug, Args)]
pub(super) struct MoveArgs {
    #[command(flatten)]
    who: Who,
    /// The OU: a path, a name if it is unique, or an id.
    #[arg(long, add = complete::ous())]
    ou: String,
}

#[derive(Debug, Args)]
pub(super) struct AddAccountArgs {
    /// The account's name.
    #[arg(long)]
    name: String,
    /// The OU: a path, a name if it is unique, or an id.
    #[arg(long, add = complete::ous())]
    ou: String,
    /// Who owns it: the value of its `owner` tag.
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct AddOuArgs {
    /// The OU's name.
    #[arg(long)]
    name: String,
    /// The OU above it: a path, a name if it is unique, or an id.
    #[arg(long, default_value = "Root", add = complete::ous())]
    parent: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

pub(super) fn hand(sandbox: &Sandbox, command: &BreakCommand) -> Result<String> {
    let (who, edit, done) = match command {
        BreakCommand::AlarmDelete(who) => (who, HandEdit::DeleteAlarm, "has no alarm any more"),
        BreakCommand::AlarmEdit { who, threshold } => (
            who,
            HandEdit::AlarmThreshold(threshold.to_f64()),
            "has an alarm with another threshold",
        ),
        BreakCommand::RoleDelete(who) => (who, HandEdit::DeleteRole, "has no role any more"),
        BreakCommand::RuleDisable(who) => (who, HandEdit::DisableRule, "has its rule switched off"),
        BreakCommand::LeftoversDelete(who) => (who, HandEdit::DeleteRetainedStacks, "has no stack left behind"),
    };
    sandbox.change(|world| {
        let (id, name) = who.find(world)?;
        world.edit_member(id, &edit)?;
        Ok(format!("{name} ({id}) {done}."))
    })
}

pub(super) fn relocate(sandbox: &Sandbox, args: &MoveArgs) -> Result<String> {
    sandbox.change(|world| {
        let (id, name) = args.who.find(world)?;
        let organization = world.organizations.organization();
        let ou = organization.select(&args.ou)?;
        world.move_account(id, &ou.id)?;
        Ok(format!(
            "{name} ({id}) is in {} now.",
            text::line(&organization.path(&ou.id))
        ))
    })
}

pub(super) fn add_account(sandbox: &Sandbox, args: &AddAccountArgs) -> Result<String> {
    sandbox.change(|world| {
        let taken = world
            .organizations
            .accounts()
            .any(|(account, _)| account.name == args.name);
        if taken {
            // AWS allows it, but then no name could be given here.
            return Err(Error::usage(format!("there is an account named {} already", args.name)));
        }
        let organization = world.organizations.organization();
        let ou = organization.select(&args.ou)?;
        let tags: Tags = args
            .owner
            .iter()
            .map(|owner| ("owner".to_owned(), owner.clone()))
            .collect();
        let id = world.add_account(&args.name, &ou.id, tags)?;
        let (name, ou) = (text::line(&args.name), text::line(&organization.path(&ou.id)));
        Ok(format!("{name} ({id}) is in {ou}."))
    })
}

pub(super) fn add_ou(sandbox: &Sandbox, args: &AddOuArgs) -> Result<String> {
    sandbox.change(|world| {
        let organization = world.organizations.organization();
        let parent = organization.select(&args.parent)?;
        let id = world.organizations.add_ou(&parent.id, &args.name)?;
        let path = format!("{}/{}", organization.path(&parent.id), args.name);
        Ok(format!("{} is {id}.", text::line(&path)))
    })
}

fn set_state(sandbox: &Sandbox, who: &Who, state: AccountState) -> Result<String> {
    sandbox.change(|world| {
        let (id, name) = who.find(world)?;
        world.set_account_state(id, state)?;
        Ok(format!("{name} ({id}) is {state} now."))
    })
}

pub(super) fn suspend(sandbox: &Sandbox, who: &Who) -> Result<String> {
    set_state(sandbox, who, AccountState::Suspended)
}

pub(super) fn reactivate(sandbox: &Sandbox, who: &Who) -> Result<String> {
    set_state(sandbox, who, AccountState::Active)
}

pub(super) fn close(sandbox: &Sandbox, who: &Who) -> Result<String> {
    set_state(sandbox, who, AccountState::Closed)
}

pub(super) fn alerts(sandbox: &Sandbox, state: Switch) -> Result<String> {
    sandbox.change(|world| {
        world.billing_alerts = state == Switch::On;
        Ok(match state {
            Switch::On => "Members see their own charges from now on.".to_owned(),
            Switch::Off => "Members don't see their own charges any more.".to_owned(),
        })
    })
}

pub(super) fn contact(sandbox: &Sandbox, who: &Who, address: Option<&str>) -> Result<String> {
    sandbox.change(|world| {
        let (id, name) = who.find(world)?;
        Ok(if let Some(address) = address {
            world.account.billing.insert(id, address.to_owned());
            format!("{name} ({id}) has the billing contact {}.", text::line(address))
        } else {
            world.account.billing.remove(&id);
            format!("{name} ({id}) has no billing contact.")
        })
    })
}

pub(super) fn contacts(sandbox: &Sandbox, state: Switch) -> Result<String> {
    sandbox.change(|world| {
        world.account.trusted = state == Switch::On;
        Ok(match state {
            Switch::On => "The payer may read members' contacts from now on.".to_owned(),
            Switch::Off => "The payer may not read members' contacts any more.".to_owned(),
        })
    })
}

pub(super) fn delegate(sandbox: &Sandbox, who: &Who) -> Result<String> {
    sandbox.change(|world| {
        let (id, name) = who.find(world)?;
        if id == world.management_account() {
            return Err(Error::usage(
                "the management account can't be a delegated administrator",
            ));
        }
        world.organizations.stacksets_administrators.insert(id);
        Ok(format!("{name} ({id}) administers StackSets now."))
    })
}

pub(super) fn login(sandbox: &Sandbox, who: &Who) -> Result<String> {
    sandbox.change(|world| {
        let (id, name) = who.find(world)?;
        world.caller = id;
        Ok(format!("Calls are made from {name} ({id}) now."))
    })
}

pub(super) fn verify(sandbox: &Sandbox, identity: &str) -> Result<String> {
    sandbox.change(|world| {
        let now = world.now;
        world.sesv2.verify(identity, now);
        // One click each on AWS; here it is one person who reads all mail.
        let also = if world.sns.confirm(identity) {
            ", and its subscription is confirmed"
        } else {
            ""
        };
        Ok(format!("{} is verified{also}.", text::line(identity)))
    })
}

/// A topic's name (CreateTopic, API reference).
pub(super) fn topic_name(text: &str) -> std::result::Result<String, String> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = (1..=256).contains(&text.len()) && text.bytes().all(usable);
    let why = "a topic's name has letters, digits, - and _";
    fits.then(|| text.to_owned()).ok_or_else(|| why.to_owned())
}

pub(super) fn add_topic(sandbox: &Sandbox, name: &str) -> Result<String> {
    sandbox.change(|world| {
        let arn = Arn::new("sns", REGION, world.management_account(), name);
        world.sns.add(&arn, None);
        world.sns.add_channel(&arn);
        Ok(format!("{arn} is there, and a chat channel listens to it."))
    })
}

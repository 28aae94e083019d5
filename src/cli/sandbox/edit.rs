//! What people do to the organisation and to its accounts.

use clap::{Subcommand, ValueEnum};

use super::arguments::Who;
use super::fail::{self, FailCommand};
use super::{SpendArgs, spend};
use crate::cli::complete;
use crate::cli::test_alert::address;
use billctl_core::error::{Error, Result};
use billctl_core::model::{AccountState, Arn, REGION, Usd};
use billctl_core::service::Tags;
use billctl_core::text;
use billctl_sandbox::World;
use billctl_sandbox::cloudformation::HandEdit;

// No docs on the type itself: clap would take them for those of `sandbox`.
#[derive(Debug, Subcommand)]
pub(super) enum Edit {
    /// Change what an account spends.
    Spend(SpendArgs),
    /// Make something go wrong, or stop all of it.
    #[command(subcommand)]
    Fail(FailCommand),
    /// Change a member account by hand, past CloudFormation.
    #[command(subcommand)]
    Break(BreakCommand),
    /// Move an account to another OU.
    Move {
        #[command(flatten)]
        who: Who,
        /// The OU: a path, a name if it is unique, or an id.
        #[arg(long, add = complete::ous())]
        ou: String,
    },
    /// Add an account to an OU.
    AddAccount {
        /// The account's name.
        #[arg(long)]
        name: String,
        /// The OU: a path, a name if it is unique, or an id.
        #[arg(long, add = complete::ous())]
        ou: String,
        /// Who owns it: the value of its `owner` tag.
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<String>,
    },
    /// Add an OU.
    AddOu {
        /// The OU's name.
        #[arg(long)]
        name: String,
        /// The OU above it: a path, a name if it is unique, or an id.
        #[arg(long, default_value = "Root", add = complete::ous())]
        parent: String,
    },
    /// Suspend an account.
    Suspend(Who),
    /// Make a suspended account active again.
    Reactivate(Who),
    /// Close an account.
    Close(Who),
    /// Switch the payer's "receive billing alerts" on or off.
    Alerts {
        /// On or off.
        #[arg(value_enum)]
        state: Switch,
    },
    /// Give an account a billing contact (AWS's alternate contact BILLING), or take it away.
    Contact {
        #[command(flatten)]
        who: Who,
        /// The contact's address; without it, the account has none.
        #[arg(value_parser = address)]
        address: Option<String>,
    },
    /// Switch trusted access for Account Management on or off: whether the payer may read members' contacts.
    Contacts {
        /// On or off.
        #[arg(value_enum)]
        state: Switch,
    },
    /// Register an account as delegated administrator of StackSets.
    Delegate(Who),
    /// Call AWS with another account's credentials from now on.
    Login(Who),
    /// Make an SNS topic that a chat channel listens to, for `[[chat]]`.
    AddTopic {
        /// Its name.
        #[arg(value_parser = topic_name)]
        name: String,
    },
    /// Verify an SES identity, as its owner would by mail or DNS.
    Verify {
        /// The address or domain.
        identity: String,
    },
    /// Start over with the organisation that `new` made.
    Reset,
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Edit {
    /// Does it to the world, and says what is so now.
    ///
    /// # Errors
    /// What it names isn't there, or AWS would refuse it.
    pub(super) fn make(&self, world: &mut World) -> Result<String> {
        Ok(match self {
            Self::Spend(args) => spend(world, args)?,
            Self::Fail(command) => fail::run(world, command)?,
            Self::Break(command) => hand(world, command)?,
            Self::Move { who, ou } => {
                let (id, name) = who.find(world)?;
                let organization = world.organizations.organization();
                let ou = organization.select(ou)?;
                world.move_account(id, &ou.id)?;
                format!("{name} ({id}) is in {} now.", text::line(&organization.path(&ou.id)))
            }
            Self::AddAccount { name, ou, owner } => {
                if world.organizations.accounts().any(|(account, _)| account.name == *name) {
                    // AWS allows it, but then no name could be given here.
                    return Err(Error::usage(format!("there is an account named {name} already")));
                }
                let organization = world.organizations.organization();
                let ou = organization.select(ou)?;
                let tags: Tags = owner.iter().map(|owner| ("owner".to_owned(), owner.clone())).collect();
                let id = world.add_account(name, &ou.id, tags)?;
                let (name, ou) = (text::line(name), text::line(&organization.path(&ou.id)));
                format!("{name} ({id}) is in {ou}.")
            }
            Self::AddOu { name, parent } => {
                let organization = world.organizations.organization();
                let parent = organization.select(parent)?;
                let id = world.organizations.add_ou(&parent.id, name)?;
                let path = format!("{}/{name}", organization.path(&parent.id));
                format!("{} is {id}.", text::line(&path))
            }
            Self::Suspend(who) => set_state(world, who, AccountState::Suspended)?,
            Self::Reactivate(who) => set_state(world, who, AccountState::Active)?,
            Self::Close(who) => set_state(world, who, AccountState::Closed)?,
            Self::Alerts { state } => {
                world.billing_alerts = *state == Switch::On;
                match state {
                    Switch::On => "Members see their own charges from now on.".to_owned(),
                    Switch::Off => "Members don't see their own charges any more.".to_owned(),
                }
            }
            Self::Contact { who, address } => {
                let (id, name) = who.find(world)?;
                if let Some(address) = address {
                    world.account.billing.insert(id, address.clone());
                    format!("{name} ({id}) has the billing contact {}.", text::line(address))
                } else {
                    world.account.billing.remove(&id);
                    format!("{name} ({id}) has no billing contact.")
                }
            }
            Self::Contacts { state } => {
                world.account.trusted = *state == Switch::On;
                match state {
                    Switch::On => "The payer may read members' contacts from now on.".to_owned(),
                    Switch::Off => "The payer may not read members' contacts any more.".to_owned(),
                }
            }
            Self::Delegate(who) => {
                let (id, name) = who.find(world)?;
                if id == world.management_account() {
                    let why = "the management account can't be a delegated administrator";
                    return Err(Error::usage(why));
                }
                world.organizations.stacksets_administrators.insert(id);
                format!("{name} ({id}) administers StackSets now.")
            }
            Self::Login(who) => {
                let (id, name) = who.find(world)?;
                world.caller = id;
                format!("Calls are made from {name} ({id}) now.")
            }
            Self::AddTopic { name } => {
                let arn = Arn::new("sns", REGION, world.management_account(), name);
                world.sns.add(&arn, None);
                world.sns.add_channel(&arn);
                format!("{arn} is there, and a chat channel listens to it.")
            }
            Self::Verify { identity } => {
                world.sesv2.verify(identity, world.now);
                // One click each on AWS; here it is one person who reads all mail.
                let also = match world.sns.confirm(identity) {
                    true => ", and its subscription is confirmed",
                    false => "",
                };
                format!("{} is verified{also}.", text::line(identity))
            }
            Self::Reset => {
                let mut fresh = world.origin.world();
                fresh.latency = world.latency;
                fresh.faults.seed = world.faults.seed;
                fresh.publications = world.publications;
                *world = fresh;
                "The organisation is as `sandbox new` made it; nothing is set to go wrong.".to_owned()
            }
        })
    }
}

fn hand(world: &mut World, command: &BreakCommand) -> Result<String> {
    let (who, edit, done) = match command {
        BreakCommand::AlarmDelete(who) => (who, HandEdit::DeleteAlarm, "has no alarm any more"),
        BreakCommand::AlarmEdit { who, threshold } => {
            let edit = HandEdit::AlarmThreshold(threshold.to_f64());
            (who, edit, "has an alarm with another threshold")
        }
        BreakCommand::RoleDelete(who) => (who, HandEdit::DeleteRole, "has no role any more"),
        BreakCommand::RuleDisable(who) => (who, HandEdit::DisableRule, "has its rule switched off"),
        BreakCommand::LeftoversDelete(who) => (who, HandEdit::DeleteRetainedStacks, "has no stack left behind"),
    };
    let (id, name) = who.find(world)?;
    world.edit_member(id, &edit)?;
    Ok(format!("{name} ({id}) {done}."))
}

fn set_state(world: &mut World, who: &Who, state: AccountState) -> Result<String> {
    let (id, name) = who.find(world)?;
    world.set_account_state(id, state)?;
    Ok(format!("{name} ({id}) is {state} now."))
}

/// A topic's name (CreateTopic, API reference).
fn topic_name(text: &str) -> Result<String, String> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = (1..=256).contains(&text.len()) && text.bytes().all(usable);
    let why = "a topic's name has letters, digits, - and _";
    fits.then(|| text.to_owned()).ok_or_else(|| why.to_owned())
}

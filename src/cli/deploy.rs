mod checks;
mod parts;
mod repair;
mod roll;
mod stop;

use std::collections::BTreeMap;

use clap::Args;

use self::roll::Deploy;
use super::accounts::accounts;
use super::context::agrees;
use super::output::Outputs;
use super::{Context, Format, complete};
use crate::config::Config;
use crate::config::edit::with_ous;
use crate::observe::{self, precheck};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::Organization;
use billctl_core::service::cloudformation::CountOrPercent;
use billctl_core::text;
use billctl_core::text::plural;

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    /// An OU by id, path (Root/Production) or unique name; again for more. Without it: all that config targets.
    #[arg(long, value_name = "OU", add = complete::ous())]
    pub ou: Vec<String>,
    /// Only this account of the OUs: its id, or its name if it is unique; again for more.
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    pub account: Vec<String>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Name every account, and show every line that differs, however many they are.
    #[arg(long)]
    pub full: bool,
    /// Remove instances of accounts that config no longer targets.
    #[arg(long)]
    pub prune: bool,
    /// With --plan: exit with code 4 if something would be done.
    #[arg(long, requires = "plan")]
    pub check: bool,
    /// Remove and create the instance of this account, to fix what an update can't; only it and --account's are touched.
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    pub recreate: Vec<String>,
    /// Remove and create the instances that drifted, lost something or are INOPERABLE, as drift detection last found
    /// them (`billctl status --drift` looks), and touch no others.
    #[arg(long, conflicts_with_all = ["recreate", "prune", "all_instances"])]
    pub repair: bool,
    /// Let a change of the StackSet (its template, say) reach every instance, also outside --ou, --account and config.
    #[arg(long)]
    pub all_instances: bool,
    /// Neither make nor change the StackSet: only cover accounts, move thresholds and take away. `billctl policy
    /// thresholds` is enough for it.
    #[arg(long, conflicts_with = "all_instances")]
    pub instances_only: bool,
    /// Failures after which an operation stops: a count, or a share such as 10%.
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub tolerance: Option<CountOrPercent>,
    /// Accounts at once: a count, at least 1, or a share such as 25%.
    #[arg(long, value_name = "N|N%", value_parser = some)]
    pub concurrency: Option<CountOrPercent>,
    /// Don't wait for another operation on the StackSet: exit with code 5.
    #[arg(long)]
    pub no_wait: bool,
    /// Submit the first operation and leave it to AWS.
    #[arg(long, conflicts_with = "plan")]
    pub detach: bool,
    /// Stop the operation that is under way.
    #[arg(long, conflicts_with_all = [
        "ou", "account", "plan", "full", "prune", "recreate", "repair", "all_instances", "instances_only", "tolerance",
        "concurrency", "no_wait", "detach",
    ])]
    pub stop: bool,
}

/// A count, or a share in percent.
fn amount(text: &str) -> Result<CountOrPercent, String> {
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| "expected 5 or 10%".to_owned());
    match text.strip_suffix('%') {
        Some(digits) => match number(digits)? {
            percent @ 0..=100 => Ok(CountOrPercent::Percent(percent)),
            _ => Err("a share is at most 100%".to_owned()),
        },
        None => number(text).map(CountOrPercent::Count),
    }
}

/// The same, and not none.
fn some(text: &str) -> Result<CountOrPercent, String> {
    match amount(text)? {
        CountOrPercent::Count(0) | CountOrPercent::Percent(0) => {
            Err("with 0 at a time nothing would be done; give at least 1, or 1%".to_owned())
        }
        some => Ok(some),
    }
}

/// Rolls the alarm out.
///
/// # Errors
/// Anything that went wrong before, and accounts that failed.
pub(super) async fn run(args: &DeployArgs, context: &Context) -> Result<()> {
    if args.stop {
        return stop::run(context).await;
    }
    let config = &context.config;
    context.phase("reading the organisation ...");
    let administrator = precheck::administrator(&context.services, config);
    let organization = context.organization(administrator).await?;
    let thresholds = context.thresholds(&organization)?;
    let remade = accounts(&organization, &args.recreate)?;
    let mut named = accounts(&organization, &args.account)?;
    named.extend(&remade);
    let named = (!named.is_empty()).then_some(named);
    let mut parts = parts::parts(args, config, named.as_ref())?;
    checks::named_accounts(named.iter().flatten(), &parts, &organization)?;
    let outside = checks::outside_config(args, config, &organization)?;
    let taken_in = offer(args, context, &outside, &organization).await?;
    let mut notes = Vec::new();
    let rewritten;
    let context = match taken_in {
        Some(config) => {
            rewritten = Context {
                config,
                ..context.clone()
            };
            &rewritten
        }
        None => {
            notes.extend(outside.iter().map(|path| checks::not_in_config(path, &organization)));
            context
        }
    };
    let config = &context.config;
    // Before anything is done, where the plan comes with the result. Whoever is asked sees it.
    if !args.plan && context.global.format == Format::Json && !context.asks() {
        for note in &notes {
            context.warn(note);
        }
    }
    let mut recreate = BTreeMap::new();
    if args.repair || !args.recreate.is_empty() {
        let observed = observe::stack_set::observe(&context.services, &config.deploy.stack_set).await?;
        let chosen = match args.repair {
            false => remade,
            true => {
                let (broken, more) = repair::look(context, &observed, &organization, &thresholds, &parts)?;
                parts = parts::parts(args, config, Some(&broken))?;
                notes.extend(more);
                broken
            }
        };
        let there = chosen
            .iter()
            .filter_map(|account| observed.instances.get_key_value(account));
        recreate.extend(there.map(|(account, instance)| (*account, instance.listed.last_operation.clone())));
    }
    let deploy = Deploy {
        args,
        context,
        organization: &organization,
        thresholds: &thresholds,
        parts: &parts,
        recreate,
        notes,
    };
    if args.plan {
        return deploy.show().await;
    }
    deploy.roll_out().await
}

/// Says which OUs config doesn't target, before anything is done, and offers to write them into it. Only a person is
/// asked: `--yes` agrees to the plan, and not to another config. Answers the config with them, if it was rewritten.
async fn offer(
    args: &DeployArgs,
    context: &Context,
    outside: &[String],
    organization: &Organization,
) -> Result<Option<Config>> {
    if outside.is_empty() || args.plan || !context.asks() {
        return Ok(None);
    }
    let path = &context.global.config;
    let name = path.display().to_string();
    for ou in outside {
        aside!("{}", text::line(&checks::not_in_config(ou, organization)));
    }
    let what = match outside {
        [one] => text::toml(one),
        more => plural(more.len(), "OU"),
    };
    if !agrees(&format!("add {what} to [deploy] ous in {name}?")).await? {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).while_trying(format!("read {name}"))?;
    let edited = with_ous(&name, &text, outside)?;
    Outputs::new([("--config", path.as_path())])?.put(path, &edited)?;
    context.note(format!("wrote {name}; it keeps its comments"));
    Ok(Some(Config::load(path)?))
}

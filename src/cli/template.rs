use clap::Args;

use super::output::Outputs;
use super::{GlobalArgs, services};
use crate::config::Config;
use crate::render::{self, Progress};
use crate::resource::stack_set;
use billctl_core::error::{Result, WhileTrying};
use billctl_core::event::{Event, Listener as _};
use billctl_core::model::AccountId;

/// Arguments of `template`.
#[derive(Debug, Args)]
pub(super) struct TemplateArgs {
    /// The account that the members' alarms are forwarded to: the management account. By id, as AWS isn't asked for
    /// names then. Without it, AWS is asked for the id.
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
}

/// Prints the CloudFormation template that the members get, with the parameters that `deploy` gives it.
///
/// # Errors
/// A config that is missing or wrong; no organisation where none is named.
pub(super) async fn run(args: &TemplateArgs, global: &GlobalArgs) -> Result<()> {
    let config = Config::load(&global.config)?;
    let account = match args.account {
        Some(account) => account,
        None => {
            let services = services(global, config.call_as).await?;
            let progress = Progress::new(global.quiet);
            services.gate.report_to(move |note| progress.on(Event::Note(note)));
            let organization = services.organizations.describe_organization().await;
            organization
                .while_trying("find out which account the alarms are forwarded to")
                .map_err(|error| error.remedy("name it with --account, and nothing is asked"))?
                .management_account
        }
    };
    let spec = stack_set::desired(&config, account);
    Outputs::print(render::template(global.format, &spec))
}

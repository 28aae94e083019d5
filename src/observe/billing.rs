//! Reads the billing account's side: who is calling, and every thing that bootstrap manages.

use futures::FutureExt;
use futures::future::try_join_all;
use futures::try_join;

use crate::config::Config;
use crate::live;
use crate::observe::{self, precheck};
use crate::plan::Thresholds;
use crate::plan::billing::Present;
use crate::plan::chat::Channel;
use crate::plan::operations::Hearing;
use crate::resource::{self, Chat, Facts, Kind as Thing, Naming, Resource, ResourceId};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::service::organizations::OrganizationInfo;
use billctl_core::service::sesv2::{EmailIdentity, SesAccount};
use billctl_core::service::{self, Kind, Services};

/// The billing side as it is.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What is there, and what couldn't be read.
    pub present: Present,
    /// What SES lets the account send.
    pub ses: SesAccount,
    /// The identity that sends, unless it is another account's.
    pub identity: Option<EmailIdentity>,
    /// Who hears when the notifier itself fails.
    pub hearing: Hearing,
    /// The topics that chat messages go to.
    pub chat: Vec<Channel>,
}

/// Who is calling, checked: bootstrap works in the management account of the configured organisation alone.
///
/// # Errors
/// What [`precheck::billing_account`] finds; rules for OUs or accounts that don't exist.
pub async fn facts(services: &Services, config: &Config) -> Result<Facts> {
    let OrganizationInfo {
        id, management_account, ..
    } = precheck::billing_account(services, config).await?;
    // The organisation is read only where a rule for an OU could decide.
    if let (Some(own_threshold), Some(chat)) = (
        Thresholds::without_ous(config, management_account),
        Chat::without_ous(config),
    ) {
        return Ok(Facts {
            organization: id,
            management_account,
            own_threshold,
            chat,
        });
    }
    let organization = observe::organization(services).await?;
    Ok(Thresholds::checked(config, &organization)?.facts(&organization))
}

/// Reads everything at once.
///
/// # Errors
/// AWS's answer to any of the reads: only "not found" means that a thing isn't there.
pub async fn read(services: &Services, naming: &Naming<'_>) -> Result<Observed> {
    let things = resource::possible(naming)
        .into_iter()
        .map(|wanted| look(services, wanted));
    let (found, ses, hearing, chat) = try_join!(
        try_join_all(things),
        services.sesv2.get_account(),
        observe::operations::read(services, naming.config, naming.facts.management_account),
        observe::chat::read(services, naming.config, naming.facts.management_account).map(Ok),
    )
    .while_trying("read the billing side")?;
    let mut present = Present::default();
    for (id, found) in found {
        match found {
            Ok(found) => present.extend(found),
            Err(why) => present.set_unreadable(id, why),
        }
    }
    let identity = present.resources().find_map(|resource| match resource {
        Resource::Identity(identity) => Some(identity.clone()),
        _ => None,
    });
    Ok(Observed {
        present,
        ses,
        identity,
        hearing,
        chat,
    })
}

type Looked = (ResourceId, std::result::Result<Option<Resource>, String>);

/// What is there of a thing. Not every engine that speaks AWS's language tells about trusted access, so the billing
/// side can be seen to without it.
async fn look(services: &Services, wanted: Resource) -> service::Result<Looked> {
    let id = wanted.id();
    match live::read(services, &wanted).await {
        Ok(found) => Ok((id, Ok(found))),
        Err(error)
            if id.kind == Thing::TrustedAccess && matches!(error.kind, Kind::Other | Kind::Invalid | Kind::Garbled) =>
        {
            Ok((id, Err(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

//! An account as it is.

use std::collections::BTreeSet;

use super::Scene;
use crate::cli::accounts::account;
use crate::cli::{Context, GlobalArgs};
use crate::observe::charges::{self, ChargeSeries};
use crate::observe::{self, precheck};
use crate::plan::recipients::RecipientFrom;
use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::model::AccountId;
use billctl_core::service::Services;
use billctl_core::text;
use billctl_sandbox::metrics::Published;
use billctl_sandbox::{MailKind, Subject, World};

/// The account as it is, and its charges, read through the services.
pub(super) async fn scene(wanted: &str, global: &GlobalArgs) -> Result<Scene> {
    let context = Context::open(global).await?;
    let services = &context.services;
    context.phase(format!("reading account {} ...", text::visible(wanted)));
    let billing = precheck::billing_account(services, &context.config);
    let organization = context.organization(billing).await?;
    let account = account(&organization, wanted)?;
    let (found, parent) = organization
        .account(account)
        .ok_or_else(|| Error::failed(format!("account {account} couldn't be read")))?;
    let thresholds = context.thresholds(&organization)?;
    let threshold = thresholds.of(account, parent, &organization);
    let (management, _) = organization
        .account(organization.management_account)
        .ok_or_else(|| Error::failed("the management account couldn't be read"))?;
    let root = organization
        .root()
        .ok_or_else(|| Error::failed("the organisation's root couldn't be read"))?;
    let mut path: Vec<String> = organization
        .ancestry(parent)
        .filter(|ou| !ou.is_root())
        .filter_map(|ou| organization.ou(ou))
        .map(|ou| ou.name.clone())
        .collect();
    path.reverse();
    let mail = &context.config.mail;
    let (owners, charges) = futures::join!(
        observe::recipients::read(services, mail, management.id, vec![found.clone()]),
        published(services, account),
    );
    let mut owners = owners.while_trying("find out who the owner is")?;
    if let Some(error) = &owners.no_contacts {
        context.note(format!("the billing contact can't be read, so it is left out: {error}"));
    }
    let (tag, to) = owners.accounts.remove(&account).unzip();
    let contact = to.filter(|to| to.from == RecipientFrom::BillingContact);
    let subject = Subject {
        account: found.clone(),
        tags: tag
            .flatten()
            .map(|tag| (mail.owner_tag.clone(), tag))
            .into_iter()
            .collect(),
        billing_contact: contact.map(|contact| contact.addresses.join(" ")),
        path,
        charges: charges?,
    };
    let now = services.clock.now();
    let world = World::around(
        organization.id.clone(),
        root.id.clone(),
        management.clone(),
        subject,
        now,
    );
    Ok(Scene {
        config: context.config,
        world,
        account,
        threshold,
        kind: MailKind::First,
    })
}

/// The account's month to date as it was published, in all and by service, from the payer's series.
async fn published(services: &Services, account: AccountId) -> Result<Published> {
    let of_services = charges::service_series(services, Some(&BTreeSet::from([account]))).await?;
    let series: Vec<ChargeSeries> = std::iter::once(ChargeSeries::Account(account))
        .chain(of_services)
        .collect();
    let read = charges::publications(services, &series, services.clock.now()).await?;
    let mut published = Published::default();
    for (series, publications) in series.into_iter().zip(read) {
        let points = publications.into_iter().map(|one| (one.at, one.month_to_date.to_f64()));
        match series {
            ChargeSeries::AccountService(_, service) => {
                published.services.insert(service, points.collect());
            }
            ChargeSeries::Account(_) | ChargeSeries::Service(_) => published.total = points.collect(),
        }
    }
    Ok(published)
}

//! Reads what `doctor` judges: everything at once, and nothing that fails keeps anything else from being read.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use futures::future::{join_all, try_join_all};

use crate::config::Config;
use crate::live;
use crate::observe::charges::ChargeSeries;
use crate::observe::{self, recipients};
use crate::plan::doctor::{FirstHour, Members, Readings, active_members};
use crate::plan::recipients::Owners;
use crate::plan::{billing, probe};
use crate::resource::permissions::{resource_types, simulations};
use crate::resource::{self, Facts, Naming, Resource};
use crate::spend::Missing;
use billctl_core::model::{AccountId, Arn, Organization};
use billctl_core::service::organizations::{LIST_DELEGATED_ADMINISTRATORS, OrganizationInfo};
use billctl_core::service::sts::CallerIdentity;
use billctl_core::service::{Kind, OrAbsent, Result, Services, all_pages};

/// How many members without charges are asked for when they joined.
const MOST_ASKED_FOR: usize = 100;

/// How many members are looked into.
const LOOKED_INTO: usize = 3;

/// Reads everything that `doctor` looks at.
///
/// `deep` reads whom the mails of all members go to, one or two calls each.
pub async fn readings(services: &Services, config: &Config, deep: bool) -> Readings {
    let organizations = &services.organizations;
    let caller = async { services.sts.get_caller_identity().await }.boxed().shared();
    let organization = organizations.describe_organization().shared();
    let (
        caller,
        organization,
        tree,
        administrators,
        access,
        billing_alerts,
        series,
        ses,
        identity,
        hearing,
        chat,
        stack_set,
        things,
        denied,
    ) = futures::join!(
        caller.clone(),
        organization.clone(),
        observe::organization(services),
        all_pages(LIST_DELEGATED_ADMINISTRATORS, |token| organizations
            .list_stacksets_administrators(token)),
        services.cloudformation.describe_organizations_access(),
        services.billing.billing_alerts_enabled(),
        observe::charges::accounts(services),
        services.sesv2.get_account(),
        services.sesv2.get_email_identity(&config.mail.identity),
        async {
            let account = caller.clone().await?.account;
            observe::operations::read(services, config, account).await
        },
        async {
            match caller.clone().await {
                Ok(caller) => observe::chat::read(services, config, caller.account).await,
                Err(_) => Vec::new(),
            }
        },
        services.cloudformation.describe_stack_set(&config.deploy.stack_set),
        things(services, config, organization.clone()),
        denied(services, config, caller.clone(), organization),
    );
    let (members, young) = futures::join!(
        members(services, config, &caller, &tree, deep),
        young(services, &tree, &series),
    );
    Readings {
        caller,
        organization,
        tree: tree.map_err(|error| error.to_string()),
        administrators,
        access,
        billing_alerts,
        series,
        young,
        ses,
        identity: identity.or_absent(),
        hearing,
        chat,
        stack_set: stack_set.or_absent(),
        things,
        denied,
        members,
    }
}

/// How many accounts' publications are looked at: enough to see their rhythm, for a cent at most.
const RHYTHMS: usize = 100;

/// Reads what only the first hour looks at: the billing side as it is, and when charges were published.
pub async fn first_hour(services: &Services, config: &Config, readings: &Readings) -> FirstHour {
    let billing = async {
        let facts = observe::billing::facts(services, config).await?;
        let naming = Naming { config, facts: &facts };
        let there = observe::billing::read(services, &naming).await?;
        Ok(billing::plan(resource::desired(&naming), &there.present))
    };
    let accounts: Vec<AccountId> = readings.series.iter().flatten().copied().take(RHYTHMS).collect();
    let series: Vec<ChargeSeries> = accounts.iter().copied().map(ChargeSeries::Account).collect();
    let (billing, published) = futures::join!(
        billing,
        observe::charges::publications(services, &series, services.clock.now())
    );
    FirstHour {
        billing,
        published: published.map(|all| {
            let times = all.into_iter().map(|of| of.into_iter().map(|one| one.at).collect());
            accounts.into_iter().zip(times).collect()
        }),
    }
}

/// The active members without charges that joined too lately for any to be expected. When each joined is a call, so
/// only so many are asked for; the others count as lacking them.
async fn young(
    services: &Services,
    tree: &billctl_core::error::Result<Organization>,
    series: &Result<BTreeSet<AccountId>>,
) -> BTreeSet<AccountId> {
    let (Ok(tree), Ok(series)) = (tree, series) else {
        return BTreeSet::new();
    };
    let without = active_members(tree).filter(|account| !series.contains(account));
    let without: Vec<AccountId> = without.take(MOST_ASKED_FOR).collect();
    if series.is_empty() {
        return BTreeSet::new();
    }
    let reasons = observe::charges::reasons(services, tree, &without, true, services.clock.now()).await;
    // What isn't known is no reason to say less than before.
    let reasons = reasons.unwrap_or_default().into_iter();
    reasons
        .filter(|(_, why)| *why == Missing::TooNew)
        .map(|(account, _)| account)
        .collect()
}

/// Looks into a few members, those with an instance before others, and reads owner tags. Only the management account
/// has a way in.
async fn members(
    services: &Services,
    config: &Config,
    caller: &Result<CallerIdentity>,
    tree: &billctl_core::error::Result<Organization>,
    deep: bool,
) -> Members {
    let tree = match (caller, tree) {
        (Ok(caller), Ok(tree)) if caller.account == tree.management_account => tree,
        _ => {
            return Members {
                covered: None,
                looks: BTreeMap::new(),
                owners: Ok(Owners::default()),
            };
        }
    };
    let active: BTreeSet<AccountId> = active_members(tree).collect();
    // A page is enough to choose from; what can't be listed is another check's to say.
    let listed = services
        .cloudformation
        .list_stack_instances(&config.deploy.stack_set, None, None)
        .await;
    let is_known = listed.as_ref().err().is_none_or(|error| error.kind == Kind::NotFound);
    let instances = listed.map(|page| page.items).unwrap_or_default();
    let covered: BTreeSet<AccountId> = instances
        .iter()
        .map(|instance| instance.account)
        .filter(|account| active.contains(account))
        .collect();
    let choice = if covered.is_empty() { &active } else { &covered };
    let chosen = probe::spread(tree, choice, LOOKED_INTO);
    let tagged = if deep { &active } else { &chosen };
    let accounts = tagged.iter().filter_map(|account| tree.account(*account));
    let tagged = accounts.map(|(account, _)| account.clone()).collect();
    let (looks, owners) = futures::join!(
        observe::probe::looks(services, config, chosen),
        recipients::read(services, &config.mail, tree.management_account, tagged),
    );
    Members {
        covered: is_known.then_some(!covered.is_empty()),
        looks,
        owners,
    }
}

/// What is there under the names that bootstrap would use.
async fn things(
    services: &Services,
    config: &Config,
    organization: impl Future<Output = Result<OrganizationInfo>>,
) -> Vec<(String, Result<Option<Resource>>)> {
    let organization = match organization.await {
        Ok(organization) => organization,
        Err(error) => return vec![("the organisation".to_owned(), Err(error))],
    };
    let facts = Facts {
        organization: organization.id,
        management_account: organization.management_account,
        // Only names matter here.
        own_threshold: config.alarm.threshold,
        chat: resource::Chat::default(),
    };
    let naming = Naming { config, facts: &facts };
    let things = resource::desired(&naming)
        .into_iter()
        .map(|wanted| (wanted.id(), wanted))
        // These two have checks of their own, and need not be billctl's.
        .filter(|(id, _)| !matches!(id.kind, resource::Kind::TrustedAccess | resource::Kind::Identity))
        .map(|(id, wanted)| async move { (id.to_string(), live::read(services, &wanted).await) });
    join_all(things).await
}

/// Which of the actions that billctl needs the caller may not do. None where its kind of identity can't be
/// simulated: a root user, a federated one.
async fn denied(
    services: &Services,
    config: &Config,
    caller: impl Future<Output = Result<CallerIdentity>>,
    organization: impl Future<Output = Result<OrganizationInfo>>,
) -> Result<Option<BTreeSet<String>>> {
    let (caller, organization) = futures::join!(caller, organization);
    let caller = caller?;
    let resource = caller.arn.resource();
    let principal: Arn = match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["user", ..] => caller.arn.clone(),
        // The session's ARN leaves out the role's path, which the simulator wants; without the right to look it
        // up, most roles have none.
        ["assumed-role", name, ..] => match services.iam.get_role(name).await {
            Ok(role) => role.arn,
            Err(error) if matches!(error.kind, Kind::Denied | Kind::NotFound) => {
                Arn::new("iam", "", caller.account, &format!("role/{name}"))
            }
            Err(error) => return Err(error),
        },
        _ => return Ok(None),
    };
    let organization = organization.ok().map(|found| found.id);
    let types = resource_types(resource::stack_set::TEMPLATE);
    let asked = simulations(&principal, config, organization.as_ref(), &types);
    let answers = asked.iter().map(|simulation| async {
        match services.iam.denied_actions(simulation).await {
            // What the simulator doesn't know of one action says nothing of the others.
            Err(error) if error.kind == Kind::Invalid => Ok(Vec::new()),
            answer => answer,
        }
    });
    Ok(Some(try_join_all(answers).await?.into_iter().flatten().collect()))
}

//! `ListMetrics`.

use std::collections::{BTreeMap, BTreeSet};

use crate::World;
use crate::metrics::opened;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::AccountId;
use billctl_core::service::Page;
use billctl_core::service::charges::{self, metric};
use billctl_core::service::cloudwatch::{METRICS_PAGE_SIZE, Metric};

/// `ListMetrics`: those that have at least the given dimensions.
pub(crate) fn list_metrics(
    world: &World,
    namespace: &str,
    name: &str,
    dimensions: &BTreeMap<String, Option<String>>,
    token: Option<&str>,
) -> Answer<Page<Metric>> {
    let invalid = |why: &str| Refusal::invalid("InvalidParameterValue", why);
    let skip = token.unwrap_or("0").parse();
    let skip: usize = skip.map_err(|_| invalid("Invalid NextToken"))?;
    // At most 30 (API reference).
    if dimensions.len() > 30 {
        return Err(invalid("Too many dimensions"));
    }
    if namespace != charges::NAMESPACE || name != charges::METRIC || !world.billing_alerts {
        return Ok(Page::last(Vec::new()));
    }
    let matches = |metric: &Metric| {
        dimensions.iter().all(|(key, wanted)| {
            metric
                .dimensions
                .get(key)
                .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        })
    };
    // An account asked for by its id alone need not be looked for among all.
    let only: Option<AccountId> = dimensions
        .get(charges::ACCOUNT)
        .and_then(|value| value.as_ref()?.parse().ok());
    let mut found = all_charges(world, only).filter(matches).skip(skip);
    let items: Vec<Metric> = found.by_ref().take(METRICS_PAGE_SIZE).collect();
    let next = found.next().is_some().then(|| (skip + METRICS_PAGE_SIZE).to_string());
    Ok(Page { items, next })
}

/// Every charges metric of the payer, or those of one account.
fn all_charges(world: &World, only: Option<AccountId>) -> impl Iterator<Item = Metric> {
    let spend_overrides = &world.cloudwatch.spend_overrides;
    let accounts = move || {
        world
            .charged_accounts()
            .filter(move |id| only.is_none_or(|only| only == *id))
            // A metric is listed from its first datapoint on.
            .filter(|id| match (spend_overrides.published(*id, None), opened(world, *id)) {
                (Some(published), _) => !published.is_empty(),
                (None, Some(opened)) => {
                    let seen = world.now - world.publications.payer_late();
                    !world.publications.times(*id, opened, seen).is_empty()
                }
                (None, None) => true,
            })
    };
    let totals = only.is_none().then(|| {
        let services = accounts().flat_map(|account| spend_overrides.services(account));
        charges_of(None, services.collect::<BTreeSet<_>>())
    });
    let of_accounts = accounts().flat_map(|account| charges_of(Some(account), spend_overrides.services(account)));
    totals.into_iter().flatten().chain(of_accounts)
}

/// The metrics of an account or of the organisation: in all, and by service.
fn charges_of(account: Option<AccountId>, services: impl IntoIterator<Item = String>) -> impl Iterator<Item = Metric> {
    let by_service = services.into_iter().map(move |service| metric(account, Some(&service)));
    std::iter::once(metric(account, None)).chain(by_service)
}

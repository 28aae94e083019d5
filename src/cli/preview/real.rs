//! An account as it is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Scene;
use crate::cli::{Context, GlobalArgs};
use crate::observe::{self, precheck};
use crate::spend::reading_from;
use billctl_core::error::{Context as _, Error, Result};
use billctl_core::event::Event;
use billctl_core::model::{Account, AccountId, Organization};
use billctl_core::service::cloudwatch::{DataRequest, MAX_QUERIES, Metric, MetricQuery, QuerySource};
use billctl_core::service::cloudwatch::{GET_METRIC_DATA, LIST_METRICS};
use billctl_core::service::{Services, all_pages};
use billctl_sandbox::metrics::Published;
use billctl_sandbox::{MailKind, Subject, World};

/// As the notifier reads them.
const PERIOD: u32 = 300;
/// The longest list of services that the notifier reads.
const MOST_SERVICES: usize = 100;

/// The account as it is, and its charges, read through the services.
pub(super) async fn scene(account: AccountId, global: &GlobalArgs) -> Result<Scene> {
    let context = Context::open(global).await?;
    let services = &context.services;
    context
        .listener
        .on(Event::Phase(format!("reading account {account} ...")));
    let (info, tree) = precheck::checked(
        precheck::billing_account(services, &context.config),
        observe::tree(services),
    )
    .await?;
    let organization = tree.organization(info)?;
    let (found, parent) = organization
        .account(account)
        .ok_or_else(|| Error::usage(format!("account {account} is not in the organisation")))?;
    let thresholds = context.thresholds(&organization)?;
    let threshold = thresholds.of(account, parent, &organization);
    let management = management(&organization)?;
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
    let (tags, charges) = futures::join!(
        services.organizations.list_account_tags(account),
        charges(services, account),
    );
    let subject = Subject {
        account: found.clone(),
        tags: tags.while_trying("read the account's tags")?,
        path,
        charges: charges.while_trying("read the account's charges")?,
    };
    let now = services.clock.now();
    let world = World::around(organization.id.clone(), root.id.clone(), management, subject, now);
    Ok(Scene {
        config: context.config.clone(),
        world,
        account,
        threshold,
        kind: MailKind::First,
    })
}

fn management(organization: &Organization) -> Result<Account> {
    organization
        .account(organization.management_account)
        .map(|(account, _)| account.clone())
        .ok_or_else(|| Error::failed("the management account couldn't be read"))
}

/// The account's month to date by the hour, in all and by service, from the payer's series.
async fn charges(services: &Services, account: AccountId) -> billctl_core::service::Result<Published> {
    let dimensions = |service: Option<&str>| {
        let mut dimensions = BTreeMap::from([
            ("Currency".to_owned(), "USD".to_owned()),
            ("LinkedAccount".to_owned(), account.to_string()),
        ]);
        if let Some(service) = service {
            dimensions.insert("ServiceName".to_owned(), service.to_owned());
        }
        dimensions
    };
    let mut wanted: BTreeMap<String, Option<String>> = dimensions(None)
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    wanted.insert("ServiceName".to_owned(), None);
    let cloudwatch = &services.cloudwatch;
    let listed = all_pages(LIST_METRICS, |token| {
        cloudwatch.list_metrics("AWS/Billing", "EstimatedCharges", &wanted, token)
    })
    .await?;
    let names: Vec<String> = listed
        .into_iter()
        .filter_map(|metric| metric.dimensions.get("ServiceName").cloned())
        .take(MOST_SERVICES.min(MAX_QUERIES - 1))
        .collect();
    let query = |id: String, service: Option<&str>| MetricQuery {
        id,
        source: QuerySource::Stat {
            metric: Metric {
                namespace: "AWS/Billing".into(),
                name: "EstimatedCharges".into(),
                dimensions: dimensions(service),
            },
            period: PERIOD,
            stat: "Maximum".into(),
        },
        return_data: true,
        label: None,
    };
    let mut queries = vec![query("total".to_owned(), None)];
    queries.extend(
        names
            .iter()
            .enumerate()
            .map(|(index, name)| query(format!("s{index}"), Some(name))),
    );
    let end = services.clock.now();
    let request = DataRequest {
        queries,
        start: Timestamp::from_second(reading_from(end)).unwrap_or(end),
        end,
    };
    let series = all_pages(GET_METRIC_DATA, |token| cloudwatch.get_metric_data(&request, token)).await?;
    let mut published = Published::default();
    for part in series {
        if part.id == "total" {
            published.total.extend(part.points);
        } else if let Some(name) = part
            .id
            .strip_prefix('s')
            .and_then(|index| names.get(index.parse::<usize>().ok()?))
        {
            published.services.entry(name.clone()).or_default().extend(part.points);
        }
    }
    published.total.sort_by_key(|(at, _)| *at);
    for points in published.services.values_mut() {
        points.sort_by_key(|(at, _)| *at);
    }
    Ok(published)
}

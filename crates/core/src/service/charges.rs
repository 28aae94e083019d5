//! `AWS/Billing EstimatedCharges`: what the month has cost so far. Names, dimensions and periods, spelled nowhere else
//! (docs/aws-facts.md, "EstimatedCharges").

use std::collections::BTreeMap;

use super::cloudwatch::Metric;
use crate::model::AccountId;

/// The namespace.
pub const NAMESPACE: &str = "AWS/Billing";
/// The metric.
pub const METRIC: &str = "EstimatedCharges";
/// The dimension that every series has, with the value [`USD`].
pub const CURRENCY: &str = "Currency";
/// The only currency that AWS publishes charges in.
pub const USD: &str = "USD";
/// The dimension of an account's own series; only the payer sees it.
pub const ACCOUNT: &str = "LinkedAccount";
/// The dimension of a service's series.
pub const SERVICE: &str = "ServiceName";

/// The statistic: charges add up, so the highest of a period is its newest.
pub const STATISTIC: &str = "Maximum";
/// The shortest period in seconds that publications of the last 63 days have (docs/aws-facts.md, "GetMetricData").
pub const FINE: u32 = 300;
/// The same of the last 455 days.
pub const COARSE: u32 = 3_600;

/// The charges of an account or of all, for a service or for all: a member sees its own as those of all.
pub fn metric(account: Option<AccountId>, service: Option<&str>) -> Metric {
    let account = account.map(|account| (ACCOUNT, account.to_string()));
    let service = service.map(|service| (SERVICE, service.to_owned()));
    let dimensions = [Some((CURRENCY, USD.to_owned())), account, service];
    Metric {
        namespace: NAMESPACE.to_owned(),
        name: METRIC.to_owned(),
        dimensions: dimensions
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// A filter of ListMetrics: series, of this account if one is named, that have these dimensions with any value.
pub fn filter(account: Option<AccountId>, any: &[&str]) -> BTreeMap<String, Option<String>> {
    let fixed = metric(account, None).dimensions.into_iter();
    let any = any.iter().map(|name| ((*name).to_owned(), None));
    fixed.map(|(name, value)| (name, Some(value))).chain(any).collect()
}

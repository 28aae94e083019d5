use serde_json::{Value, json};

use super::Thing;
use super::alarm::SPEND_EXPRESSION;
use super::names::Naming;
use billctl_core::model::REGION;
use billctl_core::service::charges::{ACCOUNT, CURRENCY, METRIC, NAMESPACE, STATISTIC, USD};

/// Most lines in the graph of accounts: more can't be distinguished.
const MOST_ACCOUNTS: u32 = 20;
/// Most series that a SEARCH gives (CloudWatch user guide, "Using search expressions in graphs").
pub const MOST_SEARCHED: u32 = 500;

/// The dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    /// Its name.
    pub name: String,
    /// Its body, as CloudWatch keeps it.
    pub body: Value,
}

impl Thing for Dashboard {
    /// Daily spend in all and of the accounts that spend most, from the payer's series, and how the notifier does.
    fn desired(naming: &Naming) -> Vec<Self> {
        let names = &naming.config.names;
        let label = format!("${{PROP('Dim.{ACCOUNT}')}}");
        let body = json!({"widgets": [
            {
                "type": "text", "x": 0, "y": 0, "width": 24, "height": 3,
                "properties": {"markdown": format!(
                    "# Daily spend of {}\nMade by billctl. Estimated charges in US dollars, published by AWS about \
                     every 6 hours; days in UTC.\n\nCloudWatch searches {MOST_SEARCHED} accounts at most for the \
                     daily graph; the monthly one covers all. `billctl spend` shows every account by day.",
                    naming.facts.organization
                )},
            },
            {
                "type": "metric", "x": 0, "y": 3, "width": 16, "height": 7,
                "properties": {
                    "title": "Daily spend of the organisation (USD)",
                    "view": "timeSeries", "region": REGION, "period": 86_400, "start": "-P30D",
                    "yAxis": {"left": {"min": 0}},
                    "metrics": [
                        [{"id": "spend", "expression": SPEND_EXPRESSION, "label": "All accounts"}],
                        [NAMESPACE, METRIC, CURRENCY, USD, {"id": "m1", "stat": STATISTIC, "visible": false}],
                    ],
                },
            },
            {
                "type": "metric", "x": 16, "y": 3, "width": 8, "height": 7,
                "properties": {
                    "title": "Month to date (USD)",
                    "view": "singleValue", "sparkline": true, "region": REGION, "period": 21_600, "start": "-P30D",
                    "metrics": [[NAMESPACE, METRIC, CURRENCY, USD, {"stat": STATISTIC, "label": "All accounts"}]],
                },
            },
            {
                "type": "metric", "x": 0, "y": 10, "width": 24, "height": 9,
                "properties": {
                    "title": format!("Daily spend of the {MOST_ACCOUNTS} accounts that spend most (USD)"),
                    "view": "timeSeries", "region": REGION, "period": 86_400, "start": "-P30D",
                    // IF can't choose within the many series of a SEARCH, so the fall at the month's reset is a
                    // negative rate: the axis leaves it out.
                    "yAxis": {"left": {"min": 0}},
                    "metrics": [[{"id": "accounts", "label": label, "expression": format!(
                        "SORT(RATE(SEARCH('{{{NAMESPACE},{CURRENCY},{ACCOUNT}}} MetricName=\"{METRIC}\" \
                         {CURRENCY}=\"{USD}\"', '{STATISTIC}', 86400)) * 86400, MAX, DESC, {MOST_ACCOUNTS})"
                    )}]],
                },
            },
            {
                "type": "metric", "x": 0, "y": 19, "width": 24, "height": 7,
                "properties": {
                    "title": format!("Month to date of the {MOST_ACCOUNTS} accounts that spend most (USD)"),
                    "view": "bar", "region": REGION, "period": 86_400, "stat": "Maximum",
                    // Metrics Insights looks at 10,000 metrics and two weeks (docs/aws-facts.md, "GetMetricData");
                    // unverified that it sees a metric as rare as this one.
                    "metrics": [[{"id": "months", "label": label, "expression": format!(
                        "SELECT MAX({METRIC}) FROM SCHEMA(\"{NAMESPACE}\", {CURRENCY}, {ACCOUNT}) \
                         WHERE {CURRENCY} = '{USD}' GROUP BY {ACCOUNT} ORDER BY MAX() DESC LIMIT {MOST_ACCOUNTS}"
                    )}]],
                },
            },
            {
                "type": "metric", "x": 0, "y": 26, "width": 12, "height": 5,
                "properties": {
                    "title": "Notifier: executions",
                    "view": "timeSeries", "region": REGION, "period": 86_400, "start": "-P30D", "stat": "Sum",
                    "metrics": [
                        ["AWS/States", "ExecutionsSucceeded", "StateMachineArn", naming.notifier_arn()],
                        ["AWS/States", "ExecutionsFailed", "StateMachineArn", naming.notifier_arn()],
                    ],
                },
            },
            {
                "type": "metric", "x": 12, "y": 26, "width": 12, "height": 5,
                "properties": {
                    "title": "Undelivered events and failed mails in the queue",
                    "view": "timeSeries", "region": REGION, "period": 3_600, "start": "-P30D", "stat": "Maximum",
                    "metrics": [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", names.queue]],
                },
            },
        ]});
        vec![Self {
            name: names.dashboard.clone(),
            body,
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        self.body.to_string().contains("Made by billctl.")
    }

    fn document(&self) -> Value {
        json!({"body": self.body})
    }
}

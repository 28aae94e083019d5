//! On the wire: publications put into ministack by boto3, read back by the built binary, and compared with what the
//! amounts below come to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::emulator::{Endpoints, Tenant, shared};
use crate::support::home::Home;

/// Publications as AWS makes them: at 02:00, 08:00, 14:00 and 20:00 UTC, month to date, starting again with the month.
/// `shop` spends a quarter of a day's amount from one to the next, `twice` the double, `idle` nothing is known of, and
/// each of six services has its tenths of `shop`.
const PUT: &str = "
import datetime
DAYS = {4: 12.00, 3: 20.00, 2: 44.40, 1: 21.24, 0: 10.00}
now = datetime.datetime.now(datetime.timezone.utc)
midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
points, total, month = [], 500.0, (midnight - datetime.timedelta(days=4)).month
for back, amount in DAYS.items():
    for hour in (2, 8, 14, 20):
        at = midnight + datetime.timedelta(days=-back, hours=hour)
        if at.month != month:
            total, month = 0.0, at.month
        total += amount / 4
        if at <= now:
            points.append((at, total))
cloudwatch = client('cloudwatch')
organizations = client('organizations')
organizations.create_organization(FeatureSet='ALL')
def create(name):
    answer = organizations.create_account(AccountName=name, Email=name + '@example.com')
    return answer['CreateAccountStatus']['AccountId']
accounts = {name: create(name) for name in ('shop', 'twice', 'idle')}
def put(times, **dimensions):
    cloudwatch.put_metric_data(Namespace='AWS/Billing', MetricData=[{
        'MetricName': 'EstimatedCharges', 'Timestamp': at, 'Value': value * times,
        'Dimensions': [{'Name': 'Currency', 'Value': 'USD'}] + [{'Name': k, 'Value': v} for k, v in dimensions.items()],
    } for at, value in points])
put(3)
put(1, LinkedAccount=accounts['shop'])
put(2, LinkedAccount=accounts['twice'])
for tenths, service in enumerate(('AmazonEC2', 'AmazonS3', 'AmazonRDS', 'AWSLambda', 'awskms', 'AmazonVPC'), 1):
    put(tenths / 10, LinkedAccount=accounts['shop'], ServiceName=service)
result = {
    'accounts': accounts,
    'days': {back: (midnight - datetime.timedelta(days=back)).date().isoformat() for back in DAYS},
    'month': points[-1][1],
}
";

/// What `PUT` says the days before today cost, by days back.
const SPENT: [(&str, f64); 3] = [("3", 20.00), ("2", 44.40), ("1", 21.24)];

struct Charges<'a> {
    put: Value,
    env: BTreeMap<String, String>,
    _tenant: Tenant<'a>,
}

impl<'a> Charges<'a> {
    fn put(tenant: Tenant<'a>, endpoints: Endpoints) -> Self {
        // ministack has the metrics and no way to make an organisation; moto has that.
        let mut env = tenant.env(endpoints);
        let moto = tenant.env(Endpoints::Moto);
        env.insert(
            "AWS_ENDPOINT_URL_ORGANIZATIONS".to_owned(),
            moto["AWS_ENDPOINT_URL"].clone(),
        );
        let mut direct = env.clone();
        direct.remove("AWS_ENDPOINT_URL_CLOUDWATCH");
        Self {
            put: tenant.boto3_with(&direct, PUT),
            env,
            _tenant: tenant,
        }
    }

    fn account(&self, name: &str) -> &str {
        self.put["accounts"][name].as_str().unwrap()
    }

    fn spend(&self, args: &[&str]) -> (Value, String) {
        let output = Home::empty()
            .command()
            .envs(&self.env)
            .args(["spend", "--json", "-v"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        (
            serde_json::from_slice(&output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// Compares a row's days before today with what they cost, `times` over.
    fn compare(&self, answer: &Value, row: &Value, times: f64) {
        let buckets = answer["slots"].as_array().unwrap();
        for (back, spent) in SPENT {
            let day = self.put["days"][back].as_str().unwrap();
            let bucket = buckets
                .iter()
                .position(|bucket| bucket.as_str().unwrap().starts_with(day))
                .unwrap();
            let found = row["spend"][bucket].as_f64().unwrap();
            assert!((found - spent * times).abs() < 0.000_01, "{day}: {found} of {row}");
        }
        let month = self.put["month"].as_f64().unwrap() * times;
        let found = row["month_to_date"].as_f64().unwrap();
        assert!((found - month).abs() < 0.000_01, "{found} of {month}");
    }
}

fn row<'a>(answer: &'a Value, key: &str, value: &str) -> &'a Value {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().find(|row| row[key] == value).unwrap()
}

/// How often `-v` says that an operation was called.
fn calls(said: &str, operation: &str) -> usize {
    let line = said.lines().find(|line| line.contains(operation)).unwrap();
    let count = line.split_whitespace().nth(2).unwrap();
    count.parse().unwrap()
}

#[test]
fn publications_of_another_client_are_read_back_to_the_cent() {
    let Some(emulators) = shared("spend on the wire") else {
        return;
    };
    let charges = Charges::put(emulators.tenant(), Endpoints::Ministack);
    let (answer, said) = charges.spend(&[]);
    // shop, twice, idle and the management account, in one call.
    assert_eq!(answer["metrics_requested"], 4);
    assert_eq!(calls(&said, "GetMetricData"), 1);
    charges.compare(&answer, row(&answer, "account", charges.account("shop")), 1.0);
    charges.compare(&answer, row(&answer, "account", charges.account("twice")), 2.0);
    charges.compare(&answer, &answer["total"], 3.0);
    let idle = row(&answer, "account", charges.account("idle"));
    assert!(idle["missing"].is_string() && idle["month_to_date"].is_null(), "{idle}");
}

#[test]
fn answers_in_pages_say_the_same_as_answers_in_one_piece() {
    let Some(emulators) = shared("spend in pages") else {
        return;
    };
    let charges = Charges::put(emulators.tenant(), Endpoints::Paged);
    let (answer, said) = charges.spend(&[]);
    // Two series of 16 publications or more, seven datapoints a page: series begin and end in the middle of one.
    assert!(calls(&said, "GetMetricData") >= 5, "{said}");
    charges.compare(&answer, row(&answer, "account", charges.account("shop")), 1.0);
    charges.compare(&answer, row(&answer, "account", charges.account("twice")), 2.0);

    let account = charges.account("shop").to_owned();
    let (answer, said) = charges.spend(&["--by", "service", "--account", &account]);
    // An empty page first, then seven metrics (the account's own is none of a service), four a page.
    assert!(calls(&said, "ListMetrics") >= 3, "{said}");
    assert_eq!(answer["rows"].as_array().unwrap().len(), 6);
    for (service, tenths) in [("AmazonEC2", 0.1), ("AWSLambda", 0.4), ("AmazonVPC", 0.6)] {
        charges.compare(&answer, row(&answer, "service", service), tenths);
    }
    charges.compare(&answer, &answer["total"], 2.1);
}

#[test]
fn metrics_that_moto_pages_are_listed_to_the_end() {
    let Some(emulators) = shared("ListMetrics on moto") else {
        return;
    };
    // moto lists 500 metrics a page, and a metric once for each of its datapoints: the third service is on the second.
    let tenant = emulators.tenant();
    let env = tenant.env(Endpoints::Moto);
    tenant.boto3_with(
        &env,
        "
import datetime
client('organizations').create_organization(FeatureSet='ALL')
start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=5)
for service in ('AmazonEC2', 'AmazonS3', 'AWSLambda'):
    client('cloudwatch').put_metric_data(Namespace='AWS/Billing', MetricData=[{
        'MetricName': 'EstimatedCharges', 'Timestamp': start + datetime.timedelta(minutes=20 * n), 'Value': 1.0 + n,
        'Dimensions': [{'Name': 'Currency', 'Value': 'USD'}, {'Name': 'ServiceName', 'Value': service}],
    } for n in range(250)])
result = 'done'
",
    );
    let charges = Charges {
        put: Value::Null,
        env,
        _tenant: tenant,
    };
    let (answer, said) = charges.spend(&["--by", "service"]);
    assert_eq!(calls(&said, "ListMetrics"), 2, "{said}");
    assert_eq!(answer["metrics_requested"], 3);
    assert_eq!(answer["cost_usd"], 0.000_03);
    assert!(row(&answer, "service", "AWSLambda")["average_7_days"].is_number());
}

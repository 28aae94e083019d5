//! On the wire: publications put into ministack by boto3, read back by billctl's adapter.

use std::process::Command;

use serde_json::Value;

use crate::support::emulator::{Endpoints, shared};

/// Three accounts' publications over three days, by another client: the first two of the 9th are the base.
const PUT: &str = "
import datetime
now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
midnight = now.replace(hour=0)
cloudwatch = client('cloudwatch')
organizations = client('organizations')
organizations.create_organization(FeatureSet='ALL')
status = organizations.create_account(AccountName='shop', Email='shop@example.com')['CreateAccountStatus']
account = status['AccountId']
def put(hours, value, dimensions):
    cloudwatch.put_metric_data(Namespace='AWS/Billing', MetricData=[{
        'MetricName': 'EstimatedCharges', 'Timestamp': midnight + datetime.timedelta(hours=hours), 'Value': value,
        'Dimensions': [{'Name': 'Currency', 'Value': 'USD'}] + [{'Name': k, 'Value': v} for k, v in dimensions.items()]}])
# Two days before yesterday 90.25; yesterday 100 and then 111.50: 21.25 spent yesterday if a month doesn't begin in between.
for hours, value in [(-30, 90.25), (-20, 100.0), (-14, 105.5), (-4, 111.5)]:
    put(hours, value, {'LinkedAccount': account})
    put(hours, value / 2, {'LinkedAccount': account, 'ServiceName': 'AmazonEC2'})
result = {'account': account, 'day': midnight.day, 'hour': now.hour}
";

#[test]
fn publications_of_another_client_are_read_back_to_the_cent() {
    let Some(emulators) = shared("spend on the wire") else {
        return;
    };
    let tenant = emulators.tenant();
    let put = tenant.boto3(Endpoints::Ministack, PUT);
    let account = put["account"].as_str().unwrap().to_owned();
    let spend = |args: &[&str]| -> Value {
        let output = Command::new(assert_cmd::cargo::cargo_bin("billctl"))
            .env_clear()
            .envs(tenant.env(Endpoints::Ministack))
            .current_dir(std::env::temp_dir())
            .args(["spend", "--json", "--account", &account])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let by_account = spend(&[]);
    assert_eq!(by_account["metrics_requested"], 1);
    let row = &by_account["rows"][0];
    assert_eq!(row["account"], account.as_str());
    // On the first two days of a month the base belongs to another month: then only the newest value is sure.
    if put["day"].as_i64().unwrap() > 2 {
        assert_eq!(row["yesterday"], 21.25);
        assert_eq!(row["month_to_date"], 111.5);
    }
    let by_service = spend(&["--by", "service"]);
    let row = &by_service["rows"][0];
    assert_eq!(row["service"], "AmazonEC2");
    if put["day"].as_i64().unwrap() > 2 {
        assert_eq!(row["yesterday"], 10.625);
    }
}

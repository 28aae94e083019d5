use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AccountId;
use super::ids::{ParseIdError, by_text, text_id};

text_id!(
    /// An Amazon Resource Name: `arn:partition:service:region:account:resource`.
    Arn,
    "an ARN (arn:partition:service:region:account:resource)",
    |text| {
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        matches!(fields.as_slice(),
            ["arn", partition, service, _, account, resource]
                if !partition.is_empty() && !service.is_empty() && !resource.is_empty()
                    && (account.is_empty() || *account == "aws" || account.parse::<AccountId>().is_ok()))
    }
);

impl Arn {
    /// An ARN in the `aws` partition; `region` is empty for global services.
    pub fn new(service: &str, region: &str, account: AccountId, resource: &str) -> Self {
        Self(format!("arn:aws:{service}:{region}:{account}:{resource}").into())
    }

    fn field(&self, index: usize) -> &str {
        self.as_str().splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// The partition, such as `aws` or `aws-cn`.
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// The service, such as `events`.
    pub fn service(&self) -> &str {
        self.field(2)
    }

    /// The account, where the ARN names one.
    pub fn account(&self) -> Option<AccountId> {
        self.field(4).parse().ok()
    }

    /// Everything after the account.
    pub fn resource(&self) -> &str {
        self.field(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_arn_are_read() {
        let arn: Arn = "arn:aws:events:us-east-1:111122223333:event-bus/billctl"
            .parse()
            .unwrap();
        assert_eq!(arn.partition(), "aws");
        assert_eq!(arn.service(), "events");
        assert_eq!(arn.account().unwrap().to_string(), "111122223333");
        assert_eq!(arn.resource(), "event-bus/billctl");
    }

    #[test]
    fn a_text_with_too_few_fields_is_no_arn() {
        assert!("arn:aws:events".parse::<Arn>().is_err());
        assert!("arn:aws:events:us-east-1:12:bus".parse::<Arn>().is_err());
    }
}

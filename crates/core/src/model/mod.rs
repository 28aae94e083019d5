//! Newtypes for what has rules, and the organisation as a tree. Parsed at the edge, trusted inside.

mod account;
mod arn;
mod ids;
mod month;
mod organization;
mod owner;
mod time;
mod usd;

pub use account::{Account, AccountState};
pub use arn::Arn;
pub use ids::{AccountId, OrgId, OuId, ParseIdError};
pub use month::Month;
pub use organization::{Organization, OrganizationalUnit, SelectorError};
pub use owner::addresses as owner_addresses;
pub use time::Time;
pub use usd::{ParseUsdError, Usd, nearest};

/// Seconds in a day; UTC days have no others.
pub const DAY: i64 = 86_400;

/// The only Region that holds `AWS/Billing` metrics (docs/aws-facts.md, "EstimatedCharges"), and so the only one
/// billctl works in.
pub const REGION: &str = "us-east-1";
/// The partition where billing metrics and StackSets are as billctl knows them; that others, as `aws-cn`, differ is
/// unverified (docs/aws-facts.md, "EstimatedCharges").
pub const PARTITION: &str = "aws";

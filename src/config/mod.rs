//! config.toml -> [`Config`]: typed, unknown keys refused, all problems reported at once with their places.

mod address;
mod key;
mod load;
mod names;
mod problem;
mod raw;
mod resolve;
mod schema;
pub mod starter;
mod structure;
mod types;

pub use address::is_address;
pub use problem::{Place, Problem, Source};
pub use resolve::OWNER_TAG;
pub use schema::{reference, schema};
pub use types::{
    AlarmConfig, Config, DeployConfig, MailConfig, Measure, MembersConfig, Names, Operations, StatusConfig,
    ThresholdRule, ThresholdTarget, Wave,
};

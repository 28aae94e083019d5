//! config.toml -> [`Config`]: typed, unknown keys refused, all problems reported at once with their places.

mod address;
mod excerpt;
mod key;
mod load;
mod measure;
mod names;
mod problem;
mod raw;
mod resolve;
mod schema;
pub mod starter;
mod structure;
mod types;

pub use address::is_address;
pub use measure::Measure;
pub use names::Names;
pub use problem::{Place, Problem, Source};
pub use schema::{reference, schema};
pub use types::{
    AlarmConfig, ChatRule, Config, DeployConfig, MailConfig, MembersConfig, Operations, StatusConfig, ThresholdRule,
    ThresholdTarget, Wave,
};

//! config.toml -> [`Config`]: typed, unknown keys refused, all problems reported at once with their places.

mod address;
pub mod edit;
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
pub mod suggested;
mod types;

pub use address::{bare_address, is_address};
pub use measure::Measure;
pub use names::Names;
pub use problem::{Place, Problem, Source};
pub use schema::schema;
pub use structure::properties;
pub use types::{
    AlarmConfig, BootstrapConfig, ChatRule, Config, DeployConfig, DigestConfig, MailConfig, MembersConfig, Operations,
    StatusConfig, ThresholdRule, ThresholdTarget, Wave,
};

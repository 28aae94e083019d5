//! config.toml -> [`Config`]: typed, unknown keys refused, all problems reported at once with their places.

mod types;

pub use types::{
    AlarmConfig, CallAs, Config, DeployConfig, MailConfig, Measure, Names, ThresholdRule,
    ThresholdTarget, Wave,
};

//! billctl: a daily-spend alarm for every account of an AWS Organization.
//!
//! Data flows one way: `cli -> config -> observe -> plan -> apply`, with `render` listening; see
//! `docs/architecture.md`.

pub mod apply;
pub mod cli;
pub mod config;
pub mod live;
pub mod observe;
pub mod plan;
pub mod render;
pub mod resource;
pub mod spend;

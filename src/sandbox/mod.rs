//! The traits of `service` on an organisation in memory, kept in one file between commands.

mod handle;
mod world;

pub use handle::Sandbox;
pub use world::World;

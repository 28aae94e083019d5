use clap::Args;

use super::Context;
use crate::error::{Error, Result};
use crate::observe;
use crate::plan::doctor::{self, Verdict};
use crate::render;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// Checks every precondition and says how to cure what is missing. Changes nothing.
///
/// # Errors
/// A check failed; they are all shown before.
pub async fn run(_args: &DoctorArgs, context: &Context) -> Result<()> {
    let readings = observe::doctor::readings(&context.services, &context.config).await;
    let checks = doctor::examine(&context.config, &readings);
    anstream::println!("{}", render::doctor(context.global.format, &checks));
    if checks.iter().any(|check| check.verdict == Verdict::Failed) {
        return Err(Error::failed("a precondition is missing; see above"));
    }
    Ok(())
}

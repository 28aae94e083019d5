//! Who is above its limit by the billing account's figures, and whether anybody was told.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::told;
use crate::plan::above::{Above, Told};
use crate::resource::{Naming, day_of};
use billctl_core::error::{Result, WhileTrying};
use billctl_core::model::AccountId;
use billctl_core::service::{self, PARALLEL, Services};

/// Accounts looked at without being asked to: AWS lets a few hundred executions be described at once.
pub const LOOKED_AT_WITHOUT_ASKING: usize = 200;

/// Whether the owners of these accounts were told today, or are told about since an earlier day.
///
/// # Errors
/// AWS's answer to any of the reads.
pub async fn told(
    services: &Services,
    naming: &Naming<'_>,
    above: &[Above],
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Told>> {
    stream::iter(above)
        .map(|above| async move {
            let day = told::look(services, naming, above.account, day_of(now)).await?;
            service::Result::Ok((above.account, day.told))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
        .while_trying("see who was told")
}

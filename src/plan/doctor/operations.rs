//! Whether anybody hears when the notifier itself fails.

use super::{Check, Verdict};
use crate::plan::operations::Hearing;
use billctl_core::service::Result;

pub(super) fn operations(hearing: &Result<Hearing>) -> Check {
    const NAME: &str = "operations";
    let hearing = match hearing {
        Ok(hearing) => hearing,
        Err(error) => return Check::unread(NAME, error),
    };
    let verdict = match hearing {
        Hearing::Heard { .. } | Hearing::Elsewhere { .. } => Verdict::Ok,
        _ => Verdict::Warning,
    };
    let check = Check::new(NAME, verdict, hearing.to_string());
    match hearing.remedy() {
        Some(remedy) => check.remedy(remedy),
        None => check,
    }
}

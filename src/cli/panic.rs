use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};

use crate::render;
use billctl_core::error::{Error, ErrorKind};

/// A fault of billctl's own ends the process as any other failure does: with words and exit code 1, where the system's
/// way would be a signal that no pipeline knows.
pub fn end_faults_as_errors() {
    set_hook(Box::new(|fault| {
        let error = described(fault);
        aside!("{}", render::error(&error));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            aside!("{trace}");
        }
        std::process::exit(ErrorKind::Failed.exit_code().into());
    }));
}

fn described(fault: &PanicHookInfo<'_>) -> Error {
    let what = fault.payload_as_str().unwrap_or("no reason given");
    let place = fault
        .location()
        .map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
    let version = env!("CARGO_PKG_VERSION");
    Error::failed(format!("billctl {version} ran into a bug of its own: {what}{place}")).remedy(
        "please report these lines and the command to where you got billctl. What AWS was already doing goes on: run \
         the same command again, and it continues from what it finds",
    )
}

use serde::Serialize;

use super::json;
use super::style::{self, paint};
use billctl_core::error::{Cause, Error};
use billctl_core::text;

/// An error as the user sees it: what was tried, why it failed, what to do.
pub fn error(error: &Error) -> String {
    let head = paint(style::BAD.bold(), "error:");
    let mut text = match &error.cause {
        // Has its own layout, with the config's lines underlined.
        Cause::Report(report) => format!("{report:?}"),
        _ => format!("{head} {}", text::lines(&error.to_string())),
    };
    if let Some(remedy) = &error.remedy {
        text.push_str(&format!(
            "\n{} {}",
            paint(style::STRONG, "remedy:"),
            text::lines(remedy)
        ));
    }
    text
}

/// An error for programs.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Body {
    exit_code: u8,
    message: String,
    operation: Option<String>,
    code: Option<String>,
    remedy: Option<String>,
}

/// The same for programs.
pub fn error_json(error: &Error) -> String {
    let service = error.service();
    json(
        "error",
        &Body {
            exit_code: error.kind.exit_code(),
            message: match &error.cause {
                Cause::Report(report) => anstream::adapter::strip_str(&format!("{report:?}")).to_string(),
                _ => error.to_string(),
            },
            operation: service.map(|refusal| refusal.operation.to_string()),
            code: service.and_then(|refusal| refusal.code.clone()),
            remedy: error.remedy.clone(),
        },
    )
}

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::{config, render};
use billctl_core::error::{Error, Result};

/// The schema that isn't of an answer.
const CONFIG: &str = "config";

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what: `config` is config.toml, the others are the kinds of JSON answers. Without it, they are listed.
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(kinds()))]
    pub kind: Option<String>,
}

fn kinds() -> Vec<&'static str> {
    let mut kinds = vec![CONFIG];
    kinds.extend(render::kinds());
    kinds.push("test-alert");
    #[cfg(feature = "sandbox")]
    kinds.extend(["preview", "sandbox"]);
    kinds
}

/// Prints a JSON schema (draft 2020-12), or which there are. Calls nothing.
///
/// # Errors
/// None but of standard output.
pub(super) fn run(args: &SchemaArgs) -> Result<()> {
    let Some(kind) = &args.kind else {
        return say!("{}", kinds().join("\n"));
    };
    let schema = match kind.as_str() {
        CONFIG => Some(config::schema()),
        "test-alert" => Some(render::schema_of::<super::test_alert::Answer<'_>>(kind)),
        #[cfg(feature = "sandbox")]
        "preview" => Some(render::schema_of::<super::preview::Answer<'_>>(kind)),
        #[cfg(feature = "sandbox")]
        "sandbox" => Some(render::schema_of::<super::sandbox::Picture>(kind)),
        kind => render::schema(kind),
    };
    let schema = schema.ok_or_else(|| Error::usage(format!("there is no schema of {kind}")))?;
    say!("{schema:#}")
}

use serde::Serialize;

use super::{Format, json};
use billctl_core::service::cloudformation::{Parameters, StackSetSpec};

/// The template for programs.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answer<'a> {
    stack_set: &'a str,
    parameters: &'a Parameters,
    template: &'a str,
}

/// The members' template as it is deployed. For people and for tools that read YAML: the parameters are comments
/// before it.
pub fn template(format: Format, spec: &StackSetSpec) -> String {
    if format == Format::Json {
        let answer = Answer {
            stack_set: &spec.name,
            parameters: &spec.parameters,
            template: &spec.template,
        };
        return json("template", &answer) + "\n";
    }
    let parameters: String = spec
        .parameters
        .iter()
        .map(|(name, value)| format!("#   {name}: {value}\n"))
        .collect();
    let text = format!(
        "# The parameters that StackSet {} is given; accounts with a threshold of their own override Threshold.\n\
         {parameters}{}",
        spec.name, spec.template
    );
    match format {
        // As it is deployed, byte for byte: what is written to a file must be it.
        Format::Table | Format::Json => text,
        Format::Markdown => format.block("yaml", text.trim_end()) + "\n",
    }
}

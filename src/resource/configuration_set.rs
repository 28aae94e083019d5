use serde_json::{Value, json};

use super::names::{self, Naming};
use super::{Thing, document};
use billctl_core::service::Tags;
use billctl_core::service::sesv2::EventDestination;

/// The name of the configuration set's one event destination.
pub const DESTINATION: &str = "billctl-failures";
/// What SES shall report: everything that means that a mail reached nobody, or unwelcome
/// (docs/aws-facts.md, "SES: templates"). Sorted, as the seam has it.
const REPORTED: [&str; 4] = ["BOUNCE", "COMPLAINT", "REJECT", "RENDERING_FAILURE"];

/// The configuration set with its event destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationSet {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// Where its events go; billctl has one.
    pub destination: Option<EventDestination>,
}

impl Thing for ConfigurationSet {
    fn desired(naming: &Naming) -> Vec<Self> {
        vec![Self {
            name: naming.config.names.configuration_set.clone(),
            tags: names::tags(),
            destination: Some(EventDestination {
                name: DESTINATION.to_owned(),
                enabled: true,
                event_types: REPORTED.map(str::to_owned).to_vec(),
                event_bus_arn: Some(naming.default_bus_arn()),
            }),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    fn document(&self) -> Value {
        let destination = self.destination.as_ref().map(|destination| {
            let mut types = destination.event_types.clone();
            types.sort();
            json!({
                "enabled": destination.enabled,
                "eventTypes": types,
                "eventBus": destination.event_bus_arn,
            })
        });
        document::without_nulls(json!({"eventDestination": destination}))
    }
}

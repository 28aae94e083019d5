use serde_json::{Value, json};

use super::Thing;
use super::fill::fill;
use super::names::Naming;
use billctl_core::service::sfn::StateMachine;

/// The state machine as shipped, with placeholders (docs/notifier.md).
pub(super) const DEFINITION: &str = include_str!(concat!(env!("OUT_DIR"), "/notifier.asl.json"));

/// The notifier.
impl Thing for StateMachine {
    fn desired(naming: &Naming) -> Vec<Self> {
        vec![Self {
            name: naming.config.names.notifier.clone(),
            arn: naming.notifier_arn(),
            definition: definition(naming),
            role_arn: naming.notifier_role_arn(),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    /// By its comment, or where somebody has written another, by a state that nobody else has.
    fn is_ours(&self) -> bool {
        let comment = self.definition.get("Comment").and_then(Value::as_str);
        comment.is_some_and(|comment| comment.starts_with("billctl:")) || knows_digests(&self.definition)
    }

    fn document(&self) -> Value {
        json!({"role": self.role_arn, "definition": self.definition})
    }
}

/// The state in which an execution ends that is only a digest's claim on its day.
const DIGEST_STATE: &str = "Digest claimed";

/// Whether a state machine knows what a digest's claim is: one that an older `bootstrap` made takes it for a broken
/// event, and its alarm goes off.
pub(crate) fn knows_digests(definition: &Value) -> bool {
    definition
        .get("States")
        .is_some_and(|states| states.get(DIGEST_STATE).is_some())
}

/// The shipped definition with this installation's values.
pub fn definition(naming: &Naming) -> Value {
    fill(DEFINITION, &naming.notifier_values())
}

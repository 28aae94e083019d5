//! The shipped policies (assets/policies) with this installation's names.

use serde_json::Value;

use super::fill::fill;
use super::names::Naming;

/// The policy without statements about nothing, which IAM refuses: a list of resources can be empty.
fn about_something(mut policy: Value) -> Value {
    if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
        let nothing = |statement: &Value| statement.get("Resource") == Some(&Value::Array(Vec::new()));
        statements.retain(|statement| !nothing(statement));
    }
    policy
}

/// Declares a function for each shipped policy.
macro_rules! policies {
    ($($(#[$doc:meta])* $function:ident = $file:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) fn $function(naming: &Naming) -> Value {
                const SHIPPED: &str = include_str!(concat!("../../assets/policies/", $file));
                about_something(fill(SHIPPED, &naming.policy_values()))
            }
        )*
        #[cfg(test)]
        pub(super) fn all(naming: &Naming) -> Vec<(&'static str, Value)> {
            vec![$(($file, $function(naming))),*]
        }
    };
}

policies! {
    /// Who may put events on the members' bus: only accounts of this organisation, only alarm state changes, only
    /// forwarded by a rule (docs/aws-facts.md, "Events between accounts"). The billing account itself needs no bus
    /// policy.
    bus = "bus.json";
    /// Who may put messages into the queue: billctl's rules.
    queue = "dlq.json";
    /// What the notifier may do.
    notifier_role = "notifier-role.json";
    /// Who may be the notifier.
    notifier_role_trust = "notifier-role-trust.json";
    /// What the rules may do: start the notifier.
    rule_role = "rule-role.json";
    /// Who may start the notifier.
    rule_role_trust = "rule-role-trust.json";
    /// What a shared core account has to allow.
    core_identity = "core-identity.json";
}

//! Operation ids that say what the operation did to the overrides.
//!
//! ListStackInstances tells each instance's last operation but not its overrides, and DescribeStackInstance, which
//! does, allows about two calls a second (docs/aws-facts.md, "StackSets: instances"). The id is ours to choose, so it
//! carries the threshold that its operation set: one listing then tells the thresholds of every instance that billctl
//! touched last, and only those that something else touched have to be asked for one by one.

use billctl_core::model::Usd;
use billctl_core::service::cloudformation::OperationId;

/// What an operation of billctl did to the overrides of the instances it touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It left the instances that it touched with this override, or without one: it set it, or it updated the
    /// StackSet in those alone that were known to have it, for such an update leaves overrides as they are.
    Override(Option<Usd>),
    /// It updated instances with whatever overrides they had: nothing is known of those.
    StackSet,
    /// It looked for drift: overrides stayed as they were, and nothing more is known.
    Drift,
    /// It removed instances.
    Delete,
}

const PREFIX: &str = "billctl";

impl Mark {
    /// An id with this mark; `unique` makes it one of a kind (letters, digits and hyphens, at most 64).
    pub fn operation_id(self, unique: &str) -> OperationId {
        let what = match self {
            // The alphabet of ids has no point: 12.5 is written 12p5.
            Self::Override(Some(usd)) => format!("usd-{}", usd.to_decimal().replace('.', "p")),
            Self::Override(None) => "default".to_owned(),
            Self::StackSet => "set".to_owned(),
            Self::Drift => "drift".to_owned(),
            Self::Delete => "delete".to_owned(),
        };
        OperationId(format!("{PREFIX}-{what}-{unique}"))
    }

    /// The mark of an id, if billctl made it.
    pub fn read(id: &OperationId) -> Option<Self> {
        let rest = id.0.strip_prefix(PREFIX)?.strip_prefix('-')?;
        let (what, rest) = rest.split_once('-')?;
        Some(match what {
            "usd" => {
                let (amount, _) = rest.split_once('-')?;
                Self::Override(Some(amount.replace('p', ".").parse().ok()?))
            }
            "default" => Self::Override(None),
            "set" => Self::StackSet,
            "drift" => Self::Drift,
            "delete" => Self::Delete,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_was_done() {
        for mark in [
            Mark::Override(Some(Usd::dollars(500))),
            Mark::Override("12.5".parse().ok()),
            Mark::Override(None),
            Mark::StackSet,
            Mark::Drift,
            Mark::Delete,
        ] {
            let id = mark.operation_id("0b2f-77");
            assert_eq!(Mark::read(&id), Some(mark), "{id}");
            assert!(id.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{id}");
        }
    }

    #[test]
    fn an_id_that_somebody_else_made_says_nothing() {
        for id in [
            "",
            "billctl",
            "billctl-",
            "billctl-usd-x-1",
            "3f1c-usd-500-1",
            "billctlusd-500-1",
        ] {
            assert_eq!(Mark::read(&OperationId(id.into())), None, "{id}");
        }
    }
}

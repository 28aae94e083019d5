//! Who hears when the notifier itself fails: from what the config says and what SNS answers, pure.

use std::fmt;

use serde::Serialize;

use crate::config::Operations;
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::sns::{Attributes, KEY_ATTRIBUTE, PENDING, Subscription};

/// How the AWS managed key of SNS is named.
pub(super) const MANAGED_KEY: &str = "alias/aws/sns";

/// Who hears of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Hearing {
    /// The config names nobody.
    Nobody,
    /// Another account's topic: what it does can't be seen from here.
    Elsewhere {
        /// The topic.
        topic: Arn,
    },
    /// The topic isn't there; whether it is bootstrap's to make.
    Missing {
        /// The topic.
        topic: Arn,
        /// Whether bootstrap makes it.
        ours: bool,
    },
    /// Encrypted with a key that CloudWatch can't use: what alarms publish is lost, and nothing says so.
    Encrypted {
        /// The topic.
        topic: Arn,
    },
    /// Encrypted with a key whose policy decides.
    PerhapsEncrypted {
        /// The topic.
        topic: Arn,
        /// The key.
        key: String,
    },
    /// Nobody has clicked the link yet.
    Pending {
        /// The topic.
        topic: Arn,
        /// Who has the link.
        address: String,
    },
    /// Nobody is subscribed.
    Unsubscribed {
        /// The topic.
        topic: Arn,
        /// Whom bootstrap subscribes, where it is its topic.
        address: Option<String>,
    },
    /// Somebody hears.
    Heard {
        /// The topic.
        topic: Arn,
        /// Who, where it is bootstrap's topic.
        address: Option<String>,
    },
}

/// A topic as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicState {
    /// Its attributes.
    pub attributes: Attributes,
    /// Its subscriptions; read for bootstrap's own topic alone.
    pub subscriptions: Vec<Subscription>,
}

impl Hearing {
    /// What becomes of failures. `own` is the topic that bootstrap makes, `found` what is there of the topic that the
    /// config is about, if it is in this account.
    pub fn of(operations: Option<&Operations>, account: AccountId, own: &Arn, found: Option<&TopicState>) -> Self {
        let (topic, address) = match operations {
            None => return Self::Nobody,
            Some(Operations::Topic(topic)) if topic.account() != Some(account) => {
                return Self::Elsewhere { topic: topic.clone() };
            }
            Some(Operations::Topic(topic)) => (topic.clone(), None),
            Some(Operations::Mail(address)) => (own.clone(), Some(address.clone())),
        };
        let Some(found) = found else {
            let ours = address.is_some();
            return Self::Missing { topic, ours };
        };
        let key = found.attributes.get(KEY_ATTRIBUTE).map_or("", String::as_str);
        if key == MANAGED_KEY {
            return Self::Encrypted { topic };
        }
        let subscribed = match &address {
            Some(wanted) => {
                let mut subscriptions = found.subscriptions.iter();
                match subscriptions.find(|one| one.endpoint.eq_ignore_ascii_case(wanted)) {
                    Some(one) if !one.confirmed => {
                        let address = wanted.clone();
                        return Self::Pending { topic, address };
                    }
                    one => one.is_some(),
                }
            }
            // Not every engine counts them, so only a zero says something.
            None => found
                .attributes
                .get("SubscriptionsConfirmed")
                .is_none_or(|count| count != "0"),
        };
        if !subscribed {
            return Self::Unsubscribed { topic, address };
        }
        if key.is_empty() {
            return Self::Heard { topic, address };
        }
        let key = key.to_owned();
        Self::PerhapsEncrypted { topic, key }
    }

    /// Whether somebody is to hear and is known not to.
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Encrypted { .. } | Self::Pending { .. } | Self::Unsubscribed { .. }
        )
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Heard { .. } | Self::Elsewhere { .. } => return None,
            Self::Nobody => {
                "set mail or topic under [operations] in the config, then run `billctl bootstrap`".to_owned()
            }
            Self::Missing { ours: true, .. } | Self::Unsubscribed { address: Some(_), .. } => {
                "run `billctl bootstrap`".to_owned()
            }
            Self::Missing { ours: false, .. } => {
                "make it, or name another under [operations]; with mail instead of topic, `billctl bootstrap` makes one"
                    .to_owned()
            }
            Self::Encrypted { topic } => format!(
                "encrypt {} with a key of your own whose policy lets cloudwatch.amazonaws.com use it, or not at all",
                topic.resource()
            ),
            Self::PerhapsEncrypted { .. } => {
                "let cloudwatch.amazonaws.com call kms:Decrypt and kms:GenerateDataKey* in the key's policy".to_owned()
            }
            Self::Pending { address, .. } => format!(
                "click the link in the mail that AWS sent to {address}; no mail there: subscribe the address again in \
                 the SNS console"
            ),
            Self::Unsubscribed { address: None, topic } => {
                format!("subscribe somebody to {} in the SNS console", topic.resource())
            }
        })
    }
}

/// Where failures of the notifier go, as a sentence without its end.
impl fmt::Display for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => write!(f, "nobody is told when the notifier fails"),
            Self::Elsewhere { topic } => write!(
                f,
                "failures of the notifier go to {topic}, which is another account's: whether its policy lets \
                 CloudWatch publish can't be seen from here"
            ),
            Self::Missing { topic, .. } => write!(
                f,
                "nobody is told when the notifier fails: there is no topic {}",
                topic.resource()
            ),
            // docs/aws-facts.md, "SNS topics".
            Self::Encrypted { topic } => write!(
                f,
                "nobody is told when the notifier fails: topic {} is encrypted with the AWS managed key, which \
                 CloudWatch can't use",
                topic.resource()
            ),
            Self::PerhapsEncrypted { topic, key } => write!(
                f,
                "failures of the notifier go to topic {}, if the policy of its key {key} lets CloudWatch use it",
                topic.resource()
            ),
            Self::Pending { topic, address } => write!(
                f,
                "nobody is told when the notifier fails: {address} hasn't confirmed its subscription to topic {} \
                 ({PENDING})",
                topic.resource()
            ),
            Self::Unsubscribed { topic, address } => {
                let name = topic.resource();
                write!(f, "nobody is told when the notifier fails: ")?;
                match address {
                    Some(address) => write!(f, "{address} isn't subscribed to topic {name}"),
                    None => write!(f, "topic {name} has no confirmed subscription"),
                }
            }
            Self::Heard { topic, address } => match address {
                Some(address) => write!(
                    f,
                    "failures of the notifier go to {address}, by topic {}",
                    topic.resource()
                ),
                None => write!(f, "failures of the notifier go to topic {}", topic.resource()),
            },
        }
    }
}

//! What AWS allows as names, and what billctl's things are called: one rule each, and one default.

use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::key::Key;

/// What a name may look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameRule {
    /// What it names.
    pub what: &'static str,
    /// Most characters.
    pub longest: usize,
    /// Which characters, in words.
    pub described: &'static str,
    /// The first character, if not any of the others, and the others: what stands between the brackets of a regular
    /// expression.
    classes: (Option<&'static str>, &'static str),
}

/// Letters of any alphabet and digits, as regular expressions of JSON schemas have them.
const ANY_ALPHANUMERIC: &str = r"\p{L}\p{N}";
const ANY_ALPHABET: (&str, &str) = (r"\p{L}\p{N} _.:/=+@-", "letters, digits, spaces and any of _.:/=+-@");
const NO_CONTROLS: (&str, &str) = (r"^\x00-\x1f\x7f-\x9f", "anything but control characters");
const IAM: (&str, &str) = ("A-Za-z0-9_+=,.@-", "letters, digits and any of _+=,.@-");
const IAM_PATH: (&str, &str) = (
    "A-Za-z0-9_+=,.@/-",
    "letters, digits and any of _+=,.@-, slashes for its path",
);
const WORD: (&str, &str) = ("A-Za-z0-9_-", "letters, digits, hyphens and underscores");
const DOTTED: (&str, &str) = ("A-Za-z0-9._-", "letters, digits, dots, hyphens and underscores");

impl NameRule {
    const fn new(what: &'static str, longest: usize, (class, described): (&'static str, &'static str)) -> Self {
        Self {
            what,
            longest,
            described,
            classes: (None, class),
        }
    }

    /// The rule as a regular expression, for the schema.
    pub(super) fn pattern(&self) -> String {
        match self.classes {
            (None, class) => format!("^[{class}]{{1,{}}}$", self.longest),
            (Some(first), class) => format!("^[{first}][{class}]{{0,{}}}$", self.longest - 1),
        }
    }

    /// Whether AWS takes this name.
    pub(super) fn allows(&self, name: &str) -> bool {
        let pattern = self.pattern();
        if !pattern.contains(ANY_ALPHANUMERIC) {
            return Regex::new(&pattern).is_ok_and(|rule| rule.is_match(name));
        }
        // regex-lite knows no alphabets: each letter and digit is looked at as an `a`.
        let plain: String = name
            .chars()
            .map(|one| if one.is_alphanumeric() { 'a' } else { one })
            .collect();
        Regex::new(&pattern.replace(ANY_ALPHANUMERIC, "a")).is_ok_and(|rule| rule.is_match(&plain))
    }
}

/// CreateStackSet: letters, digits, hyphens, a letter first, at most 128.
pub(super) const STACK_SET: NameRule = NameRule {
    what: "a StackSet",
    longest: 128,
    described: "a letter, then letters, digits and hyphens",
    classes: (Some("A-Za-z"), "A-Za-z0-9-"),
};

/// PutMetricAlarm: 1 to 255 characters, no ASCII control characters.
pub(super) const ALARM: NameRule = NameRule::new("an alarm", 255, NO_CONTROLS);

/// CreateRole: letters, digits and `_+=,.@-`, at most 64.
pub(super) const ROLE: NameRule = NameRule::new("an IAM role", 64, IAM);

/// CreatePolicy: letters, digits and `_+=,.@-`, at most 128; a path before it, at most 512 with its slashes.
pub(super) const POLICY: NameRule = NameRule::new("a managed policy", 512, IAM_PATH);

/// CreateEventBus: `[.\-_A-Za-z0-9]`, at most 256; the slash is for partner buses only. `default` is the
/// account's default bus.
const EVENT_BUS: NameRule = NameRule::new("an event bus", 256, DOTTED);

/// PutRule: `[.\-_A-Za-z0-9]`, at most 64.
const RULE: NameRule = NameRule::new("an EventBridge rule", 64, DOTTED);

/// CreateStateMachine: at most 80; AWS allows more characters, but asks for these alone where CloudWatch Logs is
/// to be used.
const STATE_MACHINE: NameRule = NameRule::new("a state machine", 80, WORD);

/// CreateQueue: letters, digits, hyphens, underscores, at most 80 (a standard queue, so no `.fifo`).
const QUEUE: NameRule = NameRule::new("an SQS queue", 80, WORD);

/// CreateTopic: letters, digits, hyphens, underscores, at most 256 (a standard topic, so no `.fifo`).
pub(super) const TOPIC: NameRule = NameRule::new("an SNS topic", 256, WORD);

/// CreateEmailTemplate says no more than "at least one character": the rule of configuration sets is used, which
/// the SES v1 guide gives for both.
const SES_TEMPLATE: NameRule = NameRule::new("an SES template", 64, WORD);

/// CreateConfigurationSet: letters, digits, hyphens, underscores, at most 64.
const CONFIGURATION_SET: NameRule = NameRule::new("an SES configuration set", 64, WORD);

/// PutDashboard: letters, digits, hyphens, underscores, at most 255.
const DASHBOARD: NameRule = NameRule::new("a dashboard", 255, WORD);

/// A tag key of Organizations: at most 128 letters, digits, spaces and `_.:/=+-@`.
pub(super) const TAG_KEY: NameRule = NameRule::new("an account tag", 128, ANY_ALPHABET);

/// `[names]` as it is written and as it is used, from one list of keys with their rules and defaults.
macro_rules! names {
    ($($(#[$doc:meta])* $key:ident: $rule:ident = $default:literal;)*) => {
        /// `[names]` as it is written.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct RawNames {
            $($(#[$doc])* #[schemars(regex(pattern = $rule.pattern()), extend("default" = $default))]
            pub $key: Key<String>,)*
        }

        /// `[names]`: what billctl's things are called in the billing account and in the members.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Names {
            $($(#[$doc])* pub $key: String,)*
        }

        impl Default for Names {
            fn default() -> Self {
                Self { $($key: $default.to_owned(),)* }
            }
        }

        impl RawNames {
            /// What `check` makes of each key, its rule and its default.
            pub(super) fn checked(self, mut check: impl FnMut(Key<String>, &NameRule, String) -> String) -> Names {
                Names { $($key: check(self.$key, &$rule, $default.to_owned()),)* }
            }
        }
    };
}

names! {
    /// The custom event bus that receives the members' alarms, or `default`.
    event_bus: EVENT_BUS = "billctl";
    /// The rule on that bus.
    member_rule: RULE = "billctl-member-alarms";
    /// The rule on the default bus, for the management account's own alarm.
    own_rule: RULE = "billctl-own-alarm";
    /// The IAM role that both rules start the notifier with.
    rule_role: ROLE = "billctl-start-notifier";
    /// The state machine that sends the mail.
    notifier: STATE_MACHINE = "billctl-notifier";
    /// The IAM role that the state machine runs with.
    notifier_role: ROLE = "billctl-notifier";
    /// The SQS queue for events that could not be delivered.
    queue: QUEUE = "billctl-undelivered";
    /// The SES template.
    template: SES_TEMPLATE = "billctl-spend-alarm";
    /// The SES configuration set.
    configuration_set: CONFIGURATION_SET = "billctl";
    /// The SNS topic that `bootstrap` makes for `[operations] mail`.
    operations_topic: TOPIC = "billctl-operations";
    /// The CloudWatch dashboard.
    dashboard: DASHBOARD = "billctl";
    /// The IAM role in each member account that forwards the alarm.
    member_role: ROLE = "EventBridge-InvokeEventBus-Role";
}

impl Names {
    /// The rule that keeps what SES reports about mails that failed.
    pub fn mail_failure_rule(&self) -> String {
        format!("{}-mail-failures", self.configuration_set)
    }

    /// The alarm on executions that failed.
    pub fn failure_alarm(&self) -> String {
        format!("{}-failed", self.notifier)
    }

    /// The alarm on what lies in the queue.
    pub fn queue_alarm(&self) -> String {
        format!("{}-waiting", self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_the_first_character_the_others_and_how_many() {
        assert!(STACK_SET.allows("a-1") && !STACK_SET.allows("1-a") && !STACK_SET.allows("a_1"));
        assert!(QUEUE.allows(&"q".repeat(80)) && !QUEUE.allows(&"q".repeat(81)) && !QUEUE.allows(""));
        assert!(ALARM.allows("Spend (€)") && !ALARM.allows("a\u{85}") && !ALARM.allows("a\n"));
    }

    #[test]
    fn a_tag_has_letters_of_any_alphabet() {
        assert!(TAG_KEY.allows("Größe: 責任者") && TAG_KEY.allows(&"ü".repeat(128)));
        assert!(!TAG_KEY.allows("owner*") && !TAG_KEY.allows("€") && !TAG_KEY.allows(&"ü".repeat(129)));
    }
}

//! What AWS allows as names: one rule each, which the schema and the check share.

/// What a name may look like.
#[derive(Debug, Clone, Copy)]
pub struct NameRule {
    /// The same as a regular expression, for the schema.
    pub pattern: &'static str,
    /// What it names.
    pub what: &'static str,
    /// Most characters.
    pub longest: usize,
    /// Which characters, in words.
    pub described: &'static str,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
}

impl NameRule {
    /// Whether AWS takes this name.
    pub fn allows(&self, name: &str) -> bool {
        let mut characters = name.chars();
        name.chars().count() <= self.longest && characters.next().is_some_and(self.first) && characters.all(self.rest)
    }
}

const fn word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

const fn dotted(character: char) -> bool {
    word(character) || character == '.'
}

const fn role(character: char) -> bool {
    word(character) || matches!(character, '+' | '=' | ',' | '.' | '@')
}

const fn letter(character: char) -> bool {
    character.is_ascii_alphabetic()
}

const fn letter_digit_hyphen(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn printable(character: char) -> bool {
    !character.is_control()
}

/// CreateStackSet: letters, digits, hyphens, a letter first, at most 128.
pub const STACK_SET: NameRule = NameRule {
    pattern: "^[A-Za-z][A-Za-z0-9-]{0,127}$",
    what: "a StackSet",
    longest: 128,
    described: "a letter, then letters, digits and hyphens",
    first: letter,
    rest: letter_digit_hyphen,
};

/// PutMetricAlarm: 1 to 255 characters, no ASCII control characters.
pub const ALARM: NameRule = NameRule {
    pattern: r"^[^\x00-\x1f\x7f-\x9f]{1,255}$",
    what: "an alarm",
    longest: 255,
    described: "anything but control characters",
    first: printable,
    rest: printable,
};

/// CreateRole: letters, digits and `_+=,.@-`, at most 64.
pub const ROLE: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_+=,.@-]{1,64}$",
    what: "an IAM role",
    longest: 64,
    described: "letters, digits and any of _+=,.@-",
    first: role,
    rest: role,
};

/// CreateEventBus: `[.\-_A-Za-z0-9]`, at most 256; the slash is for partner buses only. `default` is the
/// account's default bus.
pub const EVENT_BUS: NameRule = NameRule {
    pattern: "^[A-Za-z0-9._-]{1,256}$",
    what: "an event bus",
    longest: 256,
    described: "letters, digits, dots, hyphens and underscores",
    first: dotted,
    rest: dotted,
};

/// PutRule: `[.\-_A-Za-z0-9]`, at most 64.
pub const RULE: NameRule = NameRule {
    pattern: "^[A-Za-z0-9._-]{1,64}$",
    what: "an EventBridge rule",
    longest: 64,
    described: "letters, digits, dots, hyphens and underscores",
    first: dotted,
    rest: dotted,
};

/// CreateStateMachine: at most 80; AWS allows more characters, but asks for these alone where CloudWatch Logs is
/// to be used.
pub const STATE_MACHINE: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,80}$",
    what: "a state machine",
    longest: 80,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// CreateQueue: letters, digits, hyphens, underscores, at most 80 (a standard queue, so no `.fifo`).
pub const QUEUE: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,80}$",
    what: "an SQS queue",
    longest: 80,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// CreateTopic: letters, digits, hyphens, underscores, at most 256 (a standard topic, so no `.fifo`).
pub const TOPIC: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,256}$",
    what: "an SNS topic",
    longest: 256,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// CreateEmailTemplate says no more than "at least one character": the rule of configuration sets is used, which
/// the SES v1 guide gives for both.
pub const SES_TEMPLATE: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,64}$",
    what: "an SES template",
    longest: 64,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// CreateConfigurationSet: letters, digits, hyphens, underscores, at most 64.
pub const CONFIGURATION_SET: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,64}$",
    what: "an SES configuration set",
    longest: 64,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// PutDashboard: letters, digits, hyphens, underscores, at most 255.
pub const DASHBOARD: NameRule = NameRule {
    pattern: "^[A-Za-z0-9_-]{1,255}$",
    what: "a dashboard",
    longest: 255,
    described: "letters, digits, hyphens and underscores",
    first: word,
    rest: word,
};

/// A tag key of Organizations: at most 128 letters, digits, spaces and `_.:/=+-@`.
pub const TAG_KEY: NameRule = NameRule {
    pattern: r"^[\p{L}\p{N} _.:/=+@-]{1,128}$",
    what: "an account tag",
    longest: 128,
    described: "letters, digits, spaces and any of _.:/=+-@",
    first: tag,
    rest: tag,
};

fn tag(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

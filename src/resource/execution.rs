//! The names of the notifier's executions (docs/notifier.md): a name can be taken once in 90 days, and that is all the
//! memory that there is.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use billctl_core::model::AccountId;

/// How the name of an execution begins that mails about a test event; the event's id follows.
pub const MAIL_EXECUTION_PREFIX: &str = "mail_";
/// How the notifier ends for an event that it takes nothing from.
pub const EVENT_REFUSED: &str = "Billctl.EventRefused";
/// How it ends for an account that isn't in the organisation.
pub const UNKNOWN_ACCOUNT: &str = "Billctl.UnknownAccount";
const DIGEST: &str = "digest_";
const UNSENT: &str = "_unsent";
/// How one ends that was started because a topic didn't take a message for a chat: the mail went out.
pub const CHAT_NOT_TOLD: &str = "Billctl.ChatNotTold";
const CHAT: &str = "chat_";
const DAY: &str = "day_";
const WATCH: &str = "watch_";

/// Which of the notifier's executions one is, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExecutionName {
    /// An account's UTC day: mails, and judges on until midnight.
    Day {
        /// Whose.
        account: AccountId,
        /// Which.
        day: Date,
        /// One for the day's own name; more where that one ended badly.
        attempt: u32,
    },
    /// Judges an account for half a day from an hour on.
    Watch {
        /// Whose.
        account: AccountId,
        /// The hour of the event, in seconds.
        hour: i64,
    },
    /// Fails, because messages for a chat about an account didn't arrive.
    Chat {
        /// Whose.
        account: AccountId,
    },
    /// A test's mail.
    Mail,
    /// A digest's claim on its day, or that its mail was refused.
    Digest,
    /// An event's own, named by EventBridge.
    Event,
}

impl ExecutionName {
    /// Reads a name. What isn't one of ours is an event's.
    pub fn parse(name: &str) -> Self {
        if name.starts_with(MAIL_EXECUTION_PREFIX) {
            return Self::Mail;
        }
        if name.starts_with(DIGEST) {
            return Self::Digest;
        }
        day(name)
            .or_else(|| watch(name))
            .or_else(|| chat(name))
            .unwrap_or(Self::Event)
    }

    /// Whose it is, where the name says so.
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Day { account, .. } | Self::Watch { account, .. } => Some(*account),
            // Nothing of an account's is at work there.
            Self::Chat { .. } | Self::Mail | Self::Digest | Self::Event => None,
        }
    }
}

fn day(name: &str) -> Option<ExecutionName> {
    let (account, rest) = name.strip_prefix(DAY)?.split_once('_')?;
    let (day, attempt) = match rest.split_once('_') {
        Some((day, attempt)) => (day, attempt.parse().ok().filter(|attempt| *attempt > 1)?),
        None => (rest, 1),
    };
    Some(ExecutionName::Day {
        account: account.parse().ok()?,
        day: day.parse().ok()?,
        attempt,
    })
}

fn watch(name: &str) -> Option<ExecutionName> {
    let (account, hour) = name.strip_prefix(WATCH)?.split_once('_')?;
    let start: Timestamp = format!("{hour}:00:00Z").parse().ok()?;
    Some(ExecutionName::Watch {
        account: account.parse().ok()?,
        hour: start.as_second(),
    })
}

fn chat(name: &str) -> Option<ExecutionName> {
    let (account, _) = name.strip_prefix(CHAT)?.split_once('_')?;
    let account = account.parse().ok()?;
    Some(ExecutionName::Chat { account })
}

/// The UTC day of a moment.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned_datetime(TimeZone::UTC).date()
}

/// The name of an account's day; a later try of the same day has its number behind it.
pub fn day_execution(account: AccountId, day: Date, attempt: u32) -> String {
    numbered(format!("{DAY}{account}_{day}"), attempt)
}

/// The name of an account's watch from the hour of this moment on.
pub fn watch_execution(account: AccountId, at: Timestamp) -> String {
    format!("{WATCH}{account}_{}", at.strftime("%Y-%m-%dT%H"))
}

/// The name that a digest claims its UTC day by; a later one of the same day has its number behind it.
pub fn digest_execution(day: Date, attempt: u32) -> String {
    numbered(format!("{DIGEST}{day}"), attempt)
}

fn numbered(name: String, attempt: u32) -> String {
    match attempt {
        0 | 1 => name,
        more => format!("{name}_{more}"),
    }
}

/// The name by which it is known that the digest of this name was refused, so that the next one may be sent.
pub fn unsent_execution(digest: &str) -> String {
    format!("{digest}{UNSENT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        "123456789012".parse().unwrap()
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let at: Timestamp = "2026-11-23T07:59:59Z".parse().unwrap();
        for attempt in [1, 2, 24] {
            let name = day_execution(account(), day_of(at), attempt);
            let day = ExecutionName::Day {
                account: account(),
                day: day_of(at),
                attempt,
            };
            assert_eq!(ExecutionName::parse(&name), day);
        }
        let name = watch_execution(account(), at);
        assert_eq!(name, "watch_123456789012_2026-11-23T07");
        let watch = ExecutionName::Watch {
            account: account(),
            hour: at.as_second() - 59 * 60 - 59,
        };
        assert_eq!(ExecutionName::parse(&name), watch);
        assert_eq!(day_execution(account(), day_of(at), 1), "day_123456789012_2026-11-23");
    }

    #[test]
    fn other_names_are_an_events() {
        for name in [
            "",
            "day_",
            "day_1_2026-11-23",
            "day_123456789012_2026-13-23",
            "day_123456789012_2026-11-23_1",
            "watch_123456789012_2026-11-23",
            "0f1e2d3c-0000-1111-2222-333344445555_abc",
        ] {
            assert_eq!(ExecutionName::parse(name), ExecutionName::Event, "{name}");
        }
        assert_eq!(ExecutionName::parse("mail_x"), ExecutionName::Mail);
        for name in [
            digest_execution(day_of(Timestamp::UNIX_EPOCH), 2),
            unsent_execution("digest_1970-01-01"),
        ] {
            assert_eq!(ExecutionName::parse(&name), ExecutionName::Digest, "{name}");
        }
        let account = account();
        let chat = ExecutionName::parse("chat_123456789012_2026-11-23");
        assert_eq!(chat, ExecutionName::Chat { account });
        assert_eq!(chat.account(), None);
    }
}

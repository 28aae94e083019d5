//! Whether anybody hears when the notifier itself fails, and whether a chat hears of mails.

use super::{Check, Verdict};
use crate::plan::chat::{Channel, ChannelState};
use crate::plan::operations::Hearing;
use billctl_core::service::Result;

pub(super) fn operations(hearing: &Result<Hearing>) -> Check {
    const NAME: &str = "operations";
    let hearing = match hearing {
        Ok(hearing) => hearing,
        Err(error) => return Check::unread(NAME, error),
    };
    let verdict = match hearing {
        Hearing::Heard { .. } | Hearing::Elsewhere { .. } => Verdict::Ok,
        _ => Verdict::Warning,
    };
    let check = Check::new(NAME, verdict, hearing.to_string());
    match hearing.remedy() {
        Some(remedy) => check.remedy(remedy),
        None => check,
    }
}

/// None where the config names no topic: not everybody chats. The one that needs most is reported with its remedy.
pub(super) fn chat(channels: &[Channel]) -> Option<Check> {
    const NAME: &str = "chat";
    let sentence = |channel: &Channel| channel.to_string();
    let sentences: Vec<String> = channels.iter().map(sentence).collect();
    let rank = |channel: &&Channel| match channel.state {
        ChannelState::Heard => 0,
        ChannelState::Elsewhere => 1,
        ChannelState::PerhapsEncrypted | ChannelState::Unread => 2,
        ChannelState::Unsubscribed | ChannelState::Missing | ChannelState::Locked => 3,
    };
    let worst = channels.iter().max_by_key(rank)?;
    let verdict = match worst.state {
        ChannelState::Heard | ChannelState::Elsewhere => Verdict::Ok,
        _ => Verdict::Warning,
    };
    let check = Check::new(NAME, verdict, sentences.join("; "));
    Some(match &worst.remedy {
        Some(remedy) => check.remedy(remedy.clone()),
        None => check,
    })
}

//! Whether anybody hears when the notifier itself fails, and whether a chat hears of mails.

use super::{Check, Verdict};
use crate::plan::chat::{Channel, ChannelState};
use crate::plan::operations::Hearing;
use billctl_core::service::Result;

pub(super) fn operations(hearing: &Result<Hearing>) -> Check {
    let (hearing, verdict) = match hearing {
        Ok(hearing @ (Hearing::Heard { .. } | Hearing::Elsewhere { .. })) => (hearing, Verdict::Ok),
        Ok(hearing) => (hearing, Verdict::Warning),
        Err(error) => return Check::unread(error),
    };
    Check {
        remedy: hearing.remedy(),
        ..Check::new(verdict, hearing.to_string())
    }
}

/// None where the config names no topic: not everybody chats. The one that needs most is reported with its remedy.
pub(super) fn chat(channels: &[Channel]) -> Option<Check> {
    let sentences: Vec<String> = channels.iter().map(Channel::to_string).collect();
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
    Some(Check {
        remedy: worst.remedy.clone(),
        ..Check::new(verdict, sentences.join("; "))
    })
}

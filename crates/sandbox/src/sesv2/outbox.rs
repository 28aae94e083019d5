//! Where the sandbox's mails go: beside the world's file, to be opened in a browser; in memory without one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::State;

/// Mails kept in the world; the older ones are in their files only.
const MAX_MAILS: usize = 1_000;

/// A mail that was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Counts from one.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// SES's id.
    pub message_id: String,
    /// Tags that the sender gave it.
    pub tags: Map<String, Value>,
    /// The From address.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Recipients of copies.
    pub cc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The HTML part; empty once it is in a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub html: String,
    /// The text part; empty once it is in a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the template was rendered with; gone once it is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The file of the HTML part, without its ending, once it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl Mail {
    /// The account that it is about, as its sender tagged it.
    pub fn account(&self) -> Option<&str> {
        self.tags.get("billctl-account").and_then(Value::as_str)
    }

    /// Its files' name, without ending: `0001-111122223333`.
    fn stem(&self) -> String {
        // Tags hold no slash or dot-dot, but a file name is made of digits only all the same.
        let about = self
            .account()
            .filter(|account| account.bytes().all(|byte| byte.is_ascii_digit()))
            .unwrap_or("mail");
        format!("{:04}-{about}", self.number)
    }

    fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(self.stem());
        let facts = json!({
            "number": self.number, "at": self.at, "messageId": self.message_id, "tags": self.tags,
            "from": self.from, "to": self.to, "cc": self.cc, "replyTo": self.reply_to,
            "subject": self.subject, "data": self.data,
        });
        let facts = serde_json::to_string_pretty(&facts).map_err(io::Error::other)?;
        fs::write(path.with_extension("json"), facts)?;
        fs::write(path.with_extension("txt"), &self.text)?;
        if !self.html.is_empty() {
            fs::write(path.with_extension("html"), &self.html)?;
        }
        Ok(path)
    }
}

impl State {
    pub(super) fn keep(&mut self, mail: Mail) {
        if self.mails.len() >= MAX_MAILS {
            self.mails.remove(0);
        }
        self.mails.push(mail);
    }

    /// Writes the mails that aren't in files yet into the outbox of the world kept at `state`.
    ///
    /// # Errors
    /// The outbox can't be written.
    pub(crate) fn flush(&mut self, state: &Path) -> io::Result<()> {
        for mail in self.mails.iter_mut().filter(|mail| mail.file.is_none()) {
            let folder = folder(state);
            fs::create_dir_all(&folder)?;
            mail.file = Some(mail.write(&folder)?);
            mail.html.clear();
            mail.text.clear();
            mail.data = None;
        }
        Ok(())
    }
}

/// The outbox of the world kept at `state`: `<its name without ending>-outbox` in the same folder.
pub fn folder(state: &Path) -> PathBuf {
    let mut name = state.file_stem().unwrap_or_default().to_os_string();
    name.push("-outbox");
    state.with_file_name(name)
}

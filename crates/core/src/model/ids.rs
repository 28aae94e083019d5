use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An AWS account id: exactly twelve digits, leading zeros kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AccountId(u64);

impl AccountId {
    /// The id with this number, if it has at most twelve digits.
    pub fn from_number(number: u64) -> Option<Self> {
        (number < 1_000_000_000_000).then_some(Self(number))
    }

    /// The id as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Why a text is not the identifier that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    /// What was given.
    pub text: String,
    /// What it should look like.
    pub expected: &'static str,
}

impl ParseIdError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

impl FromStr for AccountId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_id);
        let error = || ParseIdError::new(text, "an account id of twelve digits");
        number.map(Self).ok_or_else(error)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:012}", self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

/// What serde writes and reads an id by: its text.
macro_rules! by_text {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }
    };
}
pub(super) use by_text;

by_text!(AccountId);

/// Generates a text newtype whose parser is `$valid`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// As AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let valid: fn(&str) -> bool = $valid;
                let id = valid(text).then(|| Self(text.into()));
                id.ok_or_else(|| ParseIdError::new(text, $expected))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        by_text!($name);
    };
}
pub(super) use text_id;

/// `length` lowercase letters or digits: the alphabet of every Organizations identifier.
fn lower_alphanumeric(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

text_id!(
    /// An organisation's id: `o-` and 10 to 32 lowercase letters or digits
    /// (pattern of the Organizations API reference).
    OrgId,
    "an organisation id such as o-a1b2c3d4e5",
    |text| text
        .strip_prefix("o-")
        .is_some_and(|rest| lower_alphanumeric(rest, 10..=32))
);

text_id!(
    /// The id of an OU (`ou-root-unique`) or of a root (`r-root`): both can be a StackSet's target
    /// (patterns of the Organizations API reference).
    OuId,
    "an OU id such as ou-ab12-c3d4e5f6, or a root id such as r-ab12",
    |text| match (text.strip_prefix("ou-"), text.strip_prefix("r-")) {
        (Some(rest), _) => rest.split_once('-').is_some_and(|(root, unique)| {
            lower_alphanumeric(root, 4..=32) && lower_alphanumeric(unique, 8..=32)
        }),
        (_, Some(rest)) => lower_alphanumeric(rest, 4..=32),
        _ => false,
    }
);

impl OuId {
    /// Whether this is the root of the organisation.
    pub fn is_root(&self) -> bool {
        self.as_str().starts_with("r-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_keeps_its_leading_zeros() {
        let id: AccountId = "000000000012".parse().unwrap();
        assert_eq!(id.to_string(), "000000000012");
    }

    #[test]
    fn what_is_not_twelve_digits_is_refused() {
        for text in [
            "",
            "12345678901",
            "1234567890123",
            "12345678901a",
            "+12345678901",
            "١٢٣٤٥٦",
        ] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ous_and_roots_are_told_apart_from_account_ids() {
        assert!("ou-ab12-c3d4e5f6".parse::<OuId>().is_ok());
        assert!("r-ab12".parse::<OuId>().unwrap().is_root());
        for text in ["123456789012", "ou-ab12", "ou--c3d4e5f6", "r-", "ou-AB12-c3d4e5f6"] {
            assert!(text.parse::<OuId>().is_err(), "{text}");
        }
    }
}

//! AWS's words for what is an enum here: those that serde reads and writes.

use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

/// What a word means; `None` for one that isn't known here.
pub fn meaning<'w, T: Deserialize<'w>>(word: &'w str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(word)).ok()
}

/// What a word means; `otherwise` where there is none, or one that isn't known here.
pub fn meaning_or<'w, T: Deserialize<'w>>(word: Option<&'w impl AsRef<str>>, otherwise: T) -> T {
    word.and_then(|word| meaning(word.as_ref())).unwrap_or(otherwise)
}

/// The word for a meaning; an empty one for what serde writes as anything but a word.
pub fn word(meaning: &impl Serialize) -> String {
    let written = serde_json::to_value(meaning).unwrap_or_default();
    written.as_str().unwrap_or_default().to_owned()
}

//! AWS's words for what is an enum here: those that serde reads and writes.

use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

/// What a word means; `None` for one that isn't known here.
pub fn meaning<'w, T: Deserialize<'w>>(word: &'w str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(word)).ok()
}

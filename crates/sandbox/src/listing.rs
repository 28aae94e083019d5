//! Lists in pages, whose tokens say after which item they go on.

use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;

use billctl_core::service::Page;

/// The place after which a page begins; nothing if its token isn't one of [`page`]'s.
pub(crate) fn after<K: FromStr>(token: Option<&str>) -> Option<Bound<K>> {
    let Some(token) = token else {
        return Some(Bound::Unbounded);
    };
    let key = token.strip_prefix("after:")?.parse().ok()?;
    Some(Bound::Excluded(key))
}

/// A page of the first `size` of `items`, which are in order of their keys.
pub(crate) fn page<K: Display, T>(items: impl Iterator<Item = (K, T)>, size: usize) -> Page<T> {
    let mut taken: Vec<(K, T)> = items.take(size + 1).collect();
    let more = taken.len() > size;
    taken.truncate(size);
    let next = taken.last().filter(|_| more).map(|(key, _)| format!("after:{key}"));
    let items = taken.into_iter().map(|(_, item)| item).collect();
    Page { items, next }
}

use std::future::Future;

use super::Result;

/// One page of a listing. It can be empty and still have a `next` (AWS-FACTS 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What this page holds.
    pub items: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The only page.
    pub const fn last(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Everything that a paged listing holds, page after page.
///
/// # Errors
/// The first error of any page.
pub async fn all_pages<T, F>(mut list: impl FnMut(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Page<T>>>,
{
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = list(token).await?;
        all.extend(page.items);
        token = page.next;
        if token.is_none() {
            return Ok(all);
        }
    }
}

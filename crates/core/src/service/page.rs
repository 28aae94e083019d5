use std::future::Future;

use futures::stream::{self, Stream, TryStreamExt};

use super::Result;

/// One page of a listing. It can be empty and still have a `next` (docs/aws-facts.md, "Organizations").
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

/// The items of a paged listing as its pages come: each page can only be asked for with the token of the one before.
pub fn pages<T, F>(list: impl FnMut(Option<String>) -> F) -> impl Stream<Item = Result<Vec<T>>>
where
    F: Future<Output = Result<Page<T>>>,
{
    // The outer option is none after the last page; the inner one is the first page's token.
    stream::try_unfold((list, Some(None)), |(mut list, token)| async move {
        let Some(token) = token else { return Ok(None) };
        let page = list(token).await?;
        let next = page.next.map(Some);
        Ok(Some((page.items, (list, next))))
    })
}

/// Everything that a paged listing holds, page after page.
///
/// # Errors
/// The first error of any page.
pub async fn all_pages<T, F>(list: impl FnMut(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Page<T>>>,
{
    pages(list).try_concat().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_empty_page_with_a_successor_does_not_end_the_listing() {
        let list = |token: Option<String>| async move {
            Ok(match token.as_deref() {
                None => Page {
                    items: vec![1, 2],
                    next: Some("second".to_owned()),
                },
                Some("second") => Page {
                    items: vec![],
                    next: Some("third".to_owned()),
                },
                Some("third") => Page::last(vec![3]),
                Some(other) => panic!("nobody gave token {other}"),
            })
        };
        assert_eq!(all_pages(list).await, Ok(vec![1, 2, 3]));
    }
}

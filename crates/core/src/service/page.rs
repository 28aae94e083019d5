use std::collections::HashSet;
use std::future::Future;

use futures::stream::{self, Stream, TryStreamExt};

use super::{Kind, Operation, Result, ServiceError};

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

/// Pages that a listing may have. AWS's longest here (an organisation's accounts, 20 a page) has some hundred.
const MOST_PAGES: usize = 10_000;

/// The tokens of one listing: an endpoint that gives one again, or never stops giving, would be read for ever.
#[derive(Debug)]
pub struct Tokens {
    operation: Operation,
    seen: HashSet<String>,
}

impl Tokens {
    /// For a listing by this operation.
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            seen: HashSet::new(),
        }
    }

    /// The token of the next page, as the page before gave it.
    ///
    /// # Errors
    /// The listing gave it before, or has more pages than any can have.
    pub fn next(&mut self, token: Option<String>) -> Result<Option<String>> {
        let Some(token) = token else { return Ok(None) };
        let what = if !self.seen.insert(token.clone()) {
            "the same page token came twice, so the list has no end"
        } else if self.seen.len() >= MOST_PAGES {
            "the list doesn't end"
        } else {
            return Ok(Some(token));
        };
        Err(ServiceError::without_code(self.operation, Kind::Other, what))
    }
}

/// The items of a listing by `operation` as its pages come: each page can only be asked for with the token of the
/// one before.
pub fn pages<T, F>(operation: Operation, list: impl FnMut(Option<String>) -> F) -> impl Stream<Item = Result<Vec<T>>>
where
    F: Future<Output = Result<Page<T>>>,
{
    let tokens = Tokens::new(operation);
    // The outer option is none after the last page; the inner one is the first page's token.
    stream::try_unfold((list, tokens, Some(None)), |(mut list, mut tokens, token)| async move {
        let Some(token) = token else { return Ok(None) };
        let page = list(token).await?;
        let next = tokens.next(page.next)?.map(Some);
        Ok(Some((page.items, (list, tokens, next))))
    })
}

/// Everything that a listing by `operation` holds, page after page.
///
/// # Errors
/// The first error of any page; a listing without an end.
pub async fn all_pages<T, F>(operation: Operation, list: impl FnMut(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Page<T>>>,
{
    pages(operation, list).try_concat().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::organizations::LIST_ROOTS;

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
        assert_eq!(all_pages(LIST_ROOTS, list).await, Ok(vec![1, 2, 3]));
    }

    #[tokio::test]
    async fn a_token_that_comes_again_ends_the_listing_with_an_error_that_names_the_operation() {
        // From page to page: the same one, or round and round through three.
        for cycle in [1, 3] {
            let mut calls = 0;
            let list = |_| {
                calls += 1;
                let next = Some(format!("token {}", calls % cycle));
                async move { Ok(Page { items: vec![1], next }) }
            };
            let error = all_pages(LIST_ROOTS, list).await.expect_err("it has no end");
            assert_eq!(
                error.to_string(),
                "organizations:ListRoots got an answer that can't be used: \
                 the same page token came twice, so the list has no end"
            );
            assert_eq!(calls, cycle + 1);
        }
    }

    #[tokio::test]
    async fn a_listing_that_never_ends_is_left_some_day() {
        let mut calls = 0;
        let list = |_| {
            calls += 1;
            let next = Some(calls.to_string());
            async move {
                Ok(Page {
                    items: Vec::<u8>::new(),
                    next,
                })
            }
        };
        let error = all_pages(LIST_ROOTS, list).await.expect_err("it has no end");
        assert_eq!((error.kind, calls), (Kind::Other, MOST_PAGES));
    }
}

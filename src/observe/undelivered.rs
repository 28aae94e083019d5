//! Looks into the queue.

use crate::plan::undelivered::{QueueContents, Undelivered};
use crate::resource::Naming;
use billctl_core::service::{self, OrAbsent, Services};

/// Looks into the queue; None where there is none. Nothing is taken out.
///
/// # Errors
/// SQS's answer.
pub(crate) async fn read(services: &Services, naming: &Naming<'_>) -> service::Result<Option<QueueContents>> {
    let name = &naming.config.names.queue;
    let Some(url) = services.sqs.get_queue_url(name).await.or_absent()? else {
        return Ok(None);
    };
    let Some(attributes) = services.sqs.get_queue_attributes(&url).await.or_absent()? else {
        return Ok(None);
    };
    let waiting = attributes
        .get("ApproximateNumberOfMessages")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let seen = match waiting {
        0 => Vec::new(),
        _ => services.sqs.peek_messages(&url).await.or_absent()?.unwrap_or_default(),
    };
    let mut messages: Vec<Undelivered> = seen.iter().map(Undelivered::of).collect();
    messages.sort_by_key(|message| std::cmp::Reverse(message.at));
    Ok(Some(QueueContents { waiting, messages }))
}

//! Reads whom the notifier would write to.

use std::sync::OnceLock;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::config::MailConfig;
use crate::plan::recipients::{Owners, Recipients};
use billctl_core::model::{Account, AccountId, owner_addresses};
use billctl_core::service::{Kind, OrAbsent, PARALLEL, Result, Services};

/// Reads the tag of each account, and where that holds no address its billing contact: one or two calls an account, many
/// at once. After one refusal no more contacts are asked for.
///
/// # Errors
/// AWS's answer to a read of tags, or to one of contacts other than a refusal.
pub async fn read(services: &Services, mail: &MailConfig, own: AccountId, accounts: Vec<Account>) -> Result<Owners> {
    let refused = &OnceLock::new();
    let accounts = stream::iter(accounts)
        .map(|account| async move {
            let tag = services
                .organizations
                .list_account_tags(account.id)
                .await?
                .remove(&mail.owner_tag);
            let named = tag.as_deref().is_some_and(|text| !owner_addresses(text).is_empty());
            let contact = match named || !mail.billing_contact || refused.get().is_some() {
                true => None,
                false => {
                    // The management account may not name itself (docs/aws-facts.md, "Alternate contacts").
                    let member = (account.id != own).then_some(account.id);
                    match services.account.billing_contact(member).await.or_absent() {
                        Err(error) if error.kind == Kind::Denied => {
                            refused.get_or_init(|| error);
                            None
                        }
                        answer => answer?,
                    }
                }
            };
            let recipients = Recipients::of(mail, &account, tag.as_deref(), contact.as_deref());
            Result::Ok((account.id, (tag, recipients)))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Owners {
        accounts,
        no_contacts: refused.get().cloned(),
    })
}

//! The least that reading an organisation and its StackSet takes: the calls that AWS forces, and the longest chain of
//! them, in which each page's token, or the OU to ask about, comes from the call before.

use std::collections::VecDeque;

use billctl_core::model::OuId;
use billctl_core::service::{OrAbsent as _, Services};

/// What a reader can't do without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Forced {
    /// Calls of Organizations.
    pub organization: usize,
    /// The longest chain among them.
    pub organization_chain: usize,
    /// Pages of ListStackInstances, which are one chain.
    pub instances: usize,
}

impl Forced {
    /// The longest chain of calls: nothing that reads both can be quicker than so many times the latency.
    pub(crate) fn chain(&self) -> usize {
        self.organization_chain.max(self.instances)
    }

    /// Walks through all of it, a page at a time.
    ///
    /// # Panics
    /// Where a call is refused.
    pub(crate) async fn walk(services: &Services, stack_set: &str) -> Self {
        let organizations = &services.organizations;
        let roots = organizations.list_roots(None).await.expect("the root");
        // DescribeOrganization and ListRoots need nothing from each other.
        let mut forced = Self {
            organization: 2,
            organization_chain: 1,
            instances: 0,
        };
        // Each OU with the length of the chain at whose end it is known.
        let mut open: VecDeque<(OuId, usize)> = roots.items.into_iter().map(|root| (root.id, 1)).collect();
        while let Some((ou, known)) = open.pop_front() {
            let mut at = known;
            let mut token = None;
            loop {
                let page = organizations.list_ous_for_parent(&ou, token).await;
                let page = page.expect("a page of OUs");
                at += 1;
                forced.organization += 1;
                open.extend(page.items.into_iter().map(|child| (child.id, at)));
                token = page.next;
                if token.is_none() {
                    break;
                }
            }
            forced.organization_chain = forced.organization_chain.max(at);
            at = known;
            loop {
                let page = organizations.list_accounts_for_parent(&ou, token).await;
                let page = page.expect("a page of accounts");
                at += 1;
                forced.organization += 1;
                token = page.next;
                if token.is_none() {
                    break;
                }
            }
            forced.organization_chain = forced.organization_chain.max(at);
        }
        let mut token = None;
        loop {
            let page = services
                .cloudformation
                .list_stack_instances(stack_set, None, token)
                .await
                .or_absent()
                .expect("a page of instances");
            forced.instances += 1;
            token = page.and_then(|page| page.next);
            if token.is_none() {
                return forced;
            }
        }
    }
}

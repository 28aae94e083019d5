use super::*;
use crate::{Sandbox, seed};
use billctl_core::service::organizations::{LIST_ACCOUNTS_FOR_PARENT, PAGE_SIZE};
use billctl_core::service::{Kind, Organizations as _, all_pages};

fn sandbox() -> Sandbox {
    Sandbox::in_memory(seed::world(&seed::Shape {
        accounts: 200,
        ous: 12,
        depth: 3,
        seed: 7,
    }))
}

#[tokio::test]
async fn pages_hold_twenty_and_an_empty_one_can_have_a_successor() {
    let sandbox = sandbox();
    let mut empty_with_token = 0;
    let mut found = BTreeSet::new();
    let ous: Vec<OuId> = sandbox.peek(|world| world.organizations.ous().map(|ou| ou.id).collect());
    for ou in &ous {
        let mut token = None;
        loop {
            let page = sandbox.list_accounts_for_parent(ou, token).await.unwrap();
            assert!(page.items.len() <= PAGE_SIZE);
            empty_with_token += usize::from(page.items.is_empty() && page.next.is_some());
            found.extend(page.items.into_iter().map(|account| account.id));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
    }
    assert!(empty_with_token > 0);
    // The management account is listed like any other.
    assert_eq!(found.len(), 201);
}

#[tokio::test]
async fn a_listing_is_not_recursive() {
    let sandbox = sandbox();
    let root = sandbox.peek(|world| world.organizations.root().clone());
    let direct = all_pages(LIST_ACCOUNTS_FOR_PARENT, |token| {
        sandbox.list_accounts_for_parent(&root, token)
    })
    .await
    .unwrap();
    assert!(direct.len() < 20);
}

#[tokio::test]
async fn a_member_may_describe_the_organization_but_not_read_it() {
    let mut world = seed::demo();
    let member = world
        .organizations
        .account_ids()
        .find(|id| *id != world.management_account())
        .unwrap();
    world.caller = member;
    let sandbox = Sandbox::in_memory(world);
    assert!(sandbox.describe_organization().await.is_ok());
    let error = sandbox.list_roots(None).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Denied, Some("AccessDeniedException"))
    );
    sandbox
        .change(|world| {
            world.organizations.stacksets_administrators.insert(member);
            Ok(())
        })
        .unwrap();
    assert!(sandbox.list_roots(None).await.is_ok());
}

#[tokio::test]
async fn an_account_outside_any_organization_gets_not_found() {
    let mut world = seed::demo();
    world.organizations.in_use = false;
    let error = Sandbox::in_memory(world).describe_organization().await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(error.code.as_deref(), Some("AWSOrganizationsNotInUseException"));
}

#[tokio::test]
async fn an_unknown_parent_and_a_token_of_nobody_are_refused() {
    let sandbox = sandbox();
    let unknown = "ou-zzzz-zzzzzzzz".parse().unwrap();
    let error = sandbox.list_accounts_for_parent(&unknown, None).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("ParentNotFoundException"));
    let root = sandbox.peek(|world| world.organizations.root().clone());
    let error = sandbox
        .list_accounts_for_parent(&root, Some("made up".into()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
}

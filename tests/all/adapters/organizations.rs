use billctl_core::model::{Account, AccountState, OrganizationalUnit};
use billctl_core::service::Page;
use billctl_core::service::organizations::OrganizationInfo;
use serde_json::{Value, json};

use super::replay::{self, Wire, json_answer};

fn target(operation: &str) -> String {
    format!("AWSOrganizationsV20161128.{operation}")
}

fn account(id: &str, state: AccountState) -> Account {
    Account {
        id: id.parse().unwrap(),
        name: "Shop".into(),
        email: "shop@example.com".into(),
        state,
        joined: None,
    }
}

fn listed(extra: Value) -> Wire {
    let mut account = json!({"Id": "222222222222", "Name": "Shop", "Email": "shop@example.com"});
    account
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    replay::json(json!({"Accounts": [account]}))
}

#[tokio::test]
async fn describe_organization() {
    let wire = replay::json(json!({"Organization": {
        "Id": "o-a1b2c3d4e5",
        "Arn": "arn:aws:organizations::111111111111:organization/o-a1b2c3d4e5",
        "FeatureSet": "ALL",
        "MasterAccountId": "111111111111",
        "AvailablePolicyTypes": [],
    }}));
    let organization = wire.services.organizations.describe_organization().await;
    wire.sent_json(&target("DescribeOrganization"), json!({}));
    let expected = OrganizationInfo {
        id: "o-a1b2c3d4e5".parse().unwrap(),
        arn: "arn:aws:organizations::111111111111:organization/o-a1b2c3d4e5"
            .parse()
            .unwrap(),
        management_account: "111111111111".parse().unwrap(),
        all_features: true,
    };
    assert_eq!(organization, Ok(expected));
}

#[tokio::test]
async fn list_roots() {
    let wire = replay::json(json!({"Roots": [{"Id": "r-ab12", "Name": "Root"}]}));
    let page = wire.services.organizations.list_roots(None).await;
    wire.sent_json(&target("ListRoots"), json!({"MaxResults": 20}));
    let root = OrganizationalUnit {
        id: "r-ab12".parse().unwrap(),
        name: "Root".into(),
        parent: None,
    };
    assert_eq!(page, Ok(Page::last(vec![root])));
}

#[tokio::test]
async fn list_ous_for_parent() {
    let wire = replay::json(json!({
        "OrganizationalUnits": [{"Id": "ou-ab12-aaaaaaaa", "Name": "Production"}],
        "NextToken": "two",
    }));
    let root = "r-ab12".parse().unwrap();
    let organizations = &wire.services.organizations;
    let page = organizations.list_ous_for_parent(&root, Some("one".into())).await;
    wire.sent_json(
        &target("ListOrganizationalUnitsForParent"),
        json!({"ParentId": "r-ab12", "MaxResults": 20, "NextToken": "one"}),
    );
    let expected = Page {
        items: vec![OrganizationalUnit {
            id: "ou-ab12-aaaaaaaa".parse().unwrap(),
            name: "Production".into(),
            parent: Some(root),
        }],
        next: Some("two".into()),
    };
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn list_accounts_for_parent() {
    let wire = listed(json!({"State": "SUSPENDED", "Status": "ACTIVE", "JoinedTimestamp": 1_772_323_200}));
    let parent = "ou-ab12-aaaaaaaa".parse().unwrap();
    let organizations = &wire.services.organizations;
    let page = organizations.list_accounts_for_parent(&parent, None).await;
    wire.sent_json(
        &target("ListAccountsForParent"),
        json!({"ParentId": "ou-ab12-aaaaaaaa", "MaxResults": 20}),
    );
    let expected = Page::last(vec![Account {
        joined: Some("2026-03-01T00:00:00Z".parse().unwrap()),
        ..account("222222222222", AccountState::Suspended)
    }]);
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn an_accounts_state_falls_back_to_its_status_and_then_to_active() {
    for (extra, expected) in [
        (json!({"Status": "PENDING_CLOSURE"}), AccountState::PendingClosure),
        (json!({"State": "CLOSED"}), AccountState::Closed),
        (
            json!({"State": "HIBERNATING", "Status": "SUSPENDED"}),
            AccountState::Suspended,
        ),
        (json!({"State": "HIBERNATING"}), AccountState::Active),
        (json!({}), AccountState::Active),
    ] {
        let wire = listed(extra.clone());
        let parent = "r-ab12".parse().unwrap();
        let page = wire
            .services
            .organizations
            .list_accounts_for_parent(&parent, None)
            .await;
        assert_eq!(page.unwrap().items[0].state, expected, "{extra}");
    }
}

#[tokio::test]
async fn an_empty_page_can_have_a_next_one() {
    let wire = replay::json(json!({"Accounts": [], "NextToken": "more"}));
    let parent = "r-ab12".parse().unwrap();
    let page = wire
        .services
        .organizations
        .list_accounts_for_parent(&parent, None)
        .await;
    let expected = Page {
        items: vec![],
        next: Some("more".into()),
    };
    assert_eq!(page, Ok(expected));
}

#[tokio::test]
async fn describe_account() {
    let wire = replay::json(json!({"Account": {
        "Id": "222222222222", "Name": "Shop", "Email": "shop@example.com", "State": "ACTIVE",
    }}));
    let id = "222222222222".parse().unwrap();
    let found = wire.services.organizations.describe_account(id).await;
    wire.sent_json(&target("DescribeAccount"), json!({"AccountId": "222222222222"}));
    assert_eq!(found, Ok(account("222222222222", AccountState::Active)));
}

#[tokio::test]
async fn account_joined_is_the_time_that_describe_account_tells() {
    let id = "222222222222".parse().unwrap();
    for (written, joined) in [
        (json!(1_772_323_200), Some("2026-03-01T00:00:00Z")),
        (json!(null), None),
    ] {
        let wire = replay::json(json!({"Account": {
            "Id": "222222222222", "Name": "Shop", "Email": "shop@example.com", "State": "ACTIVE",
            "JoinedTimestamp": written,
        }}));
        let found = wire.services.organizations.account_joined(id).await;
        wire.sent_json(&target("DescribeAccount"), json!({"AccountId": "222222222222"}));
        assert_eq!(found, Ok(joined.map(|time| time.parse().unwrap())));
    }
}

#[tokio::test]
async fn list_account_tags_reads_every_page() {
    let wire = replay::replay(vec![
        json_answer(json!({"Tags": [{"Key": "owner", "Value": "a@example.com"}], "NextToken": "2"})),
        json_answer(json!({"Tags": [{"Key": "team", "Value": "shop"}]})),
    ]);
    let id = "222222222222".parse().unwrap();
    let tags = wire.services.organizations.list_account_tags(id).await.unwrap();
    assert_eq!(wire.count(), 2);
    assert_eq!(tags["owner"], "a@example.com");
    assert_eq!(tags["team"], "shop");
}

#[tokio::test]
async fn list_tags_names_the_account() {
    let wire = replay::json(json!({"Tags": []}));
    let id = "222222222222".parse().unwrap();
    wire.services.organizations.list_account_tags(id).await.unwrap();
    wire.sent_json(&target("ListTagsForResource"), json!({"ResourceId": "222222222222"}));
}

#[tokio::test]
async fn list_stacksets_administrators() {
    let wire = replay::json(json!({"DelegatedAdministrators": [{"Id": "333333333333"}]}));
    let page = wire.services.organizations.list_stacksets_administrators(None).await;
    wire.sent_json(
        &target("ListDelegatedAdministrators"),
        json!({
            "ServicePrincipal": "member.org.stacksets.cloudformation.amazonaws.com",
            "MaxResults": 20,
        }),
    );
    assert_eq!(page, Ok(Page::last(vec!["333333333333".parse().unwrap()])));
}

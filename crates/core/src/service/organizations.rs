//! Organizations: who is in, and where.

use async_trait::async_trait;
use jiff::Timestamp;

use super::operation::operations;
use super::{Page, Result, Tags};
use crate::model::{Account, AccountId, Arn, OrgId, OrganizationalUnit, OuId};

operations!(Organizations:
    DESCRIBE_ACCOUNT = read "DescribeAccount";
    DESCRIBE_ORGANIZATION = read "DescribeOrganization";
    LIST_ACCOUNTS_FOR_PARENT = read "ListAccountsForParent";
    LIST_DELEGATED_ADMINISTRATORS = read "ListDelegatedAdministrators";
    LIST_ORGANIZATIONAL_UNITS_FOR_PARENT = read "ListOrganizationalUnitsForParent";
    LIST_ROOTS = read "ListRoots";
    LIST_TAGS_FOR_RESOURCE = read "ListTagsForResource";
);

/// Most items of a page in any Organizations listing (docs/aws-facts.md, "Organizations").
pub const PAGE_SIZE: usize = 20;

/// The organisation that the caller's account belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationInfo {
    /// Its id.
    pub id: OrgId,
    /// Its ARN.
    pub arn: Arn,
    /// The account that pays.
    pub management_account: AccountId,
    /// Whether all features are on: service-managed StackSets need it.
    pub all_features: bool,
}

/// The operations of Organizations that billctl uses. Lists answer in pages of at most [`PAGE_SIZE`].
#[async_trait]
pub trait Organizations: Send + Sync {
    /// `DescribeOrganization`. [`NotFound`](super::Kind::NotFound) in an account outside any organisation.
    async fn describe_organization(&self) -> Result<OrganizationInfo>;
    /// `ListRoots`: there is one.
    async fn list_roots(&self, token: Option<String>) -> Result<Page<OrganizationalUnit>>;
    /// `ListOrganizationalUnitsForParent`: the OUs directly below.
    async fn list_ous_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<OrganizationalUnit>>;
    /// `ListAccountsForParent`: the accounts directly below.
    async fn list_accounts_for_parent(&self, parent: &OuId, token: Option<String>) -> Result<Page<Account>>;
    /// `DescribeAccount`.
    async fn describe_account(&self, account: AccountId) -> Result<Account>;
    /// When an account was made or joined (`DescribeAccount`), where that is known.
    async fn account_joined(&self, account: AccountId) -> Result<Option<Timestamp>> {
        Ok(self.describe_account(account).await?.joined)
    }
    /// `ListTagsForResource` of an account.
    async fn list_account_tags(&self, account: AccountId) -> Result<Tags>;
    /// `ListDelegatedAdministrators` for StackSets (`member.org.stacksets.cloudformation.amazonaws.com`).
    async fn list_stacksets_administrators(&self, token: Option<String>) -> Result<Page<AccountId>>;
}

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Account, AccountId, OrgId, OuId};

/// What the sandbox keeps for this service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub id: OrgId,
    pub management_account: AccountId,
    pub accounts: BTreeMap<AccountId, (Account, OuId)>,
}

//! Organizations, as the notifier asks it (docs/aws-facts.md, "Organizations").

use serde_json::{Value, json};

use super::Call;
use crate::refusal::{Answer, Refusal};
use billctl_core::model::{AccountId, AccountState, OuId};

/// Who or what an id names, for policies.
fn arn(call: &Call<'_>, kind: &str, id: &str) -> String {
    format!(
        "arn:aws:organizations::{}:{kind}/{}/{id}",
        call.world.management_account(),
        call.world.organizations.id
    )
}

fn account_id(call: &Call<'_>, text: &str) -> Answer<AccountId> {
    text.parse()
        .map_err(|_| call.invalid("You provided a value that does not match the required pattern."))
}

pub(super) fn describe_account(call: &mut Call<'_>) -> Answer<Value> {
    let id = account_id(call, call.text("AccountId")?)?;
    let arn = arn(call, "account", &id.to_string());
    call.authorize(&arn)?;
    let account = call.world.organizations.account(id).ok_or_else(|| {
        let why = "You specified an account that doesn't exist.";
        Refusal::not_found("AccountNotFoundException", why)
    })?;
    // The older `Status` knows three states only.
    let status = match account.state {
        AccountState::Active | AccountState::PendingActivation => "ACTIVE",
        AccountState::PendingClosure => "PENDING_CLOSURE",
        AccountState::Suspended | AccountState::Closed => "SUSPENDED",
    };
    Ok(json!({"Account": {
        "Id": account.id,
        "Arn": arn,
        "Email": account.email,
        "Name": account.name,
        "Status": status,
        "State": account.state.to_string(),
        "JoinedMethod": "CREATED",
    }}))
}

pub(super) fn list_tags(call: &mut Call<'_>) -> Answer<Value> {
    let id = account_id(call, call.text("ResourceId")?)?;
    call.authorize(&arn(call, "account", &id.to_string()))?;
    let tags = call.world.organizations.tags(id).ok_or_else(|| {
        let why = "We can't find a root, OU, account, or policy with the TargetId that you specified.";
        Refusal::not_found("TargetNotFoundException", why)
    })?;
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    Ok(json!({"Tags": tags}))
}

pub(super) fn list_parents(call: &mut Call<'_>) -> Answer<Value> {
    let child = call.text("ChildId")?;
    let parent = if let Ok(id) = child.parse::<AccountId>() {
        call.authorize(&arn(call, "account", child))?;
        call.world.organizations.parent(id).cloned()
    } else if let Ok(id) = child.parse::<OuId>() {
        call.authorize(&arn(call, "ou", child))?;
        call.world
            .organizations
            .ous()
            .find(|ou| ou.id == id)
            .and_then(|ou| ou.parent)
    } else {
        return Err(call.invalid("ChildId does not match the required pattern."));
    };
    let parent = parent.ok_or_else(|| {
        let why = "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified.";
        Refusal::not_found("ChildNotFoundException", why)
    })?;
    let kind = if parent.is_root() {
        "ROOT"
    } else {
        "ORGANIZATIONAL_UNIT"
    };
    Ok(json!({"Parents": [{"Id": parent, "Type": kind}]}))
}

pub(super) fn describe_ou(call: &mut Call<'_>) -> Answer<Value> {
    let text = call.text("OrganizationalUnitId")?;
    let id: OuId = text
        .parse()
        .map_err(|_| call.invalid("OrganizationalUnitId does not match the required pattern."))?;
    let arn = arn(call, "ou", text);
    call.authorize(&arn)?;
    let ou = call
        .world
        .organizations
        .ous()
        .find(|ou| ou.id == id && ou.parent.is_some())
        .ok_or_else(|| {
            let why = "We can't find an OU with the OrganizationalUnitId that you specified.";
            Refusal::not_found("OrganizationalUnitNotFoundException", why)
        })?;
    Ok(json!({"OrganizationalUnit": {"Id": ou.id, "Arn": arn, "Name": ou.name}}))
}

//! Failures grouped: what accounts failed of, each reason once, with what helps against it.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde::Serialize;

use billctl_core::model::AccountId;

/// Accounts that failed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FailureGroup {
    /// The reason in CloudFormation's words; where it differs from account to account, with `<account>`, `<arn>`
    /// and `<id>` in the places of what differs.
    pub reason: String,
    /// What helps, where that is known.
    pub remedy: Option<String>,
    /// The accounts.
    pub accounts: Vec<AccountId>,
}

/// Puts failures with the same reason together, the most frequent first. Reasons that differ only in account ids,
/// ARNs and other ids are one.
pub fn group<'a>(failures: impl IntoIterator<Item = (AccountId, &'a str)>) -> Vec<FailureGroup> {
    let mut groups: BTreeMap<String, (Option<&str>, Vec<AccountId>)> = BTreeMap::new();
    for (account, reason) in failures {
        let (words, accounts) = groups.entry(general(reason)).or_insert((Some(reason), Vec::new()));
        if *words != Some(reason) {
            *words = None;
        }
        accounts.push(account);
    }
    let mut groups: Vec<FailureGroup> = groups
        .into_iter()
        .map(|(general, (words, mut accounts))| {
            accounts.sort_unstable();
            accounts.dedup();
            let reason = words.map_or_else(|| general.clone(), str::to_owned);
            FailureGroup {
                remedy: remedy(&general, &accounts),
                reason: if reason.trim().is_empty() {
                    "no reason given".to_owned()
                } else {
                    reason
                },
                accounts,
            }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.accounts.len()));
    groups
}

/// What is particular to one account in a reason, and what stands for it.
const PARTICULAR: [(&str, &str); 4] = [
    (r#"arn:aws[^\s'"(),]*[^\s'"(),.:]"#, "<arn>"),
    (
        r"[\w-]*[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
        "<id>",
    ),
    (r"\b[0-9a-f]{16,}\b", "<id>"),
    (r"\b[0-9]{12}\b", "<account>"),
];

/// The reason without what is particular to one account.
fn general(reason: &str) -> String {
    PARTICULAR.iter().fold(reason.to_owned(), |text, (pattern, name)| {
        // The patterns are constant, and the tests use each.
        match Regex::new(pattern) {
            Ok(pattern) => pattern.replace_all(&text, *name).into_owned(),
            Err(_) => text,
        }
    })
}

/// Whether an update fails for good with this reason, so that only a new stack helps. `reason` in CloudFormation's words.
pub fn is_past_updates(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    // A role of StackSets that isn't found is another matter: no new stack can be made without it.
    !has(STACK_SETS_ROLE) && (has(DELETED) || has(STUCK))
}

/// Words of reasons that StackSets can't get into the account.
const STACK_SETS_ROLE: &[&str] = &["stacksets-exec", "trust relationship", "assume role", "sts:assumerole"];
/// Words of reasons that something isn't there.
const DELETED: &[&str] = &["does not exist", "not found", "notfound", "doesn't exist"];
/// Words of reasons that a stack is in a state without a way on.
const STUCK: &[&str] = &["rollback_failed", "rollback_complete", "_failed state"];

/// What helps against a reason. Reasons are free text, so this only ever adds a remedy.
fn remedy(reason: &str, accounts: &[AccountId]) -> Option<String> {
    let reason = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let recreate = || {
        let each = accounts.iter().map(|account| format!("--recreate {account}"));
        let named: Vec<String> = each.take(5).collect();
        match accounts.len() {
            0..=5 => format!("`billctl deploy {}`", named.join(" ")),
            _ => "`billctl deploy --repair`".to_owned(),
        }
    };
    let remedy = if has(&["service control policy"]) {
        "a service control policy forbids it: allow the StackSets role `stacksets-exec-*` there".to_owned()
    } else if has(&["inoperable"]) {
        "run deploy again: it releases the instance, leaving the stack, and creates it again".to_owned()
    } else if has(&["suspended"]) {
        "nothing: the account is suspended".to_owned()
    } else if has(&["already exists", "alreadyexists"]) {
        let (what, key) = if has(&["iam::role", "role with name"]) {
            ("a role", "[names] member-role")
        } else if has(&["cloudwatch::alarm"]) {
            ("an alarm", "[alarm] name")
        } else if has(&["events::rule"]) {
            ("a rule", "[names] or [alarm]")
        } else {
            ("something", "[names] or [alarm]")
        };
        format!(
            "{what} with this name exists already, perhaps left by a stack that was released: remove it there, or \
             choose another name in {key}"
        )
    } else if has(STACK_SETS_ROLE) {
        "StackSets can't get into the account: check that its role `stacksets-exec-*` and the service-linked role of \
         StackSets exist and may be used"
            .to_owned()
    } else if has(DELETED) {
        let recreate = recreate();
        format!("something was deleted by hand there: {recreate} removes and creates the instance")
    } else if has(STUCK) {
        let recreate = recreate();
        format!("the stack is stuck there: {recreate} removes and creates the instance")
    } else if has(&["not authorized", "access denied", "accessdenied", "explicit deny"]) {
        "a policy in the account forbids it: allow the StackSets role `stacksets-exec-*` there".to_owned()
    } else if has(&["rate exceeded", "throttl"]) {
        "run deploy again, with a lower [deploy] concurrency".to_owned()
    } else if has(&["limit exceeded", "limitexceeded", "quota"]) {
        "a quota of the account is used up: raise it, or remove what isn't needed there".to_owned()
    } else {
        return None;
    };
    Some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> AccountId {
        AccountId::from_number(100_000_000_000 + number).unwrap()
    }

    fn handler(account: u64, token: &str) -> String {
        format!(
            "ResourceLogicalId:Alarm, ResourceType:AWS::CloudWatch::Alarm, ResourceStatusReason:Resource handler \
             returned message: \"Resource of type 'AWS::CloudWatch::Alarm' with identifier \
             'arn:aws:cloudwatch:us-east-1:{account}:alarm:Billing-Alarm' was not found.\" (RequestToken: \
             {token}-ab12-4000-8000-0123456789ab, HandlerErrorCode: NotFound)."
        )
    }

    #[test]
    fn reasons_that_differ_in_ids_alone_are_one() {
        let reasons = [
            (id(1), handler(100_000_000_001, "0a1b2c3d")),
            (id(2), handler(100_000_000_002, "99887766")),
            (id(3), "Account 100000000003 is odd".to_owned()),
            (id(4), "Account 100000000004 is odd".to_owned()),
            (id(5), "Account 100000000004 is odd in another way".to_owned()),
        ];
        let groups = group(reasons.iter().map(|(id, reason)| (*id, reason.as_str())));
        let accounts: Vec<usize> = groups.iter().map(|group| group.accounts.len()).collect();
        assert_eq!(accounts, [2, 2, 1], "{groups:#?}");
        let reasons: Vec<&str> = groups.iter().map(|group| group.reason.as_str()).collect();
        assert!(reasons.contains(&"Account <account> is odd"), "{reasons:?}");
        assert!(
            reasons.contains(&"Account 100000000004 is odd in another way"),
            "{reasons:?}"
        );
    }

    #[test]
    fn a_reason_of_one_account_keeps_its_words() {
        let reason = handler(100_000_000_001, "0a1b2c3d");
        let groups = group([(id(1), reason.as_str())]);
        assert_eq!(groups[0].reason, reason);
    }

    #[test]
    fn words_stay_words() {
        let text = "The security token included in the request is invalid. (Service: Iam, Status Code: 403)";
        assert_eq!(general(text), text);
        assert_eq!(general("deadbeef facade"), "deadbeef facade");
        assert_eq!(
            general(
                "Stack:arn:aws:cloudformation:us-east-1:123456789012:stack/a/b is stuck, stacksets-exec-0123456789abcdef"
            ),
            "Stack:<arn> is stuck, stacksets-exec-<id>"
        );
    }

    #[test]
    fn each_known_reason_has_its_remedy() {
        for (reason, remedy) in [
            (
                "User: arn:aws:sts::1:assumed-role/stacksets-exec-1/x is not authorized with an explicit deny in a service control policy",
                "service control policy",
            ),
            (
                "Resource of type 'AWS::IAM::Role' with identifier 'X' already exists.",
                "member-role",
            ),
            (
                "Resource of type 'AWS::CloudWatch::Alarm' with identifier 'X' already exists.",
                "[alarm] name",
            ),
            ("The stack instance is INOPERABLE", "releases"),
            ("Account is suspended", "suspended"),
            (
                "Resource of type 'AWS::CloudWatch::Alarm' with identifier 'X' was not found.",
                "--recreate 100000000001",
            ),
            (
                "Stack is in UPDATE_ROLLBACK_FAILED state and can not be updated.",
                "--recreate 100000000001",
            ),
            (
                "Account 1 should have 'stacksets-exec-1' role with trust relationship",
                "stacksets-exec",
            ),
            ("Rate exceeded", "concurrency"),
            ("The maximum limit exceeded for alarms", "quota"),
        ] {
            let groups = group([(id(1), reason)]);
            let found = groups[0].remedy.as_deref().unwrap_or_default();
            assert!(found.contains(remedy), "{reason}: {found}");
        }
        assert_eq!(group([(id(1), "something odd")])[0].remedy, None);
    }

    #[test]
    fn an_empty_reason_is_said_to_be_one() {
        assert_eq!(group([(id(1), "")])[0].reason, "no reason given");
    }
}

//! The evaluator beside iam-rs, which others wrote, on random policies and requests: both have to decide the same.
//!
//! Left out of the comparison is what only one of them knows, or where they differ and AWS's words side with this one:
//! - Accounts as principals. Here a role of the account is meant, as in a bus or queue policy; there only its root.
//! - `{"AWS": "*"}` for a service. AWS takes it for the same as `"*"`, and so is it here.
//! - Statements without a resource, as in a trust policy. There they are about nothing.
//! - Stars in `ArnEquals`. AWS's guide says that it means the same as `ArnLike`; there it compares letter by letter.
//! - Stars in ARNs beyond a colon. In a `Resource`, a star that ends a part may go on beyond it (AWS's guide), in a
//!   condition it may not; there it is the other way round.
//! - Plain operators on keys with several values: AWS's guide wants a set operator for those.
//! - Set operators with `IfExists`, of numbers and of truth values, and variables whose key is absent: not known there.

use std::collections::BTreeMap;

use iam_rs::{Arn, Context, ContextValue, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, json};

use super::*;

const ACTIONS: &[&str] = &[
    "events:PutEvents",
    "events:PutRule",
    "states:StartExecution",
    "ses:SendEmail",
];
const ACTION_PATTERNS: &[&str] = &[
    "events:PutEvents",
    "EVENTS:putevents",
    "events:*",
    "events:Put*",
    "events:Put????s",
    "s*:S*",
    "ses:SendEmail",
    "*",
];
const RESOURCES: &[&str] = &[
    "arn:aws:events:us-east-1:111122223333:event-bus/billctl",
    "arn:aws:events:us-east-1:444455556666:event-bus/default",
    "arn:aws:states:us-east-1:111122223333:stateMachine:billctl",
    "arn:aws:ses:us-east-1:111122223333:identity/example.com",
];
const RESOURCE_PATTERNS: &[&str] = &[
    "arn:aws:events:us-east-1:111122223333:event-bus/billctl",
    "arn:aws:events:us-east-1:*:event-bus/*",
    "arn:aws:events:*:444455556666:event-bus/def?ult",
    "arn:aws:states:us-east-1:${aws:PrincipalAccount}:stateMachine:bill*",
    "arn:aws:ses:us-east-?:111122223333:identity/*.com",
    "*",
];
const ROLES: &[&str] = &[
    "arn:aws:iam::111122223333:role/billctl",
    "arn:aws:iam::444455556666:role/other",
];
const SERVICES: &[&str] = &["events.amazonaws.com", "states.amazonaws.com"];
/// Keys, and values that requests and policies have of them.
const TEXT: &str = "aws:PrincipalOrgID";
const TEXTS: &[&str] = &["o-a1", "O-A1", "o-b2", "o-*", "o-?1", ""];
const SEVERAL: &str = "events:source";
const ARN: &str = "aws:SourceArn";
const FLAG: &str = "events:eventBusInvocation";
const NUMBER: &str = "aws:MultiFactorAuthAge";

type Values = Vec<&'static str>;

/// At least one of these.
fn some(of: &'static [&'static str]) -> impl Strategy<Value = Values> {
    subsequence(of, 1..=of.len().min(3))
}

/// One value as itself, as policies are written, or as a list.
fn written(values: &[&str], alone: bool) -> Value {
    match values {
        [one] if alone => json!(one),
        many => json!(many),
    }
}

/// An operator, its key, and what it wants.
fn condition() -> impl Strategy<Value = (String, &'static str, Value)> {
    fn of(
        key: &'static str,
        sets: &'static [&'static str],
        names: &'static [&'static str],
        ends: &'static [&'static str],
        values: &'static [&'static str],
    ) -> impl Strategy<Value = (String, &'static str, Value)> {
        (select(sets), select(names), select(ends), some(values), any::<bool>()).prop_map(
            move |(set, name, end, values, alone)| (format!("{set}{name}{end}"), key, written(&values, alone)),
        )
    }
    const PLAIN: &[&str] = &[""];
    const SETS: &[&str] = &["ForAllValues:", "ForAnyValue:"];
    const ENDS: &[&str] = &["", "IfExists"];
    const OF_TEXTS: &[&str] = &[
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ];
    const OF_NUMBERS: &[&str] = &[
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
    ];
    let absent = (
        select(&[TEXT, SEVERAL, ARN, FLAG, NUMBER][..]),
        select(&["true", "false"][..]),
    );
    prop_oneof![
        of(TEXT, PLAIN, OF_TEXTS, ENDS, TEXTS),
        of(SEVERAL, SETS, OF_TEXTS, PLAIN, TEXTS),
        of(
            ARN,
            PLAIN,
            &["ArnLike", "ArnNotLike"],
            ENDS,
            RESOURCE_PATTERNS_OF_CONDITIONS
        ),
        of(ARN, PLAIN, &["ArnEquals", "ArnNotEquals"], ENDS, RESOURCES),
        of(
            ARN,
            SETS,
            &["ArnLike", "ArnNotLike"],
            PLAIN,
            RESOURCE_PATTERNS_OF_CONDITIONS
        ),
        of(FLAG, PLAIN, &["Bool"], ENDS, &["true", "false"]),
        of(NUMBER, PLAIN, OF_NUMBERS, ENDS, &["0", "300", "3600.5"]),
        absent.prop_map(|(key, value)| ("Null".to_owned(), key, json!(value))),
    ]
}

const RESOURCE_PATTERNS_OF_CONDITIONS: &[&str] = &[
    "arn:aws:events:us-east-1:111122223333:event-bus/billctl",
    "arn:aws:events:us-east-1:*:event-bus/*",
    "arn:aws:*:us-east-1:111122223333:*",
    "arn:aws:ses:us-east-?:111122223333:identity/*.com",
];

fn statement() -> impl Strategy<Value = Value> {
    let who = prop_oneof![
        Just(None),
        Just(Some(json!("*"))),
        (some(ROLES), any::<bool>()).prop_map(|(roles, alone)| Some(json!({"AWS": written(&roles, alone)}))),
        (some(SERVICES), any::<bool>()).prop_map(|(names, alone)| Some(json!({"Service": written(&names, alone)}))),
    ];
    let element = |of| (some(of), any::<bool>());
    (
        any::<bool>(),
        who,
        element(ACTION_PATTERNS),
        element(RESOURCE_PATTERNS),
        // Which of principal, action and resource are said by what they are not.
        prop::array::uniform3(prop::bool::weighted(0.2)),
        prop::collection::vec(condition(), 0..3),
    )
        .prop_map(
            |(allow, who, (actions, one), (resources, alone), [not_who, not_action, not_resource], conditions)| {
                let mut statement = Map::new();
                let name = |negated: bool, name: &str| format!("{}{name}", if negated { "Not" } else { "" });
                statement.insert("Effect".to_owned(), json!(if allow { "Allow" } else { "Deny" }));
                if let Some(who) = who {
                    // "NotPrincipal": "*" is about nobody, and no policy says it.
                    statement.insert(name(not_who && who.is_object(), "Principal"), who);
                }
                statement.insert(name(not_action, "Action"), written(&actions, one));
                statement.insert(name(not_resource, "Resource"), written(&resources, alone));
                if !conditions.is_empty() {
                    let mut block: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
                    for (operator, key, wanted) in conditions {
                        block.entry(operator).or_default().insert(key.to_owned(), wanted);
                    }
                    statement.insert("Condition".to_owned(), json!(block));
                }
                Value::Object(statement)
            },
        )
}

/// A policy of up to four statements.
fn policy() -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(), 1..5)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

/// What a request brings along.
#[derive(Debug, Clone)]
struct Brought {
    text: Option<&'static str>,
    several: Values,
    arn: Option<&'static str>,
    flag: Option<bool>,
    number: Option<f64>,
}

impl Brought {
    fn ours(&self) -> RequestContext {
        let texts = self.text.iter().map(|text| (TEXT, text.to_string()));
        let several = self.several.iter().map(|text| (SEVERAL, text.to_string()));
        let arns = self.arn.iter().map(|arn| (ARN, arn.to_string()));
        let flags = self.flag.iter().map(|flag| (FLAG, flag.to_string()));
        let numbers = self.number.iter().map(|number| (NUMBER, number.to_string()));
        let all = texts.chain(several).chain(arns).chain(flags).chain(numbers);
        let context = RequestContext::default().with("aws:PrincipalAccount", "111122223333");
        all.fold(context, |context, (key, value)| context.with(key, value))
    }

    fn theirs(&self) -> Context {
        let mut context = Context::new().with_string("aws:PrincipalAccount", "111122223333");
        for (key, value) in [(TEXT, self.text), (ARN, self.arn)] {
            if let Some(value) = value {
                context = context.with_string(key, value);
            }
        }
        if !self.several.is_empty() {
            let several = self.several.iter().map(|text| (*text).to_owned()).collect();
            context.insert(SEVERAL.to_owned(), ContextValue::StringList(several));
        }
        if let Some(flag) = self.flag {
            context = context.with_boolean(FLAG, flag);
        }
        match self.number {
            Some(number) => context.with_number(NUMBER, number),
            None => context,
        }
    }
}

fn brought() -> impl Strategy<Value = Brought> {
    (
        prop::option::of(select(TEXTS)),
        subsequence(TEXTS, 0..=3),
        prop::option::of(select(RESOURCES)),
        prop::option::of(any::<bool>()),
        prop::option::of(select(&[0.0, 299.5, 300.0, 3_600.5][..])),
    )
        .prop_map(|(text, several, arn, flag, number)| Brought {
            text,
            several,
            arn,
            flag,
            number,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn both_decide_the_same(
        policy in policy(),
        is_service in any::<bool>(),
        who in 0..2_usize,
        action in select(ACTIONS),
        resource in select(RESOURCES),
        brought in brought(),
    ) {
        let (caller, principal) = if is_service {
            let name = SERVICES[who];
            (Caller::Service(name), Principal::Service(PrincipalId::String(name.to_owned())))
        } else {
            let role = ROLES[who];
            (Caller::Role(role), Principal::Aws(PrincipalId::String(role.to_owned())))
        };
        let context = brought.ours();
        let ours = evaluate(&policy, Request { caller, action, resource, context: &context });
        let read: IAMPolicy = serde_json::from_value(policy.clone()).expect("a policy");
        let request = IAMRequest::new_with_context(
            principal,
            action,
            Arn::parse(resource).expect("an ARN"),
            brought.theirs(),
        );
        let theirs = match evaluate_policy(&read, &request).expect("a decision") {
            iam_rs::Decision::Allow => Decision::Allowed,
            iam_rs::Decision::Deny => Decision::Denied,
            iam_rs::Decision::NotApplicable => Decision::ImplicitDeny,
        };
        prop_assert_eq!(ours, theirs, "{:#}", policy);
    }
}

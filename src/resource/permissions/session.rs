//! What a session in a member may do: no more than is about to be done there, whatever its role may.

use serde_json::{Value, json};

use crate::config::Config;
use crate::resource::names::Named;
use crate::resource::stack_set::MEMBER_RULE;
use billctl_core::model::AccountId;
use billctl_core::service::eventbridge::DEFAULT_BUS;
use billctl_core::service::{cloudwatch, eventbridge, member};

/// The session policy for a look into `account`, and for setting the state of its one alarm only where that is wanted.
/// A session may do what both its role and this policy allow (IAM user guide, session policies).
pub fn session_policy(config: &Config, account: AccountId, sets_alarm: bool) -> Value {
    let account = account.to_string();
    let alarm = Named::alarm(&config.alarm.name).pattern(&account);
    let mut on_alarm = vec![cloudwatch::DESCRIBE_ALARMS.iam_action()];
    if sets_alarm {
        on_alarm.push(member::SET_ALARM_STATE.iam_action());
    }
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": on_alarm, "Resource": alarm},
        // It knows no resources (Service Authorization Reference).
        {"Effect": "Allow", "Action": cloudwatch::GET_METRIC_DATA.iam_action(), "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": [
                eventbridge::DESCRIBE_RULE.iam_action(),
                eventbridge::LIST_TARGETS_BY_RULE.iam_action(),
            ],
            "Resource": Named::rule(DEFAULT_BUS, MEMBER_RULE).pattern(&account),
        },
    ]})
}

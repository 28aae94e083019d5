//! What happens by itself as time passes on the billing side: charges are published, alarms evaluated, events
//! delivered.
//!
//! CloudWatch evaluates an alarm every minute. Here it is evaluated in the minutes in which its answer can differ
//! from the one before: after a datapoint came, after one fell out of a period, and when a calendar function turns.

mod event;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use event::Change;
use watch::Watch;

use super::member::MemberAlarmState;
use super::{World, eventbridge, sfn};
use billctl_core::model::{AccountId, Arn};
use billctl_core::service::cloudwatch::{Alarm, AlarmState};

/// Lets the time from `from` to `to` pass.
pub fn tick(world: &mut World, from: Timestamp, to: Timestamp) {
    // Evaluations are on whole minutes.
    if from.as_second().div_euclid(60) != to.as_second().div_euclid(60) {
        let mut changes = members(world, from, to);
        changes.extend(own(world, from, to, true));
        deliver(world, changes, to);
        // The payer's alarms on executions and queues see what those deliveries and executions did.
        world.now = to;
        let changes = own(world, from, to, false);
        deliver(world, changes, to);
    } else {
        sfn::wake(world, to);
    }
    world.now = to;
}

/// A change of state, of an account's alarm.
struct Transition {
    account: AccountId,
    alarm: Arc<Alarm>,
    change: Change,
}

/// Delivers them, and wakes executions, each at its time.
fn deliver(world: &mut World, mut transitions: Vec<Transition>, to: Timestamp) {
    transitions.sort_by_key(|transition| transition.change.at);
    for transition in transitions {
        let Transition { account, alarm, change } = transition;
        sfn::wake(world, change.at);
        world.now = change.at;
        let event: Value = event::state_change(world, account, &alarm, &change);
        if account == world.management_account() {
            // Executions can look at it: not before.
            if let Some(stored) = world.cloudwatch.alarms.get_mut(&alarm.name) {
                stored.state = change.state;
                stored.reason.clone_from(&change.reason);
                stored.since = change.at;
            }
            eventbridge::own_event(world, &event);
            act(world, &alarm, &change);
        } else if eventbridge::anybody_listens(world, &event) {
            eventbridge::from_member(world, account, &event);
        }
    }
    sfn::wake(world, to);
}

/// The actions of an alarm of the payer, for the state that it went to: topics alone. A member's are the member's.
fn act(world: &mut World, alarm: &Alarm, change: &Change) {
    if !alarm.actions_enabled {
        return;
    }
    let (state, actions) = match change.state {
        AlarmState::Alarm => ("ALARM", &alarm.alarm_actions),
        AlarmState::Ok => ("OK", &alarm.ok_actions),
        AlarmState::InsufficientData => ("INSUFFICIENT_DATA", &alarm.insufficient_data_actions),
    };
    let name = &alarm.name;
    let subject = format!("{state}: \"{name}\" in US East (N. Virginia)");
    let message = format!(
        "You are receiving this email because your Amazon CloudWatch Alarm \"{name}\" in the US East (N. Virginia) \
         region has entered the {state} state, because \"{}\" at \"{}\".\n\nAlarm description: {}\n",
        change.reason,
        change.at.strftime("%A %d %B, %Y %H:%M:%S UTC"),
        alarm.description,
    );
    for topic in actions.iter().filter_map(|action| action.parse::<Arn>().ok()) {
        if topic.service() == "sns" {
            world.publish(&topic, &subject, &message);
        }
    }
}

/// Puts a member's alarm in a state, as `SetAlarmState` does: a change goes out like any other, and CloudWatch
/// evaluates the alarm anew within a minute.
pub(super) fn set_member_state(world: &mut World, account: AccountId, state: AlarmState, reason: &str) {
    let Some((alarm, was)) = world.member_alarm(account) else {
        return;
    };
    let before = was.state;
    let at = world.now;
    let set = MemberAlarmState {
        state,
        reason: reason.to_owned(),
        since: Some(at),
    };
    world.set_member_alarm_state(account, set);
    // As if it were new: it is evaluated in the next whole minute, whatever its period.
    world.cloudwatch.metering.members.remove(&account);
    if state != before {
        let change = Change {
            at,
            before,
            state,
            reason: reason.to_owned(),
            data: None,
        };
        deliver(world, vec![Transition { account, alarm, change }], at);
        world.now = at;
    }
}

/// Evaluates the members' alarms.
fn members(world: &mut World, from: Timestamp, to: Timestamp) -> Vec<Transition> {
    let mut watches: HashMap<*const Alarm, Arc<Watch>> = HashMap::new();
    let mut transitions = Vec::new();
    let mut states: Vec<(AccountId, MemberAlarmState)> = Vec::new();
    let mut evaluated: Vec<(AccountId, u64)> = Vec::new();
    let mut alive = 0;
    for account in world.members.keys() {
        let Some((alarm, state)) = world.member_alarm(*account) else {
            continue;
        };
        alive += 1;
        // Members of one threshold share their alarm in memory.
        let watch = watches
            .entry(Arc::as_ptr(&alarm))
            .or_insert_with(|| Arc::new(Watch::new(alarm.clone())))
            .clone();
        let known = world.cloudwatch.metering.members.get(account);
        // An alarm whose metric came or went is looked at anew.
        let fingerprint = watch.fingerprint ^ u64::from(world.faults.member_metric);
        let fresh = known != Some(&fingerprint);
        let Some(changes) = watch.changes(world, *account, state.state, fresh, from, to) else {
            continue;
        };
        if fresh {
            evaluated.push((*account, fingerprint));
        }
        if let Some(last) = changes.last() {
            states.push((
                *account,
                MemberAlarmState {
                    state: last.state,
                    reason: last.reason.clone(),
                    since: Some(last.at),
                },
            ));
        }
        transitions.extend(changes.into_iter().map(|change| Transition {
            account: *account,
            alarm: alarm.clone(),
            change,
        }));
    }
    for (account, state) in states {
        world.set_member_alarm_state(account, state);
    }
    let remembered = &mut world.cloudwatch.metering.members;
    remembered.extend(evaluated);
    if remembered.len() > alive {
        // An alarm that went and comes again is new.
        let gone: Vec<AccountId> = remembered
            .keys()
            .filter(|account| !world.members.contains_key(account))
            .copied()
            .collect();
        for account in gone {
            world.cloudwatch.metering.members.remove(&account);
        }
    }
    transitions
}

/// Evaluates the payer's alarms: those on charges, or the others.
fn own(world: &mut World, from: Timestamp, to: Timestamp, on_charges: bool) -> Vec<Transition> {
    let account = world.management_account();
    let mut transitions = Vec::new();
    let names: Vec<String> = world.cloudwatch.alarms.keys().cloned().collect();
    for name in names {
        let Some(stored) = world.cloudwatch.alarms.get(&name) else {
            continue;
        };
        let alarm = Arc::new(stored.alarm.clone());
        let watch = Watch::new(alarm.clone());
        if watch.on_charges != on_charges {
            continue;
        }
        let fresh = world.cloudwatch.metering.own.get(&name) != Some(&watch.fingerprint);
        let Some(changes) = watch.changes(world, account, stored.state, fresh, from, to) else {
            continue;
        };
        world.cloudwatch.metering.own.insert(name.clone(), watch.fingerprint);
        transitions.extend(changes.into_iter().map(|change| Transition {
            account,
            alarm: alarm.clone(),
            change,
        }));
    }
    let alarms = &world.cloudwatch.alarms;
    world
        .cloudwatch
        .metering
        .own
        .retain(|name, _| alarms.contains_key(name));
    transitions
}

//! The first hour on AWS, as far as it can be had by reading: what nobody could verify before there was an account
//! (docs/first-hour.md, whose steps these are). A step that writes, or that needs eyes, is named with its command.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Check, Readings, Verdict, access, charges, members, named};
use crate::config::Config;
use crate::plan::billing::Plan;
use crate::resource::stack_set::TEMPLATE;
use billctl_core::error::Result;
use billctl_core::model::AccountId;

/// What only this looks at.
pub struct FirstHour {
    /// What `bootstrap` would change.
    pub billing: Result<Plan>,
    /// When each account's charges were published.
    pub published: Result<BTreeMap<AccountId, Vec<Timestamp>>>,
}

/// The twelve steps, in their order.
pub fn first_hour(config: &Config, readings: &Readings, more: &FirstHour) -> Vec<Check> {
    let by_hand = Check::to_do("reading alone can't show it").remedy(format!(
        "`billctl test-alert --account ACCOUNT --from-member`, or in the member: aws cloudwatch set-alarm-state --region us-east-1 \
         --alarm-name {} --state-value ALARM --state-reason test",
        config.alarm.name
    ));
    let alarms = members::alarms(config, &readings.members, &readings.organization);
    let member_leg = match alarms.verdict {
        Verdict::Ok => Check {
            finding: format!("{}; {}", alarms.finding, by_hand.finding),
            ..by_hand
        },
        // What is wrong there already comes first.
        Verdict::Warning | Verdict::Failed => alarms,
        Verdict::ToDo | Verdict::Skipped => by_hand,
    };
    let own = charges::own_series(&readings.series, &readings.organization);
    let months_end = Check::to_do("only a look shows an alarm's graph over a month's end")
        .remedy("CloudWatch console, the alarm's graph over midnight UTC of the 1st: docs/first-hour.md, step 8");
    let drift = Check::to_do("looking for drift starts an operation").remedy("`billctl status --drift`");
    let dashboard = Check::to_do("only a look shows whether the bars have figures")
        .remedy("CloudWatch console, us-east-1, Dashboards: docs/first-hour.md, step 10");
    let destroy = Check::to_do("removes everything, so it comes last").remedy("`billctl destroy`");
    vec![
        named("1-permissions", access::permissions(config, &readings.denied)),
        named("2-round-trip", billing(&more.billing)),
        named("3-template", stack_set(readings)),
        named("4-member-leg", member_leg),
        named("5-mail", mail(readings)),
        named("6-own-charges", own),
        named("7-publications", rhythm(&more.published)),
        named("8-months-end", months_end),
        named("9-drift", drift),
        named("10-dashboard", dashboard),
        named("11-delegation", administrators(readings)),
        named("12-destroy", destroy),
    ]
}

/// Whether AWS gives back what was written, so that a second `bootstrap` finds nothing to do.
fn billing(plan: &Result<Plan>) -> Check {
    match plan {
        Ok(plan) if plan.is_empty() => Check::ok("AWS has every thing of the billing side exactly as it was written"),
        Ok(plan) => Check::to_do(format!("`bootstrap` would change {} things", plan.steps.len())).remedy(
            "`billctl bootstrap`; if `billctl bootstrap --plan` has lines after that, report them: AWS keeps \
             something in a form that billctl doesn't expect",
        ),
        Err(error) => Check::warning(format!("not known: {error}")),
    }
}

/// Whether the StackSet's body is kept byte for byte, comments included.
fn stack_set(readings: &Readings) -> Check {
    match &readings.stack_set {
        Ok(Some(set)) if set.template == TEMPLATE => Check::ok("AWS has the template byte for byte"),
        Ok(Some(set)) => Check::warning(format!(
            "AWS has a template of {} bytes, this billctl's has {}",
            set.template.len(),
            TEMPLATE.len()
        ))
        .remedy("`billctl deploy`; if a second `billctl deploy --plan` still changes the template, report it"),
        Ok(None) => Check::to_do("there is no StackSet").remedy("`billctl deploy --ou OU`, for one OU"),
        Err(error) => Check::unread(error),
    }
}

/// Whether a mail can leave to anybody, or only to verified recipients.
fn mail(readings: &Readings) -> Check {
    let test = "`billctl test-alert --account ACCOUNT`, then look at the mail";
    match &readings.ses {
        Ok(account) if account.production_access => Check::to_do("SES sends to anybody").remedy(test),
        Ok(_) => Check::to_do("SES's sandbox: to verified recipients only").remedy(format!(
            "verify a recipient by its address; {test}; then once to one in the sender's domain"
        )),
        Err(error) => Check::unread(error),
    }
}

/// How far apart charges are published, which AWS's documents don't say (docs/aws-facts.md, "EstimatedCharges").
fn rhythm(published: &Result<BTreeMap<AccountId, Vec<Timestamp>>>) -> Check {
    let published = match published {
        Ok(published) => published,
        Err(error) => return Check::warning(format!("not known: {error}")),
    };
    let mut gaps: Vec<i64> = published
        .values()
        .flat_map(|times| times.windows(2).map(|pair| pair[1].as_second() - pair[0].as_second()))
        .collect();
    gaps.sort_unstable();
    let (Some(least), Some(most)) = (gaps.first(), gaps.last()) else {
        return Check::to_do("no account has two publications yet").remedy("`billctl doctor --first-hour` in a day");
    };
    let hours = |seconds: i64| format!("{}:{:02}", seconds / 3_600, seconds % 3_600 / 60);
    let finding = format!(
        "{} hours apart (median), {} to {}; {} gaps of {} accounts",
        hours(gaps[gaps.len() / 2]),
        hours(*least),
        hours(*most),
        gaps.len(),
        published.values().filter(|times| times.len() > 1).count(),
    );
    // What billctl allows for.
    if *least >= 2 * 3_600 && *most <= 12 * 3_600 {
        Check::ok(finding)
    } else {
        Check::warning(finding).remedy(
            "outside the two to twelve hours that billctl allows for: docs/alerts.md says what that costs; please report \
             these figures",
        )
    }
}

fn administrators(readings: &Readings) -> Check {
    match &readings.administrators {
        Ok(found) if found.is_empty() => Check::moot("there is no delegated administrator for StackSets"),
        Ok(found) => Check::to_do(format!("{} delegated: {}", found.len(), members::list(found))).remedy(
            "there, with `call-as = \"delegated-admin\"`: `billctl deploy --plan` under `billctl policy deploy`",
        ),
        Err(error) => Check::unread(error),
    }
}

//! The first hour on AWS, as far as it can be had by reading: what nobody could verify before there was an account
//! (docs/first-hour.md, whose steps these are). A step that writes, or that needs eyes, is named with its command.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Check, Readings, Verdict, access, charges, members};
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
    let member = Check::to_do("4-member-leg", "reading alone can't show it").remedy(format!(
        "`billctl test-alert --account ACCOUNT --from-member`, or in the member: aws cloudwatch set-alarm-state --region us-east-1 \
         --alarm-name {} --state-value ALARM --state-reason test",
        config.alarm.name
    ));
    vec![
        named("1-permissions", access::permissions(config, &readings.denied)),
        billing(&more.billing),
        stack_set(readings),
        match members::alarms(config, &readings.members, &readings.organization) {
            Check {
                verdict: Verdict::Ok,
                finding,
                ..
            } => Check {
                finding: format!("{finding}; {}", member.finding),
                ..member
            },
            // What is wrong there already comes first.
            found @ Check {
                verdict: Verdict::Warning | Verdict::Failed,
                ..
            } => named("4-member-leg", found),
            _ => member,
        },
        mail(readings),
        named(
            "6-own-charges",
            charges::own_series(&readings.series, &readings.organization),
        ),
        rhythm(&more.published),
        Check::to_do("8-months-end", "only a look shows an alarm's graph over a month's end")
            .remedy("CloudWatch console, the alarm's graph over midnight UTC of the 1st: docs/first-hour.md, step 8"),
        Check::to_do("9-drift", "looking for drift starts an operation").remedy("`billctl status --drift`"),
        Check::to_do("10-dashboard", "only a look shows whether the bars have figures")
            .remedy("CloudWatch console, us-east-1, Dashboards: docs/first-hour.md, step 10"),
        administrators(readings),
        Check::to_do("12-destroy", "removes everything, so it comes last").remedy("`billctl destroy`"),
    ]
}

fn named(name: &'static str, check: Check) -> Check {
    Check { name, ..check }
}

/// Whether AWS gives back what was written, so that a second `bootstrap` finds nothing to do.
fn billing(plan: &Result<Plan>) -> Check {
    const NAME: &str = "2-round-trip";
    match plan {
        Ok(plan) if plan.is_empty() => Check::ok(
            NAME,
            "AWS has every thing of the billing side exactly as it was written",
        ),
        Ok(plan) => Check::to_do(NAME, format!("`bootstrap` would change {} things", plan.steps.len())).remedy(
            "`billctl bootstrap`; if `billctl bootstrap --plan` has lines after that, report them: AWS keeps \
             something in a form that billctl doesn't expect",
        ),
        Err(error) => Check::warning(NAME, format!("not known: {error}")),
    }
}

/// Whether the StackSet's body is kept byte for byte, comments included.
fn stack_set(readings: &Readings) -> Check {
    const NAME: &str = "3-template";
    match &readings.stack_set {
        Ok(Some(set)) if set.template == TEMPLATE => Check::ok(NAME, "AWS has the template byte for byte"),
        Ok(Some(set)) => Check::warning(
            NAME,
            format!(
                "AWS has a template of {} bytes, this billctl's has {}",
                set.template.len(),
                TEMPLATE.len()
            ),
        )
        .remedy("`billctl deploy`; if a second `billctl deploy --plan` still changes the template, report it"),
        Ok(None) => Check::to_do(NAME, "there is no StackSet").remedy("`billctl deploy --ou OU`, for one OU"),
        Err(error) => Check::unread(NAME, error),
    }
}

/// Whether a mail can leave to anybody, or only to verified recipients.
fn mail(readings: &Readings) -> Check {
    const NAME: &str = "5-mail";
    let test = "`billctl test-alert --account ACCOUNT`, then look at the mail";
    match &readings.ses {
        Ok(account) if account.production_access => Check::to_do(NAME, "SES sends to anybody").remedy(test),
        Ok(_) => Check::to_do(NAME, "SES's sandbox: to verified recipients only").remedy(format!(
            "verify a recipient by its address; {test}; then once to one in the sender's domain"
        )),
        Err(error) => Check::unread(NAME, error),
    }
}

/// How far apart charges are published, which AWS's documents don't say (docs/aws-facts.md, "EstimatedCharges").
fn rhythm(published: &Result<BTreeMap<AccountId, Vec<Timestamp>>>) -> Check {
    const NAME: &str = "7-publications";
    let published = match published {
        Ok(published) => published,
        Err(error) => return Check::warning(NAME, format!("not known: {error}")),
    };
    let mut gaps: Vec<i64> = published
        .values()
        .flat_map(|times| times.windows(2).map(|pair| pair[1].as_second() - pair[0].as_second()))
        .collect();
    gaps.sort_unstable();
    let (Some(least), Some(most)) = (gaps.first(), gaps.last()) else {
        return Check::to_do(NAME, "no account has two publications yet")
            .remedy("`billctl doctor --first-hour` in a day");
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
        Check::ok(NAME, finding)
    } else {
        Check::warning(NAME, finding).remedy(
            "outside the two to twelve hours that billctl allows for: docs/alerts.md says \
                                              what that costs; please report these figures",
        )
    }
}

fn administrators(readings: &Readings) -> Check {
    const NAME: &str = "11-delegation";
    match &readings.administrators {
        Ok(found) if found.is_empty() => Check::moot(NAME, "there is no delegated administrator for StackSets"),
        Ok(found) => Check::to_do(NAME, format!("{} delegated: {}", found.len(), members::list(found))).remedy(
            "there, with `call-as = \"delegated-admin\"`: `billctl deploy --plan` under `billctl policy deploy`",
        ),
        Err(error) => Check::unread(NAME, error),
    }
}

//! What the sandbox looks like, and what is new in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::Format;
use crate::render;
use billctl_core::model::{AccountId, AccountState, Arn, Organization, OuId, Time, Usd};
use billctl_core::service::cloudwatch::AlarmState;
use billctl_core::text;
use billctl_core::text::plural;
use billctl_sandbox::cloudformation::Summary;
use billctl_sandbox::faults::Faults;
use billctl_sandbox::publications::Publications;
use billctl_sandbox::{Sandbox, World};

/// Above this many accounts a tree shows numbers instead.
const MANY: usize = 120;

/// What `sandbox show --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Picture {
    #[schemars(with = "Time")]
    now: Timestamp,
    organization: String,
    management_account: AccountId,
    caller: AccountId,
    accounts: Vec<AccountPicture>,
    stack_sets: Vec<StackSetPicture>,
    mails: usize,
    notifications: usize,
    /// The latest titles that a chat showed, newest first.
    chat: Vec<ChatPicture>,
    undelivered: usize,
    billing_alerts: bool,
    /// Whether the payer may read members' contacts.
    contacts: bool,
    latency_ms: u64,
    publications: Publications,
    faults: Faults,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ChatPicture {
    #[schemars(with = "Time")]
    at: Timestamp,
    topic: Arn,
    title: String,
    /// As it was published.
    message: Value,
}

/// Chat messages that are shown.
const MOST_CHATS: usize = 5;

fn chats(world: &World) -> Vec<ChatPicture> {
    let newest = world.sns.notifications().iter().rev();
    let chats = newest.filter_map(|notification| {
        Some(ChatPicture {
            at: notification.at,
            topic: notification.topic.clone(),
            title: notification.chat_title()?,
            message: serde_json::from_str(&notification.message).ok()?,
        })
    });
    chats.take(MOST_CHATS).collect()
}

#[derive(Debug, Serialize, JsonSchema)]
struct AccountPicture {
    id: AccountId,
    name: String,
    ou: String,
    state: AccountState,
    /// The threshold of the alarm that is in the account.
    threshold: Option<f64>,
    alarm: Option<AlarmState>,
    billing_contact: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StackSetPicture {
    name: String,
    #[serde(flatten)]
    summary: Summary,
}

fn picture(world: &World, organization: &Organization) -> Picture {
    Picture {
        now: world.now,
        organization: organization.id.to_string(),
        management_account: organization.management_account,
        caller: world.caller,
        accounts: organization
            .accounts()
            .map(|(account, parent)| {
                let alarm = world.member_alarm(account.id);
                AccountPicture {
                    id: account.id,
                    name: account.name.clone(),
                    ou: organization.path(parent),
                    state: account.state,
                    threshold: alarm.as_ref().map(|(alarm, _)| alarm.threshold),
                    alarm: alarm.map(|(_, state)| state.state),
                    billing_contact: world.account.billing.get(&account.id).cloned(),
                }
            })
            .collect(),
        stack_sets: world
            .cloudformation
            .summary()
            .map(|(name, summary)| StackSetPicture {
                name: name.to_owned(),
                summary,
            })
            .collect(),
        mails: world.sesv2.mails().len(),
        notifications: world.sns.notifications().len(),
        chat: chats(world),
        undelivered: world.sqs.waiting(),
        billing_alerts: world.billing_alerts,
        contacts: world.account.trusted,
        latency_ms: u64::try_from(world.latency.as_millis()).unwrap_or(u64::MAX),
        publications: world.publications,
        faults: world.faults.clone(),
    }
}

/// The whole sandbox.
pub(super) fn show(sandbox: &Sandbox, format: Format) -> String {
    sandbox.peek(|world| {
        let organization = world.organizations.organization();
        let picture = picture(world, &organization);
        match format {
            Format::Json => render::json("sandbox", &picture),
            Format::Table | Format::Markdown => drawn(&organization, &picture),
        }
    })
}

fn drawn(organization: &Organization, picture: &Picture) -> String {
    let mut lines = vec![
        format!(
            "{}, {}; management account {}",
            picture.organization,
            time(picture.now),
            picture.management_account
        ),
        String::new(),
    ];
    let mut inside: BTreeMap<&OuId, Vec<&AccountPicture>> = BTreeMap::new();
    for ((_, parent), account) in organization.accounts().zip(&picture.accounts) {
        inside.entry(parent).or_default().push(account);
    }
    if let Some(root) = organization.root() {
        let many = picture.accounts.len() > MANY;
        branch(organization, &root.id, 0, many, &inside, &mut lines);
    }
    lines.push(String::new());
    for set in &picture.stack_sets {
        lines.push(format!(
            "StackSet {}: {}, {} unfinished",
            text::line(&set.name),
            plural(set.summary.instances, "instance"),
            plural(set.summary.unfinished_operations, "operation")
        ));
    }
    lines.push(format!(
        "{} sent, {} undelivered",
        plural(picture.mails, "mail"),
        plural(picture.undelivered, "event")
    ));
    if picture.notifications > 0 {
        lines.push(format!(
            "{} published to SNS",
            plural(picture.notifications, "notification")
        ));
    }
    lines.extend(picture.chat.iter().map(|chat| {
        let (at, topic) = (time(chat.at), text::line(chat.topic.resource()));
        format!("chat, by topic {topic}, {at}: {}", text::line(&chat.title))
    }));
    if picture.caller != picture.management_account {
        lines.push(format!("Calls are made from {}.", picture.caller));
    }
    if !picture.billing_alerts {
        lines.push("Members don't see their own charges (billing alerts are off).".into());
    }
    if picture.contacts {
        lines.push("The payer may read members' contacts.".into());
    }
    if picture.latency_ms > 0 {
        lines.push(format!("Every API call takes {} ms.", picture.latency_ms));
    }
    lines.push(picture.publications.to_string());
    lines.push(faults(&picture.faults));
    lines.join("\n")
}

fn branch(
    organization: &Organization,
    ou: &OuId,
    depth: usize,
    many: bool,
    inside: &BTreeMap<&OuId, Vec<&AccountPicture>>,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(depth);
    let name = text::line(organization.ou(ou).map_or(ou.as_str(), |ou| ou.name.as_str()));
    let direct = inside.get(ou).map(Vec::as_slice).unwrap_or_default();
    let counted = match direct.len() {
        count @ 1.. if many => format!(", {}", plural(count, "account")),
        _ => String::new(),
    };
    lines.push(format!("{indent}{name} ({ou}{counted})"));
    if !many {
        lines.extend(direct.iter().map(|account| format!("{indent}  {}", leaf(account))));
    }
    let below: BTreeSet<(&str, &OuId)> = organization
        .ous()
        .filter(|child| child.parent.as_ref() == Some(ou))
        .map(|child| (child.name.as_str(), &child.id))
        .collect();
    for (_, child) in below {
        branch(organization, child, depth + 1, many, inside, lines);
    }
}

fn leaf(account: &AccountPicture) -> String {
    let mut leaf = format!("{}  {}", account.id, text::line(&account.name));
    if account.state != AccountState::Active {
        let _ = write!(leaf, "  {}", account.state);
    }
    if let Some(usd) = account.threshold.and_then(Usd::from_f64) {
        let _ = write!(leaf, "  alarm above {usd}");
    }
    if let Some(address) = &account.billing_contact {
        let _ = write!(leaf, "  billing contact {}", text::line(address));
    }
    if account.alarm == Some(AlarmState::Alarm) {
        leaf.push_str("  IN ALARM");
    }
    leaf
}

/// What is set to go wrong.
pub(super) fn faults(faults: &Faults) -> String {
    let mut lines = Vec::new();
    let mut share = |share: f64, what: &str| {
        if share > 0.0 {
            lines.push(format!("{}% of the API calls {what}.", share * 100.0));
        }
    };
    share(faults.throttle, "are throttled");
    share(faults.server_error, "get a 5xx");
    share(faults.timeout, "get no answer");
    share(faults.drop, "take effect, but their answer is lost");
    for action in &faults.deny {
        lines.push(format!("{} is denied.", text::line(action)));
    }
    for (id, reason) in &faults.accounts {
        lines.push(format!("Stack operations in {id} fail: {}.", text::line(reason)));
    }
    if let Some(die) = faults.die {
        let when = if die.after { "after" } else { "at" };
        lines.push(format!("The next billctl dies {when} its API call number {}.", die.at));
    }
    if let Some(rate) = faults.describe_instance_rate {
        lines.push(format!("DescribeStackInstance answers {rate} calls a second."));
    }
    if faults.no_member_role {
        lines.push("No member has the role that lets the management account in.".to_owned());
    }
    if faults.lag > 0 {
        lines.push(format!("The lists of StackSets are {} s behind.", faults.lag));
    }
    if faults.member_metric {
        lines.push("Members have no EstimatedCharges of their own.".into());
    }
    if lines.is_empty() {
        return "Nothing is set to go wrong.".into();
    }
    lines.join("\n")
}

/// What `new` says.
pub(super) fn made(path: &Path, world: &World) -> String {
    let accounts = world.organizations.account_ids().count();
    let ous = world.organizations.ous().count() - 1;
    format!(
        "{}: {} in {}, and the management account {}; it is {}.",
        path.display(),
        plural(accounts - 1, "account"),
        plural(ous, "OU"),
        world.management_account(),
        time(world.now)
    )
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The file of a mail to open: SNS's mails are text alone.
fn readable(file: &Path) -> PathBuf {
    let html = file.with_extension("html");
    match html.exists() {
        true => html,
        false => file.with_extension("txt"),
    }
}

/// What is compared to tell what time brought.
pub(super) struct Snapshot {
    alarms: BTreeMap<AccountId, AlarmState>,
    last_mail: u64,
    last_notification: u64,
    undelivered: usize,
}

impl Snapshot {
    pub(super) fn of(world: &World) -> Self {
        Self {
            alarms: world
                .members
                .keys()
                .filter_map(|id| Some((*id, world.member_alarm(*id)?.1.state)))
                .collect(),
            last_mail: world.sesv2.mails().last().map_or(0, |mail| mail.number),
            last_notification: world.sns.notifications().last().map_or(0, |last| last.number),
            undelivered: world.sqs.waiting(),
        }
    }

    /// What has happened since.
    pub(super) fn news(&self, world: &World) -> String {
        let now = Self::of(world);
        let mut lines = vec![format!("It is {}.", time(world.now))];
        for (id, state) in &now.alarms {
            if self.alarms.get(id) == Some(state) {
                continue;
            }
            let account = world.organizations.account(*id);
            let name = account.map_or_else(String::new, |account| text::line(&account.name));
            match state {
                AlarmState::Alarm => lines.push(format!("The alarm of {name} ({id}) fired.")),
                AlarmState::Ok if self.alarms.get(id) == Some(&AlarmState::Alarm) => {
                    lines.push(format!("{name} ({id}) is below its threshold again."));
                }
                // From "not known yet" to OK is nothing to speak of.
                AlarmState::Ok | AlarmState::InsufficientData => {}
            }
        }
        let mails = world.sesv2.mails().iter();
        for mail in mails.filter(|mail| mail.number > self.last_mail) {
            let file = mail.file.as_ref().map(|file| format!(": {}", readable(file).display()));
            let (to, subject) = (text::line(&mail.to.join(", ")), text::line(&mail.subject));
            lines.push(format!("Mail to {to}, \"{subject}\"{}", file.unwrap_or_default()));
        }
        let notifications = world.sns.notifications().iter();
        for new in notifications.filter(|new| new.number > self.last_notification) {
            if let Some(title) = new.chat_title() {
                let (topic, title) = (text::line(new.topic.resource()), text::line(&title));
                lines.push(format!("Chat, by topic {topic}: \"{title}\""));
            }
        }
        if now.undelivered > self.undelivered {
            lines.push(format!(
                "{} could not be delivered and went to the dead-letter queue.",
                plural(now.undelivered - self.undelivered, "event")
            ));
        }
        lines.join("\n")
    }
}

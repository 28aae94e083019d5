//! The file as it is written: every key optional and with its place. The schema and docs/configuration.md come
//! from these types and their comments.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::address;
use super::key::{At, Key};
use super::measure::Measure;
use super::names::{self, RawNames};
use super::types::{AlarmConfig, DeployConfig, MailConfig, MembersConfig};
use billctl_core::model::{PARTITION, REGION};
use billctl_core::service::cloudformation::{CallAs, ConcurrencyMode};

/// What billctl sets up and where. Only `[mail] from` is required.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawConfig {
    /// The id of the organisation that this file is for. billctl refuses to work in another one: a guard against
    /// the wrong credentials.
    #[schemars(regex(pattern = "^o-[a-z0-9]{10,32}$"), extend("examples" = ["o-a1b2c3d4e5"]))]
    pub organization: Key<String>,
    /// What the organisation is called. Mails show it above the account, and name its billing people as those to ask
    /// where there is no `[mail] reply-to`; the digest shows it at its top. Left out, none is shown.
    #[schemars(length(min = 1, max = address::MOST_LETTERS), extend("examples" = ["Acme"]))]
    pub organization_name: Key<String>,
    /// As whom StackSets are called: from the organisation's management account (`self`), or from a member
    /// account that is registered as a delegated administrator for StackSets (`delegated-admin`).
    #[schemars(extend("default" = CallAs::default()))]
    pub call_as: Key<CallAs>,
    /// The Region: only `us-east-1` has billing metrics. The key may be left out.
    #[schemars(extend("enum" = [REGION], "default" = REGION))]
    pub region: Key<String>,
    /// The AWS partition: only `aws` has the metrics that billctl needs. The key may be left out.
    #[schemars(extend("enum" = [PARTITION], "default" = PARTITION))]
    pub partition: Key<String>,
    /// The alarm that every account gets.
    pub alarm: Key<RawAlarm>,
    /// Thresholds that differ from `[alarm] threshold`, one `[[threshold]]` for each OU or account. The most
    /// specific wins: the account's own, then the deepest OU's, then the default.
    pub threshold: Vec<At<RawThreshold>>,
    /// Where the alarm is rolled out, and how carefully.
    pub deploy: Key<RawDeploy>,
    /// A rollout in steps, one `[[wave]]` after the other: the next one starts when all accounts of the one
    /// before are done.
    pub wave: Vec<At<RawWave>>,
    /// The mail that an account's owner gets.
    pub mail: Key<RawMail>,
    /// The daily digest that `billctl digest` sends to those who answer for the bill.
    pub digest: Key<RawDigest>,
    /// Who hears of it when the notifier itself fails, an event reaches nobody or a mail is refused: without this,
    /// the alarms on it go off and tell nobody. A topic that is there, or an address; not both.
    pub operations: Key<RawOperations>,
    /// What `bootstrap` makes in the billing account.
    pub bootstrap: Key<RawBootstrap>,
    /// Where chat messages go, one `[[chat]]` for each SNS topic: after each mail, the notifier publishes what it said
    /// in the form that Amazon Q Developer shows in Slack and Teams (docs/chat.md). Of an account's OUs the deepest
    /// that has a topic decides, else the one without `ou`.
    pub chat: Vec<At<RawChat>>,
    /// What billctl may use in the member accounts beside what its StackSet makes there.
    pub members: Key<RawMembers>,
    /// What `status` looks after by itself.
    pub status: Key<RawStatus>,
    /// What billctl's things are called in the billing account and in the members. Change a name only if it
    /// collides with one you have: things of an old name stay behind.
    pub names: Key<RawNames>,
}

/// `[alarm]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAlarm {
    /// The alarm's name in every account.
    #[schemars(regex(pattern = names::ALARM.pattern()), extend("default" = AlarmConfig::default().name))]
    pub name: Key<String>,
    /// The threshold in US dollars where no `[[threshold]]` says otherwise.
    #[schemars(schema_with = "usd", extend("default" = AlarmConfig::THRESHOLD, "examples" = [100, 12.5]))]
    pub threshold: Key<f64>,
    /// What is compared with the threshold.
    #[schemars(extend("default" = Measure::default()))]
    pub measure: Key<Measure>,
    /// The older place of `[mail] notify-ok`; it means the same.
    pub notify_ok: Key<bool>,
}

/// `[[threshold]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["usd"], "oneOf" = [{"required": ["ou"]}, {"required": ["account"]}]))]
pub(super) struct RawThreshold {
    /// The OU, with all accounts anywhere below it: its id, its path from the root (`Production/Payments`), or
    /// its name if only one OU has it. Either this or `account`.
    #[schemars(length(min = 1), extend("examples" = ["Production/Payments", "ou-ab12-c3d4e5f6"]))]
    pub ou: Key<String>,
    /// The account, by its id: names can change, and several accounts can bear one. Either this or `ou`.
    #[schemars(schema_with = "account_id")]
    pub account: Key<String>,
    /// The threshold in US dollars.
    #[schemars(schema_with = "usd", extend("examples" = [250]))]
    pub usd: Key<f64>,
}

/// `[deploy]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDeploy {
    /// The StackSet's name.
    #[schemars(regex(pattern = names::STACK_SET.pattern()), extend("default" = DeployConfig::default().stack_set))]
    pub stack_set: Key<String>,
    /// The OUs whose accounts get the alarm, by id, path or unique name; an OU includes the OUs below it, and
    /// `Root` is everything. The OUs of `[[wave]]` are covered too and needn't be repeated.
    #[schemars(length(max = 1000), extend("default" = [], "examples" = [["Production", "Sandbox"]]))]
    pub ous: Vec<At<String>>,
    /// Accounts that get no alarm. With `auto-deploy`, StackSets still adds an account that joins a covered OU
    /// later: AWS ignores this list there.
    #[schemars(schema_with = "account_ids", extend("default" = []))]
    pub exclude_accounts: Vec<At<String>>,
    /// Whether accounts that come to a covered OU get the alarm by themselves, with the default threshold; the
    /// next `billctl deploy` gives them their own.
    #[schemars(extend("default" = DeployConfig::default().auto_deploy))]
    pub auto_deploy: Key<bool>,
    /// Failures after which an operation stops: a number of accounts, or a share in percent (AWS rounds down).
    #[schemars(schema_with = "amount", extend("default" = DeployConfig::default().preferences.tolerance.to_string()))]
    pub failure_tolerance: Key<RawAmount>,
    /// Accounts worked on at once: a number, at least 1, or a share in percent.
    #[schemars(schema_with = "amount", extend("default" = DeployConfig::default().preferences.concurrency.to_string()))]
    pub max_concurrent: Key<RawAmount>,
    /// Whether failures slow an operation down.
    #[schemars(extend("default" = DeployConfig::default().preferences.mode))]
    pub concurrency_mode: Key<ConcurrencyMode>,
}

/// `[[wave]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["ous"]))]
pub(super) struct RawWave {
    /// Its name in messages; by default its number.
    #[schemars(length(min = 1))]
    pub name: Key<String>,
    /// Its OUs, by id, path or unique name. An OU is in one wave only.
    #[schemars(length(min = 1), extend("examples" = [["Sandbox"]]))]
    pub ous: Vec<At<String>>,
    /// Its own failure tolerance; by default `[deploy] failure-tolerance`.
    #[schemars(schema_with = "amount")]
    pub failure_tolerance: Key<RawAmount>,
}

/// `[mail]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["from"]))]
pub(super) struct RawMail {
    /// The address that the mail comes from, and before it the name that an inbox shows. Required.
    #[schemars(extend("examples" = ["billing@example.com", "Acme FinOps <billing@example.com>"]))]
    pub from: Key<String>,
    /// The SES identity that sends: an address, or the domain of `from` or one above it. By default the address
    /// in `from`.
    #[schemars(length(min = 1), extend("examples" = ["example.com"]))]
    pub identity: Key<String>,
    /// An SES identity in another account, such as a shared core account, to send with. That account's identity
    /// policy has to allow it.
    #[schemars(
        regex(pattern = "^arn:aws:ses:us-east-1:[0-9]{12}:identity/.+$"),
        extend("examples" = ["arn:aws:ses:us-east-1:123456789012:identity/example.com"])
    )]
    pub identity_arn: Key<String>,
    /// The custom MAIL FROM domain: a subdomain of a domain identity.
    #[schemars(length(min = 1), extend("examples" = ["bounce.example.com"]))]
    pub mail_from_domain: Key<String>,
    /// Where answers go, and whom the mail says to ask; by default `[operations] mail`.
    #[schemars(extend("format" = "email"))]
    pub reply_to: Key<String>,
    /// The account tag that holds its owner's addresses, separated by spaces. Without the tag, the mail goes to
    /// the account's own address.
    #[schemars(regex(pattern = names::TAG_KEY.pattern()), extend("default" = MailConfig::OWNER_TAG))]
    pub owner_tag: Key<String>,
    /// Whether an account without an owner tag is written to at its billing contact (AWS's alternate contact of type
    /// BILLING), before its own address. Only where trusted access for AWS Account Management is on; else nothing
    /// changes.
    #[schemars(extend("default" = MailConfig::BILLING_CONTACT))]
    pub billing_contact: Key<bool>,
    /// Who gets the mail when the account's owner can't be found out.
    #[schemars(extend("format" = "email"))]
    pub fallback: Key<String>,
    /// Who gets a copy of every mail.
    #[schemars(schema_with = "addresses", extend("default" = []))]
    pub cc: Vec<At<String>>,
    /// Whether the owner also gets a mail when the account is below its limit again.
    #[schemars(extend("default" = MailConfig::NOTIFY_OK))]
    pub notify_ok: Key<bool>,
    /// Whether an owner is reminded while the account stays above its limit: on the second and third day, then every
    /// seventh.
    #[schemars(extend("default" = MailConfig::REMIND))]
    pub remind: Key<bool>,
    /// Days above the limit after which `escalate-to` gets a copy too. Only together with it.
    #[schemars(extend("minimum" = 1, "maximum" = MOST_DAYS, "examples" = [3]))]
    pub escalate_after: Key<i64>,
    /// Who gets a copy of every mail once an account has been above its limit for `escalate-after` days. SES takes
    /// at most 50 recipients for a mail: the owner's addresses, `cc` and these.
    #[schemars(schema_with = "addresses", extend("default" = []))]
    pub escalate_to: Vec<At<String>>,
}

/// Most days of `escalate-after`: a year above the limit isn't waited for.
pub(super) const MOST_DAYS: u16 = 365;

/// `[digest]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["to"]))]
pub(super) struct RawDigest {
    /// Who gets it, 50 addresses at most. It comes from `[mail] from`, and answers go to `[mail] reply-to`.
    #[schemars(schema_with = "addresses", extend("examples" = [["finops@example.com"]]))]
    pub to: Vec<At<String>>,
}

/// `[operations]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [{"required": ["topic"]}, {"required": ["mail"]}]))]
pub(super) struct RawOperations {
    /// An SNS topic that is there already: a standard one in us-east-1, because alarms act on topics of their own
    /// Region. In another account, or encrypted, the topic has to let CloudWatch publish. Either this or `mail`.
    #[schemars(
        regex(pattern = format!("^arn:aws:sns:us-east-1:[0-9]{{12}}:{}", names::TOPIC.pattern().trim_start_matches('^'))),
        extend("examples" = ["arn:aws:sns:us-east-1:123456789012:operations"])
    )]
    pub topic: Key<String>,
    /// An address: `bootstrap` makes a topic (`[names] operations-topic`) and subscribes it, and AWS mails a link that
    /// has to be clicked. Either this or `topic`.
    #[schemars(extend("format" = "email"))]
    pub mail: Key<String>,
}

/// `[bootstrap]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBootstrap {
    /// The permissions boundary of the roles that `bootstrap` makes: the name of a managed policy of the billing account,
    /// its path before it. For organisations that let no role be made without one; `policy operator` then allows no
    /// other.
    #[schemars(regex(pattern = names::POLICY.pattern()))]
    pub permissions_boundary: Key<String>,
}

/// `[[chat]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["topic"]))]
pub(super) struct RawChat {
    /// The OU whose accounts this topic is for, anywhere below it: its id, its path from the root, or its name if only
    /// one OU has it. Without it, the topic is for every account that no other `[[chat]]` is for.
    #[schemars(length(min = 1), extend("examples" = ["Production/Payments", "ou-ab12-c3d4e5f6"]))]
    pub ou: Key<String>,
    /// An SNS topic that is there already: a standard one in us-east-1. In another account, or encrypted, the topic has
    /// to let the notifier's role publish; `bootstrap` says how.
    #[schemars(
        regex(pattern = format!("^arn:aws:sns:us-east-1:[0-9]{{12}}:{}", names::TOPIC.pattern().trim_start_matches('^'))),
        extend("examples" = ["arn:aws:sns:us-east-1:123456789012:spend"])
    )]
    pub topic: Key<String>,
}

/// `[members]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawMembers {
    /// The role that the management account may assume in its members, for what only they can see (`status --probe`,
    /// `test-alert --from-member`). Organizations makes one of the default name in accounts that it creates; Control
    /// Tower's is `AWSControlTowerExecution`.
    #[schemars(regex(pattern = names::ROLE.pattern()), extend("default" = MembersConfig::default().role))]
    pub role: Key<String>,
    /// The permissions boundary of the role that the StackSet makes in each member: the name of a managed policy that is
    /// in every member, its path before it.
    #[schemars(regex(pattern = names::POLICY.pattern()))]
    pub permissions_boundary: Key<String>,
}

/// `[status]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawStatus {
    /// How long a look for drift is good for, in hours or days: then `status` calls it a finding that nobody has looked,
    /// and `status --check` looks again, which is a StackSet operation over all instances. `never` for an organisation
    /// where something else watches over that.
    #[schemars(regex(pattern = DRIFT_EVERY), extend("default" = "1d", "examples" = ["12h", "7d", "never"]))]
    pub drift_every: Key<String>,
}

/// How `drift-every` is written.
pub(super) const DRIFT_EVERY: &str = "^(never|[1-9][0-9]{0,3}[hd])$";

/// A number of accounts or a share of them, as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum RawAmount {
    /// `5`.
    Count(i64),
    /// `"10%"`.
    Text(String),
}

fn amount(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": u32::MAX,
        "pattern": "^(100|[0-9]{1,2})%$",
        "examples": [5, "10%"],
    })
}

fn usd(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "number", "format": "usd", "exclusiveMinimum": 0, "maximum": 1_000_000_000})
}

fn account_id(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "account-id",
        "pattern": "^[0-9]{12}$",
        "examples": ["123456789012"],
    })
}

fn account_ids(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": account_id(generator)})
}

fn addresses(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "format": "email"}})
}

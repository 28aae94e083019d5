use jiff::SignedDuration;

use super::measure::Measure;
use super::names::Names;
use super::problem::Source;
use billctl_core::model::{AccountId, Arn, OrgId, Usd};
use billctl_core::service::cloudformation::{CallAs, ConcurrencyMode, CountOrPercent, Preferences};

/// What config.toml says, checked as far as it can be without asking AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The organisation that this config is for: a guard against the wrong credentials.
    pub organization: Option<OrgId>,
    /// What the organisation is called, where mails are to say so.
    pub organization_name: Option<String>,
    /// As whom StackSets are called.
    pub call_as: CallAs,
    /// The alarm that every account gets.
    pub alarm: AlarmConfig,
    /// Thresholds of OUs and accounts.
    pub thresholds: Vec<ThresholdRule>,
    /// Where and how the alarm is rolled out.
    pub deploy: DeployConfig,
    /// OUs in order, when a rollout goes in waves.
    pub waves: Vec<Wave>,
    /// The mail.
    pub mail: MailConfig,
    /// The daily digest.
    pub digest: DigestConfig,
    /// Who hears when the notifier itself fails; None for nobody.
    pub operations: Option<Operations>,
    /// What `bootstrap` makes.
    pub bootstrap: BootstrapConfig,
    /// Where chat messages go.
    pub chat: Vec<ChatRule>,
    /// What is used in the members.
    pub members: MembersConfig,
    /// What `status` looks after.
    pub status: StatusConfig,
    /// What billctl's things are called.
    pub names: Names,
    /// The file that it was read from, to underline in it what only AWS can tell to be wrong.
    pub source: Source,
}

impl Config {
    /// Where answers to mails go: `[mail] reply-to`, else whoever answers for billctl by `[operations] mail`.
    pub fn reply_to(&self) -> Option<&str> {
        self.mail.reply_to.as_deref().or(match &self.operations {
            Some(Operations::Mail(address)) => Some(address.as_str()),
            _ => None,
        })
    }

    /// Every OU to deploy to, as it is named: those of `[deploy]`, then the waves'.
    pub fn ous(&self) -> impl Iterator<Item = &String> {
        let waves = self.waves.iter().flat_map(|wave| &wave.ous);
        self.deploy.ous.iter().chain(waves)
    }
}

/// `[alarm]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmConfig {
    /// Its name in every account.
    pub name: String,
    /// The threshold where no rule says otherwise.
    pub threshold: Usd,
    /// What is compared with the threshold.
    pub measure: Measure,
}

/// One `[[threshold]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdRule {
    /// Whose threshold.
    pub target: ThresholdTarget,
    /// How much.
    pub usd: Usd,
}

/// Whose threshold a rule sets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ThresholdTarget {
    /// An OU by id, path or unique name, and all below it.
    Ou(String),
    /// An account.
    Account(AccountId),
}

/// `[deploy]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployConfig {
    /// The StackSet's name.
    pub stack_set: String,
    /// The OUs to cover, by id, path or unique name; waves add theirs.
    pub ous: Vec<String>,
    /// Accounts that get no alarm.
    pub exclude_accounts: Vec<AccountId>,
    /// Whether accounts that come to a covered OU get the alarm by themselves.
    pub auto_deploy: bool,
    /// How carefully operations go.
    pub preferences: Preferences,
}

/// One `[[wave]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// Its name in messages.
    pub name: String,
    /// Its OUs, by id, path or unique name.
    pub ous: Vec<String>,
    /// Its own tolerance, if it has one.
    pub tolerance: Option<CountOrPercent>,
}

/// `[mail]`.
#[derive(Debug, Clone, PartialEq)]
pub struct MailConfig {
    /// The From address.
    pub from: String,
    /// The name that stands before it.
    pub from_name: Option<String>,
    /// The SES identity that sends: an address or a domain. By default the address in `from`.
    pub identity: String,
    /// An identity in another account (a shared core account) to send with.
    pub identity_arn: Option<Arn>,
    /// The custom MAIL FROM domain of a domain identity.
    pub mail_from_domain: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The account tag that holds the owner's addresses.
    pub owner_tag: String,
    /// Whether the billing contact is asked for where there is no owner tag.
    pub billing_contact: bool,
    /// Who gets the mail when the account's owner can't be found.
    pub fallback: Option<String>,
    /// Who gets a copy of every mail.
    pub cc: Vec<String>,
    /// Whether the owner also hears when the account is below its limit again.
    pub notify_ok: bool,
    /// Whether owners are reminded while their accounts stay above.
    pub remind: bool,
    /// Days above the limit after which `escalate_to` is in copy too.
    pub escalate_after: Option<u16>,
    /// Who is in copy then; empty without `escalate_after`.
    pub escalate_to: Vec<String>,
}

impl MailConfig {
    /// The default of `owner_tag`.
    pub const OWNER_TAG: &str = "owner";
    /// The default of `billing_contact`.
    pub const BILLING_CONTACT: bool = true;
    /// The default of `notify_ok`.
    pub const NOTIFY_OK: bool = false;
    /// The default of `remind`.
    pub const REMIND: bool = true;

    /// Who mails come from, as a header or SES's `FromEmailAddress` says it.
    pub fn sender(&self) -> String {
        super::address::header(self.from_name.as_deref(), &self.from)
    }
}

/// `[digest]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestConfig {
    /// Who gets it; nobody by default.
    pub to: Vec<String>,
}

/// `[operations]`: who hears when the notifier itself fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operations {
    /// An SNS topic that is there already.
    Topic(Arn),
    /// An address, for which bootstrap makes a topic.
    Mail(String),
}

/// `[bootstrap]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootstrapConfig {
    /// The name, with its path, of the billing account's managed policy that limits the roles there.
    pub permissions_boundary: Option<String>,
}

/// One `[[chat]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRule {
    /// An OU by id, path or unique name, and all below it; None for everybody else.
    pub ou: Option<String>,
    /// The SNS topic.
    pub topic: Arn,
}

/// `[members]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersConfig {
    /// The role that the management account assumes in a member.
    pub role: String,
    /// The name, with its path, of each member's managed policy that limits the role there.
    pub permissions_boundary: Option<String>,
}

/// `[status]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusConfig {
    /// How long a look for drift is good for; None where nobody wants one.
    pub drift_every: Option<SignedDuration>,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self {
            drift_every: Some(SignedDuration::from_hours(24)),
        }
    }
}

impl Default for MembersConfig {
    fn default() -> Self {
        Self {
            // What Organizations makes in accounts that it creates (docs/aws-facts.md, "Charges of linked accounts").
            role: "OrganizationAccountAccessRole".into(),
            permissions_boundary: None,
        }
    }
}

impl AlarmConfig {
    /// The default threshold in US dollars.
    pub const THRESHOLD: i32 = 100;
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            name: "Billing-Alarm".into(),
            threshold: Usd::dollars(Self::THRESHOLD),
            measure: Measure::default(),
        }
    }
}

impl Default for DeployConfig {
    fn default() -> Self {
        Self {
            stack_set: "billctl".into(),
            ous: Vec::new(),
            exclude_accounts: Vec::new(),
            auto_deploy: true,
            preferences: Preferences {
                tolerance: CountOrPercent::Percent(10),
                concurrency: CountOrPercent::Percent(25),
                mode: ConcurrencyMode::Soft,
            },
        }
    }
}

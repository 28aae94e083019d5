//! The config that `init` writes: short, commented, and true to the organisation it was made from.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::address::bare_address;
use super::types::{Config, MailConfig};
use billctl_core::error::Result;
use billctl_core::model::{AccountId, AccountState, Organization, OrganizationalUnit, OuId, Usd};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::text::{toml as quoted, visible};

/// The schema that `init` puts beside the config. Editors read its name in the file's first line, as a path from there
/// (the `schema` directive of Taplo, which Even Better TOML and Tombi share), so no address has to be published.
pub const SCHEMA_FILE: &str = "billctl.schema.json";

/// What only a person can say.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The From address.
    pub from: String,
    /// Where answers to the mails go.
    pub reply_to: Option<String>,
    /// The default threshold.
    pub threshold: Usd,
    /// The OUs to cover, as they will be written.
    pub ous: Vec<String>,
    /// As whom StackSets are called.
    pub call_as: CallAs,
}

/// An OU as `init` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its path without the root's name, as a config names it.
    pub selector: String,
    /// How many OUs are above it, the root not counted.
    pub depth: usize,
    /// Active members anywhere below it.
    pub accounts: usize,
}

/// Every OU in the order of a tree, the root left out.
pub fn choices(organization: &Organization) -> Vec<Choice> {
    let mut all: Vec<Choice> = organization
        .ous()
        .filter(|ou| ou.parent.is_some())
        .map(|ou| {
            let path = organization.path(&ou.id);
            let selector = path.split_once('/').map_or(path.as_str(), |(_, rest)| rest);
            Choice {
                depth: organization.ancestry(&ou.id).count().saturating_sub(2),
                accounts: members_below(organization, &ou.id),
                selector: unambiguous(organization, ou, selector),
            }
        })
        .collect();
    all.sort_by(|a, b| a.selector.cmp(&b.selector));
    all
}

/// The path, or the id where a path can't name this OU: AWS allows slashes in names.
fn unambiguous(organization: &Organization, ou: &OrganizationalUnit, path: &str) -> String {
    let found = organization.select(path).is_ok_and(|found| found.id == ou.id);
    let clean = path.trim_matches(|c: char| c == '/' || c.is_whitespace()) == path
        && !path.is_empty()
        && path.parse::<AccountId>().is_err();
    if found && clean {
        path.to_owned()
    } else {
        ou.id.to_string()
    }
}

fn members_below(organization: &Organization, ou: &OuId) -> usize {
    let accounts = organization.accounts_below(std::slice::from_ref(ou));
    active(organization, &accounts)
}

fn active(organization: &Organization, accounts: &BTreeSet<AccountId>) -> usize {
    accounts
        .iter()
        .filter(|id| **id != organization.management_account)
        .filter_map(|id| organization.account(*id))
        .filter(|(account, _)| account.state == AccountState::Active)
        .count()
}

/// The OUs to cover unless somebody says otherwise: those right below the root, or the root where members are
/// directly in it or where there are none.
pub fn suggested(organization: &Organization) -> Vec<String> {
    let top: Vec<Choice> = choices(organization)
        .into_iter()
        .filter(|choice| choice.depth == 0)
        .collect();
    let below: usize = top.iter().map(|choice| choice.accounts).sum();
    let Some(root) = organization.root() else {
        return Vec::new();
    };
    if top.is_empty() || members_below(organization, &root.id) > below {
        return vec![unambiguous(organization, root, &root.name)];
    }
    top.into_iter()
        .filter(|choice| choice.accounts > 0)
        .map(|choice| choice.selector)
        .collect()
}

/// The text of the config.
///
/// # Errors
/// An answer that the config's own rules refuse.
pub fn starter(name: &str, organization: &Organization, answers: &Answers) -> Result<String> {
    let choices = choices(organization);
    let members = organization
        .root()
        .map_or(0, |root| members_below(organization, &root.id));
    let mut text = String::new();
    // Writing to a text can't fail.
    let _ = write!(
        text,
        "#:schema ./{SCHEMA_FILE}\n\
         # billctl: what it sets up, and where. Every key with its meaning: docs/configuration.md. Editors complete and\n\
         # check it by the schema above, which `billctl schema config > {SCHEMA_FILE}` writes again.\n\n\
         # {members} active members in {} OUs; billctl refuses to work in another organisation.\n\
         organization = {}\n",
        choices.len(),
        quoted(organization.id.as_str()),
    );
    if answers.call_as == CallAs::DelegatedAdmin {
        text +=
            "# These credentials belong to a delegated administrator for StackSets.\ncall-as = \"delegated-admin\"\n";
    }
    let _ = write!(
        text,
        "\n[alarm]\n\
         # US dollars: an account that spends more in a day sends its owner a mail.\n\
         threshold = {}\n\
         # Or \"six-hourly\", or \"month-to-date\".\n\
         measure = \"daily\"\n\n\
         # Thresholds of their own: the account's wins, then the deepest OU's, then the one above.\n\
         # `billctl spend --suggest` proposes some from what accounts really spend.\n",
        answers.threshold.to_decimal(),
    );
    let example = choices.iter().max_by_key(|choice| choice.accounts);
    let _ = write!(
        text,
        "#[[threshold]]\n#ou = {}\n#usd = 500\n#\n#[[threshold]]\n#account = \"123456789012\"\n#usd = 50\n",
        quoted(example.map_or("Root", |choice| choice.selector.as_str())),
    );
    text += "\n[deploy]\n# The OUs whose members get the alarm, those below them included. Active members in each:\n";
    let label = |choice: &Choice| {
        let name = choice.selector.rsplit('/').next().unwrap_or_default();
        format!("{}{}", "  ".repeat(choice.depth), visible(name))
    };
    let width = choices
        .iter()
        .map(|choice| label(choice).chars().count())
        .max()
        .unwrap_or(0);
    for choice in &choices {
        let _ = writeln!(text, "#   {:<width$} {:>5}", label(choice), choice.accounts);
    }
    let ous: Vec<String> = answers.ous.iter().map(|ou| quoted(ou)).collect();
    let _ = write!(
        text,
        "ous = [{}]\n\
         # Accounts that get none.\n\
         exclude-accounts = []\n\n\
         [mail]\n\
         # Where the mail comes from: an address that Amazon SES may send as.\n\
         from = {}\n\
         # Where replies go; the mail also names this address for questions.\n\
         {reply_to}\n\
         # The account tag that holds its owner's addresses. Without the tag, the mail goes to the account's own\n\
         # address.\n\
         owner-tag = {}\n\
         # Who gets the mail when nobody else can be found out.\n\
         #fallback = {fallback}\n\n\
         # Who hears when the notifier itself fails: `billctl bootstrap` makes an SNS topic for this address, and AWS\n\
         # mails it a link to click. Or topic = \"arn:aws:sns:...\" for one that you have.\n\
         #[operations]\n\
         #mail = {fallback}\n",
        ous.join(", "),
        quoted(&answers.from),
        quoted(MailConfig::OWNER_TAG),
        reply_to = match &answers.reply_to {
            Some(address) => format!("reply-to = {}", quoted(address)),
            None => format!("#reply-to = {}", quoted(bare_address(&answers.from))),
        },
        fallback = quoted(bare_address(&answers.from)),
    );
    Config::parse(name, &text)?;
    Ok(text)
}

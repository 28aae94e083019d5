//! Proposed thresholds put into a config.toml that somebody wrote: what they wrote stays as it is, comments too.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use super::edit::written;
use super::{Config, ThresholdTarget};
use billctl_core::error::{Error, Result};
use billctl_core::model::{Organization, Usd};

/// A threshold to put into a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedRule {
    /// Whose.
    pub target: ThresholdTarget,
    /// How much.
    pub usd: Usd,
    /// Why, for a line above it.
    pub comment: String,
}

/// A config with thresholds put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its text.
    pub text: String,
    /// Thresholds that were there, that nothing was proposed for, and that stay.
    pub kept: usize,
}

/// The config with these thresholds and this default. A threshold for the same OU or account is changed where it stands;
/// the others are added behind it; what nothing is proposed for stays. An account that gets no alarm gets no threshold.
///
/// # Errors
/// The text is no valid config, or keeps its thresholds in a form that can't be added to.
pub fn with_thresholds(
    name: &str,
    text: &str,
    organization: &Organization,
    default: Option<Usd>,
    rules: &[ProposedRule],
) -> Result<Merged> {
    let before = Config::parse(name, text)?;
    let other = || {
        Error::failed(format!("the thresholds in {name} can't be added to")).remedy(
            "write each as a table of its own, `[[threshold]]`, or put them in by hand: `billctl spend --suggest`",
        )
    };
    let mut document: DocumentMut = text.parse().map_err(|_| other())?;
    if let Some(default) = default.filter(|default| *default != before.alarm.threshold) {
        let alarm = document
            .entry("alarm")
            .or_insert_with(|| Item::Table(apart(Table::new())));
        put(alarm.as_table_like_mut().ok_or_else(other)?, "threshold", default).ok_or_else(other)?;
    }
    let excluded = &before.deploy.exclude_accounts;
    let rules: Vec<&ProposedRule> = rules
        .iter()
        .filter(|rule| !matches!(&rule.target, ThresholdTarget::Account(account) if excluded.contains(account)))
        .collect();
    let mut kept = before.thresholds.len();
    if !rules.is_empty() {
        let entry = document.entry("threshold");
        let tables = entry.or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let tables = tables.as_array_of_tables_mut().ok_or_else(other)?;
        for rule in rules {
            let wanted = whose(&rule.target, organization).ok_or_else(other)?;
            let there = tables
                .iter_mut()
                .find(|table| target(table).and_then(|target| whose(&target, organization)).as_ref() == Some(&wanted));
            match there {
                Some(table) => {
                    kept = kept.saturating_sub(1);
                    let same = before
                        .thresholds
                        .iter()
                        .any(|one| one.usd == rule.usd && whose(&one.target, organization).as_ref() == Some(&wanted));
                    if !same {
                        put(table, "usd", rule.usd).ok_or_else(other)?;
                    }
                }
                None => tables.push(table(rule).ok_or_else(other)?),
            }
        }
    }
    // Nothing but thresholds is to be different.
    let wanted = |config: &mut Config, after: &Config| {
        config.alarm.threshold = after.alarm.threshold;
        config.thresholds.clone_from(&after.thresholds);
    };
    let text = written(name, text, &document, before, wanted)?.ok_or_else(other)?;
    Ok(Merged { text, kept })
}

/// Whose a threshold is, however it is written: an OU by its id.
fn whose(target: &ThresholdTarget, organization: &Organization) -> Option<ThresholdTarget> {
    Some(match target {
        ThresholdTarget::Account(account) => ThresholdTarget::Account(*account),
        ThresholdTarget::Ou(ou) => ThresholdTarget::Ou(organization.select(ou).ok()?.id.to_string()),
    })
}

fn target(table: &Table) -> Option<ThresholdTarget> {
    let text = |key: &str| table.get(key).and_then(Item::as_str);
    match text("account") {
        Some(account) => Some(ThresholdTarget::Account(account.parse().ok()?)),
        None => Some(ThresholdTarget::Ou(text("ou")?.trim_matches('/').to_owned())),
    }
}

/// Sets an amount; what stands around the one that was there stays.
fn put(table: &mut dyn TableLike, key: &str, usd: Usd) -> Option<()> {
    let mut value: Value = usd.to_decimal().parse().ok()?;
    match table.get_mut(key) {
        Some(item) => {
            let old = item.as_value_mut()?;
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
    Some(())
}

fn table(rule: &ProposedRule) -> Option<Table> {
    let (key, target) = match &rule.target {
        ThresholdTarget::Ou(ou) => ("ou", ou.clone()),
        ThresholdTarget::Account(account) => ("account", account.to_string()),
    };
    let written = format!(
        "{}\n{key} = {}\nusd = {}\n",
        rule.comment,
        billctl_core::text::toml(&target),
        rule.usd.to_decimal()
    );
    let document: DocumentMut = written.parse().ok()?;
    Some(apart(document.as_table().clone()))
}

/// With an empty line before it, and where it is put instead of where it was.
fn apart(mut table: Table) -> Table {
    table.set_implicit(false);
    table.set_position(None);
    table.decor_mut().set_prefix("\n");
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use billctl_core::model::{Account, AccountState, OrganizationalUnit};

    fn organization() -> Organization {
        let ou = |id: &str, name: &str, parent: Option<&str>| OrganizationalUnit {
            id: id.parse().unwrap(),
            name: name.to_owned(),
            parent: parent.map(|id| id.parse().unwrap()),
        };
        let root = "r-ab12";
        Organization::new(
            "o-a1b2c3d4e5".parse().unwrap(),
            "111111111111".parse().unwrap(),
            [
                ou(root, "Root", None),
                ou("ou-ab12-aaaaaaaa", "Production", Some(root)),
                ou("ou-ab12-bbbbbbbb", "Sandboxes", Some(root)),
            ],
            [(
                Account {
                    id: "222222222222".parse().unwrap(),
                    name: "Shop".to_owned(),
                    email: String::new(),
                    state: AccountState::Active,
                    joined: None,
                },
                "ou-ab12-aaaaaaaa".parse().unwrap(),
            )],
        )
    }

    fn rule(target: &str, usd: i32) -> ProposedRule {
        ProposedRule {
            target: match target.parse() {
                Ok(account) => ThresholdTarget::Account(account),
                Err(_) => ThresholdTarget::Ou(target.to_owned()),
            },
            usd: Usd::dollars(usd),
            comment: format!("# {target}"),
        }
    }

    const MAIL: &str = "[mail]\nfrom = \"billing@example.com\"\n";

    fn merged(text: &str, default: Option<i32>, rules: &[ProposedRule]) -> Merged {
        let default = default.map(Usd::dollars);
        with_thresholds("config.toml", &format!("{text}{MAIL}"), &organization(), default, rules).unwrap()
    }

    #[test]
    fn what_is_there_is_changed_in_its_place_and_the_rest_is_added_behind_it() {
        let text = "# ours\n[alarm]\nthreshold = 100 # a day\n\n# big\n[[threshold]] # first\nou = \"Production\" # by name\nusd = 300.0 # much\n\n\
                    [[threshold]]\naccount = \"333333333333\"\nusd = 7\n\n";
        let rules = [
            rule("Root/Production", 400),
            rule("222222222222", 90),
            rule("Root/Sandboxes", 20),
        ];
        let Merged { text: after, kept } = merged(text, Some(50), &rules);
        let expected = "# ours\n[alarm]\nthreshold = 50 # a day\n\n# big\n[[threshold]] # first\nou = \"Production\" # by name\nusd = 400 # much\n\n\
                        [[threshold]]\naccount = \"333333333333\"\nusd = 7\n\n\
                        [[threshold]]\n# 222222222222\naccount = \"222222222222\"\nusd = 90\n\n\
                        [[threshold]]\n# Root/Sandboxes\nou = \"Root/Sandboxes\"\nusd = 20\n\n";
        assert_eq!(after, format!("{expected}{MAIL}"));
        assert_eq!(kept, 1, "the account that nothing was proposed for");
    }

    #[test]
    fn what_is_as_proposed_stays_as_it_is_written() {
        let text = "[alarm]\nthreshold = 100.00\n[[threshold]]\nou = \"ou-ab12-aaaaaaaa\"\nusd = 400.0\n";
        let rules = [rule("Root/Production", 400)];
        assert_eq!(merged(text, Some(100), &rules).text, format!("{text}{MAIL}"));
    }

    #[test]
    fn a_config_without_thresholds_gets_them_at_its_end() {
        let after = merged("", Some(50), &[rule("Root/Production", 400)]).text;
        assert_eq!(
            after,
            format!(
                "{MAIL}\n[alarm]\nthreshold = 50\n\n[[threshold]]\n# Root/Production\nou = \"Root/Production\"\nusd = 400\n"
            )
        );
    }

    #[test]
    fn line_ends_stay_and_an_excluded_account_gets_none() {
        let text = "[deploy]\r\nexclude-accounts = [\"222222222222\"] # why\r\n";
        let mail = MAIL.replace('\n', "\r\n");
        let rules = [rule("222222222222", 90), rule("Root/Sandboxes", 20)];
        let after = with_thresholds("config.toml", &format!("{text}{mail}"), &organization(), None, &rules).unwrap();
        assert!(
            after.text.starts_with(text) && !after.text.contains("usd = 90"),
            "{}",
            after.text
        );
        assert!(!after.text.replace("\r\n", "").contains('\n'), "{:?}", after.text);
    }

    #[test]
    fn what_cant_be_added_to_is_left_and_said() {
        let text = format!("threshold = [{{ ou = \"Production\", usd = 5 }}]\n{MAIL}");
        let error = with_thresholds(
            "config.toml",
            &text,
            &organization(),
            None,
            &[rule("Root/Sandboxes", 20)],
        );
        assert!(error.unwrap_err().to_string().contains("can't be added to"));
    }
}

//! What a StackSet's template says about the overrides of its instances.
//!
//! An update of the StackSet becomes the last operation of every instance, and so hides what the operation ids
//! before it told (see `plan::operation_id`). The overrides themselves stay as they are, so the update carries them
//! along: as the last line of the template, a comment that AWS keeps word for word and CloudFormation ignores. It
//! names the operation that it belongs to and takes effect together with it, so at no moment, whenever a run dies,
//! does an instance tell a wrong override.
//!
//! ```text
//! # billctl-overrides billctl-set-0b2f77 500=111122223333,222233334444 ?=333344445555
//! ```

use std::collections::BTreeMap;

use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::{MAX_TEMPLATE_BYTES, OperationId};

const START: &str = "# billctl-overrides ";
/// Instead of a list that has no room: nothing is told.
const UNTOLD: &str = "untold";

/// The overrides as they were when an operation updated the StackSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRecord {
    /// The operation.
    pub operation: OperationId,
    /// The accounts whose instance had an override, or may have had one (`None`); all others had none. Nothing at
    /// all if there are too many for a template.
    pub overrides: Option<BTreeMap<AccountId, Option<Usd>>>,
}

impl OverrideRecord {
    /// The override of an instance whose last operation is the record's: `Some(None)` if it has none, `None` if
    /// that isn't told.
    pub fn told(&self, account: AccountId) -> Option<Option<Usd>> {
        match self.overrides.as_ref()?.get(&account) {
            Some(Some(threshold)) => Some(Some(*threshold)),
            Some(None) => None,
            None => Some(None),
        }
    }

    /// The record that `template` carries. A line that somebody changed is no record.
    pub fn read(template: &str) -> Option<Self> {
        let mut words = split(template).1?.strip_prefix(START)?.split_ascii_whitespace();
        let operation = OperationId(words.next()?.to_owned());
        let mut overrides = BTreeMap::new();
        for word in words {
            if word == UNTOLD {
                return Some(Self {
                    operation,
                    overrides: None,
                });
            }
            let (threshold, accounts) = word.split_once('=')?;
            let threshold = match threshold {
                "?" => None,
                amount => Some(amount.parse().ok()?),
            };
            for account in accounts.split(',') {
                overrides.insert(account.parse().ok()?, threshold);
            }
        }
        Some(Self {
            operation,
            overrides: Some(overrides),
        })
    }

    /// `template` with this record, and without an older one.
    pub fn write(&self, template: &str) -> String {
        let template = format!("{}\n", without_record(template).trim_end());
        let line = match &self.overrides {
            Some(overrides) => self.line(&listed(overrides)),
            None => self.line(&format!(" {UNTOLD}")),
        };
        let text = format!("{template}{line}");
        if text.len() <= MAX_TEMPLATE_BYTES {
            text
        } else {
            format!("{template}{}", self.line(&format!(" {UNTOLD}")))
        }
    }

    fn line(&self, rest: &str) -> String {
        format!("{START}{}{rest}\n", self.operation)
    }
}

/// Whether a record of so many overrides has room in `template`.
pub fn has_room(template: &str, overrides: usize) -> bool {
    /// An account id and the comma after it.
    const EACH: usize = 13;
    /// The operation's id, and the amounts before the lists.
    const AROUND: usize = 2_000;
    without_record(template).len() + AROUND + overrides * EACH <= MAX_TEMPLATE_BYTES
}

/// The template without its record: what it says to CloudFormation.
pub fn without_record(template: &str) -> &str {
    split(template).0
}

/// The template, and the record's line.
fn split(template: &str) -> (&str, Option<&str>) {
    let end = template.trim_end();
    let start = end.rfind('\n').map_or(0, |newline| newline + 1);
    match end.get(start..) {
        Some(line) if line.starts_with(START) => (template.get(..start).unwrap_or_default(), Some(line)),
        _ => (template, None),
    }
}

/// Equal overrides together.
fn listed(overrides: &BTreeMap<AccountId, Option<Usd>>) -> String {
    let mut groups: BTreeMap<Option<Usd>, Vec<String>> = BTreeMap::new();
    for (account, threshold) in overrides {
        groups.entry(*threshold).or_default().push(account.to_string());
    }
    groups
        .into_iter()
        .map(|(threshold, accounts)| {
            let threshold = threshold.map_or_else(|| "?".to_owned(), |usd| usd.to_decimal());
            format!(" {threshold}={}", accounts.join(","))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::stack_set::TEMPLATE;

    fn id(number: u64) -> AccountId {
        AccountId::from_number(100_000_000_000 + number).unwrap()
    }

    fn record(overrides: impl IntoIterator<Item = (AccountId, Option<Usd>)>) -> OverrideRecord {
        OverrideRecord {
            operation: OperationId("billctl-set-1".into()),
            overrides: Some(overrides.into_iter().collect()),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_template_stays_what_it_was() {
        let record = record([
            (id(1), Some(Usd::dollars(500))),
            (id(2), "12.5".parse().ok()),
            (id(3), None),
            (id(4), Some(Usd::dollars(500))),
        ]);
        let text = record.write(TEMPLATE);
        assert_eq!(OverrideRecord::read(&text), Some(record));
        assert_eq!(without_record(&text), TEMPLATE);
    }

    #[test]
    fn an_older_record_goes() {
        let first = record([(id(1), None)]);
        let second = OverrideRecord {
            operation: OperationId("billctl-set-2".into()),
            overrides: Some(BTreeMap::new()),
        };
        let text = second.write(&first.write(TEMPLATE));
        assert_eq!(text.matches(START).count(), 1);
        assert_eq!(OverrideRecord::read(&text), Some(second));
    }

    #[test]
    fn too_many_overrides_are_said_to_be_untold() {
        let many = record((0..4_000).map(|number| (id(number), Some(Usd::dollars(5)))));
        let text = many.write(TEMPLATE);
        assert!(text.len() <= MAX_TEMPLATE_BYTES);
        assert_eq!(OverrideRecord::read(&text).unwrap().overrides, None);
        assert!(!has_room(TEMPLATE, 4_000));
    }

    #[test]
    fn as_many_as_have_room_are_told() {
        let most = (0..).take_while(|count| has_room(TEMPLATE, *count)).count() - 1;
        assert!(most > 3_000, "{most}");
        let thresholds = |number: u64| "1234.5".parse::<Usd>().ok().filter(|_| number.is_multiple_of(2));
        let full = record((0..most as u64).map(|number| (id(number), thresholds(number))));
        let text = full.write(TEMPLATE);
        assert_eq!(OverrideRecord::read(&text), Some(full));
    }

    #[test]
    fn a_template_without_a_record_or_with_a_damaged_one_tells_nothing() {
        assert_eq!(OverrideRecord::read(TEMPLATE), None);
        assert_eq!(OverrideRecord::read(""), None);
        let damaged = format!("{TEMPLATE}{START}billctl-set-1 500=12\n");
        assert_eq!(OverrideRecord::read(&damaged), None);
    }
}

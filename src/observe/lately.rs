//! What accounts have spent lately, as a new alarm will see it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::spend::{Series, Window, ledgers};
use crate::config::Measure;
use crate::error::Result;
use crate::model::{AccountId, Usd};
use crate::service::Services;
use crate::spend::{Grid, Interval, Ledger, Subject};

/// Days to read: a daily alarm compares the last day with the one before, and publications can be late.
const DAYS: usize = 3;
/// Quarters of a day in what a daily alarm compares.
const QUARTERS: usize = 4;

/// What each account has spent in the time that its alarm measures; accounts without data are left out. Each
/// account is one metric on AWS's bill.
///
/// # Errors
/// AWS's answer.
pub async fn spent_lately(
    services: &Services,
    accounts: impl IntoIterator<Item = AccountId>,
    measure: Measure,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Usd>> {
    let series: Vec<Series> = accounts.into_iter().map(Series::Account).collect();
    let window = Window {
        days: Grid::until(now, DAYS, Interval::Day),
        quarters: Some(Grid::until(now, DAYS, Interval::SixHours)),
        measure,
        now,
    };
    let read = ledgers(services, &series, &window).await?;
    Ok(read
        .into_iter()
        .filter_map(|(subject, ledger)| match subject {
            Subject::Account(account) => Some((account, lately(&ledger, measure)?)),
            Subject::Service(_) => None,
        })
        .collect())
}

/// The amount that the alarm compares, to the accuracy of quarters of a day: CloudWatch's window slides.
fn lately(ledger: &Ledger, measure: Measure) -> Option<Usd> {
    let quarters = match measure {
        Measure::MonthToDate => return ledger.month_to_date,
        Measure::Daily => QUARTERS,
        Measure::SixHourly => 1,
    };
    // What isn't published yet is no zero: the newest quarters that are known.
    let newest = ledger
        .quarters
        .iter()
        .rposition(Option::is_some)
        .and_then(|last| ledger.quarters.get(..=last))?;
    newest
        .iter()
        .rev()
        .take(quarters)
        .flatten()
        .map(|amount| amount.usd)
        .reduce(|sum, amount| sum + amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::Amount;

    fn ledger(quarters: &[Option<i32>]) -> Ledger {
        Ledger {
            quarters: quarters
                .iter()
                .map(|dollars| {
                    dollars.map(|dollars| Amount {
                        usd: Usd::dollars(dollars),
                        estimated: false,
                    })
                })
                .collect(),
            month_to_date: Some(Usd::dollars(900)),
            ..Ledger::default()
        }
    }

    #[test]
    fn the_time_that_the_alarm_measures_is_what_counts() {
        let ledger = ledger(&[Some(1), Some(2), Some(3), Some(4), Some(5), None, None]);
        assert_eq!(lately(&ledger, Measure::Daily), Some(Usd::dollars(14)));
        assert_eq!(lately(&ledger, Measure::SixHourly), Some(Usd::dollars(5)));
        assert_eq!(
            lately(&ledger, Measure::MonthToDate),
            Some(Usd::dollars(900))
        );
    }

    #[test]
    fn without_publications_nothing_is_known() {
        assert_eq!(lately(&ledger(&[None, None]), Measure::Daily), None);
        assert_eq!(lately(&ledger(&[]), Measure::SixHourly), None);
    }
}

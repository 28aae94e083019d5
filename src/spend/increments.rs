use jiff::Timestamp;

use billctl_core::model::{DAY, Month, Usd};

/// A publication of `EstimatedCharges`: what the month has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// When: the start of the bucket that CloudWatch returns it in, so right to five minutes (to the hour, of those older
    /// than two months).
    pub at: Timestamp,
    /// Charges since the month began.
    pub month_to_date: Usd,
}

/// Publications further apart than this leave a gap: two of them are missing (AWS publishes about every six hours:
/// docs/aws-facts.md, "EstimatedCharges").
pub(super) const LATE: i64 = 12 * 3_600;

/// How long into a month its reset can be late. The alarm's expression makes the same allowance (`DATE(m1) <= 2`).
const RESET_GRACE: i64 = 2 * DAY;

/// What was spent from one publication to the next of the same month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Increment {
    /// The second after which it was spent: the publication before, or the month's beginning.
    pub from: i64,
    /// The second by which it was spent: this publication, or the month's last second if it came later.
    pub to: i64,
    /// How much; below zero for a credit.
    pub amount: Usd,
    /// The month that it belongs to.
    pub month: Month,
    /// Whether the series begins here, so that how long the amount took to gather isn't known.
    pub begins: bool,
    /// Which publication it comes with.
    pub index: usize,
}

/// Publications of one account or service from a second on, and what was spent between them, worked out once.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    pub publications: &'a [Publication],
    pub read_from: i64,
    pub increments: Vec<Increment>,
}

impl<'a> Series<'a> {
    pub(super) fn read(publications: &'a [Publication], read_from: i64) -> Self {
        Self {
            publications,
            read_from,
            increments: increments(publications, read_from),
        }
    }

    /// What this month has cost so far, once its first publication is out.
    pub(super) fn month_to_date(&self, now: Timestamp) -> Option<Usd> {
        let newest = self.publications.last()?;
        let known = self.increments.last();
        let known = known.filter(|last| last.index + 1 == self.publications.len());
        let month = match known {
            Some(last) => last.month,
            // Only a base so far.
            None => months(self.publications, self.read_from).pop()?.0,
        };
        (month == Month::of(now)).then_some(newest.month_to_date)
    }

    /// What the month before came to, by its last publication: a few hours of it may be missing.
    pub(super) fn month_before(&self, now: Timestamp) -> Option<Usd> {
        let wanted = Month::of(now).previous();
        let mut end = 0;
        for (month, length) in months(self.publications, self.read_from) {
            end += length;
            if month == wanted {
                return Some(self.publications.get(end.checked_sub(1)?)?.month_to_date);
            }
        }
        None
    }
}

/// What the publications of one series say was spent between them.
///
/// `read_from` is the second from which on publications were read: a month that began before it has a first
/// publication that only serves as the base of the next one. A month that began after it adds up exactly to its last
/// publication. Publications come oldest first; of two with the same time the later one counts.
pub(super) fn increments(publications: &[Publication], read_from: i64) -> Vec<Increment> {
    let mut found = Vec::with_capacity(publications.len());
    let mut rest = publications;
    for (month, length) in months(publications, read_from) {
        let before = publications.len() - rest.len();
        let (of_month, later) = rest.split_at(length);
        rest = later;
        let to = |publication: &Publication| publication.at.as_second().min(month.end() - 1);
        if let Some(first) = of_month.first().filter(|_| month.start() >= read_from) {
            let begins = before == 0 && first.at.as_second() - month.start() > LATE;
            found.push(Increment {
                from: if begins { to(first) } else { month.start() },
                to: to(first),
                amount: first.month_to_date,
                month,
                begins,
                index: before,
            });
        }
        let pairs = of_month.array_windows().zip(before + 1..);
        found.extend(pairs.map(|([base, next], index)| Increment {
            from: to(base),
            to: to(next),
            amount: next.month_to_date - base.month_to_date,
            month,
            begins: false,
            index,
        }));
    }
    found
}

/// The months that the publications are about, oldest first, each with how many of them are about it.
///
/// That is the month in which it was published, unless the metric hasn't been reset yet: then the first values of a
/// month go on from the last one of the month before, until they fall. Such a fall is looked for in the first two
/// days; where none has come so far, values at or above the last month's are taken for a late reset, because hardly
/// an account spends as much in hours as in the month before. Once those two days have passed without a fall, the
/// last month was just that small. Where reading began less than two days before a month and found nothing until then,
/// what the month before came to isn't known, and any fall in the first two days is taken for the reset: a day without
/// publications is commoner than a new account's credit in its first two days.
pub(super) fn months(publications: &[Publication], read_from: i64) -> Vec<(Month, usize)> {
    let mut months: Vec<(Month, usize)> = Vec::new();
    let mut rest = publications;
    let mut before: Option<(Usd, Month)> = None;
    while let Some(first) = rest.first() {
        let month = Month::of(first.at);
        let length = rest
            .iter()
            .take_while(|publication| publication.at.as_second() < month.end())
            .count();
        let (of_month, later) = rest.split_at(length);
        let late = match before {
            // Only the month just before can be late.
            Some((last, previous)) if previous.end() == month.start() => {
                late_publications(of_month, last, month, later.is_empty())
            }
            None if month.start() - read_from < RESET_GRACE => fall(of_month, month).unwrap_or_default(),
            _ => 0,
        };
        if late > 0 {
            match months.last_mut() {
                Some((_, known)) => *known += late,
                None => months.push((month.previous(), late)),
            }
        }
        if late < length {
            months.push((month, length - late));
        }
        // A month whose reset hasn't been seen is no month to compare the next one with.
        if let Some(last) = of_month.last().filter(|_| late < length) {
            before = Some((last.month_to_date, month));
        }
        rest = later;
    }
    months
}

/// How many of a month's first publications still belong to the month before, whose last value was `last`.
fn late_publications(of_month: &[Publication], last: Usd, month: Month, newest: bool) -> usize {
    // A month that cost nothing, or ended with a credit, can't be distinguished from its reset; nor need it.
    let grows = of_month.first().is_some_and(|first| first.month_to_date >= last);
    if !last.is_positive() || !grows {
        return 0;
    }
    match fall(of_month, month) {
        Some(late) => late,
        None if newest && of_month.iter().all(|p| in_grace(p, month)) => of_month.len(),
        None => 0,
    }
}

/// How many publications came before the first fall in a month's first days.
fn fall(of_month: &[Publication], month: Month) -> Option<usize> {
    let mut pairs = of_month.array_windows();
    let fall = pairs.position(|[base, next]| in_grace(base, month) && next.month_to_date < base.month_to_date);
    fall.map(|index| index + 1)
}

/// Whether a month's reset may still be to come.
pub(super) fn in_grace(publication: &Publication, month: Month) -> bool {
    publication.at.as_second() < month.start() + RESET_GRACE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::fixture::series;

    fn amounts(points: &[(&str, f64)]) -> Vec<f64> {
        increments(&series(points), 0)
            .iter()
            .map(|increment| increment.amount.to_f64())
            .collect()
    }

    #[test]
    fn a_reset_is_new_spend_and_never_negative() {
        let spent = amounts(&[("10-31T18", 310.0), ("11-01T00", 2.0), ("11-01T06", 5.0)]);
        assert_eq!(spent[1..], [2.0, 3.0]);
    }

    #[test]
    fn a_late_reset_leaves_the_last_month_its_last_publication() {
        let points = series(&[
            ("10-31T18", 310.0),
            ("11-01T00", 313.0),
            ("11-01T06", 4.0),
            ("11-01T12", 6.0),
        ]);
        let found = increments(&points, 0);
        assert_eq!(found[1].amount, Usd::dollars(3));
        assert_eq!(found[1].to, found[1].month.end() - 1, "it is spend of October");
        assert_eq!(found[2].amount, Usd::dollars(4));
        assert_eq!(found[3].amount, Usd::dollars(2));
    }

    #[test]
    fn a_late_reset_is_told_where_nothing_was_published_on_the_day_before_the_month() {
        let points = series(&[
            ("11-01T08", 310.0),
            ("11-02T04", 310.0),
            ("11-02T14", 16.0),
            ("11-02T20", 18.0),
        ]);
        let day_before = points[0].at.as_second() - 32 * 3_600;
        let spent: Vec<Usd> = increments(&points, day_before).iter().map(|i| i.amount).collect();
        assert_eq!(spent, [Usd::ZERO, Usd::dollars(16), Usd::dollars(2)]);
    }

    #[test]
    fn a_reset_not_seen_yet_is_not_taken_for_a_month_of_spend() {
        let spent = amounts(&[("10-31T18", 310.0), ("11-01T00", 312.0)]);
        assert_eq!(spent[1..], [2.0]);
    }

    #[test]
    fn a_last_month_that_was_tiny_is_passed_without_a_fall() {
        let spent = amounts(&[("10-31T18", 0.5), ("11-01T00", 1.0), ("11-04T00", 9.0)]);
        assert_eq!(spent[1..], [1.0, 8.0]);
    }

    #[test]
    fn a_credit_in_mid_month_is_negative_spend() {
        let spent = amounts(&[("11-10T00", 90.0), ("11-10T06", 50.0)]);
        assert_eq!(spent[1..], [-40.0]);
    }

    #[test]
    fn a_credit_after_the_reset_is_not_a_second_reset() {
        let spent = amounts(&[("10-31T18", 300.0), ("11-01T00", 9.0), ("11-01T06", 4.0)]);
        assert_eq!(spent[1..], [9.0, -5.0]);
    }

    #[test]
    fn what_was_spent_before_reading_began_is_only_a_base() {
        let points = series(&[("11-10T00", 90.0), ("11-10T06", 95.0)]);
        let found = increments(&points, points[0].at.as_second() - 3_600);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].amount, Usd::dollars(5));
    }
}

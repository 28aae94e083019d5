use super::{Amount, share};
use billctl_core::model::Usd;

/// Fewest days of history before anything can stand out.
pub const MIN_BASELINE: usize = 7;
/// Most days of history that say what is usual: four weeks, so that each weekday counts the same.
pub(super) const MAX_BASELINE: usize = 28;

/// What an account usually spends in a bucket, by measures that a few odd days don't move: the median, and the median
/// absolute deviation from it (MAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The median.
    pub median: Usd,
    /// The spread, comparable to a standard deviation: 1.4826 x MAD, but at least a tenth of the median and 50 cents,
    /// or an account that spends the same every day would stand out by a cent.
    pub spread: Usd,
}

/// A bucket well above what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsOut {
    /// The bucket's number in the grid.
    pub bucket: usize,
    /// What was spent.
    pub spent: Usd,
    /// The median before.
    pub usual: Usd,
}

impl Usual {
    /// What is usual, given what was spent before; `None` with fewer than `fewest` amounts.
    pub fn of(amounts: impl IntoIterator<Item = Usd>, fewest: usize) -> Option<Self> {
        let mut micros: Vec<i64> = amounts.into_iter().map(Usd::micros).collect();
        if micros.len() < fewest {
            return None;
        }
        let middle = median(&mut micros)?;
        for value in &mut micros {
            *value = value.saturating_sub(middle).saturating_abs();
        }
        let mad = Usd::from_micros(median(&mut micros)?);
        // 1.4826 makes the MAD of normally distributed values their standard deviation.
        let deviation = share(mad, 14_826, 10_000);
        Some(Self {
            median: Usd::from_micros(middle),
            spread: deviation.max(Usd::from_micros(least_spread(middle))),
        })
    }

    /// The most that is still usual: the median and 3.5 times the spread (the cut that Iglewicz and Hoaglin recommend
    /// for the modified z-score).
    pub fn limit(self) -> Usd {
        self.median + share(self.spread, 7, 2)
    }

    /// Each bucket from `first` on that stands out against the buckets before it. The newest bucket may be incomplete: it
    /// stands out once it is above the limit already.
    pub fn outliers(buckets: &[Option<Amount>], per_day: usize, first: usize) -> Vec<StandsOut> {
        let mut found = Vec::new();
        for (bucket, amount) in buckets.iter().enumerate().skip(first) {
            let Some(amount) = amount else { continue };
            let from = bucket.saturating_sub(MAX_BASELINE * per_day);
            let before = buckets.get(from..bucket).unwrap_or_default();
            if !above_half(amount.usd, before) {
                continue;
            }
            let usual = Self::of(before.iter().flatten().map(|amount| amount.usd), MIN_BASELINE * per_day);
            if let Some(usual) = usual.filter(|usual| amount.usd > usual.limit()) {
                found.push(StandsOut {
                    bucket,
                    spent: amount.usd,
                    usual: usual.median,
                });
            }
        }
        found
    }
}

/// The least spread, by the median; both in millionths of a dollar.
fn least_spread(median: i64) -> i64 {
    (median / 10).max(500_000)
}

/// Whether so much is above at least half of what was spent before by the least spread there can be, as it must be to
/// stand out: found for a fraction of what the medians cost, which matters for thousands of accounts.
fn above_half(usd: Usd, before: &[Option<Amount>]) -> bool {
    let (mut below, mut all) = (0, 0);
    for amount in before.iter().flatten() {
        let micros = amount.usd.micros();
        all += 1;
        below += usize::from(micros.saturating_add(least_spread(micros)) < usd.micros());
    }
    2 * below >= all
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &mut [i64]) -> Option<i64> {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable(middle);
    let upper = *upper;
    match below.iter().max() {
        Some(&lower) if even => i64::try_from((i128::from(lower) + i128::from(upper)).div_euclid(2)).ok(),
        _ => Some(upper),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spend::fixture::spent;

    /// Which of these days stand out, from `first` on.
    fn outliers(dollars: &[f64], first: usize) -> Vec<usize> {
        let found = Usual::outliers(&spent(dollars), 1, first);
        found.iter().map(|found| found.bucket).collect()
    }

    #[test]
    fn one_bad_day_doesnt_hide_the_next_and_days_that_arent_shown_are_only_history() {
        let mut history = vec![10.0; 10];
        history.extend([500.0, 10.0, 30.0]);
        assert_eq!(outliers(&history, 0), [10, 12]);
        assert_eq!(outliers(&history, 11), [12]);
    }

    #[test]
    fn a_steady_account_has_room_for_a_third_more() {
        let mut history = vec![100.0; 14];
        history.push(134.0);
        assert!(outliers(&history, 0).is_empty());
        history.push(136.0);
        assert_eq!(outliers(&history, 0).len(), 1);
    }

    #[test]
    fn cents_never_stand_out() {
        let mut history = vec![0.01; 14];
        history.push(1.5);
        assert!(outliers(&history, 0).is_empty());
    }

    #[test]
    fn weekends_are_no_outliers_and_neither_are_the_mondays_after() {
        let week = [100.0, 104.0, 98.0, 103.0, 97.0, 20.0, 22.0];
        assert!(outliers(&week.repeat(4), 0).is_empty());
    }

    #[test]
    fn too_little_history_tells_nothing() {
        assert!(outliers(&[1.0, 1.0, 1.0, 500.0], 0).is_empty());
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut [4, 1, 3, 2]), Some(2));
        assert_eq!(median(&mut [10, 20, 30, 40]), Some(25));
        assert_eq!(median(&mut []), None);
    }

    proptest! {
        #[test]
        fn what_is_skipped_would_not_have_stood_out(
            history in proptest::collection::vec(-20.0..200.0, MIN_BASELINE..40),
            last in -20.0..400.0,
        ) {
            let before = spent(&history);
            let last = Usd::from_f64(last).unwrap();
            let amounts = before.iter().flatten().map(|amount| amount.usd);
            let usual = Usual::of(amounts, MIN_BASELINE).unwrap();
            prop_assert!(last <= usual.limit() || above_half(last, &before));
        }
    }
}

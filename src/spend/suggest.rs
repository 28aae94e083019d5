use super::outlier::MIN_BASELINE;
use super::{Amount, Interval, Usual, share};
use crate::config::Measure;
use billctl_core::model::Usd;

/// The lowest threshold worth an alarm.
pub const MINIMUM: Usd = Usd::dollars(5);

/// A month's days, for a threshold on the month's sum.
const DAYS_OF_MONTH: i64 = 31;

/// A threshold that fits what an account spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// The threshold, rounded up to a value that people use.
    pub threshold: Usd,
    /// The highest amount that was still normal.
    pub usual_high: Usd,
    /// How many buckets of history it rests on.
    pub buckets: usize,
}

/// A threshold from an account's own history (whole buckets, without the newest): `None` with less than a week known.
///
/// 1. The day of the highest spend is left out: one bad day says nothing, however bad.
/// 2. The 90th percentile of the rest is the usual high.
/// 3. The threshold is 1.5 times that, because an alarm over a sliding day can hold five publications instead of four
///    (a quarter more) and some growth should pass; or 3.5 spreads above the median (see [`Usual`]) if that is more,
///    for accounts that swing.
/// 4. It is rounded up on the ladder of [`nice`], and is at least [`MINIMUM`].
///
/// For a month's threshold the mean of the days left in step 1 makes 31 days, times 1.25.
pub fn suggest(history: &[Option<Amount>], interval: Interval, measure: Measure) -> Option<Suggestion> {
    let mut known: Vec<Usd> = history.iter().flatten().map(|amount| amount.usd).collect();
    let buckets = known.len();
    if buckets < MIN_BASELINE * interval.per_day() {
        return None;
    }
    known.sort_unstable();
    // A day has as many buckets as the interval says: all of the bad day may be high.
    known.truncate(buckets - interval.per_day());
    let usual = Usual::of(known.iter().copied(), 1)?;
    let rank = (known.len() * 9).div_ceil(10);
    let usual_high = known.get(rank.saturating_sub(1)).copied()?;
    let raw = if measure.is_cumulative() {
        let sum: Usd = known.iter().copied().sum();
        share(sum, DAYS_OF_MONTH * 5, 4 * known.len() as i64)
    } else {
        share(usual_high, 3, 2).max(usual.limit())
    };
    Some(Suggestion {
        threshold: nice(raw.max(MINIMUM)),
        usual_high,
        buckets,
    })
}

/// The next amount at or above this one that people would choose: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power
/// of ten, in whole dollars.
pub fn nice(amount: Usd) -> Usd {
    const LADDER: [i64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    const DOLLAR: i64 = 1_000_000;
    // Rounded up.
    let dollars = (amount.micros().max(0) - 1).div_euclid(DOLLAR) + 1;
    if dollars <= 10 {
        return Usd::from_micros(dollars.max(1) * DOLLAR);
    }
    let mut decade: i64 = 1;
    while decade.saturating_mul(100) <= dollars {
        decade *= 10;
    }
    let step = LADDER
        .iter()
        .map(|step| step * decade)
        .find(|value| *value >= dollars)
        .unwrap_or(decade.saturating_mul(100));
    Usd::from_micros(step.saturating_mul(DOLLAR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::fixture::spent;

    fn daily(dollars: &[f64]) -> Option<i64> {
        suggest(&spent(dollars), Interval::Day, Measure::Daily)
            .map(|suggestion| suggestion.threshold.micros() / 1_000_000)
    }

    #[test]
    fn one_bad_day_moves_nothing() {
        let mut days = vec![40.0, 41.0, 39.0, 42.0, 40.0, 38.0, 41.0, 40.0];
        let before = daily(&days);
        days[3] = 4_200.0;
        assert_eq!(daily(&days), before);
        assert_eq!(before, Some(80), "1.5 x 41, rounded up");
    }

    #[test]
    fn an_account_that_swings_gets_room() {
        let week = [100.0, 104.0, 98.0, 103.0, 97.0, 20.0, 22.0];
        let threshold = daily(&week.repeat(4)).unwrap();
        assert!((150..=200).contains(&threshold), "{threshold}");
    }

    #[test]
    fn an_idle_account_gets_the_minimum() {
        assert_eq!(daily(&[0.0; 14]), Some(5));
    }

    #[test]
    fn less_than_a_week_suggests_nothing() {
        assert_eq!(daily(&[10.0; 6]), None);
    }

    #[test]
    fn a_months_threshold_is_a_month_of_days_and_a_quarter() {
        let suggestion = suggest(&spent(&[10.0; 20]), Interval::Day, Measure::MonthToDate).unwrap();
        // 10 x 31 x 1.25 = 387.50
        assert_eq!(suggestion.threshold, Usd::dollars(400));
    }

    #[test]
    fn the_ladder_rounds_up_to_what_people_choose() {
        let rounded = |dollars: f64| nice(Usd::from_f64(dollars).unwrap()).to_decimal();
        assert_eq!(rounded(0.2), "1");
        assert_eq!(rounded(6.01), "7");
        assert_eq!(rounded(10.5), "12");
        assert_eq!(rounded(100.0), "100");
        assert_eq!(rounded(100.01), "120");
        assert_eq!(rounded(810.0), "1000");
        assert_eq!(rounded(999_999.0), "1000000");
    }
}

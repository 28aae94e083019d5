use super::Amount;

/// A sum is estimated if this part of it is, in percent: among thousands of accounts some always are.
const MATTERS: i128 = 1;

/// Adds up several rows of buckets. A bucket is unknown only if all rows say so. It is estimated if estimates are at least
/// one percent of it. A hole counts as an estimate of what that row held last: spend is known before it and none for
/// it. The newest bucket is never complete, so a hole there says nothing.
pub fn sum<'a>(rows: impl IntoIterator<Item = &'a [Option<Amount>]>) -> Vec<Option<Amount>> {
    let mut total: Vec<Option<Amount>> = Vec::new();
    let mut guessed: Vec<i128> = Vec::new();
    for row in rows {
        if total.len() < row.len() {
            total.resize(row.len(), None);
            guessed.resize(row.len(), 0);
        }
        let mut last: Option<Amount> = None;
        let newest = row.len().saturating_sub(1);
        for (bucket, ((sum, guess), amount)) in total.iter_mut().zip(&mut guessed).zip(row).enumerate() {
            match amount {
                None => {
                    // At least something, so that a hole after days of nothing is still one.
                    let missing = last.filter(|_| bucket < newest);
                    *guess += missing.map_or(0, |last| size(last).max(1));
                }
                Some(amount) => {
                    *guess += if amount.estimated { size(*amount).max(1) } else { 0 };
                    sum.get_or_insert_default().usd += amount.usd;
                    last = Some(*amount);
                }
            }
        }
    }
    for (sum, guess) in total.iter_mut().zip(guessed) {
        if let Some(sum) = sum {
            sum.estimated = guess > 0 && guess * 100 >= size(*sum) * MATTERS;
        }
    }
    total
}

fn size(amount: Amount) -> i128 {
    i128::from(amount.usd.micros()).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::fixture::spent;

    #[test]
    fn a_small_estimate_in_a_large_sum_doesnt_matter() {
        let large = spent(&[Some(1_000.0), Some(1_000.0), Some(1_000.0)]);
        let holed = spent(&[Some(9.0), None, Some(9.0)]);
        assert!(!sum([&large[..], &holed[..]])[1].unwrap().estimated);
        let holed = spent(&[Some(11.0), None, Some(11.0)]);
        assert!(sum([&large[..], &holed[..]])[1].unwrap().estimated);
    }

    #[test]
    fn what_nobody_knows_stays_unknown_and_a_hole_makes_an_estimate() {
        let steady = spent(&[None, Some(1.0), Some(1.0), Some(1.0)]);
        let holed = spent(&[None, Some(2.0), None, None]);
        let new = spent(&[None, None, Some(4.0), Some(4.0)]);
        let total = sum([&steady[..], &holed[..], &new[..]]);
        let shown: Vec<_> = total
            .iter()
            .map(|amount| amount.map(|amount| (amount.usd.to_f64(), amount.estimated)))
            .collect();
        assert_eq!(shown, [None, Some((3.0, false)), Some((5.0, true)), Some((5.0, false))]);
    }
}

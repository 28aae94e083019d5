use super::Amount;

/// Adds up several rows of slots. A slot is unknown only if all rows say so. It is estimated if one of them is, or if
/// a row has a hole there: spend is known before it and none for it. The newest slot is never complete, so a hole
/// there says nothing.
pub fn sum<'a>(rows: impl IntoIterator<Item = &'a [Option<Amount>]>) -> Vec<Option<Amount>> {
    let mut total: Vec<Option<Amount>> = Vec::new();
    let mut holes: Vec<bool> = Vec::new();
    for row in rows {
        if total.len() < row.len() {
            total.resize(row.len(), None);
            holes.resize(row.len(), false);
        }
        let mut begun = false;
        let newest = row.len().saturating_sub(1);
        for (slot, ((sum, hole), amount)) in total.iter_mut().zip(&mut holes).zip(row).enumerate() {
            match (amount, &mut *sum) {
                (None, _) => *hole |= begun && slot < newest,
                (Some(amount), None) => *sum = Some(*amount),
                (Some(amount), Some(sum)) => {
                    sum.usd += amount.usd;
                    sum.estimated |= amount.estimated;
                }
            }
            begun |= amount.is_some();
        }
    }
    for (sum, hole) in total.iter_mut().zip(holes) {
        if let Some(sum) = sum {
            sum.estimated |= hole;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Usd;

    fn row(dollars: &[Option<i32>]) -> Vec<Option<Amount>> {
        dollars
            .iter()
            .map(|dollars| {
                dollars.map(|dollars| Amount {
                    usd: Usd::dollars(dollars),
                    estimated: false,
                })
            })
            .collect()
    }

    #[test]
    fn what_nobody_knows_stays_unknown_and_a_hole_makes_an_estimate() {
        let steady = row(&[None, Some(1), Some(1), Some(1)]);
        let holed = row(&[None, Some(2), None, None]);
        let new = row(&[None, None, Some(4), Some(4)]);
        let total = sum([&steady[..], &holed[..], &new[..]]);
        let shown: Vec<_> = total
            .iter()
            .map(|amount| amount.map(|amount| (amount.usd.to_f64(), amount.estimated)))
            .collect();
        assert_eq!(
            shown,
            [
                None,
                Some((3.0, false)),
                Some((5.0, true)),
                Some((5.0, false))
            ]
        );
    }
}

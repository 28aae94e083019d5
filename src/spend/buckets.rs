use super::increments::{LATE, Series};
use super::{Grid, share};
use billctl_core::model::{Month, Usd};

/// What was spent in a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How much; below zero where credits outweigh spend.
    pub usd: Usd,
    /// Whether publications were missing, so that part of it is spread evenly over a gap, or not in it yet.
    pub estimated: bool,
}

/// What one series spent in each bucket of `grid`; `None` where no publication says anything.
///
/// Spend belongs to the bucket in which it was published. Where publications are more than [`LATE`] apart, or skip a
/// whole bucket, it is spread evenly over the time between them and the buckets are marked as estimated. The buckets of a
/// month that began inside the grid add up exactly to the month's last publication.
pub(super) fn buckets(series: &Series<'_>, grid: &Grid) -> Vec<Option<Amount>> {
    let Series {
        publications,
        read_from,
        increments,
    } = series;
    let mut found = Buckets {
        grid: *grid,
        buckets: vec![None; grid.count()],
    };
    for increment in increments {
        let (first, last) = (grid.bucket(increment.from), grid.bucket(increment.to));
        let gap = increment.to - increment.from > LATE || last - first > 1;
        if gap && last > first {
            found.spread(increment.from, increment.to, increment.amount);
        } else {
            found.add(last, increment.amount, increment.begins);
        }
    }
    // The first publication of a month that began earlier: what its bucket held before isn't known.
    if let Some(first) = publications.first()
        && Month::of(first.at).start() < *read_from
    {
        found.mark(grid.bucket(first.at.as_second()));
    }
    // After a month's last publication nothing tells what was spent until its end, or until now.
    for (index, increment) in increments.iter().enumerate() {
        let next = increments.get(index + 1);
        if next.is_none_or(|next| next.month != increment.month) {
            let bucket = grid.bucket(increment.to);
            let end = grid.span(bucket).end;
            let over = next.is_some() || bucket + 1 < grid.count() as i64;
            if over && end - increment.to > LATE {
                found.mark(bucket);
            }
        }
    }
    found.buckets
}

struct Buckets {
    grid: Grid,
    buckets: Vec<Option<Amount>>,
}

impl Buckets {
    fn bucket(&mut self, bucket: i64) -> Option<&mut Option<Amount>> {
        self.buckets.get_mut(usize::try_from(bucket).ok()?)
    }

    fn add(&mut self, bucket: i64, usd: Usd, estimated: bool) {
        if let Some(place) = self.bucket(bucket) {
            let amount = place.get_or_insert_default();
            amount.usd += usd;
            amount.estimated |= estimated;
        }
    }

    fn mark(&mut self, bucket: i64) {
        if let Some(Some(amount)) = self.bucket(bucket) {
            amount.estimated = true;
        }
    }

    /// Gives each bucket its share by time; the shares add up to the amount to the millionth, because each is the
    /// difference of two rounded running sums.
    fn spread(&mut self, from: i64, to: i64, usd: Usd) {
        let mut given = Usd::ZERO;
        for bucket in self.grid.bucket(from)..=self.grid.bucket(to) {
            let until = self.grid.span(bucket).end.min(to);
            let running = share(usd, until - from, to - from);
            self.add(bucket, running - given, true);
            given = running;
        }
    }
}

#[cfg(test)]
mod tests;

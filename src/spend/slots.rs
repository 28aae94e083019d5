use super::Grid;
use super::increments::{LATE, Publication, Series};
use billctl_core::model::Month;
use billctl_core::model::Usd;

/// What was spent in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// How much; below zero where credits outweigh spend.
    pub usd: Usd,
    /// Whether publications were missing, so that part of it is spread evenly over a gap, or not in it yet.
    pub estimated: bool,
}

/// What one series spent in each slot of `grid`; `None` where no publication says anything.
///
/// Spend belongs to the slot in which it was published. Where publications are more than [`LATE`] apart, or skip a
/// whole slot, it is spread evenly over the time between them and the slots are marked as estimated. The slots of a
/// month that began inside the grid add up exactly to the month's last publication. Publications are those from
/// `read_from` on.
pub fn slots(publications: &[Publication], read_from: i64, grid: &Grid) -> Vec<Option<Amount>> {
    slots_of(&Series::read(publications, read_from), grid)
}

pub(super) fn slots_of(series: &Series<'_>, grid: &Grid) -> Vec<Option<Amount>> {
    let Series {
        publications,
        read_from,
        increments,
    } = series;
    let mut found = Slots {
        grid: *grid,
        slots: vec![None; grid.count()],
    };
    for increment in increments {
        let (first, last) = (grid.slot(increment.from), grid.slot(increment.to));
        let gap = increment.to - increment.from > LATE || last - first > 1;
        if gap && last > first {
            found.spread(increment.from, increment.to, increment.amount);
        } else {
            found.add(last, increment.amount, increment.begins);
        }
    }
    // The first publication of a month that began earlier: what its slot held before isn't known.
    if let Some(first) = publications.first()
        && Month::of(first.at).start() < *read_from
    {
        found.mark(grid.slot(first.at.as_second()));
    }
    // After a month's last publication nothing tells what was spent until its end, or until now.
    for (index, increment) in increments.iter().enumerate() {
        let next = increments.get(index + 1);
        if next.is_none_or(|next| next.month != increment.month) {
            let slot = grid.slot(increment.to);
            let end = grid.span(slot).end;
            let over = next.is_some() || slot + 1 < grid.count() as i64;
            if over && end - increment.to > LATE {
                found.mark(slot);
            }
        }
    }
    found.slots
}

struct Slots {
    grid: Grid,
    slots: Vec<Option<Amount>>,
}

impl Slots {
    fn slot(&mut self, slot: i64) -> Option<&mut Option<Amount>> {
        usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot))
    }

    fn add(&mut self, slot: i64, usd: Usd, estimated: bool) {
        if let Some(place) = self.slot(slot) {
            let before = place.unwrap_or(Amount {
                usd: Usd::ZERO,
                estimated: false,
            });
            *place = Some(Amount {
                usd: before.usd + usd,
                estimated: before.estimated || estimated,
            });
        }
    }

    fn mark(&mut self, slot: i64) {
        if let Some(Some(amount)) = self.slot(slot) {
            amount.estimated = true;
        }
    }

    /// Gives each slot its share by time; the shares add up to the amount to the millionth, because each is the
    /// difference of two rounded running sums.
    fn spread(&mut self, from: i64, to: i64, usd: Usd) {
        let mut given = 0;
        for slot in self.grid.slot(from)..=self.grid.slot(to) {
            let until = self.grid.span(slot).end.min(to);
            let micros = i128::from(usd.micros()) * i128::from(until - from);
            // The quotient is between zero and the amount, so it fits again.
            let running = i64::try_from(micros / i128::from(to - from)).unwrap_or(usd.micros());
            self.add(slot, Usd::from_micros(running - given), true);
            given = running;
        }
    }
}

#[cfg(test)]
mod tests;

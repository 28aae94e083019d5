use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::spend::{about, amount, plain};
use super::dash;
use crate::spend::{Amount, Interval, Report, Row};
use billctl_core::model::{DAY, Usd};

/// The height of the large charts in their own units; CSS stretches them.
const HEIGHT: i128 = 1_000;
/// The width of a bucket, bar and gap, in the large chart.
const SLOT: usize = 10;
/// Buckets in a row's small chart at most: two weeks of quarters.
const MAX_SMALL: usize = 56;
/// The height of a row's small chart.
const SMALL: i64 = 24;

/// Spend per bucket, stacked.
pub(super) fn day_chart(report: &Report) -> Value {
    let count = report.grid.count();
    let spent = |buckets: &[Option<Amount>], bucket: usize| buckets.get(bucket).copied().flatten();
    // Credits have no height: a stack can't go down. The numbers say them.
    let tall = |amount: Option<Amount>| amount.map_or(0, |amount| amount.usd.micros().max(0));
    let height = |bucket: usize| -> i64 {
        let bands = report.bands.iter().map(|band| tall(spent(&band.buckets, bucket)));
        bands.fold(0, i64::saturating_add)
    };
    let scale = Scale::of((0..count).map(height).max().unwrap_or_default());
    let mut tops = vec![0_i64; count];
    let bands = report.bands.iter().enumerate().map(|(index, band)| {
        let mut path = String::new();
        for (bucket, (amount, top)) in band.buckets.iter().zip(&mut tops).enumerate() {
            let from = scale.y(*top);
            *top = top.saturating_add(tall(*amount));
            let to = scale.y(*top);
            if from > to {
                let x = bucket * SLOT + 1;
                let _ = write!(path, "M{x} {from}V{to}h8V{from}z");
            }
        }
        json!({"index": index, "name": band.name, "path": path})
    });
    let bands: Vec<Value> = bands.collect();
    let total = |bucket: usize| spent(&report.total.buckets, bucket);
    let numbers = (0..count).map(|bucket| {
        let bands = report.bands.iter().map(|band| spent(&band.buckets, bucket));
        let cells = bands.chain([total(bucket)]).map(|cell| dash(amount(cell)));
        json!({"bucket": on(report, bucket), "cells": cells.collect::<Vec<_>>()})
    });
    let is_faded = |bucket: &usize| bucket + 1 == count || total(*bucket).is_some_and(|amount| amount.estimated);
    let veils = (0..count).filter(is_faded).map(|bucket| bucket * SLOT);
    let hits = (0..count).map(|bucket| {
        let spent = total(bucket).map_or_else(|| "nothing published".to_owned(), |spent| amount(Some(spent)));
        json!({"x": bucket * SLOT, "title": format!("{}: {spent}", on(report, bucket))})
    });
    // About seven labels, the newest always.
    let step = count.div_ceil(7).max(1);
    let labels = (0..count).map(|bucket| {
        let back = count - 1 - bucket;
        let text = back.is_multiple_of(step).then(|| short(report, bucket));
        json!({"text": text.unwrap_or_default(), "thin": !back.is_multiple_of(step * 2)})
    });
    let (title, bucket_name) = match report.grid.interval() {
        Interval::Day => ("Total per day", "Day (UTC)"),
        Interval::SixHours => ("Total per six hours", "From (UTC)"),
    };
    json!({
        "title": title,
        "bucket_name": bucket_name,
        "width": (count * SLOT).max(SLOT),
        "lines": scale.lines(),
        "bands": bands,
        // Where bars are faded: estimated, or not over.
        "veils": veils.collect::<Vec<_>>(),
        "hits": hits.collect::<Vec<_>>(),
        "labels": labels.collect::<Vec<_>>(),
        "numbers": numbers.collect::<Vec<_>>(),
    })
}

/// The month so far against its forecast.
pub(super) fn month_chart(report: &Report) -> Value {
    let figures = &report.total.figures;
    let days = report.month.days.max(1);
    let today = report.month.spent.len();
    let mut sum = Usd::ZERO;
    let mut points: Vec<(usize, Usd)> = vec![(0, Usd::ZERO)];
    for (day, spent) in report.month.spent.iter().enumerate() {
        if let Some(spent) = spent {
            sum += spent.usd;
            // Today is as far along as the clock is.
            let now = report.now.as_second().rem_euclid(DAY) * SLOT as i64 / DAY;
            let part = if day + 1 == today {
                usize::try_from(now).unwrap_or_default()
            } else {
                SLOT
            };
            points.push((day * SLOT + part, sum));
        }
    }
    let spent = points.iter().map(|(_, usd)| *usd);
    let highest = spent.chain(figures.forecast).max().unwrap_or_default();
    let scale = Scale::of(highest.micros());
    let y = |usd: Usd| scale.y(usd.micros().max(0));
    let mut line = String::new();
    for (x, usd) in &points {
        let letter = if line.is_empty() { 'M' } else { 'L' };
        let _ = write!(line, "{letter}{x} {}", y(*usd));
    }
    let (last_x, last) = points.last().copied().unwrap_or_default();
    let end = figures.month_to_date.and(figures.forecast);
    json!({
        "title": format!("{} against its forecast", report.now.strftime("%B %Y")),
        "known": figures.month_to_date.is_some(),
        "summary": match (figures.month_to_date, figures.forecast) {
            (Some(month_to_date), Some(usd)) => format!(
                "{month_to_date} so far on day {today} of {days}; about {usd} by the end of the month if each day \
                 left costs the average of the last seven, {}.",
                plain(figures.average)
            ),
            (Some(month_to_date), None) => format!(
                "{month_to_date} so far on day {today} of {days}; too few days are known for a forecast."
            ),
            (None, _) => "Nothing is published for this month yet.".to_owned(),
        },
        "width": days * SLOT,
        "lines": scale.lines(),
        "area": format!("{line}V{HEIGHT}H0z"),
        "line": line,
        "dash": end.map_or_else(String::new, |end| {
            format!("M{last_x} {}L{} {}", y(last), days * SLOT, y(end))
        }),
        "end_at": end.map_or_else(String::new, |end| scale.percent(end.micros().max(0))),
        "forecast": about(figures.forecast),
        "middle": days.div_ceil(2),
        "last": days,
    })
}

/// The one scale of all rows' small bars: by the square root, so that an account of a few dollars is seen beside one of
/// thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowScale {
    /// The highest bar, in cents; what is higher is drawn broken.
    pub top: i64,
}

impl RowScale {
    /// So that every threshold fits, and all rows but one in a hundred.
    pub(super) fn of(report: &Report) -> Self {
        let mut highs: Vec<i64> = report
            .rows
            .iter()
            .filter_map(|row| small(row).flatten().map(cents).max())
            .collect();
        highs.sort_unstable();
        let most = highs.get((highs.len() * 99).div_ceil(100).saturating_sub(1)).copied();
        let limits = report
            .rows
            .iter()
            .filter_map(|row| row.threshold)
            .map(|usd| to_cents(usd.micros()));
        let limit = limits.max().filter(|_| comparable(report));
        Self {
            top: most.into_iter().chain(limit).max().unwrap_or_default().max(1),
        }
    }

    /// Rows of pixels, as the page's script reckons them too.
    fn height(self, cents: i64) -> i64 {
        if cents <= 0 {
            return 0;
        }
        let share = (cents as f64 / self.top as f64).sqrt() * SMALL as f64;
        // What isn't nothing is at least a line.
        (share.round() as i64).clamp(1, SMALL)
    }
}

/// The newest buckets that a small chart has room for.
fn small(row: &Row) -> impl Iterator<Item = Option<Amount>> {
    let cut = row.buckets.len().saturating_sub(MAX_SMALL);
    row.buckets.iter().skip(cut).copied()
}

pub(super) fn cents(amount: Amount) -> i64 {
    to_cents(amount.usd.micros())
}

/// Cents as amounts are shown: half a cent is one.
pub(super) const fn to_cents(micros: i64) -> i64 {
    let cents = micros.unsigned_abs().saturating_add(5_000) / 10_000;
    // Less than any i64 has micros.
    if micros < 0 { -(cents as i64) } else { cents as i64 }
}

/// A row's small bars, with its threshold.
#[derive(Serialize)]
pub(super) struct RowChart {
    width: usize,
    alt: String,
    bars: String,
    hot_bars: String,
    odd_bars: String,
    limit: String,
    /// The buckets for the page's script: cents in base 36 with blanks between; `~` behind what is estimated, `!` behind
    /// what stands out, nothing where nothing is known.
    #[serde(skip)]
    pub data: String,
}

impl RowChart {
    /// The chart of a row; with `comparable`, its threshold is an amount for as long as a bar is (see [`comparable`]).
    pub(super) fn of(row: &Row, comparable: bool, scale: RowScale) -> Self {
        let buckets: Vec<Option<Amount>> = small(row).collect();
        let cut = row.buckets.len() - buckets.len();
        let threshold = row.threshold.map(Usd::micros).filter(|usd| comparable && *usd > 0);
        let limit = threshold.map(to_cents);
        let (mut bars, mut hot_bars, mut odd_bars) = (String::new(), String::new(), String::new());
        let mut data = String::new();
        for (bucket, spent) in buckets.iter().enumerate() {
            if bucket > 0 {
                data.push(' ');
            }
            let Some(spent) = spent else { continue };
            let value = cents(*spent);
            let odd = row.outliers.iter().any(|found| found.bucket == bucket + cut);
            data.push_str(&base_36(value));
            data.push_str(if spent.estimated { "~" } else { "" });
            data.push_str(if odd { "!" } else { "" });
            let tall = scale.height(value);
            if tall == 0 {
                continue;
            }
            let path = if limit.is_some_and(|limit| value > limit) {
                &mut hot_bars
            } else if odd {
                &mut odd_bars
            } else {
                &mut bars
            };
            let x = bucket * 4;
            if value > scale.top {
                let (low, cap) = (SMALL - 5, SMALL - 21);
                let _ = write!(path, "M{x} {SMALL}v-{low}h3v{low}zM{x} 3v-{cap}h3v{cap}z");
            } else {
                let _ = write!(path, "M{x} {SMALL}v-{tall}h3v{tall}z");
            }
        }
        let width = (buckets.len() * 4).max(4);
        Self {
            alt: alt(row, &buckets),
            width,
            bars,
            hot_bars,
            odd_bars,
            limit: limit.map_or_else(String::new, |limit| {
                format!("M0 {}h{width}", SMALL - scale.height(limit))
            }),
            data,
        }
    }
}

/// Short in the page, and quickly read by its script.
fn base_36(value: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = value.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        // Less than 36.
        digits.push(char::from(DIGITS[(rest % 36) as usize]));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}

/// Whether bars and thresholds can be compared by eye: a month's threshold is far above any day, and a day's above any
/// quarter of it.
pub(super) fn comparable(report: &Report) -> bool {
    !report.measure.is_cumulative() && Interval::of(report.measure) == report.grid.interval()
}

/// The chart in words.
fn alt(row: &Row, buckets: &[Option<Amount>]) -> String {
    let known = || buckets.iter().flatten().map(|amount| amount.usd);
    match (known().min(), known().max()) {
        (Some(low), Some(high)) => match row.threshold {
            Some(threshold) => format!("{low} to {high}, threshold {threshold}"),
            None => format!("{low} to {high}"),
        },
        _ => "nothing published".to_owned(),
    }
}

/// What the small charts cover.
pub(super) fn span(report: &Report) -> String {
    let per_day = report.grid.interval().per_day();
    let days = report.grid.count().min(MAX_SMALL).div_ceil(per_day);
    match days {
        1 => "Today".to_owned(),
        _ => format!("Last {days} days"),
    }
}

/// When the buckets of the small charts begin.
pub(super) fn small_buckets(report: &Report) -> Vec<String> {
    let count = report.grid.count();
    (count.saturating_sub(MAX_SMALL)..count)
        .map(|bucket| on(report, bucket))
        .collect()
}

/// A bucket's time in full: `22 Nov`, or `22 Nov, 06:00`.
pub(super) fn on(report: &Report, bucket: usize) -> String {
    let pattern = match report.grid.interval() {
        Interval::Day => "%-d %b",
        Interval::SixHours => "%-d %b, %H:%M",
    };
    start(report, bucket).strftime(pattern).to_string()
}

fn short(report: &Report, bucket: usize) -> String {
    if bucket + 1 == report.grid.count() {
        match report.grid.interval() {
            Interval::Day => "today".to_owned(),
            Interval::SixHours => "now".to_owned(),
        }
    } else {
        start(report, bucket).strftime("%-d %b").to_string()
    }
}

fn start(report: &Report, bucket: usize) -> Timestamp {
    report.grid.starts().nth(bucket).unwrap_or(report.now)
}

/// From nothing to a round amount at or above the highest, with lines at round amounts.
struct Scale {
    top: i64,
    step: i64,
}

impl Scale {
    fn of(highest: i64) -> Self {
        const CENT: i64 = 10_000;
        let highest = highest.max(CENT);
        // At most five lines above zero.
        let wanted = highest / 5 + 1;
        let mut decade = CENT;
        while decade.saturating_mul(10) <= wanted {
            decade *= 10;
        }
        let step = [1, 2, 5, 10]
            .into_iter()
            .map(|times| decade.saturating_mul(times))
            .find(|step| *step >= wanted)
            .unwrap_or(wanted);
        Self {
            top: (highest / step + i64::from(highest % step != 0)).saturating_mul(step),
            step,
        }
    }

    fn y(&self, micros: i64) -> i128 {
        HEIGHT - i128::from(micros) * HEIGHT / i128::from(self.top)
    }

    fn percent(&self, micros: i64) -> String {
        format!("{:.1}", micros as f64 * 100.0 / self.top as f64)
    }

    /// The lines across a chart, with their amounts.
    fn lines(&self) -> Vec<Value> {
        (0..=self.top / self.step)
            .map(|line| line * self.step)
            .map(|micros| json!({"at": self.percent(micros), "text": axis(Usd::from_micros(micros))}))
            .collect()
    }
}

/// An amount on an axis, as short as it can be: `$0`, `$0.50`, `$250`, `$1.5k`, `$20M`.
fn axis(usd: Usd) -> String {
    const DOLLAR: i64 = 1_000_000;
    let micros = usd.micros();
    for (unit, letter) in [(DOLLAR * 1_000_000, "M"), (DOLLAR * 1_000, "k")] {
        if micros >= unit {
            let tenths = micros / (unit / 10);
            return if tenths % 10 == 0 {
                format!("${}{letter}", tenths / 10)
            } else {
                format!("${}.{}{letter}", tenths / 10, tenths % 10)
            };
        }
    }
    if micros % DOLLAR == 0 {
        format!("${}", micros / DOLLAR)
    } else {
        usd.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_amount_in_few_steps() {
        for (highest, top, step) in [(97, 100, 20), (101, 150, 50), (1_234, 1_500, 500), (4, 4, 1)] {
            let scale = Scale::of(highest * 1_000_000);
            assert_eq!(
                (scale.top / 1_000_000, scale.step / 1_000_000),
                (top, step),
                "{highest}"
            );
        }
    }

    #[test]
    fn amounts_on_an_axis_are_short() {
        let shown = |dollars: f64| axis(Usd::from_f64(dollars).unwrap());
        assert_eq!(shown(0.0), "$0");
        assert_eq!(shown(0.5), "$0.50");
        assert_eq!(shown(250.0), "$250");
        assert_eq!(shown(1_500.0), "$1.5k");
        assert_eq!(shown(20_000_000.0), "$20M");
    }
}

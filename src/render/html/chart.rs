use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::super::spend::{amount, forecast, plain};
use super::dash;
use crate::spend::{Amount, Interval, Report, Row};
use billctl_core::model::Usd;

/// The height of the large charts in their own units; CSS stretches them.
const HEIGHT: i128 = 1_000;
/// The width of a bucket, bar and gap, in the large chart.
const SLOT: usize = 10;
/// Buckets in a row's small chart at most: two weeks of quarters.
const MAX_SMALL: usize = 56;
/// The height of a row's small chart.
const SMALL: i64 = 24;

/// Spend per bucket, stacked.
#[derive(Serialize)]
pub(super) struct DayChart {
    title: String,
    bucket_name: &'static str,
    width: usize,
    lines: Vec<Line>,
    bands: Vec<BandPath>,
    /// Where bars are faded: estimated, or not over.
    veils: Vec<usize>,
    hits: Vec<Hit>,
    labels: Vec<Label>,
    numbers: Vec<Numbers>,
}

/// A line across a chart, with its amount.
#[derive(Serialize)]
struct Line {
    at: String,
    text: String,
}

#[derive(Serialize)]
struct BandPath {
    index: usize,
    name: String,
    path: String,
}

#[derive(Serialize)]
struct Hit {
    x: usize,
    title: String,
}

#[derive(Serialize)]
struct Label {
    text: String,
    thin: bool,
}

#[derive(Serialize)]
struct Numbers {
    bucket: String,
    cells: Vec<String>,
}

impl DayChart {
    pub(super) fn of(report: &Report) -> Self {
        let count = report.grid.count();
        // Credits have no height: a stack can't go down. The numbers say them.
        let height = |bucket: usize| -> i64 {
            report
                .bands
                .iter()
                .filter_map(|band| band.buckets.get(bucket).copied().flatten())
                .fold(0, |sum: i64, amount| sum.saturating_add(amount.usd.micros().max(0)))
        };
        let highest = (0..count).map(height).max().unwrap_or_default();
        let scale = Scale::of(highest);
        let mut tops = vec![0_i64; count];
        let bands = report
            .bands
            .iter()
            .enumerate()
            .map(|(index, band)| {
                let mut path = String::new();
                for (bucket, (amount, top)) in band.buckets.iter().zip(&mut tops).enumerate() {
                    let usd = amount.map_or(0, |amount| amount.usd.micros().max(0));
                    let from = scale.y(*top);
                    *top = top.saturating_add(usd);
                    let to = scale.y(*top);
                    if from > to {
                        let x = bucket * SLOT + 1;
                        let _ = write!(path, "M{x} {from}V{to}h8V{from}z");
                    }
                }
                BandPath {
                    index,
                    name: band.name.clone(),
                    path,
                }
            })
            .collect();
        let total = |bucket: usize| report.total.buckets.get(bucket).copied().flatten();
        let numbers = (0..count)
            .map(|bucket| Numbers {
                bucket: on(report, bucket),
                cells: report
                    .bands
                    .iter()
                    .map(|band| band.buckets.get(bucket).copied().flatten())
                    .chain([total(bucket)])
                    .map(|cell| dash(amount(cell)))
                    .collect(),
            })
            .collect();
        // About seven labels, the newest always.
        let step = count.div_ceil(7).max(1);
        Self {
            title: match report.grid.interval() {
                Interval::Day => "Total per day".to_owned(),
                Interval::SixHours => "Total per six hours".to_owned(),
            },
            bucket_name: match report.grid.interval() {
                Interval::Day => "Day (UTC)",
                Interval::SixHours => "From (UTC)",
            },
            width: (count * SLOT).max(SLOT),
            lines: scale.lines(),
            bands,
            veils: (0..count)
                .filter(|bucket| bucket + 1 == count || total(*bucket).is_some_and(|amount| amount.estimated))
                .map(|bucket| bucket * SLOT)
                .collect(),
            hits: (0..count)
                .map(|bucket| Hit {
                    x: bucket * SLOT,
                    title: match total(bucket) {
                        Some(spent) => format!("{}: {}", on(report, bucket), amount(Some(spent))),
                        None => format!("{}: nothing published", on(report, bucket)),
                    },
                })
                .collect(),
            labels: (0..count)
                .map(|bucket| {
                    let back = count - 1 - bucket;
                    Label {
                        text: if back.is_multiple_of(step) {
                            short(report, bucket)
                        } else {
                            String::new()
                        },
                        thin: !back.is_multiple_of(step * 2),
                    }
                })
                .collect(),
            numbers,
        }
    }
}

/// The month so far against its forecast.
#[derive(Serialize)]
pub(super) struct MonthChart {
    title: String,
    known: bool,
    summary: String,
    width: usize,
    lines: Vec<Line>,
    area: String,
    line: String,
    dash: String,
    end_at: String,
    forecast: String,
    middle: usize,
    last: usize,
}

impl MonthChart {
    pub(super) fn of(report: &Report) -> Self {
        let figures = &report.total.figures;
        let days = report.month.days.max(1);
        let mut sum = Usd::ZERO;
        let mut points: Vec<(usize, Usd)> = vec![(0, Usd::ZERO)];
        for (day, spent) in report.month.spent.iter().enumerate() {
            if let Some(spent) = spent {
                sum += spent.usd;
                // Today is as far along as the clock is.
                let now = report.now.as_second().rem_euclid(billctl_core::model::DAY) * SLOT as i64
                    / billctl_core::model::DAY;
                let part = if day + 1 == report.month.spent.len() {
                    usize::try_from(now).unwrap_or_default()
                } else {
                    SLOT
                };
                points.push((day * SLOT + part, sum));
            }
        }
        let highest = points
            .iter()
            .map(|(_, usd)| usd.micros())
            .chain(figures.forecast.map(Usd::micros))
            .max()
            .unwrap_or_default();
        let scale = Scale::of(highest);
        let mut line = String::new();
        for (x, usd) in &points {
            let letter = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{letter}{x} {}", scale.y(usd.micros().max(0)));
        }
        let (last_x, last) = points.last().copied().unwrap_or_default();
        let area = format!("{line}V{HEIGHT}H0z");
        let month = report.now.strftime("%B %Y");
        let known = figures.month_to_date.is_some();
        let end = figures.forecast.filter(|_| known).map(|usd| usd.micros().max(0));
        Self {
            title: format!("{month} against its forecast"),
            known,
            summary: match (figures.month_to_date, figures.forecast) {
                (Some(month_to_date), Some(usd)) => format!(
                    "{} so far on day {} of {days}; about {usd} by the end of the month if each day left costs the average of the last seven, {}.",
                    month_to_date,
                    report.month.spent.len(),
                    plain(figures.average)
                ),
                (Some(month_to_date), None) => format!(
                    "{month_to_date} so far on day {} of {days}; too few days are known for a forecast.",
                    report.month.spent.len()
                ),
                (None, _) => "Nothing is published for this month yet.".to_owned(),
            },
            width: days * SLOT,
            lines: scale.lines(),
            area,
            line,
            dash: end.map_or_else(String::new, |end| {
                format!(
                    "M{last_x} {}L{} {}",
                    scale.y(last.micros().max(0)),
                    days * SLOT,
                    scale.y(end)
                )
            }),
            end_at: end.map_or_else(String::new, |end| scale.percent(end)),
            forecast: forecast(figures.forecast),
            middle: days.div_ceil(2),
            last: days,
        }
    }
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

fn cents(amount: Amount) -> i64 {
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

    fn lines(&self) -> Vec<Line> {
        let count = self.top / self.step;
        (0..=count)
            .map(|line| Line {
                at: self.percent(line * self.step),
                text: axis(Usd::from_micros(line * self.step)),
            })
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

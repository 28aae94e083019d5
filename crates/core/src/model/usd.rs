use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::thousands;

/// An amount of US dollars, in millionths and exact to one: sums and differences never round.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema, Deserialize,
)]
#[serde(into = "f64", try_from = "f64")]
pub struct Usd(i64);

/// Why something is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount in US dollars")]
pub struct ParseUsdError(pub String);

const MICROS: f64 = 1_000_000.0;
/// A thousand million dollars: above any bill, and far below where f64 loses a millionth.
const LARGEST: f64 = 1e9;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The amount nearest to `dollars`; `None` for NaN, infinities and what no bill reaches (a thousand million).
    pub fn from_f64(dollars: f64) -> Option<Self> {
        (dollars.abs() <= LARGEST).then(|| Self(nearest(dollars * MICROS)))
    }

    /// Whole dollars.
    pub const fn dollars(dollars: i32) -> Self {
        Self(dollars as i64 * 1_000_000)
    }

    /// Millionths of a dollar.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// An amount from millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The amount as a float, for CloudWatch and for JSON.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MICROS
    }

    /// More than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The shortest decimal text without sign or separators, as CloudFormation takes a Number: `100`, `12.5`.
    pub fn to_decimal(self) -> String {
        let micros = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The nearest whole number, halves away from zero, for amounts up to 1e15. Not by `f64::round`, which is a call into the
/// C library on the oldest x86-64, for each of the millions of values that `spend` reads and the sandbox makes up.
pub fn nearest(number: f64) -> i64 {
    let whole = number as i64;
    // Exact: numbers up to 1e15 and their fractions differ by less than f64 holds.
    let part = number - whole as f64;
    // Beyond that the cast stops at the ends of i64, and so does this.
    whole.saturating_add(i64::from(part >= 0.5) - i64::from(part <= -0.5))
}

/// Rounded to cents with thousands separated: `$1,234.57`, `-$0.10`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = (self.0.unsigned_abs() + 5_000) / 10_000;
        let whole = thousands(&(cents / 100).to_string());
        let sign = if self.0 < 0 && cents > 0 { "-" } else { "" };
        f.pad(&format!("{sign}${whole}.{:02}", cents % 100))
    }
}

/// Reads a plain decimal number, as config and StackSet parameters hold it. No sign of currency, no separators.
impl FromStr for Usd {
    type Err = ParseUsdError;

    fn from_str(text: &str) -> Result<Self, ParseUsdError> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".-eE+".contains(&byte));
        let amount = text.parse().ok().filter(|_| plain).and_then(Self::from_f64);
        amount.ok_or_else(|| ParseUsdError(text.to_owned()))
    }
}

impl TryFrom<f64> for Usd {
    type Error = ParseUsdError;

    fn try_from(dollars: f64) -> Result<Self, ParseUsdError> {
        Self::from_f64(dollars).ok_or_else(|| ParseUsdError(dollars.to_string()))
    }
}

impl From<Usd> for f64 {
    fn from(amount: Usd) -> Self {
        amount.to_f64()
    }
}

// Saturating: a sum beyond what i64 holds is far beyond any bill, and must not panic.
impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::from_micros(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::from_micros(self.0.saturating_sub(other.0))
    }
}

impl Neg for Usd {
    type Output = Self;

    fn neg(self) -> Self {
        Self::from_micros(self.0.saturating_neg())
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_in_cents_with_separators() {
        let show = |dollars: f64| Usd::from_f64(dollars).unwrap().to_string();
        assert_eq!(show(1_234_567.891), "$1,234,567.89");
        assert_eq!(show(0.01), "$0.01");
        assert_eq!(show(-12.5), "-$12.50");
        assert_eq!(show(-0.001), "$0.00");
        assert_eq!(show(999.999), "$1,000.00");
    }

    #[test]
    fn the_nearest_millionth_is_taken() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let number = (rng.f64() - 0.5) * 10_f64.powi(rng.i32(-3..16));
            assert_eq!(nearest(number), number.round() as i64, "{number}");
        }
        for number in [0.5, 1.5, 0.499_999_999_999_999_94, 1e15, 0.0, f64::MAX] {
            assert_eq!(nearest(number), number.round() as i64, "{number}");
            assert_eq!(nearest(-number), (-number).round() as i64, "{number}");
        }
    }

    #[test]
    fn the_decimal_text_is_the_shortest_that_says_it() {
        let text = |dollars: f64| Usd::from_f64(dollars).unwrap().to_decimal();
        assert_eq!(text(100.0), "100");
        assert_eq!(text(12.50), "12.5");
        assert_eq!(text(0.000_001), "0.000001");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "$5", "NaN", "inf", "1,000", "1e300", "five"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
        assert_eq!("100.0".parse::<Usd>().unwrap(), Usd::dollars(100));
    }
}

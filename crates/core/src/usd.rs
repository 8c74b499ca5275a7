//! Money, exactly.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of US dollars in nano-dollars (10⁻⁹ dollars), never negative. In JSON and TOML it is a
/// number of dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Usd(u64);

const NANO: f64 = 1e9;
/// More than anyone means; also the largest amount that JSON's doubles tell apart to the micro-dollar.
const MOST_DOLLARS: f64 = 1e9;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in nano-dollars.
    pub const fn from_nano(nano: u64) -> Self {
        Self(nano)
    }

    /// An amount in dollars, rounded to the next nano-dollar above. Refuses what is negative, not
    /// finite, or above a billion.
    pub fn from_dollars(dollars: f64) -> Result<Self, String> {
        if !dollars.is_finite() || !(0.0..=MOST_DOLLARS).contains(&dollars) {
            return Err(format!(
                "{dollars} is no amount of dollars: give a number from 0 to 1e9"
            ));
        }
        // 25.0 is exact; 0.1 is a hair above a tenth, which must not become an extra nano-dollar.
        let nano = dollars * NANO;
        let nearest = nano.round();
        let nano = if (nano - nearest).abs() < 1e-3 {
            nearest
        } else {
            nano.ceil()
        };
        Ok(Self(nano as u64))
    }

    /// In nano-dollars.
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// In dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / NANO
    }

    /// What `tokens` cost at this price for a million of them, rounded up.
    #[must_use]
    pub fn per_million(self, tokens: u64) -> Self {
        let nano = (u128::from(self.0) * u128::from(tokens)).div_ceil(1_000_000);
        Self(u64::try_from(nano).unwrap_or(u64::MAX))
    }

    /// The difference, or nothing if `other` is more.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Half of it, rounded up: what batch interfaces ask for.
    #[must_use]
    pub const fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// Cents where there are any, otherwise as many digits as it takes to see the amount.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        match self.0 {
            0 => f.write_str("$0"),
            nano if nano >= 1_000_000_000 => write!(f, "${dollars:.2}"),
            nano if nano >= 1_000_000 => write!(f, "${dollars:.4}"),
            _ => write!(f, "${dollars:.7}"),
        }
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // TOML tells 25 from 25.0; both are dollars.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Whole(i64),
            Real(f64),
        }
        let dollars = match Number::deserialize(deserializer)? {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
        };
        Self::from_dollars(dollars).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_and_nonsense_is_refused() {
        assert_eq!(Usd::from_dollars(25.0).unwrap().nano(), 25_000_000_000);
        assert_eq!(Usd::from_dollars(0.1).unwrap().nano(), 100_000_000);
        assert_eq!(Usd::from_dollars(0.075).unwrap().nano(), 75_000_000);
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert!(Usd::from_dollars(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prices_round_up_and_never_overflow() {
        let price = Usd::from_dollars(0.075).unwrap();
        assert_eq!(price.per_million(1).nano(), 75);
        assert_eq!(Usd::from_nano(1).per_million(1).nano(), 1);
        assert_eq!(
            Usd::from_nano(u64::MAX).per_million(u64::MAX).nano(),
            u64::MAX
        );
    }

    #[test]
    fn amounts_show_their_digits() {
        let show = |dollars: f64| Usd::from_dollars(dollars).unwrap().to_string();
        assert_eq!(
            [0.0, 12.345, 0.0123, 0.000_002].map(show),
            ["$0", "$12.35", "$0.0123", "$0.0000020"]
        );
    }
}

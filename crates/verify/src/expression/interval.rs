//! Real intervals with exact bounds: fixed-point integers, rounded outwards.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use super::budget::{Budget, Step, Trouble};

/// Every real number between `lo / 2^p` and `hi / 2^p`, where `p` is the precision in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub lo: BigInt,
    pub hi: BigInt,
}

/// Which side of zero an interval lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Negative,
    Positive,
    /// It contains zero.
    Unclear,
}

/// `value / 2^shift`, rounded up.
fn shift_up(value: BigInt, shift: u64) -> BigInt {
    -((-value) >> shift)
}

fn divide_down(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    let exact = &quotient * b == *a;
    if !exact && (a.is_negative() != b.is_negative()) {
        quotient - 1
    } else {
        quotient
    }
}

fn divide_up(a: &BigInt, b: &BigInt) -> BigInt {
    -divide_down(&-a, b)
}

impl Interval {
    /// The tightest interval around a rational number.
    pub(super) fn rational(value: &BigRational, precision: u64) -> Self {
        let above = value.numer() << precision;
        if value.is_integer() {
            return Self {
                lo: above.clone(),
                hi: above,
            };
        }
        let lo = divide_down(&above, value.denom());
        let hi = &lo + 1;
        Self { lo, hi }
    }

    /// Which side of zero it lies on.
    pub(super) fn side(&self) -> Side {
        if self.lo.is_positive() {
            Side::Positive
        } else if self.hi.is_negative() {
            Side::Negative
        } else {
            Side::Unclear
        }
    }

    /// The largest size of its bounds, in bits.
    pub(super) fn bits(&self) -> u64 {
        self.lo.bits().max(self.hi.bits())
    }

    /// The sum.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            lo: &self.lo + &other.lo,
            hi: &self.hi + &other.hi,
        }
    }

    /// The negative.
    pub(super) fn negative(&self) -> Self {
        Self {
            lo: -&self.hi,
            hi: -&self.lo,
        }
    }

    /// The product.
    pub(super) fn times(&self, other: &Self, precision: u64, budget: &mut Budget) -> Step<Self> {
        let (bits, other_bits) = (self.bits(), other.bits());
        if bits + other_bits > 200_000 {
            return Err(Trouble::Budget("the digits"));
        }
        budget.pay_product(2 * bits, other_bits)?;
        let (lo, hi) = match (self.side(), other.side()) {
            (Side::Positive, Side::Positive) => (&self.lo * &other.lo, &self.hi * &other.hi),
            (Side::Negative, Side::Negative) => (&self.hi * &other.hi, &self.lo * &other.lo),
            (Side::Positive, Side::Negative) => (&self.hi * &other.lo, &self.lo * &other.hi),
            (Side::Negative, Side::Positive) => (&self.lo * &other.hi, &self.hi * &other.lo),
            _ => {
                let corners = [
                    &self.lo * &other.lo,
                    &self.lo * &other.hi,
                    &self.hi * &other.lo,
                    &self.hi * &other.hi,
                ];
                let lo = corners.iter().min().cloned().unwrap_or_default();
                let hi = corners.iter().max().cloned().unwrap_or_default();
                (lo, hi)
            }
        };
        Ok(Self {
            lo: lo >> precision,
            hi: shift_up(hi, precision),
        })
    }

    /// One divided by it; an interval around zero has no reciprocal.
    pub(super) fn reciprocal(&self, precision: u64, budget: &mut Budget) -> Step<Self> {
        if self.side() == Side::Unclear {
            return Err(Trouble::Undefined("a division by (nearly) zero"));
        }
        budget.pay_product(4 * precision, self.bits())?;
        let one = BigInt::one() << (2 * precision);
        Ok(Self {
            lo: divide_down(&one, &self.hi),
            hi: divide_up(&one, &self.lo),
        })
    }

    /// A whole power.
    pub(super) fn power(&self, exponent: i64, precision: u64, budget: &mut Budget) -> Step<Self> {
        let mut count = exponent.unsigned_abs();
        let mut base = self.clone();
        let one = BigInt::one() << precision;
        let mut result = Self {
            lo: one.clone(),
            hi: one,
        };
        while count > 0 {
            if count & 1 == 1 {
                result = result.times(&base, precision, budget)?;
            }
            count >>= 1;
            if count > 0 {
                base = base.times(&base, precision, budget)?;
                if base.lo.is_negative() {
                    base.lo = BigInt::zero();
                }
            }
        }
        if exponent < 0 {
            return result.reciprocal(precision, budget);
        }
        Ok(result)
    }

    /// The real root with this index.
    pub(super) fn root(&self, index: u32, precision: u64, budget: &mut Budget) -> Step<Self> {
        let side = self.side();
        if index.is_multiple_of(2) && side == Side::Negative {
            return Err(Trouble::Undefined("an even root of a negative number"));
        }
        let width = precision * u64::from(index);
        if width > 200_000 {
            return Err(Trouble::Budget("the digits of a root"));
        }
        budget.pay_product(8 * (width + self.bits()), width + self.bits())?;
        let shift = precision * u64::from(index - 1);
        let down = |value: &BigInt| -> BigInt {
            let magnitude = (value.abs() << shift).nth_root(index);
            if !value.is_negative() {
                magnitude
            } else if index.is_multiple_of(2) {
                BigInt::zero()
            } else {
                -magnitude - 1
            }
        };
        Ok(Self {
            lo: down(&self.lo),
            hi: down(&self.hi) + 1,
        })
    }

    /// The absolute value.
    pub(super) fn absolute(&self) -> Self {
        match self.side() {
            Side::Positive => self.clone(),
            Side::Negative => self.negative(),
            Side::Unclear => Self {
                lo: BigInt::zero(),
                hi: self.hi.clone().max(-&self.lo),
            },
        }
    }
}

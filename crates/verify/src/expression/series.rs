//! Exponential, logarithm, sine, cosine, arc tangent and π on [`Interval`]s.
//!
//! Each works with 48 guard bits. All sums below have fewer than 2^12 terms, each off by at most a
//! few units of the last guard bit, and argument reductions multiply errors by less than 2^20, so
//! that cutting the guard bits and stepping one unit outwards encloses the true value.

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::budget::{Budget, Step, Trouble};
use super::interval::{Interval, Side};

const GUARD: u64 = 48;
/// Highest precision for these functions.
const MAX_SERIES_PRECISION: u64 = 4_096;

fn enclose(value: &BigInt, cut: u64) -> Interval {
    let middle = value >> cut;
    Interval {
        lo: &middle - 1,
        hi: middle + 2,
    }
}

fn hull(low: &Interval, high: &Interval) -> Interval {
    Interval {
        lo: low.lo.clone(),
        hi: high.hi.clone(),
    }
}

fn pay_series(precision: u64, budget: &mut Budget) -> Step<()> {
    if precision > MAX_SERIES_PRECISION {
        return Err(Trouble::Budget("the digits of a function value"));
    }
    let limbs = precision / 64 + 2;
    budget.pay((precision / 4 + 8) * (40 + limbs * limbs))
}

/// `atan(1/n)` by its series; `hyperbolic` gives `atanh(1/n)`.
fn arc_of_inverse(n: u32, precision: u64, hyperbolic: bool) -> BigInt {
    let square = n * n;
    let mut term = (BigInt::one() << precision) / n;
    let mut total = BigInt::zero();
    let mut odd = 1_u32;
    while !term.is_zero() {
        let part = &term / odd;
        if hyperbolic || odd % 4 == 1 {
            total += part;
        } else {
            total -= part;
        }
        term /= square;
        odd += 2;
    }
    total
}

fn raw_pi(precision: u64) -> BigInt {
    // Machin's formula (1706).
    (arc_of_inverse(5, precision, false) * 4_u32 - arc_of_inverse(239, precision, false)) * 4_u32
}

fn raw_ln2(precision: u64) -> BigInt {
    arc_of_inverse(3, precision, true) * 2_u32
}

/// π.
pub(super) fn pi(precision: u64, budget: &mut Budget) -> Step<Interval> {
    pay_series(precision, budget)?;
    Ok(enclose(&raw_pi(precision + GUARD), GUARD))
}

/// The exponential.
pub(super) fn exp(x: &Interval, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let low = exp_point(&x.lo, precision, budget)?;
    let high = exp_point(&x.hi, precision, budget)?;
    Ok(hull(&low, &high))
}

fn exp_point(x: &BigInt, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let magnitude = (x.clone() >> precision).to_i64();
    let magnitude = magnitude.ok_or(Trouble::Budget("the digits of an exponential"))?;
    if magnitude.abs() > 4096 {
        return Err(Trouble::Budget("the digits of an exponential"));
    }
    let extra = if magnitude > 0 {
        magnitude.unsigned_abs() * 3 / 2 + 2
    } else {
        0
    };
    let width = precision + GUARD + extra;
    pay_series(width.min(MAX_SERIES_PRECISION), budget)?;
    let ln2 = raw_ln2(width + 16) >> 16_u32;
    let x = x << (width - precision);
    let halvings = (&x / &ln2).to_i64().unwrap_or(0) - i64::from(x.is_negative());
    let reduced = (x - ln2 * halvings) >> 8_u32;
    let mut term = BigInt::one() << width;
    let mut total = BigInt::zero();
    let mut count = 1_u32;
    while !term.is_zero() {
        total += &term;
        term = ((term * &reduced) >> width) / count;
        count += 1;
    }
    for _ in 0..8 {
        total = (&total * &total) >> width;
    }
    let total = if halvings >= 0 {
        total << halvings.unsigned_abs()
    } else {
        total >> halvings.unsigned_abs()
    };
    let mut value = enclose(&total, width - precision);
    if value.lo.is_negative() {
        value.lo = BigInt::zero();
    }
    Ok(value)
}

/// The natural logarithm of a positive interval.
pub(super) fn ln(x: &Interval, precision: u64, budget: &mut Budget) -> Step<Interval> {
    match x.side() {
        Side::Positive => {}
        Side::Negative => return Err(Trouble::Undefined("the logarithm of a negative number")),
        Side::Unclear => return Err(Trouble::Undefined("the logarithm of (nearly) zero")),
    }
    let low = ln_point(&x.lo, precision, budget)?;
    let high = ln_point(&x.hi, precision, budget)?;
    Ok(hull(&low, &high))
}

fn ln_point(x: &BigInt, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let width = precision + GUARD;
    pay_series(width, budget)?;
    // x = m * 2^e with m between 1/2 and 1, then between 3/4 and 3/2.
    let mut exponent = x.bits() as i64 - precision as i64;
    let shift = width as i64 - x.bits() as i64;
    let mut m = if shift >= 0 {
        x << shift.unsigned_abs()
    } else {
        x >> shift.unsigned_abs()
    };
    let one = BigInt::one() << width;
    if m < (&one * 3_u32) >> 2_u32 {
        m <<= 1_u32;
        exponent -= 1;
    }
    let z = ((&m - &one) << width) / (&m + &one);
    let square = (&z * &z) >> width;
    let mut term = z;
    let mut total = BigInt::zero();
    let mut odd = 1_u32;
    while !term.is_zero() && term != BigInt::from(-1) {
        total += &term / odd;
        term = (term * &square) >> width;
        odd += 2;
    }
    let total = total * 2_u32 + raw_ln2(width) * exponent;
    Ok(enclose(&total, GUARD))
}

/// Sine and cosine.
pub(super) fn sin_cos(
    x: &Interval,
    precision: u64,
    budget: &mut Budget,
) -> Step<(Interval, Interval)> {
    let size = x.bits().saturating_sub(precision);
    let width = precision + GUARD + size;
    pay_series(width, budget)?;
    pay_series(width, budget)?;
    let middle = (&x.lo + &x.hi) >> 1_u32;
    let radius = ((&x.hi - &x.lo) >> 1_u32) + 1;
    let quarter = raw_pi(width + size + 8) >> (size + 9);
    let middle = middle << (width - precision);
    let half_quarter = &quarter >> 1_u32;
    let turns = (&middle + half_quarter) / &quarter;
    let turns = if (&middle + (&quarter >> 1_u32)).is_negative() {
        turns - 1
    } else {
        turns
    };
    let rest = middle - &turns * &quarter;
    let (sine, cosine) = taylor(&rest, width);
    let quadrant: BigInt = (&turns % 4_i32 + 4_i32) % 4_i32;
    let quadrant = quadrant.to_i64().unwrap_or(0);
    let (sine, cosine) = match quadrant {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    };
    // Both functions move by at most as much as their argument does.
    let widen = |value: &BigInt| {
        let mut value = enclose(value, width - precision);
        value.lo -= &radius;
        value.hi += &radius;
        value
    };
    Ok((widen(&sine), widen(&cosine)))
}

fn taylor(x: &BigInt, width: u64) -> (BigInt, BigInt) {
    let square = (x * x) >> width;
    let sum = |first: BigInt, start: u32| {
        let mut term = first;
        let mut total = BigInt::zero();
        let mut count = start;
        while term.bits() > 1 || (term.is_positive() && !term.is_zero()) {
            total += &term;
            term = -((term * &square) >> width) / (count * (count + 1));
            count += 2;
        }
        total
    };
    (sum(x.clone(), 2), sum(BigInt::one() << width, 1))
}

/// The arc tangent.
pub(super) fn atan(x: &Interval, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let low = atan_point(&x.lo, precision, budget)?;
    let high = atan_point(&x.hi, precision, budget)?;
    Ok(hull(&low, &high))
}

fn atan_point(x: &BigInt, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let width = precision + GUARD;
    pay_series(width, budget)?;
    budget.pay_product(8 * width, width)?;
    let one = BigInt::one() << width;
    let mut y = x.abs() << GUARD;
    let inverted = y > one;
    if inverted {
        y = (&one << width) / y;
    }
    for _ in 0..3 {
        // atan y = 2 atan(y / (1 + sqrt(1 + y^2)))
        let root = ((&one << width) + &y * &y).sqrt();
        y = (y << width) / (root + &one);
    }
    let square = (&y * &y) >> width;
    let mut term = y;
    let mut total = BigInt::zero();
    let mut odd = 1_u32;
    while !term.is_zero() {
        let part = &term / odd;
        if odd % 4 == 1 {
            total += part;
        } else {
            total -= part;
        }
        term = (term * &square) >> width;
        odd += 2;
    }
    total <<= 3_u32;
    if inverted {
        total = (raw_pi(width) >> 1_u32) - total;
    }
    if x.is_negative() {
        total = -total;
    }
    Ok(enclose(&total, GUARD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_rational::BigRational;

    const P: u64 = 200;

    /// Asserts that the interval is tight and holds the value given by decimal digits.
    fn holds(interval: &Interval, digits: &str) {
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, digits),
        };
        let (whole, part) = digits.split_once('.').unwrap();
        let scale = num_traits::pow(BigInt::from(10), part.len());
        let value: BigInt = format!("{whole}{part}").parse().unwrap();
        let value = BigRational::new(value * sign, scale.clone());
        let near = Interval::rational(&value, P);
        let slack: BigInt = (BigInt::one() << P) / scale + 4;
        assert!((&near.lo - &interval.lo).abs() <= slack, "{digits}");
        assert!((&near.hi - &interval.hi).abs() <= slack, "{digits}");
        assert!(interval.lo < interval.hi && &interval.hi - &interval.lo < BigInt::from(64));
    }

    fn number(above: i64, below: i64) -> Interval {
        Interval::rational(&BigRational::new(above.into(), below.into()), P)
    }

    #[test]
    fn known_values() {
        let budget = &mut Budget::new();
        holds(
            &pi(P, budget).unwrap(),
            "3.14159265358979323846264338327950288419716939937510",
        );
        holds(
            &exp(&number(1, 1), P, budget).unwrap(),
            "2.71828182845904523536028747135266249775724709369995",
        );
        holds(
            &exp(&number(-5, 2), P, budget).unwrap(),
            "0.08208499862389879516952867446715980783780412",
        );
        holds(
            &ln(&number(2, 1), P, budget).unwrap(),
            "0.69314718055994530941723212145817656807550013436025",
        );
        holds(
            &ln(&number(1, 10), P, budget).unwrap(),
            "-2.30258509299404568401799145468436420760110148862877",
        );
        let (sine, cosine) = sin_cos(&number(1, 1), P, budget).unwrap();
        holds(
            &sine,
            "0.84147098480789650665250232163029899962256306079837",
        );
        holds(
            &cosine,
            "0.54030230586813971740093660744297660373231042061792",
        );
        let (sine, cosine) = sin_cos(&number(-4, 1), P, budget).unwrap();
        holds(
            &sine,
            "0.75680249530792825137263909451182909413591288733647",
        );
        holds(
            &cosine,
            "-0.65364362086361191463916818309775038142413359664622",
        );
        holds(
            &atan(&number(1, 1), P, budget).unwrap(),
            "0.78539816339744830961566084581987572104929234984377",
        );
        holds(
            &atan(&number(-3, 1), P, budget).unwrap(),
            "-1.24904577239825442582991707728109012307782940412989",
        );
    }
}

//! Values of canonical forms as intervals, with a bound that tells zero from small.
//!
//! Every value carries the separation bound of Burnikel, Funke, Mehlhorn, Schirra and Schmitt
//! ("A separation bound for real algebraic expressions", 2001): a value is `U / L` where `U` and `L`
//! are algebraic integers whose conjugates are at most `2^u` and `2^l`. If it is not zero it is at
//! least `2^-((D - 1) u + l)`, where `D` is the product of the indices of all roots in it. So an
//! interval around zero that is smaller proves that the value *is* zero.

use std::collections::HashMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::budget::{Budget, Step, Trouble};
use super::interval::{Interval, Side};
use super::modular::mix;
use super::polynomial::{Algebra, Atom, Exponent, Monomial, Poly, exact};
use super::series;

/// What atoms stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Numbers are what they are; letters are random reals.
    Real,
    /// Whatever is not algebraic is a random number that keeps the identities known here
    /// (`sin^2 + cos^2 = 1`, angle sums): what vanishes then, vanishes.
    Free,
}

/// A value and its separation bound in bits.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    pub value: Interval,
    upper: u64,
    lower: u64,
}

/// One evaluation at one point.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    atoms: &'a [Atom],
    indices: HashMap<u32, i64>,
    angles: HashMap<Monomial, i64>,
    /// The common divisor of all parts of a half turn: their cosines lie in one field.
    turns: i64,
    turned: bool,
    pub precision: u64,
    meaning: Meaning,
    seed: u64,
    /// Where letters are taken from; see [`Evaluation::letter`].
    pub range: u32,
    memo: HashMap<u32, Bounded>,
    /// The product of all root indices met so far.
    pub degree: u64,
}

impl Algebra<'_> {
    /// Prepares the evaluation of `polys`: collects how roots and angles must be divided.
    pub(super) fn evaluation(
        &mut self,
        polys: &[&Poly],
        meaning: Meaning,
        seed: u64,
    ) -> Step<(Evaluation<'_>, &mut Budget)> {
        let mut indices = HashMap::new();
        let mut angles = HashMap::new();
        for poly in polys {
            self.scan(poly, &mut indices, &mut angles)?;
        }
        let (atoms, budget) = self.parts();
        let mut turns = 1;
        for id in indices.keys() {
            if let Some(Atom::CosPi(turn)) = atoms.get(*id as usize) {
                turns = lcm(turns, *turn.denom())?;
            }
        }
        let evaluation = Evaluation {
            atoms,
            indices,
            angles,
            turns,
            turned: false,
            precision: 64,
            meaning,
            seed,
            range: 0,
            memo: HashMap::new(),
            degree: 1,
        };
        Ok((evaluation, budget))
    }

    fn scan(
        &mut self,
        poly: &Poly,
        indices: &mut HashMap<u32, i64>,
        angles: &mut HashMap<Monomial, i64>,
    ) -> Step<()> {
        for monomial in poly.terms.keys() {
            for (id, power) in &monomial.0 {
                self.budget.pay(40)?;
                let slot = indices.get(id).copied();
                let multiple = lcm(slot.unwrap_or(1), *power.denom())?;
                indices.insert(*id, multiple);
                if slot.is_some() {
                    continue;
                }
                match self.atom(*id)?.clone() {
                    Atom::Base(inner)
                    | Atom::Abs(inner)
                    | Atom::Ln(inner)
                    | Atom::Arctan(inner)
                    | Atom::Arcsin(inner) => self.scan(&inner, indices, angles)?,
                    Atom::Sin(inner) | Atom::Cos(inner) => {
                        self.scan(&inner, indices, angles)?;
                        for (part, coefficient) in &inner.terms {
                            let below = coefficient.denom().to_i64().unwrap_or(i64::MAX);
                            let slot = angles.entry(part.clone()).or_insert(1);
                            *slot = lcm(*slot, below)?;
                        }
                    }
                    Atom::Exp(inner) => {
                        let inner = Poly::term(inner, BigRational::one());
                        self.scan(&inner, indices, angles)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn lcm(a: i64, b: i64) -> Step<i64> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1))
        .checked_mul(b)
        .filter(|product| *product <= 1 << 20)
        .ok_or(Trouble::Budget("the indices of roots"))
}

/// How many numbers below `n` share no divisor with it.
fn totient(n: u64) -> u64 {
    let (mut rest, mut count, mut divisor) = (n, n, 2);
    while divisor * divisor <= rest {
        if rest.is_multiple_of(divisor) {
            count -= count / divisor;
            while rest.is_multiple_of(divisor) {
                rest /= divisor;
            }
        }
        divisor += 1;
    }
    if rest > 1 {
        count -= count / rest;
    }
    count
}

impl Bounded {
    fn rational(value: &BigRational, precision: u64) -> Self {
        Self {
            value: Interval::rational(value, precision),
            upper: value.numer().bits(),
            lower: value.denom().bits(),
        }
    }

    fn opaque(value: Interval) -> Self {
        Self {
            value,
            upper: 0,
            lower: 0,
        }
    }
}

impl Evaluation<'_> {
    /// Forgets what depends on the precision, and works with another.
    pub(super) fn restart(&mut self, precision: u64) {
        self.precision = precision;
        self.memo.clear();
        self.degree = 1;
        self.turned = false;
    }

    /// How small the value of this size must be to be zero, in bits.
    pub(super) fn separation(&self, value: &Bounded) -> u64 {
        self.degree
            .saturating_sub(1)
            .saturating_mul(value.upper)
            .saturating_add(value.lower)
            .saturating_add(2)
    }

    /// The value of a canonical form without i.
    pub(super) fn poly(&mut self, poly: &Poly, budget: &mut Budget) -> Step<Bounded> {
        let mut parts = Vec::with_capacity(poly.terms.len());
        for (monomial, coefficient) in &poly.terms {
            budget.pay_product(super::rational::size(coefficient), self.precision)?;
            let mut term = Bounded::rational(coefficient, self.precision);
            for (id, power) in &monomial.0 {
                let factor = self.atom_power(*id, *power, budget)?;
                term = self.times(&term, &factor, budget)?;
            }
            parts.push(term);
        }
        let total_lower: u64 = parts.iter().map(|part| part.lower).sum();
        let widest = parts
            .iter()
            .map(|part| part.upper + total_lower - part.lower)
            .max()
            .unwrap_or(0);
        let mut value = Interval {
            lo: BigInt::zero(),
            hi: BigInt::zero(),
        };
        for part in &parts {
            value = value.plus(&part.value);
        }
        Ok(Bounded {
            value,
            upper: widest + u64::from(usize::BITS - parts.len().leading_zeros()),
            lower: total_lower,
        })
    }

    fn times(&self, a: &Bounded, b: &Bounded, budget: &mut Budget) -> Step<Bounded> {
        Ok(Bounded {
            value: a.value.times(&b.value, self.precision, budget)?,
            upper: a.upper.saturating_add(b.upper),
            lower: a.lower.saturating_add(b.lower),
        })
    }

    fn raise(&self, base: &Bounded, count: i64, budget: &mut Budget) -> Step<Bounded> {
        let size = count.unsigned_abs();
        let (upper, lower) = if count >= 0 {
            (base.upper, base.lower)
        } else {
            (base.lower, base.upper)
        };
        Ok(Bounded {
            value: base.value.power(count, self.precision, budget)?,
            upper: upper.saturating_mul(size),
            lower: lower.saturating_mul(size),
        })
    }

    fn atom_power(&mut self, id: u32, power: Exponent, budget: &mut Budget) -> Step<Bounded> {
        let index = self.indices.get(&id).copied().unwrap_or(1);
        let base = self.base(id, index, budget)?;
        let count = power * Exponent::from_integer(index);
        self.raise(&base, count.to_integer(), budget)
    }

    /// The root with this index of an atom.
    fn base(&mut self, id: u32, index: i64, budget: &mut Budget) -> Step<Bounded> {
        if let Some(known) = self.memo.get(&id) {
            return Ok(known.clone());
        }
        let atoms = self.atoms;
        let atom = atoms
            .get(id as usize)
            .ok_or(Trouble::Unsupported("an unknown atom"))?;
        let root = match self.meaning {
            Meaning::Free => self.free_atom(id, atom, index, budget)?,
            Meaning::Real => None,
        };
        let root = if let Some(root) = root {
            root
        } else {
            let value = self.atom_value(id, atom, budget)?;
            self.root(&value, index, budget)?
        };
        self.memo.insert(id, root.clone());
        Ok(root)
    }

    fn root(&mut self, value: &Bounded, index: i64, budget: &mut Budget) -> Step<Bounded> {
        if index == 1 {
            return Ok(value.clone());
        }
        let count = index.unsigned_abs();
        let index = u32::try_from(index).map_err(|_| Trouble::Budget("the index of a root"))?;
        self.degree = self.degree.saturating_mul(count);
        Ok(Bounded {
            value: value.value.root(index, self.precision, budget)?,
            // The root of U / L is the root of U L^(k-1), over L.
            upper: (value.upper + (count - 1).saturating_mul(value.lower)).div_ceil(count),
            lower: value.lower,
        })
    }

    /// The value of an atom that is what it is.
    fn atom_value(&mut self, id: u32, atom: &Atom, budget: &mut Budget) -> Step<Bounded> {
        let precision = self.precision;
        match atom {
            Atom::Prime(prime) => Ok(Bounded::rational(
                &BigRational::from_integer(prime.clone()),
                precision,
            )),
            Atom::Base(inner) => self.poly(inner, budget),
            Atom::Abs(inner) => {
                let mut value = self.poly(inner, budget)?;
                value.value = value.value.absolute();
                Ok(value)
            }
            Atom::CosPi(turns) => self.cosine_of_turns(*turns, budget),
            Atom::Symbol(_) | Atom::Opaque(..) => {
                Ok(Bounded::rational(&self.letter(id), precision))
            }
            Atom::Imaginary => Err(Trouble::Unsupported("a complex number inside a root")),
            Atom::Pi => Ok(Bounded::opaque(series::pi(precision, budget)?)),
            Atom::Euler => {
                let one = Interval::rational(&BigRational::one(), precision);
                Ok(Bounded::opaque(series::exp(&one, precision, budget)?))
            }
            Atom::Exp(monomial) => {
                let x = self.poly(&Poly::term(monomial.clone(), BigRational::one()), budget)?;
                Ok(Bounded::opaque(series::exp(&x.value, precision, budget)?))
            }
            Atom::Ln(inner) => {
                let x = self.poly(inner, budget)?;
                Ok(Bounded::opaque(series::ln(&x.value, precision, budget)?))
            }
            Atom::Sin(inner) | Atom::Cos(inner) => {
                let x = self.poly(inner, budget)?;
                let (sine, cosine) = series::sin_cos(&x.value, precision, budget)?;
                let value = if matches!(atom, Atom::Sin(_)) {
                    sine
                } else {
                    cosine
                };
                Ok(Bounded::opaque(value))
            }
            Atom::Arctan(inner) => {
                let x = self.poly(inner, budget)?;
                Ok(Bounded::opaque(series::atan(&x.value, precision, budget)?))
            }
            Atom::Arcsin(inner) => self.arcsine(inner, budget),
        }
    }

    /// asin x = atan(x / sqrt(1 - x^2))
    fn arcsine(&mut self, inner: &Poly, budget: &mut Budget) -> Step<Bounded> {
        let precision = self.precision;
        let x = self.poly(inner, budget)?.value;
        let square = x.times(&x, precision, budget)?;
        let one = Interval::rational(&BigRational::one(), precision);
        let rest = one.plus(&square.negative());
        if rest.side() != Side::Positive {
            return Err(Trouble::Undefined("such an inverse sine"));
        }
        let below = rest
            .root(2, precision, budget)?
            .reciprocal(precision, budget)?;
        let tangent = x.times(&below, precision, budget)?;
        Ok(Bounded::opaque(series::atan(&tangent, precision, budget)?))
    }

    /// cos(πr) is half of a sum of two roots of unity.
    fn cosine_of_turns(&mut self, turns: Exponent, budget: &mut Budget) -> Step<Bounded> {
        let pi = series::pi(self.precision, budget)?;
        let turns_exact = Interval::rational(&exact(turns), self.precision);
        let angle = pi.times(&turns_exact, self.precision, budget)?;
        let (_, cosine) = series::sin_cos(&angle, self.precision, budget)?;
        // Cosines of parts of a turn are real numbers in one cyclotomic field.
        if !self.turned {
            self.turned = true;
            let degree = totient(2 * self.turns.unsigned_abs()).div_ceil(2);
            self.degree = self.degree.saturating_mul(degree);
        }
        Ok(Bounded {
            value: cosine,
            upper: 1,
            lower: 1,
        })
    }

    /// A random value for a letter: positive first, then of either sign, then small.
    fn letter(&self, id: u32) -> BigRational {
        let bits = self.random(id, 1);
        let above = 1 + (bits % (1 << 20)) as i64;
        let sign = if bits >> 63 == 1 { -1 } else { 1 };
        match self.range {
            0 | 1 => BigRational::new(above.into(), (1 << 17).into()),
            2 => BigRational::new((sign * above).into(), (1 << 17).into()),
            _ => BigRational::new(above.into(), (1 << 21).into()),
        }
    }

    /// Random bits for an atom: by its name, so that both sides of a comparison agree.
    fn random(&self, id: u32, purpose: u64) -> u64 {
        mix(self.seed ^ mix(u64::from(id) ^ (u64::from(self.range) << 40) ^ (purpose << 50)))
    }

    /// A random value for an atom that is not algebraic; the root with this index is returned.
    fn free_atom(
        &mut self,
        id: u32,
        atom: &Atom,
        index: i64,
        budget: &mut Budget,
    ) -> Step<Option<Bounded>> {
        let value = match atom {
            Atom::Prime(_) | Atom::Base(_) | Atom::Abs(_) | Atom::CosPi(_) | Atom::Imaginary => {
                return Ok(None);
            }
            Atom::Sin(inner) | Atom::Cos(inner) => {
                let (cosine, sine) = self.angle(inner, budget)?;
                let value = if matches!(atom, Atom::Sin(_)) {
                    sine
                } else {
                    cosine
                };
                return self.root(&value, index, budget).map(Some);
            }
            Atom::Symbol(_) | Atom::Opaque(..) => {
                let letter = self.letter(id);
                if index % 2 == 0 && letter.is_negative() {
                    return Err(Trouble::Undefined("an even root of a negative number"));
                }
                letter
            }
            Atom::Pi
            | Atom::Euler
            | Atom::Exp(_)
            | Atom::Ln(_)
            | Atom::Arctan(_)
            | Atom::Arcsin(_) => {
                if index == 1 {
                    self.near(id, atom, budget)?
                } else {
                    let bits = self.random(id, 2) % (1 << 20);
                    BigRational::new((bits as i64 + (1 << 20)).into(), (1 << 20).into())
                }
            }
        };
        // The value is the power of the random number, so that its root is rational.
        Ok(Some(Bounded::rational(&value, self.precision)))
    }

    /// A random rational close to the true value of an atom: signs stay what they are.
    fn near(&mut self, id: u32, atom: &Atom, budget: &mut Budget) -> Step<BigRational> {
        let noise = BigInt::from(self.random(id, 3) % (1 << 20));
        let (precision, meaning) = (self.precision, self.meaning);
        let memo = std::mem::take(&mut self.memo);
        let (degree, turned) = (self.degree, self.turned);
        self.precision = 64;
        self.meaning = Meaning::Real;
        let truth = self.atom_value(id, atom, budget);
        self.precision = precision;
        self.meaning = meaning;
        self.memo = memo;
        self.degree = degree;
        self.turned = turned;
        let middle = match truth {
            Ok(truth) => truth.value.lo >> 34_u32,
            Err(Trouble::Budget(_) | Trouble::Undefined(_)) => BigInt::from(1_i64 << 30),
            Err(other) => return Err(other),
        };
        Ok(BigRational::new(middle + noise, BigInt::one() << 30_u32))
    }

    /// Cosine and sine of a sum of angles: each part is a random point of the unit circle.
    fn angle(&self, inner: &Poly, budget: &mut Budget) -> Step<(Bounded, Bounded)> {
        let one = Bounded::rational(&BigRational::one(), self.precision);
        let mut point = (one, Bounded::rational(&BigRational::zero(), self.precision));
        for (part, coefficient) in &inner.terms {
            let below = self.angles.get(part).copied().unwrap_or(1);
            let count = coefficient * BigInt::from(below);
            let count = count
                .to_integer()
                .to_i64()
                .filter(|count| count.abs() <= 64);
            let count = count.ok_or(Trouble::Budget("the multiples of an angle"))?;
            let unit = self.random_point(part);
            for _ in 0..count.abs() {
                point = self.rotate(&point, &unit, count < 0, budget)?;
            }
        }
        Ok(point)
    }

    fn random_point(&self, part: &Monomial) -> (Bounded, Bounded) {
        let mut key = 7_u64;
        for (id, power) in &part.0 {
            key = mix(key ^ u64::from(*id) ^ ((power.numer() ^ (power.denom() << 24)) as u64) << 8);
        }
        let t = (mix(self.seed ^ mix(key ^ u64::from(self.range))) % (1 << 20)) as i64 + 3;
        let t = BigInt::from(t);
        let scale = BigInt::from(1 << 20);
        let (square, scale_square) = (&t * &t, &scale * &scale);
        let below = &scale_square + &square;
        let cosine = BigRational::new(&scale_square - &square, below.clone());
        let sine = BigRational::new(t * scale * 2, below);
        (
            Bounded::rational(&cosine, self.precision),
            Bounded::rational(&sine, self.precision),
        )
    }

    fn rotate(
        &self,
        point: &(Bounded, Bounded),
        by: &(Bounded, Bounded),
        back: bool,
        budget: &mut Budget,
    ) -> Step<(Bounded, Bounded)> {
        let mut sine = by.1.clone();
        if back {
            sine.value = sine.value.negative();
        }
        let product = |a: &Bounded, b: &Bounded, budget: &mut Budget| self.times(a, b, budget);
        let cc = product(&point.0, &by.0, budget)?;
        let mut ss = product(&point.1, &sine, budget)?;
        ss.value = ss.value.negative();
        let cs = product(&point.0, &sine, budget)?;
        let sc = product(&point.1, &by.0, budget)?;
        Ok((sum(&cc, &ss), sum(&sc, &cs)))
    }
}

fn sum(a: &Bounded, b: &Bounded) -> Bounded {
    Bounded {
        value: a.value.plus(&b.value),
        upper: (a.upper + b.lower).max(a.lower + b.upper) + 1,
        lower: a.lower + b.lower,
    }
}

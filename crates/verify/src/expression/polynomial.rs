//! Canonical forms: sums of products of rational powers of atoms, with rational coefficients.

use std::collections::{BTreeMap, HashMap};

use num_bigint::BigInt;
use num_rational::{BigRational, Ratio};
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::budget::{Budget, Step, Trouble};
use super::rational;

/// The exponent of an atom.
pub(super) type Exponent = Ratio<i64>;

/// Most terms of a canonical form.
const MAX_TERMS: usize = 512;
/// Largest numerator and denominator of an exponent.
const MAX_EXPONENT: i64 = 1 << 20;

/// What is not broken down any further.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    Symbol(String),
    Pi,
    Euler,
    Imaginary,
    /// A positive integer under a root: a prime, or a number too large to factor.
    Prime(BigInt),
    /// A sum of several terms, raised to a power that is not expanded.
    Base(Poly),
    /// The exponential of a product of atoms.
    Exp(Monomial),
    Ln(Poly),
    Sin(Poly),
    Cos(Poly),
    /// The cosine of this many π, between 0 and 1/2, not expressible by simple roots.
    CosPi(Exponent),
    Arctan(Poly),
    Arcsin(Poly),
    Abs(Poly),
    /// A function known by name, or one without rules here.
    Opaque(String, Vec<Poly>),
}

/// A product of powers of atoms, sorted by atom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Monomial(pub Vec<(u32, Exponent)>);

/// A sum of monomials with coefficients that are not zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Poly {
    pub terms: BTreeMap<Monomial, BigRational>,
}

impl Poly {
    /// A number.
    pub(super) fn constant(value: BigRational) -> Self {
        Self::term(Monomial::default(), value)
    }

    /// One term.
    pub(super) fn term(monomial: Monomial, coefficient: BigRational) -> Self {
        let mut terms = BTreeMap::new();
        if !coefficient.is_zero() {
            terms.insert(monomial, coefficient);
        }
        Self { terms }
    }

    /// Whether it is zero as written; a value may still be zero.
    pub(super) fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    /// The rational number it is, if it is one.
    pub(super) fn as_rational(&self) -> Option<BigRational> {
        match self.single() {
            _ if self.is_zero() => Some(BigRational::zero()),
            Some((monomial, coefficient)) if monomial.0.is_empty() => Some(coefficient.clone()),
            _ => None,
        }
    }

    /// Its only term.
    pub(super) fn single(&self) -> Option<(&Monomial, &BigRational)> {
        if self.terms.len() == 1 {
            self.terms.iter().next()
        } else {
            None
        }
    }

    /// The negative.
    pub(super) fn negative(mut self) -> Self {
        for coefficient in self.terms.values_mut() {
            *coefficient = -std::mem::take(coefficient);
        }
        self
    }

    /// The coefficient of the last term in order.
    pub(super) fn leading(&self) -> BigRational {
        self.terms
            .values()
            .next_back()
            .cloned()
            .unwrap_or_else(BigRational::zero)
    }

    /// The same with every coefficient multiplied.
    pub(super) fn scaled(mut self, factor: &BigRational) -> Self {
        for coefficient in self.terms.values_mut() {
            *coefficient = &*coefficient * factor;
        }
        self
    }
}

/// The atoms in use, and arithmetic on canonical forms.
#[derive(Debug)]
pub(super) struct Algebra<'b> {
    atoms: Vec<Atom>,
    index: HashMap<Atom, u32>,
    pub budget: &'b mut Budget,
    pub depth: usize,
}

/// An exponent within bounds.
pub(super) fn bounded(exponent: Exponent) -> Step<Exponent> {
    if exponent.numer().abs() > MAX_EXPONENT || *exponent.denom() > MAX_EXPONENT {
        return Err(Trouble::Budget("the exponents"));
    }
    Ok(exponent)
}

/// An exponent from an exact number.
pub(super) fn exponent(value: &BigRational) -> Step<Exponent> {
    match (value.numer().to_i64(), value.denom().to_i64()) {
        (Some(above), Some(below)) if above.abs() <= MAX_EXPONENT && below <= MAX_EXPONENT => {
            Ok(Ratio::new(above, below))
        }
        _ => Err(Trouble::Budget("the exponents")),
    }
}

/// The exact number of an exponent.
pub(super) fn exact(exponent: Exponent) -> BigRational {
    BigRational::new((*exponent.numer()).into(), (*exponent.denom()).into())
}

impl<'b> Algebra<'b> {
    /// No atoms yet.
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self {
            atoms: Vec::new(),
            index: HashMap::new(),
            budget,
            depth: 0,
        }
    }

    /// The atom with this number.
    pub(super) fn atom(&self, id: u32) -> Step<&Atom> {
        self.atoms
            .get(id as usize)
            .ok_or(Trouble::Unsupported("an unknown atom"))
    }

    /// The atoms, and the budget to work with them.
    pub(super) fn parts(&mut self) -> (&[Atom], &mut Budget) {
        (&self.atoms, self.budget)
    }

    /// The number of an atom.
    pub(super) fn intern(&mut self, atom: Atom) -> u32 {
        if let Some(id) = self.index.get(&atom) {
            return *id;
        }
        let id = self.atoms.len() as u32;
        self.atoms.push(atom.clone());
        self.index.insert(atom, id);
        id
    }

    /// An atom to a power, as a canonical form.
    pub(super) fn atom_power(&mut self, atom: Atom, exponent: Exponent) -> Poly {
        let id = self.intern(atom);
        if exponent.is_zero() {
            return Poly::constant(BigRational::one());
        }
        Poly::term(Monomial(vec![(id, exponent)]), BigRational::one())
    }

    /// The sum.
    pub(super) fn add(&mut self, mut a: Poly, b: &Poly) -> Step<Poly> {
        for (monomial, coefficient) in &b.terms {
            self.budget.pay(100 + 4 * monomial.0.len() as u64)?;
            match a.terms.get_mut(monomial) {
                Some(slot) => {
                    let sum = rational::add(slot, coefficient, self.budget)?;
                    if sum.is_zero() {
                        a.terms.remove(monomial);
                    } else {
                        *slot = sum;
                    }
                }
                None => {
                    a.terms.insert(monomial.clone(), coefficient.clone());
                }
            }
        }
        if a.terms.len() > MAX_TERMS {
            return Err(Trouble::Budget("the terms"));
        }
        Ok(a)
    }

    /// The difference.
    pub(super) fn subtract(&mut self, a: Poly, b: Poly) -> Step<Poly> {
        self.add(a, &b.negative())
    }

    /// The product.
    pub(super) fn multiply(&mut self, a: &Poly, b: &Poly) -> Step<Poly> {
        if a.terms.len() * b.terms.len() > 16 * MAX_TERMS {
            return Err(Trouble::Budget("the terms"));
        }
        let mut product = Poly::default();
        for (left, left_coefficient) in &a.terms {
            for (right, right_coefficient) in &b.terms {
                let (monomial, factor) = self.multiply_monomials(left, right)?;
                let coefficient =
                    rational::multiply(left_coefficient, right_coefficient, self.budget)?;
                let coefficient = if factor.is_one() {
                    coefficient
                } else {
                    rational::multiply(&coefficient, &factor, self.budget)?
                };
                product = self.add(product, &Poly::term(monomial, coefficient))?;
            }
        }
        Ok(product)
    }

    /// The product of two monomials; roots of numbers and powers of i that become rational move
    /// into a coefficient.
    fn multiply_monomials(&mut self, a: &Monomial, b: &Monomial) -> Step<(Monomial, BigRational)> {
        self.budget.pay(80 + 20 * (a.0.len() + b.0.len()) as u64)?;
        let mut merged: Vec<(u32, Exponent)> = Vec::with_capacity(a.0.len() + b.0.len());
        let (mut left, mut right) = (a.0.iter().peekable(), b.0.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some((x, p)), Some((y, q))) if x == y => {
                    let sum = (*x, bounded(p + q)?);
                    left.next();
                    right.next();
                    sum
                }
                (Some((x, p)), Some((y, _))) if x < y => {
                    let item = (*x, *p);
                    left.next();
                    item
                }
                (_, Some((y, q))) => {
                    let item = (*y, *q);
                    right.next();
                    item
                }
                (Some((x, p)), None) => {
                    let item = (*x, *p);
                    left.next();
                    item
                }
                (None, None) => break,
            };
            merged.push(next);
        }
        self.normalise(merged)
    }

    fn normalise(&mut self, powers: Vec<(u32, Exponent)>) -> Step<(Monomial, BigRational)> {
        let mut factor = BigRational::one();
        let mut kept = Vec::with_capacity(powers.len());
        for (id, power) in powers {
            let mut power = power;
            match self.atom(id)? {
                Atom::Imaginary if power.is_integer() => {
                    let turns = power.to_integer().rem_euclid(4);
                    if turns >= 2 {
                        factor = -factor;
                    }
                    power = Exponent::from_integer(turns % 2);
                }
                Atom::Prime(prime) => {
                    let whole = power.floor();
                    if !whole.is_zero() {
                        let prime = BigRational::from_integer(prime.clone());
                        let scale = rational::power(&prime, &exact(whole), self.budget)?;
                        factor = rational::multiply(&factor, &scale, self.budget)?;
                        power -= whole;
                    }
                }
                _ => {}
            }
            if !power.is_zero() {
                kept.push((id, power));
            }
        }
        Ok((Monomial(kept), factor))
    }

    /// Splits off what depends on i: the value is `first + i * second`.
    pub(super) fn split_imaginary(&self, poly: &Poly) -> Step<(Poly, Poly)> {
        let Some(unit) = self.index.get(&Atom::Imaginary) else {
            return Ok((poly.clone(), Poly::default()));
        };
        let (mut real, mut imaginary) = (Poly::default(), Poly::default());
        for (monomial, coefficient) in &poly.terms {
            let mut powers = monomial.clone();
            match powers.0.iter().position(|(id, _)| id == unit) {
                None => {
                    real.terms.insert(powers, coefficient.clone());
                }
                Some(place) => {
                    let (_, power) = powers.0.remove(place);
                    if !power.is_one() {
                        return Err(Trouble::Unsupported("a root of the imaginary unit"));
                    }
                    imaginary.terms.insert(powers, coefficient.clone());
                }
            }
        }
        Ok((real, imaginary))
    }

    /// A sum as `content * monomial * primitive`: the last term of the primitive part has a
    /// positive coefficient if `signed`, coefficients are whole and without common divisor.
    pub(super) fn factor_content(
        &mut self,
        poly: &Poly,
        signed: bool,
    ) -> Step<(BigRational, Monomial, Poly)> {
        let mut divisor = BigInt::zero();
        let mut multiple = BigInt::one();
        for coefficient in poly.terms.values() {
            let bits = rational::size(coefficient) + divisor.bits() + multiple.bits();
            self.budget.pay_product(32 * bits, bits)?;
            divisor = num_integer_gcd(divisor, coefficient.numer().abs());
            let shared = num_integer_gcd(multiple.clone(), coefficient.denom().clone());
            multiple = multiple / shared * coefficient.denom();
        }
        let mut content = BigRational::new(divisor.max(BigInt::one()), multiple);
        if signed && poly.leading().is_negative() {
            content = -content;
        }
        let common = self.common_monomial(poly);
        let inverse = Monomial(common.0.iter().map(|(id, power)| (*id, -power)).collect());
        let inverse = Poly::term(inverse, content.recip());
        let primitive = self.multiply(poly, &inverse)?;
        Ok((content, common, primitive))
    }

    /// The powers of letters that divide every term.
    fn common_monomial(&self, poly: &Poly) -> Monomial {
        let mut terms = poly.terms.keys();
        let mut common: Vec<(u32, Exponent)> = match terms.next() {
            Some(first) => first.0.clone(),
            None => Vec::new(),
        };
        for term in terms {
            common.retain_mut(|(id, power)| {
                let other = term.0.iter().find(|(other, _)| other == id);
                match other {
                    Some((_, other)) if power.is_positive() && other.is_positive() => {
                        *power = (*power).min(*other);
                        true
                    }
                    Some((_, other)) if power.is_negative() && other.is_negative() => {
                        *power = (*power).max(*other);
                        true
                    }
                    _ => false,
                }
            });
        }
        common.retain(|(id, power)| {
            power.is_integer()
                && !matches!(
                    self.atom(*id),
                    Ok(Atom::Imaginary | Atom::Prime(_)) | Err(_)
                )
        });
        Monomial(common)
    }
}

/// The greatest common divisor of two integers that are not negative.
pub(super) fn num_integer_gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        let rest = &a % &b;
        a = std::mem::replace(&mut b, rest);
    }
    a
}

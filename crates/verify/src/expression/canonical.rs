//! From trees to canonical forms: powers and roots.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::budget::{MAX_DEPTH, Step, Trouble};
use super::polynomial::{Algebra, Atom, Exponent, Monomial, Poly, bounded, exact, exponent};
use super::rational;
use super::tree::{Constant, Node};

/// Highest whole power of a sum that is expanded.
const MAX_EXPANSION: i64 = 24;

impl Algebra<'_> {
    /// The canonical form of a formula.
    pub(super) fn canonical(&mut self, node: &Node) -> Step<Poly> {
        self.budget.pay(100)?;
        self.depth += 1;
        if self.depth > 4 * MAX_DEPTH {
            return Err(Trouble::Budget("the nested formulas"));
        }
        let result = self.canonical_node(node);
        self.depth -= 1;
        result
    }

    fn canonical_node(&mut self, node: &Node) -> Step<Poly> {
        match node {
            Node::Number { value, .. } => Ok(Poly::constant(value.clone())),
            Node::Symbol(name) => Ok(self.atom_power(Atom::Symbol(name.clone()), Exponent::one())),
            Node::Constant(Constant::Pi) => Ok(self.atom_power(Atom::Pi, Exponent::one())),
            Node::Constant(Constant::Euler) => Ok(self.atom_power(Atom::Euler, Exponent::one())),
            Node::Constant(Constant::Imaginary) => {
                Ok(self.atom_power(Atom::Imaginary, Exponent::one()))
            }
            Node::Constant(Constant::Infinity) => {
                Err(Trouble::Undefined("a formula with infinity"))
            }
            Node::Sum(terms) => {
                let mut total = Poly::default();
                for term in terms {
                    let term = self.canonical(term)?;
                    total = self.add(total, &term)?;
                }
                Ok(total)
            }
            Node::Product(factors) => {
                let mut total = Poly::constant(BigRational::one());
                for factor in factors {
                    let factor = self.canonical(factor)?;
                    total = self.multiply(&total, &factor)?;
                }
                Ok(total)
            }
            Node::Negate(inner) => Ok(self.canonical(inner)?.negative()),
            Node::Quotient(above, below) => {
                let above = self.canonical(above)?;
                let below = self.canonical(below)?;
                let inverse = self.power(&below, -Exponent::one())?;
                self.multiply(&above, &inverse)
            }
            Node::Power(base, above) => {
                let above = self.canonical(above)?;
                if **base == Node::Constant(Constant::Euler) {
                    return self.exponential(&above);
                }
                let base = self.canonical(base)?;
                self.general_power(&base, &above)
            }
            Node::Root(radicand, index) => self.canonical_root(radicand, index),
            Node::Percent(inner) => {
                let inner = self.canonical(inner)?;
                let hundredth = Poly::constant(BigRational::new(1.into(), 100.into()));
                self.multiply(&inner, &hundredth)
            }
            Node::Measured(inner, unit) if unit.is_degree() => {
                let inner = self.canonical(inner)?;
                let pi = self.atom_power(Atom::Pi, Exponent::one());
                let degree = pi.scaled(&BigRational::new(1.into(), 180.into()));
                self.multiply(&inner, &degree)
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            Node::Named(name, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|argument| self.canonical(argument))
                    .collect::<Step<_>>()?;
                Ok(self.atom_power(Atom::Opaque(name.clone(), arguments), Exponent::one()))
            }
            _ => Err(Trouble::Unsupported("this kind of value")),
        }
    }

    fn canonical_root(&mut self, radicand: &Node, index: &Node) -> Step<Poly> {
        let radicand = self.canonical(radicand)?;
        let index = self.canonical(index)?;
        let index = index
            .as_rational()
            .ok_or(Trouble::Unsupported("such a root"))?;
        if index.is_zero() {
            return Err(Trouble::Undefined("a root with index zero"));
        }
        self.power(&radicand, exponent(&index.recip())?)
    }

    /// `base ^ above` for any exponent.
    fn general_power(&mut self, base: &Poly, above: &Poly) -> Step<Poly> {
        if let Some(value) = above.as_rational() {
            if let (Some(base), true) = (base.as_rational(), value.is_integer()) {
                return Ok(Poly::constant(rational::power(&base, &value, self.budget)?));
            }
            return self.power(base, exponent(&value)?);
        }
        let logarithm = self.logarithm(base)?;
        let product = self.multiply(above, &logarithm)?;
        self.exponential(&product)
    }

    /// A rational power.
    pub(super) fn power(&mut self, base: &Poly, power: Exponent) -> Step<Poly> {
        let power = bounded(power)?;
        if power.is_one() {
            return Ok(base.clone());
        }
        if base.is_zero() {
            return if power.is_positive() {
                Ok(Poly::default())
            } else {
                Err(Trouble::Undefined("a division by zero"))
            };
        }
        if power.is_zero() {
            return Ok(Poly::constant(BigRational::one()));
        }
        if let Some((monomial, coefficient)) = base.single() {
            let (monomial, coefficient) = (monomial.clone(), coefficient.clone());
            return self.power_of_term(&monomial, &coefficient, power);
        }
        if power.is_integer() && power.is_positive() {
            let count = power.to_integer();
            let terms = base.terms.len() as i64;
            if count <= MAX_EXPANSION && terms.saturating_mul(count) <= 64 {
                let mut product = base.clone();
                for _ in 1..count {
                    product = self.multiply(&product, base)?;
                }
                return Ok(product);
            }
        }
        let (real, imaginary) = self.split_imaginary(base)?;
        if !imaginary.is_zero() {
            return self.power_of_complex(&real, &imaginary, base, power);
        }
        self.power_of_sum(base, power)
    }

    /// `1 / (a + ib)` is `(a - ib) / (a^2 + b^2)`.
    fn power_of_complex(
        &mut self,
        real: &Poly,
        imaginary: &Poly,
        base: &Poly,
        power: Exponent,
    ) -> Step<Poly> {
        if !power.is_integer() {
            return Err(Trouble::Unsupported("a root of a complex number"));
        }
        if power.is_positive() {
            let half = self.power(base, Exponent::from_integer(power.to_integer() / 2))?;
            let square = self.multiply(&half, &half)?;
            return if power.to_integer() % 2 == 0 {
                Ok(square)
            } else {
                self.multiply(&square, base)
            };
        }
        let squares = [
            self.multiply(real, real)?,
            self.multiply(imaginary, imaginary)?,
        ];
        let [a, b] = squares;
        let norm = self.add(a, &b)?;
        let unit = self.atom_power(Atom::Imaginary, Exponent::one());
        let turned = self.multiply(&unit, imaginary)?;
        let conjugate = self.subtract(real.clone(), turned)?;
        let above = self.power(&conjugate, -power)?;
        let below = self.power(&norm, power)?;
        self.multiply(&above, &below)
    }

    fn power_of_sum(&mut self, base: &Poly, power: Exponent) -> Step<Poly> {
        let odd_root = power.denom() % 2 != 0;
        let (content, common, primitive) = self.factor_content(base, odd_root)?;
        let outer = self.power_of_term(&common, &content, power)?;
        let inner = if primitive.single().is_some() {
            self.power(&primitive, power)?
        } else {
            self.atom_power(Atom::Base(primitive), power)
        };
        self.multiply(&outer, &inner)
    }

    /// `(c * m) ^ q`.
    fn power_of_term(
        &mut self,
        monomial: &Monomial,
        coefficient: &BigRational,
        power: Exponent,
    ) -> Step<Poly> {
        let mut result = self.power_of_number(coefficient, power)?;
        for (id, inner) in &monomial.0 {
            let factor = self.power_of_atom(*id, *inner, power)?;
            result = self.multiply(&result, &factor)?;
        }
        Ok(result)
    }

    fn power_of_atom(&mut self, id: u32, inner: Exponent, outer: Exponent) -> Step<Poly> {
        let total = bounded(inner * outer)?;
        let atom = self.atom(id)?.clone();
        if outer.is_integer() {
            return self.plain_power(atom, total);
        }
        match atom {
            Atom::Imaginary => Err(Trouble::Unsupported("a root of the imaginary unit")),
            // The even root of an even power is an absolute value.
            Atom::Symbol(_) | Atom::Base(_) | Atom::Opaque(..) | Atom::Sin(_) | Atom::Cos(_)
                if inner.is_integer() && inner.to_integer() % 2 == 0 && outer.denom() % 2 == 0 =>
            {
                if total.is_integer() && total.to_integer() % 2 == 0 {
                    return self.plain_power(atom, total);
                }
                let value = match atom {
                    Atom::Base(poly) => poly,
                    other => self.atom_power(other, Exponent::one()),
                };
                let absolute = self.absolute(&value)?;
                self.power(&absolute, total)
            }
            other => self.plain_power(other, total),
        }
    }

    /// An atom to a power, with the reductions that numbers under roots and i need.
    fn plain_power(&mut self, atom: Atom, total: Exponent) -> Step<Poly> {
        if let (Atom::Base(poly), true) = (&atom, total.is_integer() && total.is_positive()) {
            let poly = poly.clone();
            return self.power(&poly, total);
        }
        let bare = self.atom_power(atom, total);
        self.multiply(&bare, &Poly::constant(BigRational::one()))
    }

    /// A rational number to a rational power: `(-8)^(1/3)` is -2, `(-4)^(1/2)` is 2i.
    fn power_of_number(&mut self, value: &BigRational, power: Exponent) -> Step<Poly> {
        if power.is_integer() {
            return Ok(Poly::constant(rational::power(
                value,
                &exact(power),
                self.budget,
            )?));
        }
        let mut sign = Poly::constant(BigRational::one());
        if value.is_negative() {
            let odd = power.numer() % 2 != 0;
            if power.denom() % 2 != 0 {
                if odd {
                    sign = sign.negative();
                }
            } else if *power.denom() == 2 {
                sign = self.plain_power(Atom::Imaginary, Exponent::from_integer(*power.numer()))?;
            } else {
                return Err(Trouble::Unsupported("such a root of a negative number"));
            }
        }
        let above = self.root_of_integer(value.numer().abs(), power)?;
        let below = self.root_of_integer(value.denom().clone(), -power)?;
        let product = self.multiply(&above, &below)?;
        self.multiply(&sign, &product)
    }

    fn root_of_integer(&mut self, value: BigInt, power: Exponent) -> Step<Poly> {
        let mut result = Poly::constant(BigRational::one());
        for (prime, count) in self.factor(value)? {
            let power = bounded(power * Exponent::from_integer(i64::from(count)))?;
            let factor = self.plain_power(Atom::Prime(prime), power)?;
            result = self.multiply(&result, &factor)?;
        }
        Ok(result)
    }

    /// Factors an integer by trial division; what remains counts as prime unless it is a power.
    pub(super) fn factor(&mut self, mut value: BigInt) -> Step<Vec<(BigInt, u32)>> {
        let mut factors = Vec::new();
        let limit = if value.bits() <= 64 { 2000_u32 } else { 200 };
        self.budget
            .pay(u64::from(limit) * (4 + value.bits() / 64))?;
        if let Some(small) = value.to_u64() {
            let mut small = small;
            let mut divisor = 2_u64;
            while divisor <= u64::from(limit) && divisor * divisor <= small {
                let mut count = 0;
                while small.is_multiple_of(divisor) {
                    small /= divisor;
                    count += 1;
                }
                if count > 0 {
                    factors.push((BigInt::from(divisor), count));
                }
                divisor += if divisor == 2 { 1 } else { 2 };
            }
            value = BigInt::from(small);
        } else {
            for divisor in 2..limit {
                let mut count = 0;
                while (&value % divisor).is_zero() {
                    self.budget.pay(20 + value.bits() / 16)?;
                    value /= divisor;
                    count += 1;
                }
                if count > 0 {
                    factors.push((BigInt::from(divisor), count));
                }
            }
        }
        if !value.is_one() {
            self.budget.pay_product(16 * value.bits(), value.bits())?;
            let (base, count) = perfect_power(value);
            factors.push((base, count));
        }
        Ok(factors)
    }
}

/// The number as a square, cube or fifth power, if it is one.
fn perfect_power(value: BigInt) -> (BigInt, u32) {
    for index in [2_u32, 3, 5] {
        let root = value.nth_root(index);
        if num_traits::pow(root.clone(), index as usize) == value {
            let (base, count) = perfect_power_once(root);
            return (base, count * index);
        }
    }
    (value, 1)
}

fn perfect_power_once(value: BigInt) -> (BigInt, u32) {
    let root = value.sqrt();
    if &root * &root == value && !root.is_one() {
        (root, 2)
    } else {
        (value, 1)
    }
}

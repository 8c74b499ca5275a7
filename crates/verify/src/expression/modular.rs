//! Evaluation modulo large primes: decides identities of rational functions, and numbers whose
//! digits would fill the memory.
//!
//! A formula over the rationals in indeterminates is evaluated at a random point modulo two random
//! 61-bit primes. Primes and points come from a hash of both answers, so that nobody can write an
//! answer that vanishes there. Different residues prove a difference. Equal residues of different
//! formulas happen with a probability below (degree + bits) / 2^55 for each prime (Schwartz 1980,
//! Zippel 1979); larger formulas are refused.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};

use super::budget::{Budget, Step, Trouble};
use super::rational;
use super::tree::{Constant, Function, Node};

/// Largest degree and largest size in bits for which equal residues mean equality.
const MAX_SIZE: u64 = 1 << 34;

/// A random prime and a random point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    prime: u64,
    modulus: Modulus,
    seed: u64,
}

/// A residue, with what its meaning depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Residue {
    pub value: u64,
    /// Bound on the degree in all indeterminates.
    degree: u64,
    /// Bound on the bits of the coefficients.
    bits: u64,
    /// Which of π and e it depends on: bit 0 and bit 1.
    pub constants: u8,
    /// Whether it depends on a letter.
    pub letters: bool,
}

/// SplitMix64, by Steele, Lea and Flood (2014).
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of a text.
pub(super) fn hash(text: &str, seed: u64) -> u64 {
    text.bytes()
        .fold(mix(seed), |hash, byte| mix(hash ^ u64::from(byte)))
}

/// Multiplication modulo an odd number below 2^62, by Montgomery's method (1985): numbers are
/// kept multiplied by 2^64.
#[derive(Debug, Clone, Copy)]
struct Modulus {
    n: u64,
    /// `-1 / n` modulo 2^64.
    inverse: u64,
    /// 2^128 modulo n.
    square: u64,
}

impl Modulus {
    fn new(n: u64) -> Self {
        // Newton's iteration doubles the correct bits: 3, 6, 12, 24, 48, 96.
        let mut inverse = n;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(inverse)));
        }
        let one = (u128::from(u64::MAX) + 1) % u128::from(n);
        let square = one * one % u128::from(n);
        Self {
            n,
            inverse: inverse.wrapping_neg(),
            square: square as u64,
        }
    }

    fn reduce(self, product: u128) -> u64 {
        let factor = (product as u64).wrapping_mul(self.inverse);
        let sum = product + u128::from(factor) * u128::from(self.n);
        let high = (sum >> 64) as u64;
        if high >= self.n { high - self.n } else { high }
    }

    /// The product of two numbers in Montgomery form.
    fn times(self, a: u64, b: u64) -> u64 {
        self.reduce(u128::from(a) * u128::from(b))
    }

    fn enter(self, a: u64) -> u64 {
        self.times(a, self.square)
    }

    /// The product of two numbers in plain form.
    fn multiply(self, a: u64, b: u64) -> u64 {
        self.times(self.enter(a), b)
    }

    /// A power; base and result in Montgomery form.
    fn raise(self, base: u64, mut exponent: u64) -> u64 {
        let mut base = base;
        let mut result = self.enter(1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.times(result, base);
            }
            base = self.times(base, base);
            exponent >>= 1;
        }
        result
    }

    /// A power in plain form.
    fn power(self, base: u64, exponent: u64) -> u64 {
        self.reduce(u128::from(self.raise(self.enter(base % self.n), exponent)))
    }
}

/// Miller and Rabin's test for odd numbers; these bases decide all 64-bit numbers (Sinclair 2011).
fn is_prime(n: u64) -> bool {
    for small in [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71,
    ] {
        if n.is_multiple_of(small) {
            return n == small;
        }
    }
    let modulus = Modulus::new(n);
    let one = modulus.enter(1);
    let shift = (n - 1).trailing_zeros();
    [2, 325, 9375, 28178, 450_775, 9_780_504, 1_795_265_022]
        .iter()
        .all(|base| {
            let mut x = modulus.raise(modulus.enter(*base % n), (n - 1) >> shift);
            if x == one || x == n - one {
                return true;
            }
            (1..shift).any(|_| {
                x = modulus.times(x, x);
                x == n - one
            })
        })
}

impl Field {
    /// The field of a random 61-bit prime that is one more than a multiple of four.
    pub(super) fn random(seed: u64) -> Self {
        let mut candidate = (mix(seed) >> 4) | (1 << 60) | 1;
        candidate &= !2;
        while !is_prime(candidate) {
            candidate += 4;
        }
        Self {
            prime: candidate,
            modulus: Modulus::new(candidate),
            seed: mix(seed ^ 0x5eed),
        }
    }

    fn residue(&self, value: &BigInt) -> u64 {
        if let Some(small) = value.to_i64() {
            return (i128::from(small)).rem_euclid(i128::from(self.prime)) as u64;
        }
        let rest = value % self.prime;
        let rest = if rest.is_negative() {
            rest + self.prime
        } else {
            rest
        };
        rest.to_u64().unwrap_or_default()
    }

    fn invert(&self, value: u64) -> Step<u64> {
        if value == 0 {
            return Err(Trouble::Undefined("a division by zero"));
        }
        Ok(self.modulus.power(value, self.prime - 2))
    }

    /// Evaluates a formula.
    pub(super) fn evaluate(&self, node: &Node, budget: &mut Budget) -> Step<Residue> {
        budget.pay(32)?;
        match node {
            Node::Number { value, .. } => self.number(value, budget),
            Node::Symbol(name) => Ok(Residue {
                letters: true,
                ..self.indeterminate(name)
            }),
            Node::Constant(Constant::Pi) => Ok(Residue {
                constants: 1,
                ..self.indeterminate("\u{3c0}")
            }),
            Node::Constant(Constant::Euler) => Ok(Residue {
                constants: 2,
                ..self.indeterminate("e ")
            }),
            Node::Constant(Constant::Imaginary) => Ok(self.imaginary_unit()),
            Node::Sum(terms) => {
                let mut total = constant(0);
                for term in terms {
                    let term = self.evaluate(term, budget)?;
                    total = self.sum(total, term);
                }
                Ok(total)
            }
            Node::Product(factors) => {
                let mut total = constant(1);
                for factor in factors {
                    let factor = self.evaluate(factor, budget)?;
                    total = self.product(total, factor);
                }
                Ok(total)
            }
            Node::Negate(inner) => {
                let inner = self.evaluate(inner, budget)?;
                Ok(self.negative(inner))
            }
            Node::Quotient(above, below) => {
                let above = self.evaluate(above, budget)?;
                let mut below = self.evaluate(below, budget)?;
                budget.pay(2000)?;
                below.value = self.invert(below.value)?;
                Ok(self.product(above, below))
            }
            Node::Percent(inner) => {
                let inner = self.evaluate(inner, budget)?;
                let mut hundredth = constant(100);
                hundredth.value = self.invert(100)?;
                Ok(self.product(inner, hundredth))
            }
            Node::Power(base, exponent) => self.raise(base, exponent, budget),
            Node::Call(Function::Factorial, arguments) => self.factorial(arguments, budget),
            _ => Err(Trouble::Unsupported("such a formula modulo a prime")),
        }
    }

    fn number(&self, value: &BigRational, budget: &mut Budget) -> Step<Residue> {
        let bits = rational::size(value);
        budget.pay(bits / 16)?;
        let mut residue = constant(self.residue(value.numer()));
        if !value.is_integer() {
            budget.pay(2000)?;
            let below = self.invert(self.residue(value.denom()))?;
            residue.value = self.modulus.multiply(residue.value, below);
        }
        residue.bits = bits;
        Ok(residue)
    }

    fn indeterminate(&self, name: &str) -> Residue {
        Residue {
            degree: 1,
            ..constant(hash(name, self.seed) % self.prime)
        }
    }

    /// A square root of minus one: the prime is one more than a multiple of four.
    fn imaginary_unit(&self) -> Residue {
        let quarter = (self.prime - 1) / 4;
        let root = (2..200)
            .map(|base| self.modulus.power(base, quarter))
            .find(|root| self.modulus.multiply(*root, *root) == self.prime - 1);
        constant(root.unwrap_or(1))
    }

    fn negative(&self, mut a: Residue) -> Residue {
        a.value = (self.prime - a.value) % self.prime;
        a
    }

    fn sum(&self, a: Residue, b: Residue) -> Residue {
        Residue {
            value: (a.value + b.value) % self.prime,
            // Sums of fractions have the product of the denominators below.
            degree: a.degree.saturating_add(b.degree),
            bits: a.bits.saturating_add(b.bits).saturating_add(1),
            constants: a.constants | b.constants,
            letters: a.letters || b.letters,
        }
    }

    fn product(&self, a: Residue, b: Residue) -> Residue {
        Residue {
            value: self.modulus.multiply(a.value, b.value),
            bits: a.bits.saturating_add(b.bits),
            ..self.sum(a, b)
        }
    }

    fn raise(&self, base: &Node, exponent: &Node, budget: &mut Budget) -> Step<Residue> {
        let exponent = rational::evaluate(exponent, budget)?;
        if !exponent.is_integer() {
            return Err(Trouble::Unsupported("a root modulo a prime"));
        }
        let mut base = self.evaluate(base, budget)?;
        let exponent = exponent.to_integer();
        budget.pay(4000 + exponent.bits())?;
        if base.value == 0 && !exponent.is_positive() {
            return Err(Trouble::Undefined("zero to such a power"));
        }
        let order = self.prime - 1;
        let reduced = (&exponent % order + order) % order;
        let zero = base.value == 0;
        base.value = self
            .modulus
            .power(base.value, reduced.to_u64().unwrap_or_default());
        if zero {
            base.value = 0;
        }
        let count = exponent.abs().to_u64().unwrap_or(u64::MAX);
        base.degree = base.degree.saturating_mul(count);
        base.bits = base.bits.saturating_mul(count);
        Ok(base)
    }

    fn factorial(&self, arguments: &[Node], budget: &mut Budget) -> Step<Residue> {
        let [argument] = arguments else {
            return Err(Trouble::Undefined("such a factorial"));
        };
        let n = rational::evaluate(argument, budget)?;
        if !n.is_integer() || n.is_negative() {
            return Err(Trouble::Undefined("such a factorial"));
        }
        let n = n.to_integer().to_u64().filter(|n| *n <= 100_000);
        let n = n.ok_or(Trouble::Budget("the factors of a factorial"))?;
        budget.pay(n * 16)?;
        let value = (1..=n).fold(1, |product, factor| self.modulus.multiply(product, factor));
        Ok(Residue {
            bits: n * 17,
            ..constant(value)
        })
    }
}

fn constant(value: u64) -> Residue {
    Residue {
        value,
        degree: 0,
        bits: 64,
        constants: 0,
        letters: false,
    }
}

/// What the residues of a pair of formulas say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Equal, up to a negligible probability.
    Equal,
    /// Different, for certain.
    Different,
    /// Different as formulas in π and e; as numbers nobody knows.
    Formal,
}

/// Compares two formulas modulo two primes.
pub(super) fn compare(a: &Node, b: &Node, seed: u64, budget: &mut Budget) -> Step<Finding> {
    let mut finding = Finding::Equal;
    for round in 0..2_u64 {
        let field = Field::random(mix(seed ^ (round + 1)));
        budget.pay(20_000)?;
        let left = field.evaluate(a, budget)?;
        let right = field.evaluate(b, budget)?;
        if left.value != right.value {
            let both = left.constants | right.constants;
            finding = if both == 3 {
                Finding::Formal
            } else {
                Finding::Different
            };
            return Ok(finding);
        }
        let size = [left.degree, right.degree, left.bits, right.bits];
        if size.iter().any(|size| *size > MAX_SIZE) {
            return Err(Trouble::Budget("the powers"));
        }
    }
    Ok(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_prime_and_random() {
        let (a, b) = (Field::random(1), Field::random(2));
        assert_ne!(a.prime, b.prime);
        for field in [a, b] {
            assert!(is_prime(field.prime) && field.prime % 4 == 1 && field.prime >> 60 == 1);
            let unit = field.imaginary_unit().value;
            assert_eq!(field.modulus.multiply(unit, unit), field.prime - 1);
        }
        assert!(
            !is_prime(3_215_031_751) && !is_prime(1_000_003 * 1_000_033) && is_prime(1_000_003)
        );
    }
}

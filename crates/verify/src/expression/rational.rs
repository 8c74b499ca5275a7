//! Exact values of formulas without letters.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::budget::{Budget, MAX_BITS, Step, Trouble};
use super::tree::{Function, Node};

/// The exact rational value of a formula; other values are unsupported.
pub(super) fn evaluate(node: &Node, budget: &mut Budget) -> Step<BigRational> {
    budget.pay(16)?;
    match node {
        Node::Number { value, .. } => Ok(value.clone()),
        Node::Sum(terms) => {
            let mut total = BigRational::zero();
            for term in terms {
                let term = evaluate(term, budget)?;
                total = add(&total, &term, budget)?;
            }
            Ok(total)
        }
        Node::Product(factors) => {
            let mut total = BigRational::one();
            for factor in factors {
                let factor = evaluate(factor, budget)?;
                total = multiply(&total, &factor, budget)?;
            }
            Ok(total)
        }
        Node::Negate(inner) => Ok(-evaluate(inner, budget)?),
        Node::Quotient(above, below) => {
            let above = evaluate(above, budget)?;
            let below = evaluate(below, budget)?;
            if below.is_zero() {
                return Err(Trouble::Undefined("a division by zero"));
            }
            multiply(&above, &below.recip(), budget)
        }
        Node::Power(base, exponent) => {
            let base = evaluate(base, budget)?;
            let exponent = evaluate(exponent, budget)?;
            power(&base, &exponent, budget)
        }
        Node::Percent(inner) => Ok(evaluate(inner, budget)? / BigInt::from(100)),
        Node::Call(function, arguments) => call(*function, arguments, budget),
        _ => Err(Trouble::Unsupported("a value that is not rational")),
    }
}

/// The size of a number in bits.
pub(super) fn size(value: &BigRational) -> u64 {
    value.numer().bits() + value.denom().bits()
}

fn check(value: BigRational) -> Step<BigRational> {
    if size(&value) > 2 * MAX_BITS {
        return Err(Trouble::Budget("the digits"));
    }
    Ok(value)
}

/// Pays for looking for the common divisor of numbers of this many bits together: the library
/// goes bit by bit.
fn pay_common_divisor(bits: u64, budget: &mut Budget) -> Step<()> {
    budget.pay(40 + bits * (bits / 40 + 1))
}

/// The sum, paid for.
pub(super) fn add(a: &BigRational, b: &BigRational, budget: &mut Budget) -> Step<BigRational> {
    if a.is_integer() && b.is_integer() {
        budget.pay(8 + (size(a) + size(b)) / 64)?;
        return check(BigRational::from_integer(a.numer() + b.numer()));
    }
    pay_common_divisor(size(a) + size(b), budget)?;
    check(a + b)
}

/// The product, paid for.
pub(super) fn multiply(a: &BigRational, b: &BigRational, budget: &mut Budget) -> Step<BigRational> {
    if a.is_one() {
        return check(b.clone());
    }
    if b.is_one() {
        return check(a.clone());
    }
    let (a_bits, b_bits) = (size(a), size(b));
    if a.is_integer() && b.is_integer() {
        budget.pay_product(a_bits, b_bits)?;
        return check(BigRational::from_integer(a.numer() * b.numer()));
    }
    pay_common_divisor(a_bits + b_bits, budget)?;
    check(a * b)
}

/// A whole power; `0^0` has no value here.
pub(super) fn power(
    base: &BigRational,
    exponent: &BigRational,
    budget: &mut Budget,
) -> Step<BigRational> {
    if !exponent.is_integer() {
        return Err(Trouble::Unsupported("a value that is not rational"));
    }
    if base.is_zero() {
        return if exponent.is_positive() {
            Ok(BigRational::zero())
        } else {
            Err(Trouble::Undefined("zero to such a power"))
        };
    }
    if base.abs().is_one() {
        let odd = exponent.numer().bit(0);
        let negative = base.is_negative() && odd;
        return Ok(BigRational::from_integer(
            if negative { -1 } else { 1 }.into(),
        ));
    }
    let count = exponent
        .to_integer()
        .to_i64()
        .ok_or(Trouble::Budget("the digits of a power"))?;
    let bits = size(base).saturating_mul(count.unsigned_abs());
    if bits > MAX_BITS {
        return Err(Trouble::Budget("the digits of a power"));
    }
    budget.pay_product(bits, bits)?;
    let exponent = i32::try_from(count).map_err(|_| Trouble::Budget("the digits of a power"))?;
    Ok(base.pow(exponent))
}

fn call(function: Function, arguments: &[Node], budget: &mut Budget) -> Step<BigRational> {
    let values: Vec<BigRational> = arguments
        .iter()
        .map(|argument| evaluate(argument, budget))
        .collect::<Step<_>>()?;
    let unsupported = Err(Trouble::Unsupported("a value that is not rational"));
    match (function, values.as_slice()) {
        (Function::Abs, [a]) => Ok(a.abs()),
        (Function::Floor, [a]) => Ok(a.floor()),
        (Function::Ceil, [a]) => Ok(a.ceil()),
        (Function::Factorial, [n]) => factorial(n, budget),
        (Function::Binomial, [n, k]) => binomial(n, k, budget),
        (Function::Gcd | Function::Lcm, [_, ..]) => common(function, &values, budget),
        (Function::Min, [_, ..]) => values.into_iter().min().map_or(unsupported, Ok),
        (Function::Max, [_, ..]) => values.into_iter().max().map_or(unsupported, Ok),
        (Function::Mod, [a, m]) if !m.is_zero() => {
            budget.pay_product(size(a), size(m))?;
            Ok(a - (a / m).floor() * m)
        }
        _ => unsupported,
    }
}

/// `n!` for whole `n` of moderate size.
fn factorial(n: &BigRational, budget: &mut Budget) -> Step<BigRational> {
    if !n.is_integer() || n.is_negative() {
        return Err(Trouble::Undefined("such a factorial"));
    }
    let n = n.to_integer().to_u64().filter(|n| *n <= 3000);
    let n = n.ok_or(Trouble::Budget("the digits of a factorial"))?;
    budget.pay(n * (n / 8 + 8))?;
    let value = (1..=n).fold(BigInt::one(), |product, factor| product * factor);
    Ok(BigRational::from_integer(value))
}

fn binomial(n: &BigRational, k: &BigRational, budget: &mut Budget) -> Step<BigRational> {
    if !n.is_integer() || !k.is_integer() || n.is_negative() || k.is_negative() {
        return Err(Trouble::Unsupported("such a binomial"));
    }
    let (n, k) = (n.to_integer(), k.to_integer());
    if k > n {
        return Ok(BigRational::zero());
    }
    let other = &n - &k;
    let k = k.min(other);
    let steps = k
        .to_u64()
        .filter(|k| *k <= 2000 && k * n.bits() <= MAX_BITS);
    let steps = steps.ok_or(Trouble::Budget("the digits of a binomial"))?;
    budget.pay(steps * (16 + steps * n.bits() / 32))?;
    let mut value = BigInt::one();
    for step in 0..steps {
        value = value * (&n - step) / (step + 1);
    }
    Ok(BigRational::from_integer(value))
}

fn common(function: Function, values: &[BigRational], budget: &mut Budget) -> Step<BigRational> {
    let mut result: Option<BigInt> = None;
    for value in values {
        if !value.is_integer() {
            return Err(Trouble::Undefined("a common divisor of fractions"));
        }
        let value = value.to_integer().abs();
        budget.pay_product(8 * value.bits(), value.bits())?;
        result = Some(match result {
            None => value,
            Some(before) => {
                let divisor = gcd(before.clone(), value.clone());
                match function {
                    Function::Gcd => divisor,
                    _ if divisor.is_zero() => divisor,
                    _ => before * value / divisor,
                }
            }
        });
        if result.as_ref().is_some_and(|value| value.bits() > MAX_BITS) {
            return Err(Trouble::Budget("the digits"));
        }
    }
    Ok(BigRational::from_integer(result.unwrap_or_default()))
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        let rest = &a % &b;
        a = std::mem::replace(&mut b, rest);
    }
    a
}

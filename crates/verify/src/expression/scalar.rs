//! Whether two formulas have the same value.

use std::cmp::Ordering;

use num_traits::ToPrimitive;

use super::budget::{Budget, MAX_PRECISION, Step, Trouble};
use super::compare::Outcome;
use super::evaluate::Meaning;
use super::interval::{Interval, Side};
use super::modular::{self, Finding, mix};
use super::polynomial::{Algebra, Atom, Poly};
use super::rational;
use super::tree::{Constant, Node};

/// Precision of the first look at a number, in bits.
const FIRST_LOOK: u64 = 96;
/// Precision of the last look at a transcendental number.
const LAST_LOOK: u64 = 1024;

/// A decision, and the step that made it.
pub(super) type Decision = (Outcome, &'static str);

/// Decides whether two formulas have the same value.
pub(super) fn equal(a: &Node, b: &Node, seed: u64, budget: &mut Budget) -> Decision {
    if a == b {
        return (Outcome::Equal, "the formulas are the same");
    }
    if let Some(decision) = infinite(a, b) {
        return decision;
    }
    let constant = is_number(a) && is_number(b);
    if constant {
        let mut part = budget.split(4);
        let values = (
            rational::evaluate(a, &mut part),
            rational::evaluate(b, &mut part),
        );
        budget.give_back(&part);
        match values {
            (Ok(a), Ok(b)) => return (same(a == b), "exact rational values"),
            (Err(Trouble::Undefined(what)), _) | (_, Err(Trouble::Undefined(what))) => {
                let reason = Trouble::Undefined(what).to_string();
                return (Outcome::Unknown(reason), "exact rational values");
            }
            _ => {}
        }
    }
    if !constant {
        // Small formulas are decided by their canonical forms at once, without chance.
        let mut part = budget.split(40);
        let quick = quickly(a, b, &mut part);
        budget.give_back(&part);
        if let Ok(Some(decision)) = quick {
            return decision;
        }
    }
    let mut part = budget.split(3);
    let finding = modular::compare(a, b, seed, &mut part);
    budget.give_back(&part);
    match finding {
        Ok(Finding::Equal) => return (Outcome::Equal, "values modulo two random 61-bit primes"),
        Ok(Finding::Different) => {
            return (Outcome::Different, "values modulo a random 61-bit prime");
        }
        Ok(Finding::Formal) | Err(_) => {}
    }
    match by_canonical_form(a, b, seed, budget) {
        Ok(decision) => decision,
        Err(trouble) => (Outcome::Unknown(trouble.to_string()), "canonical forms"),
    }
}

fn same(equal: bool) -> Outcome {
    if equal {
        Outcome::Equal
    } else {
        Outcome::Different
    }
}

/// Formulas that have an exact value without any letter or irrational constant.
fn is_number(node: &Node) -> bool {
    !node.any(&|node| {
        matches!(
            node,
            Node::Symbol(_) | Node::Constant(_) | Node::Named(..) | Node::Root(..)
        )
    })
}

/// The sign of an infinite value.
pub(super) fn infinity(node: &Node) -> Option<Ordering> {
    match node {
        Node::Constant(Constant::Infinity) => Some(Ordering::Greater),
        Node::Negate(inner) => infinity(inner).map(Ordering::reverse),
        _ => None,
    }
}

fn infinite(a: &Node, b: &Node) -> Option<Decision> {
    let (left, right) = (infinity(a), infinity(b));
    if left.is_none() && right.is_none() {
        return None;
    }
    Some((same(left == right), "infinite values"))
}

fn quickly(a: &Node, b: &Node, budget: &mut Budget) -> Step<Option<Decision>> {
    let mut algebra = Algebra::new(budget);
    let left = algebra.canonical(a)?;
    let right = algebra.canonical(b)?;
    let difference = algebra.subtract(left, right)?;
    if difference.is_zero() {
        return Ok(Some((Outcome::Equal, "the same canonical form")));
    }
    formally_different(&algebra, &difference)
}

fn by_canonical_form(a: &Node, b: &Node, seed: u64, budget: &mut Budget) -> Step<Decision> {
    let mut algebra = Algebra::new(budget);
    let left = algebra.canonical(a)?;
    let right = algebra.canonical(b)?;
    let difference = algebra.subtract(left, right)?;
    if difference.is_zero() {
        return Ok((Outcome::Equal, "the same canonical form"));
    }
    if let Some(decision) = formally_different(&algebra, &difference)? {
        return Ok(decision);
    }
    let (real, imaginary) = algebra.split_imaginary(&difference)?;
    let mut decision = (Outcome::Equal, "");
    for part in [real, imaginary] {
        if part.is_zero() {
            continue;
        }
        let (outcome, how) = vanishes(&mut algebra, &part, seed)?;
        match outcome {
            Outcome::Equal => decision = (Outcome::Equal, how),
            other => return Ok((other, how)),
        }
    }
    Ok(decision)
}

/// A difference in letters alone is not zero as a function.
fn formally_different(algebra: &Algebra<'_>, difference: &Poly) -> Step<Option<Decision>> {
    let mut pi_or_e = (false, false);
    for monomial in difference.terms.keys() {
        for (id, power) in &monomial.0 {
            match algebra.atom(*id)? {
                Atom::Symbol(_) => {}
                Atom::Pi => pi_or_e.0 = true,
                Atom::Euler => pi_or_e.1 = true,
                _ => return Ok(None),
            }
            if !power.is_integer() {
                return Ok(None);
            }
        }
    }
    if pi_or_e == (true, true) {
        return Ok(None);
    }
    Ok(Some((
        Outcome::Different,
        "different canonical polynomials",
    )))
}

/// Whether a canonical form is zero.
fn vanishes(algebra: &mut Algebra<'_>, poly: &Poly, seed: u64) -> Step<Decision> {
    let free = has_letters(algebra, poly, &mut 0)?;
    let ranges: &[u32] = if free { &[0, 2, 3] } else { &[0] };
    let mut trouble = None;
    for range in ranges {
        match apart(algebra, poly, mix(seed ^ 0xa9), *range, FIRST_LOOK) {
            Ok(true) => return Ok((Outcome::Different, "intervals with exact bounds")),
            Ok(false) => {}
            Err(found) => trouble = Some(found),
        }
    }
    let mut zeros = 0;
    let mut failed = false;
    for (round, range) in [0, 2, 1, 3].into_iter().enumerate() {
        let point = mix(seed ^ (0x51 + round as u64));
        match zero_at(algebra, poly, point, range) {
            Ok((true, true)) => return Ok((Outcome::Equal, "exact algebraic numbers")),
            Ok((false, true)) => return Ok((Outcome::Different, "exact algebraic numbers")),
            Ok((true, false)) => zeros += 1,
            Ok((false, false)) => {
                failed = true;
                break;
            }
            Err(Trouble::Budget(what)) => return Err(Trouble::Budget(what)),
            Err(found) => trouble = Some(found),
        }
    }
    if zeros >= 2 && !failed {
        return Ok((Outcome::Equal, "exact values at random points"));
    }
    for range in ranges {
        if let Ok(true) = apart(algebra, poly, mix(seed ^ 0xb7), *range, LAST_LOOK) {
            return Ok((Outcome::Different, "intervals with exact bounds"));
        }
    }
    match trouble {
        Some(trouble) if zeros == 0 => Err(trouble),
        _ => Ok((
            Outcome::Unknown(
                "the values agree to 300 digits, but nothing proves that they are equal".into(),
            ),
            "intervals with exact bounds",
        )),
    }
}

/// Whether random values stand for anything in it.
fn has_letters(algebra: &Algebra<'_>, poly: &Poly, depth: &mut usize) -> Step<bool> {
    *depth += 1;
    if *depth > 512 {
        return Ok(true);
    }
    for monomial in poly.terms.keys() {
        for (id, _) in &monomial.0 {
            let found = match algebra.atom(*id)? {
                Atom::Symbol(_) | Atom::Opaque(..) => true,
                Atom::Base(p)
                | Atom::Ln(p)
                | Atom::Sin(p)
                | Atom::Cos(p)
                | Atom::Arctan(p)
                | Atom::Arcsin(p)
                | Atom::Abs(p) => has_letters(algebra, p, depth)?,
                Atom::Exp(inner) => {
                    let inner = Poly::term(inner.clone(), num_traits::One::one());
                    has_letters(algebra, &inner, depth)?
                }
                _ => false,
            };
            if found {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether the true value at a random real point is certainly not zero.
fn apart(
    algebra: &mut Algebra<'_>,
    poly: &Poly,
    seed: u64,
    range: u32,
    precision: u64,
) -> Step<bool> {
    let (mut evaluation, budget) = algebra.evaluation(&[poly], Meaning::Real, seed)?;
    evaluation.range = range;
    evaluation.restart(precision);
    let value = evaluation.poly(poly, budget)?;
    Ok(value.value.side() != Side::Unclear)
}

/// Whether the value is exactly zero where atoms are free; true in the second place if that is
/// the value itself, because nothing in it is free.
fn zero_at(algebra: &mut Algebra<'_>, poly: &Poly, seed: u64, range: u32) -> Step<(bool, bool)> {
    let algebraic = is_algebraic(algebra, poly, &mut 0)?;
    let (mut evaluation, budget) = algebra.evaluation(&[poly], Meaning::Free, seed)?;
    evaluation.range = range;
    let mut precision = FIRST_LOOK;
    loop {
        evaluation.restart(precision);
        let needed = match evaluation.poly(poly, budget) {
            Ok(value) => {
                if value.value.side() != Side::Unclear {
                    return Ok((false, algebraic));
                }
                let needed = evaluation.separation(&value);
                if value.value.bits() + needed <= precision {
                    return Ok((true, algebraic));
                }
                needed
            }
            Err(Trouble::Undefined(_)) if precision < 1000 => 0,
            Err(trouble) => return Err(trouble),
        };
        // Errors grow on the way: some bits more than the bound itself.
        let enough = needed.saturating_add(64 + needed / 16);
        if precision >= MAX_PRECISION || (enough > MAX_PRECISION && precision >= LAST_LOOK) {
            return Err(Trouble::Budget("the digits of a proof"));
        }
        precision = (precision * 4)
            .min(enough.max(precision * 2))
            .min(MAX_PRECISION);
    }
}

fn is_algebraic(algebra: &Algebra<'_>, poly: &Poly, depth: &mut usize) -> Step<bool> {
    *depth += 1;
    if *depth > 512 {
        return Ok(false);
    }
    for monomial in poly.terms.keys() {
        for (id, _) in &monomial.0 {
            let found = match algebra.atom(*id)? {
                Atom::Prime(_) | Atom::CosPi(_) | Atom::Imaginary => true,
                Atom::Base(p) | Atom::Abs(p) => is_algebraic(algebra, p, depth)?,
                _ => false,
            };
            if !found {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// An interval around the value of a number, and its precision.
pub(super) fn enclose(node: &Node, precision: u64, budget: &mut Budget) -> Step<Interval> {
    let mut algebra = Algebra::new(budget);
    let poly = algebra.canonical(node)?;
    let (real, imaginary) = algebra.split_imaginary(&poly)?;
    if !imaginary.is_zero() {
        return Err(Trouble::Unsupported("the order of complex numbers"));
    }
    if has_letters(&algebra, &real, &mut 0)? {
        return Err(Trouble::Unsupported("the order of letters"));
    }
    let (mut evaluation, budget) = algebra.evaluation(&[&real], Meaning::Real, 0)?;
    evaluation.restart(precision);
    Ok(evaluation.poly(&real, budget)?.value)
}

/// The order of two numbers, if it can be proved.
pub(super) fn order(a: &Node, b: &Node, seed: u64, budget: &mut Budget) -> Option<Ordering> {
    match (infinity(a), infinity(b)) {
        (Some(a), Some(b)) => return Some(a.cmp(&b)),
        (Some(a), None) => return Some(a),
        (None, Some(b)) => return Some(b.reverse()),
        (None, None) => {}
    }
    if is_number(a)
        && is_number(b)
        && let (Ok(a), Ok(b)) = (rational::evaluate(a, budget), rational::evaluate(b, budget))
    {
        return Some(a.cmp(&b));
    }
    let difference = a.clone().minus(b.clone());
    match enclose(&difference, 128, budget).ok()?.side() {
        Side::Positive => Some(Ordering::Greater),
        Side::Negative => Some(Ordering::Less),
        Side::Unclear => {
            let (outcome, _) = equal(a, b, seed, budget);
            (outcome == Outcome::Equal).then_some(Ordering::Equal)
        }
    }
}

/// Whether a decimal with `places` digits is the value, rounded or cut off.
pub(super) fn rounds_to(
    exact: &Node,
    decimal: &num_rational::BigRational,
    places: u32,
    budget: &mut Budget,
) -> Option<bool> {
    let scale = num_rational::BigRational::from_integer(num_bigint::BigInt::from(10))
        .pow(places.to_i32().filter(|places| *places < 2000)?);
    // Rounded: off by half a unit at most. Cut off: nearer to zero, by less than a unit.
    let half = scale.recip() / num_bigint::BigInt::from(2);
    if within(exact, decimal, &half, budget)? {
        return Some(true);
    }
    let cut = if num_traits::Signed::is_negative(decimal) {
        decimal - &half
    } else {
        decimal + &half
    };
    within(exact, &cut, &half, budget)
}

/// Whether two numbers differ by less than `limit`, if it can be proved.
pub(super) fn within(
    a: &Node,
    b: &num_rational::BigRational,
    limit: &num_rational::BigRational,
    budget: &mut Budget,
) -> Option<bool> {
    if let Ok(a) = rational::evaluate(a, budget) {
        let difference = a - b;
        return Some(num_traits::Signed::abs(&difference) <= *limit);
    }
    let precision = 128 + limit.denom().bits();
    let value = enclose(a, precision, budget).ok()?;
    let center = Interval::rational(b, precision);
    let limit = Interval::rational(limit, precision);
    let difference = value.plus(&center.negative()).absolute();
    if difference.hi <= limit.lo {
        Some(true)
    } else if difference.lo > limit.hi {
        Some(false)
    } else {
        None
    }
}

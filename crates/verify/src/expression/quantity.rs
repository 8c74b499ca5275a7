//! Values with units, percent signs and decimals.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

use super::budget::Trouble;
use super::compare::{Comparer, Outcome};
use super::options::{Percent, Tolerance};
use super::scalar;
use super::tree::Node;
use super::units::{self, Kinship, Unit};

/// A value and what it is measured in.
struct Quantity {
    value: Node,
    unit: Option<Unit>,
    percent: bool,
}

impl Comparer<'_> {
    /// Compares two single values.
    pub(super) fn scalars(&mut self, gold: &Node, candidate: &Node) -> Outcome {
        let (mut gold, candidate) = match (quantity(gold), quantity(candidate)) {
            (Ok(gold), Ok(candidate)) => (gold, candidate),
            (Err(trouble), _) | (_, Err(trouble)) => return Outcome::Unknown(trouble.to_string()),
        };
        if gold.unit.is_none()
            && let Some(unit) = self.options.gold_unit.as_deref()
        {
            gold.unit = Some(units::lookup(unit).unwrap_or_else(|| Unit::labelled(unit)));
        }
        if gold.percent != candidate.percent {
            return self.percent(&gold, &candidate);
        }
        match (&gold.unit, &candidate.unit) {
            (Some(left), Some(right)) => self.measured(&gold.value, left, &candidate.value, right),
            (None, None) => self.values(&gold.value, &candidate.value),
            (Some(unit), None) | (None, Some(unit)) => {
                if !self.options.accept_missing_unit {
                    self.note("one side has no unit");
                    return Outcome::Different;
                }
                let raw = self.values(&gold.value, &candidate.value);
                if raw == Outcome::Equal || !unit.is_degree() {
                    return raw;
                }
                self.radians(&gold, &candidate)
            }
        }
    }

    /// `90°` is also `π/2`.
    fn radians(&mut self, gold: &Quantity, candidate: &Quantity) -> Outcome {
        let angle = |quantity: &Quantity| match &quantity.unit {
            Some(unit) => Node::Measured(Box::new(quantity.value.clone()), unit.clone()),
            None => quantity.value.clone(),
        };
        let has_pi = |quantity: &Quantity| {
            let pi = Node::Constant(super::tree::Constant::Pi);
            quantity.unit.is_none() && quantity.value.any(&|node| *node == pi)
        };
        if has_pi(gold) || has_pi(candidate) {
            self.note("degrees in radians");
            return self.values(&angle(gold), &angle(candidate));
        }
        Outcome::Different
    }

    fn percent(&mut self, gold: &Quantity, candidate: &Quantity) -> Outcome {
        let scaled = |quantity: &Quantity| {
            if quantity.percent {
                Node::Percent(Box::new(quantity.value.clone()))
            } else {
                quantity.value.clone()
            }
        };
        let fraction = self.values(&scaled(gold), &scaled(candidate));
        if fraction == Outcome::Equal || self.options.percent == Percent::Fraction {
            return fraction;
        }
        self.note("a percent sign on one side only");
        self.values(&gold.value, &candidate.value)
    }

    fn measured(&mut self, gold: &Node, left: &Unit, candidate: &Node, right: &Unit) -> Outcome {
        match left.kinship(right) {
            Kinship::Different => {
                self.note("units of different kinds");
                Outcome::Different
            }
            Kinship::Same if left.scale == right.scale => self.values(gold, candidate),
            Kinship::Same if !self.options.convert_units => {
                self.note("different units");
                Outcome::Different
            }
            Kinship::Same => {
                self.note("converted to the same unit");
                self.values(&scaled(gold, &left.scale), &scaled(candidate, &right.scale))
            }
            Kinship::Unclear => match self.values(gold, candidate) {
                Outcome::Equal => {
                    Outcome::Unknown("the values agree, but their units may differ".into())
                }
                other => other,
            },
        }
    }

    /// Compares two values without units.
    pub(super) fn values(&mut self, gold: &Node, candidate: &Node) -> Outcome {
        if let Some(outcome) = self.numerals(gold, candidate) {
            return outcome;
        }
        let (outcome, how) = scalar::equal(gold, candidate, self.seed, self.budget);
        self.note(format!("{}: {how}", in_words(&outcome)));
        if outcome == Outcome::Equal {
            return outcome;
        }
        match self.nearly(gold, candidate) {
            Some(true) => Outcome::Equal,
            _ => outcome,
        }
    }

    /// Numerals in other bases: equal as written, or by value if the option says so.
    fn numerals(&mut self, gold: &Node, candidate: &Node) -> Option<Outcome> {
        let value = |node: &Node| match node {
            Node::Numeral(digits, base) => {
                Some(BigInt::parse_bytes(digits.as_bytes(), *base).map(BigRational::from_integer))
            }
            _ => None,
        };
        let (left, right) = (value(gold), value(candidate));
        if left.is_none() && right.is_none() {
            return None;
        }
        if left.is_some() != right.is_some() && !self.options.convert_bases {
            self.note("a numeral in another base");
            return Some(Outcome::Different);
        }
        let node = |read: Option<Option<BigRational>>, node: &Node| match read {
            Some(Some(value)) => Some(Node::rational(value)),
            Some(None) => None,
            None => Some(node.clone()),
        };
        let unreadable = Outcome::Unknown("a digit is not smaller than its base".into());
        match (node(left, gold), node(right, candidate)) {
            (Some(left), Some(right)) => Some(self.values(&left, &right)),
            _ => Some(unreadable),
        }
    }

    /// Whether decimals are near enough by the options.
    fn nearly(&mut self, gold: &Node, candidate: &Node) -> Option<bool> {
        if let Some(tolerance) = self.options.tolerance
            && (has_decimal(gold) || has_decimal(candidate) || {
                // A distance or a share was asked for by whoever wrote gold, of whole numbers too.
                !matches!(tolerance, Tolerance::Places(_))
                    && self.is_whole(gold)
                    && self.is_whole(candidate)
            })
        {
            let near = self.within(gold, candidate, tolerance)?;
            self.note(if near {
                "within the tolerance"
            } else {
                "beyond the tolerance"
            });
            return Some(near);
        }
        let least = self.options.rounded_places?;
        let (decimal, exact) = match (decimal(gold), decimal(candidate)) {
            (None, Some(decimal)) => (decimal, gold),
            (Some(decimal), None) => (decimal, candidate),
            _ => return None,
        };
        let (value, places) = decimal;
        let digits = (value.abs()
            * BigRational::from_integer(BigInt::from(10)).pow(places.min(400) as i32))
        .to_integer();
        if places < least || digits < BigInt::from(10_000) || has_decimal(exact) {
            return None;
        }
        if let Ok(exact) = super::rational::evaluate(exact, self.budget) {
            // A value that ends within these places needs no rounding.
            let scale = BigRational::from_integer(BigInt::from(10)).pow(places.min(400) as i32);
            if (exact * scale).is_integer() {
                return None;
            }
        }
        let near = scalar::rounds_to(exact, &value, places, self.budget)?;
        if near {
            self.note(format!("rounds to {places} places"));
        }
        Some(near)
    }

    fn is_whole(&mut self, node: &Node) -> bool {
        super::rational::evaluate(node, self.budget).is_ok_and(|value| value.is_integer())
    }

    fn within(&mut self, gold: &Node, candidate: &Node, tolerance: Tolerance) -> Option<bool> {
        let limit = match tolerance {
            Tolerance::Places(places) => {
                let unit = BigRational::from_integer(10.into()).pow(-(places.min(300) as i32));
                unit / BigInt::from(2)
            }
            Tolerance::Absolute(limit) => BigRational::from_float(limit)?,
            Tolerance::Relative(share) => {
                let share = BigRational::from_float(share)?;
                let gold = scalar::enclose(gold, 128, self.budget).ok()?.absolute();
                let below = num_traits::pow(BigInt::from(2), 128);
                share * BigRational::new(gold.lo, below)
            }
        };
        if limit.is_negative() {
            return None;
        }
        let difference = gold.clone().minus(candidate.clone());
        scalar::within(&difference, &BigRational::zero(), &limit, self.budget)
    }
}

fn in_words(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Equal => "equal",
        Outcome::Different => "different",
        Outcome::Unknown(_) => "undecided",
    }
}

fn scaled(value: &Node, scale: &BigRational) -> Node {
    Node::Product(vec![value.clone(), Node::rational(scale.clone())])
}

/// A number written with a decimal point, and its places.
fn decimal(node: &Node) -> Option<(BigRational, u32)> {
    match node {
        Node::Number {
            value,
            places: Some(places),
        } if *places > 0 => Some((value.clone(), *places)),
        _ => None,
    }
}

fn has_decimal(node: &Node) -> bool {
    node.any(&|part| decimal(part).is_some())
}

/// Takes units and percent signs off a value.
fn quantity(node: &Node) -> Result<Quantity, Trouble> {
    let plain = |value: Node| Quantity {
        value,
        unit: None,
        percent: false,
    };
    match node {
        Node::Percent(inner) if !has_unit(inner) => Ok(Quantity {
            value: inner.as_ref().clone(),
            unit: None,
            percent: true,
        }),
        Node::Measured(inner, unit) if !has_unit(inner) => match inner.as_ref() {
            // `5 % of students`
            Node::Percent(value) => Ok(Quantity {
                value: value.as_ref().clone(),
                unit: Some(unit.clone()),
                percent: true,
            }),
            value => Ok(Quantity {
                value: value.clone(),
                unit: Some(unit.clone()),
                percent: false,
            }),
        },
        Node::Measured(inner, outer) => {
            // `$5 per hour`
            let mut inside = quantity(inner)?;
            let unit = inside.unit.take().unwrap_or_else(Unit::none);
            inside.unit = unit.times(outer);
            Ok(inside)
        }
        Node::Negate(inner) if has_unit(inner) => {
            let mut inside = quantity(inner)?;
            inside.value = super::parser::negate(inside.value);
            Ok(inside)
        }
        Node::Sum(terms) if terms.iter().any(has_unit) => sum(terms),
        other => Ok(plain(other.clone())),
    }
}

fn has_unit(node: &Node) -> bool {
    // Degrees inside a function are part of its argument.
    match node {
        Node::Measured(..) => true,
        Node::Call(..) | Node::Power(..) => false,
        other => other.children().into_iter().any(has_unit),
    }
}

/// `2 hours 30 min`: every part in base units.
fn sum(terms: &[Node]) -> Result<Quantity, Trouble> {
    let mut values = Vec::with_capacity(terms.len());
    let mut common: Option<Unit> = None;
    for term in terms {
        let part = quantity(term)?;
        let unit = part.unit.unwrap_or_else(Unit::none);
        if common
            .as_ref()
            .is_some_and(|known| known.kinship(&unit) != Kinship::Same)
        {
            return Err(Trouble::Unreadable("a sum of different units".into()));
        }
        values.push(scaled(&part.value, &unit.scale));
        common = Some(unit);
    }
    let unit = common.map(|mut unit| {
        unit.scale = num_traits::One::one();
        unit
    });
    Ok(Quantity {
        value: Node::Sum(values),
        unit,
        percent: false,
    })
}

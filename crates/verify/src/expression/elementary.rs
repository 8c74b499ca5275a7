//! From trees to canonical forms: exponentials, logarithms, trigonometry.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use super::budget::{Step, Trouble};
use super::evaluate::Meaning;
use super::polynomial::{Algebra, Atom, Exponent, Monomial, Poly, exact, exponent};
use super::rational;
use super::tree::{Function, Node};

impl Algebra<'_> {
    /// A function with a fixed meaning.
    pub(super) fn call(&mut self, function: Function, arguments: &[Node]) -> Step<Poly> {
        let values: Vec<Poly> = arguments
            .iter()
            .map(|argument| self.canonical(argument))
            .collect::<Step<_>>()?;
        let whole = matches!(
            function,
            Function::Floor
                | Function::Ceil
                | Function::Factorial
                | Function::Binomial
                | Function::Gcd
                | Function::Lcm
                | Function::Min
                | Function::Max
                | Function::Mod
        );
        if whole {
            return self.arithmetic(function, arguments, values);
        }
        match (function, values.as_slice()) {
            (Function::Log, [x, base]) => {
                let above = self.logarithm(x)?;
                let below = self.logarithm(base)?;
                let below = self.power(&below, -Exponent::one())?;
                self.multiply(&above, &below)
            }
            (Function::Log, [x]) => {
                let ten = Poly::constant(BigRational::from_integer(10.into()));
                let above = self.logarithm(x)?;
                let below = self.logarithm(&ten)?;
                let below = self.power(&below, -Exponent::one())?;
                self.multiply(&above, &below)
            }
            (_, [x]) => self.unary(function, x),
            _ => Err(Trouble::Unsupported("so many arguments")),
        }
    }

    fn unary(&mut self, function: Function, x: &Poly) -> Step<Poly> {
        let inverse = -Exponent::one();
        match function {
            Function::Sin => self.sine(x),
            Function::Cos => self.cosine(x),
            Function::Tan | Function::Cot => {
                let (sine, cosine) = (self.sine(x)?, self.cosine(x)?);
                let (above, below) = if function == Function::Tan {
                    (sine, cosine)
                } else {
                    (cosine, sine)
                };
                let below = self.power(&below, inverse)?;
                self.multiply(&above, &below)
            }
            Function::Sec => {
                let cosine = self.cosine(x)?;
                self.power(&cosine, inverse)
            }
            Function::Csc => {
                let sine = self.sine(x)?;
                self.power(&sine, inverse)
            }
            Function::Exp => self.exponential(x),
            Function::Ln => self.logarithm(x),
            Function::Abs => self.absolute(x),
            Function::Arcsin | Function::Arccos | Function::Arctan => self.arc(function, x),
            Function::Sinh | Function::Cosh | Function::Tanh => self.hyperbolic(function, x),
            _ => Err(Trouble::Unsupported("this function")),
        }
    }

    fn hyperbolic(&mut self, function: Function, x: &Poly) -> Step<Poly> {
        let up = self.exponential(x)?;
        let down = self.exponential(&x.clone().negative())?;
        let sum = self.add(up.clone(), &down)?;
        let difference = self.subtract(up, down)?;
        let half = BigRational::new(1.into(), 2.into());
        match function {
            Function::Sinh => Ok(difference.scaled(&half)),
            Function::Cosh => Ok(sum.scaled(&half)),
            _ => {
                let below = self.power(&sum, -Exponent::one())?;
                self.multiply(&difference, &below)
            }
        }
    }

    /// Functions of whole numbers: exact for numbers, opaque otherwise.
    fn arithmetic(
        &mut self,
        function: Function,
        arguments: &[Node],
        values: Vec<Poly>,
    ) -> Step<Poly> {
        let numbers: Option<Vec<Node>> = values
            .iter()
            .map(|value| value.as_rational().map(Node::rational))
            .collect();
        if let Some(numbers) = numbers {
            let call = Node::Call(function, numbers);
            return rational::evaluate(&call, self.budget).map(Poly::constant);
        }
        match (function, values.as_slice()) {
            (Function::Factorial, [n]) => return self.factorial(n),
            (Function::Binomial, [n, k]) => return self.binomial(n, k),
            _ => {}
        }
        if arguments
            .iter()
            .all(|argument| argument.symbols().is_empty())
        {
            return self.whole_part(function, &values);
        }
        let name = format!("{function:?}");
        Ok(self.atom_power(Atom::Opaque(name, values), Exponent::one()))
    }

    /// `(n + c)!` as `n!` times factors, for a small whole `c`.
    fn factorial(&mut self, n: &Poly) -> Step<Poly> {
        let one = Monomial::default();
        let mut base = n.clone();
        let shift = base.terms.remove(&one).unwrap_or_else(BigRational::zero);
        let whole = shift.floor();
        let rest = Poly::constant(shift - &whole);
        let base = self.add(base, &rest)?;
        let count = whole.to_integer();
        let count = i64::try_from(&count).ok().filter(|count| count.abs() <= 24);
        let count = count.ok_or(Trouble::Budget("the factors of a factorial"))?;
        let name = format!("{:?}", Function::Factorial);
        let mut product = self.atom_power(Atom::Opaque(name, vec![base.clone()]), Exponent::one());
        for step in 0..count.abs() {
            let offset = if count > 0 { step + 1 } else { -step };
            let offset = Poly::constant(BigRational::from_integer(offset.into()));
            let mut factor = self.add(base.clone(), &offset)?;
            if count < 0 {
                factor = self.power(&factor, -Exponent::one())?;
            }
            product = self.multiply(&product, &factor)?;
        }
        Ok(product)
    }

    fn binomial(&mut self, n: &Poly, k: &Poly) -> Step<Poly> {
        let inverse = -Exponent::one();
        let small = k.as_rational().filter(BigRational::is_integer);
        if let Some(count) = small.and_then(|k| i64::try_from(&k.to_integer()).ok())
            && (0..=12).contains(&count)
        {
            let mut product = Poly::constant(BigRational::one());
            for step in 0..count {
                let offset = Poly::constant(BigRational::from_integer((-step).into()));
                let factor = self.add(n.clone(), &offset)?;
                let share = BigRational::new(1.into(), (step + 1).into());
                product = self.multiply(&product, &factor.scaled(&share))?;
            }
            return Ok(product);
        }
        let rest = self.subtract(n.clone(), k.clone())?;
        let mut product = self.factorial(n)?;
        for below in [k, &rest] {
            let below = match below.as_rational() {
                Some(value) => {
                    let call = Node::Call(Function::Factorial, vec![Node::rational(value)]);
                    Poly::constant(rational::evaluate(&call, self.budget)?)
                }
                None => self.factorial(below)?,
            };
            let below = self.power(&below, inverse)?;
            product = self.multiply(&product, &below)?;
        }
        Ok(product)
    }

    /// The whole part of an irrational number, where its digits decide it.
    fn whole_part(&mut self, function: Function, values: &[Poly]) -> Step<Poly> {
        const PRECISION: u64 = 192;
        let ([value], Function::Floor | Function::Ceil) = (values, function) else {
            return Err(Trouble::Unsupported("this function of irrational numbers"));
        };
        let (mut evaluation, budget) = self.evaluation(&[value], Meaning::Real, 0)?;
        evaluation.restart(PRECISION);
        let found = evaluation.poly(value, budget)?.value;
        let (low, high) = (found.lo >> PRECISION, found.hi >> PRECISION);
        if low != high {
            return Err(Trouble::Unsupported(
                "a whole part of nearly a whole number",
            ));
        }
        let up = BigInt::from(i32::from(function == Function::Ceil));
        Ok(Poly::constant(BigRational::from_integer(low + up)))
    }

    /// The absolute value; signs of numbers are known, those of letters are not.
    pub(super) fn absolute(&mut self, x: &Poly) -> Step<Poly> {
        if let Some(value) = x.as_rational() {
            return Ok(Poly::constant(value.abs()));
        }
        let (real, imaginary) = self.split_imaginary(x)?;
        if !imaginary.is_zero() {
            let a = self.multiply(&real, &real)?;
            let b = self.multiply(&imaginary, &imaginary)?;
            let norm = self.add(a, &b)?;
            return self.power(&norm, Exponent::new(1, 2));
        }
        let (content, common, primitive) = self.factor_content(x, true)?;
        let mut result = Poly::constant(content.abs());
        for (id, power) in common.0 {
            let atom = self.atom(id)?.clone();
            let positive = matches!(
                atom,
                Atom::Pi
                    | Atom::Euler
                    | Atom::Prime(_)
                    | Atom::Exp(_)
                    | Atom::Abs(_)
                    | Atom::CosPi(_)
            );
            let even = power.is_integer() && power.to_integer() % 2 == 0;
            let factor = if positive || even || !power.is_integer() {
                self.atom_power(atom, power)
            } else {
                let inner = self.atom_power(atom, Exponent::one());
                self.atom_power(Atom::Abs(inner), power)
            };
            result = self.multiply(&result, &factor)?;
        }
        let rest = match primitive.single() {
            Some((monomial, _)) if monomial.0.iter().all(|(id, _)| self.is_positive(*id)) => {
                primitive
            }
            _ => self.atom_power(Atom::Abs(primitive), Exponent::one()),
        };
        self.multiply(&result, &rest)
    }

    fn is_positive(&self, id: u32) -> bool {
        matches!(
            self.atom(id),
            Ok(Atom::Pi
                | Atom::Euler
                | Atom::Prime(_)
                | Atom::Exp(_)
                | Atom::Abs(_)
                | Atom::CosPi(_))
        )
    }

    /// The exponential: sums become products, logarithms become powers.
    pub(super) fn exponential(&mut self, x: &Poly) -> Step<Poly> {
        let (real, imaginary) = self.split_imaginary(x)?;
        let mut result = Poly::constant(BigRational::one());
        for (monomial, coefficient) in &real.terms {
            let factor = self.exponential_of_term(monomial, coefficient)?;
            result = self.multiply(&result, &factor)?;
        }
        if !imaginary.is_zero() {
            let cosine = self.cosine(&imaginary)?;
            let sine = self.sine(&imaginary)?;
            let unit = self.atom_power(Atom::Imaginary, Exponent::one());
            let turned = self.multiply(&unit, &sine)?;
            let phase = self.add(cosine, &turned)?;
            result = self.multiply(&result, &phase)?;
        }
        Ok(result)
    }

    fn exponential_of_term(
        &mut self,
        monomial: &Monomial,
        coefficient: &BigRational,
    ) -> Step<Poly> {
        let power = exponent(coefficient)?;
        match monomial.0.as_slice() {
            [] => Ok(self.atom_power(Atom::Euler, power)),
            [(id, one)] if one.is_one() => match self.atom(*id)?.clone() {
                Atom::Ln(inner) => self.power(&inner, power),
                _ => Ok(self.atom_power(Atom::Exp(monomial.clone()), power)),
            },
            _ => Ok(self.atom_power(Atom::Exp(monomial.clone()), power)),
        }
    }

    /// The natural logarithm: products become sums.
    pub(super) fn logarithm(&mut self, x: &Poly) -> Step<Poly> {
        if x.is_zero() {
            return Err(Trouble::Undefined("the logarithm of zero"));
        }
        let (content, common, rest) = if let Some((monomial, coefficient)) = x.single() {
            (coefficient.clone(), monomial.clone(), None)
        } else {
            let (content, common, primitive) = self.factor_content(x, false)?;
            (content, common, Some(primitive))
        };
        if content.is_negative() {
            return Err(Trouble::Unsupported("the logarithm of a negative number"));
        }
        let mut result = Poly::default();
        for (value, sign) in [(content.numer(), 1), (content.denom(), -1)] {
            for (prime, count) in self.factor(value.clone())? {
                let inner = Poly::constant(BigRational::from_integer(prime));
                let term = self.atom_power(Atom::Ln(inner), Exponent::one());
                let count = BigInt::from(sign * i64::from(count));
                result = self.add(result, &term.scaled(&BigRational::from_integer(count)))?;
            }
        }
        for (id, power) in common.0 {
            let term = self.logarithm_of_atom(id, power)?;
            result = self.add(result, &term)?;
        }
        if let Some(primitive) = rest {
            let term = self.atom_power(Atom::Ln(primitive), Exponent::one());
            result = self.add(result, &term)?;
        }
        Ok(result)
    }

    fn logarithm_of_atom(&mut self, id: u32, power: Exponent) -> Step<Poly> {
        let scale = exact(power);
        match self.atom(id)?.clone() {
            Atom::Imaginary => Err(Trouble::Unsupported("the logarithm of a complex number")),
            Atom::Euler => Ok(Poly::constant(scale)),
            Atom::Exp(monomial) => Ok(Poly::term(monomial, scale)),
            Atom::Prime(prime) => {
                let inner = Poly::constant(BigRational::from_integer(prime));
                Ok(self
                    .atom_power(Atom::Ln(inner), Exponent::one())
                    .scaled(&scale))
            }
            Atom::Base(inner) => Ok(self
                .atom_power(Atom::Ln(inner), Exponent::one())
                .scaled(&scale)),
            other => {
                let even = power.is_integer() && power.to_integer() % 2 == 0;
                let mut inner = self.atom_power(other, Exponent::one());
                if even {
                    inner = self.absolute(&inner)?;
                }
                Ok(self
                    .atom_power(Atom::Ln(inner), Exponent::one())
                    .scaled(&scale))
            }
        }
    }

    /// Splits an angle: how many π it holds, and the rest.
    fn split_angle(&mut self, x: &Poly) -> Step<(Exponent, Poly)> {
        let pi = Monomial(vec![(self.intern(Atom::Pi), Exponent::one())]);
        let mut rest = x.clone();
        let turns = match rest.terms.remove(&pi) {
            Some(coefficient) => exponent(&coefficient)?,
            None => Exponent::zero(),
        };
        Ok((turns, rest))
    }

    /// The sine.
    pub(super) fn sine(&mut self, x: &Poly) -> Step<Poly> {
        let (turns, rest) = self.split_angle(x)?;
        // sin x = cos(π/2 - x)
        self.cosine_of(Exponent::new(1, 2) - turns, rest.negative())
    }

    /// The cosine.
    pub(super) fn cosine(&mut self, x: &Poly) -> Step<Poly> {
        let (turns, rest) = self.split_angle(x)?;
        self.cosine_of(turns, rest)
    }

    /// The cosine of `turns * π + rest`.
    fn cosine_of(&mut self, turns: Exponent, rest: Poly) -> Step<Poly> {
        let (_, imaginary) = self.split_imaginary(&rest)?;
        if !imaginary.is_zero() {
            return Err(Trouble::Unsupported("trigonometry of complex numbers"));
        }
        let two = Exponent::from_integer(2);
        let turns = turns - two * (turns / two).floor();
        if rest.is_zero() {
            return self.cosine_of_turns(turns);
        }
        // Quarter turns change the function; other parts of a turn split off by the sum rule.
        let quarters = (turns * two).floor();
        let remainder = turns - quarters / two;
        if !remainder.is_zero() {
            let (straight, across) = (
                self.cosine_of(quarters / two, rest.clone())?,
                self.cosine_of(quarters / two - Exponent::new(1, 2), rest)?,
            );
            let cosine = self.cosine_of_turns(remainder)?;
            let sine = self.cosine_of_turns(Exponent::new(1, 2) - remainder)?;
            let kept = self.multiply(&straight, &cosine)?;
            let lost = self.multiply(&across, &sine)?;
            return self.subtract(kept, lost);
        }
        let mut angle = rest;
        let negative = angle.leading().is_negative();
        if negative {
            angle = angle.negative();
        }
        let cosine =
            |algebra: &mut Self, angle| algebra.atom_power(Atom::Cos(angle), Exponent::one());
        let sine = |algebra: &mut Self, angle| {
            let sine = algebra.atom_power(Atom::Sin(angle), Exponent::one());
            if negative { sine.negative() } else { sine }
        };
        Ok(match quarters.to_integer().rem_euclid(4) {
            0 => cosine(self, angle),
            1 => sine(self, angle).negative(),
            2 => cosine(self, angle).negative(),
            _ => sine(self, angle),
        })
    }

    /// The cosine of this many π.
    fn cosine_of_turns(&mut self, turns: Exponent) -> Step<Poly> {
        let one = Exponent::one();
        let half = Exponent::new(1, 2);
        if turns > one {
            return self.cosine_of_turns(Exponent::from_integer(2) - turns);
        }
        if turns > half {
            return Ok(self.cosine_of_turns(one - turns)?.negative());
        }
        let mut root = |value: i64, above: i64, below: i64| -> Step<Poly> {
            let value = Poly::constant(BigRational::from_integer(value.into()));
            let root = self.power(&value, half)?;
            Ok(root.scaled(&BigRational::new(above.into(), below.into())))
        };
        match (*turns.numer(), *turns.denom()) {
            (0, _) => Ok(Poly::constant(BigRational::one())),
            (1, 2) => Ok(Poly::default()),
            (1, 3) => Ok(Poly::constant(BigRational::new(1.into(), 2.into()))),
            (1, 4) => root(2, 1, 2),
            (1, 6) => root(3, 1, 2),
            (1 | 2, 5) => {
                let five = root(5, 1, 4)?;
                let sign = if *turns.numer() == 1 { 1 } else { -1 };
                let quarter = Poly::constant(BigRational::new(sign.into(), 4.into()));
                self.add(five, &quarter)
            }
            (1 | 5, 12) => {
                let sign = if *turns.numer() == 1 { 1 } else { -1 };
                let (six, two) = (root(6, 1, 4)?, root(2, sign, 4)?);
                self.add(six, &two)
            }
            _ => Ok(self.atom_power(Atom::CosPi(turns), one)),
        }
    }

    /// Inverse trigonometric functions, with their well-known values.
    fn arc(&mut self, function: Function, x: &Poly) -> Step<Poly> {
        let pi = self.atom_power(Atom::Pi, Exponent::one());
        if function == Function::Arccos {
            let sine = self.arc(Function::Arcsin, x)?;
            let right = pi.scaled(&BigRational::new(1.into(), 2.into()));
            return self.subtract(right, sine);
        }
        for (above, below) in [
            (0, 1),
            (1, 6),
            (1, 4),
            (1, 3),
            (1, 2),
            (1, 5),
            (2, 5),
            (1, 10),
            (3, 10),
            (1, 12),
            (5, 12),
            (1, 8),
            (3, 8),
        ] {
            if function == Function::Arctan && (above, below) == (1, 2) {
                continue;
            }
            let angle = pi
                .clone()
                .scaled(&BigRational::new(above.into(), below.into()));
            let value = match function {
                Function::Arcsin => self.sine(&angle)?,
                _ => self.unary(Function::Tan, &angle)?,
            };
            if value == *x {
                return Ok(angle);
            }
            if value.negative() == *x {
                return Ok(angle.negative());
            }
        }
        let negative = x.leading().is_negative();
        let inner = if negative {
            x.clone().negative()
        } else {
            x.clone()
        };
        let atom = match function {
            Function::Arcsin => Atom::Arcsin(inner),
            _ => Atom::Arctan(inner),
        };
        let arc = self.atom_power(atom, Exponent::one());
        Ok(if negative { arc.negative() } else { arc })
    }
}

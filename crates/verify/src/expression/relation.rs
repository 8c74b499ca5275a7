//! Equations, inequalities and assignments.

use super::compare::{Comparer, Outcome};
use super::modular::{hash, mix};
use super::region::is_unknown;
use super::scalar;
use super::tree::{Function, Node, Relation};

impl Comparer<'_> {
    /// Compares answers of which at least one is a relation.
    pub(super) fn with_relation(&mut self, gold: &Node, candidate: &Node) -> Outcome {
        match (gold, candidate) {
            (Node::Chain(terms, relations), Node::Chain(other_terms, other_relations)) => {
                let left = tidy(terms, relations);
                let right = tidy(other_terms, other_relations);
                self.two_relations(&left, &right)
            }
            (Node::Chain(terms, relations), other) => {
                self.one_relation(terms, relations, other, true)
            }
            (other, Node::Chain(terms, relations)) => {
                self.one_relation(terms, relations, other, false)
            }
            _ => Outcome::Unknown("no relation to compare".into()),
        }
    }

    /// A relation against something else: assignments are unwrapped, inequalities are sets.
    fn one_relation(
        &mut self,
        terms: &[Node],
        relations: &[Relation],
        other: &Node,
        gold_is_relation: bool,
    ) -> Outcome {
        if let Some(value) = assigned(terms, relations) {
            self.note("took the value out of an assignment");
            let value = value.clone();
            return if gold_is_relation {
                self.nodes(&value, other)
            } else {
                self.nodes(other, &value)
            };
        }
        let ordered = relations
            .iter()
            .all(|relation| relation.is_order() || *relation == Relation::NotEqual);
        if !ordered {
            self.note("an equation is no value");
            return Outcome::Different;
        }
        let is_set = matches!(
            other,
            Node::Tuple { .. }
                | Node::Union(_)
                | Node::Set(_)
                | Node::Without(..)
                | Node::Intersection(_)
        );
        let is_system = matches!(other, Node::List(parts, _) if parts.iter().any(|part| matches!(part, Node::Chain(..))));
        if !is_set && !is_system {
            self.note("an inequality is no value");
            return Outcome::Different;
        }
        if is_set && !gold_is_relation && !self.options.inequality_answers_interval {
            self.note("an inequality does not answer an interval (an option)");
            return Outcome::Different;
        }
        let chain = Node::Chain(terms.to_vec(), relations.to_vec());
        match (self.pieces(&chain), self.pieces(other)) {
            (Some(a), Some(b)) => {
                self.note("compared as sets of numbers");
                self.same_pieces(a, b)
            }
            _ => Outcome::Unknown("an inequality that is not solved".into()),
        }
    }

    fn two_relations(&mut self, gold: &Tidy, candidate: &Tidy) -> Outcome {
        if gold.relations != candidate.relations {
            let asks_for_interval = gold.relations == [Relation::In];
            if asks_for_interval && !self.options.inequality_answers_interval {
                self.note("an inequality does not answer an interval (an option)");
                return Outcome::Different;
            }
            let (a, b) = (gold.chain(), candidate.chain());
            if let (Some(a), Some(b)) = (self.pieces(&a), self.pieces(&b)) {
                return self.same_pieces(a, b);
            }
            self.note("different relations");
            return Outcome::Different;
        }
        if self.in_order(&gold.terms, &candidate.terms) == Outcome::Equal {
            return Outcome::Equal;
        }
        if let ([a, b], [relation], [c, d]) = (
            gold.terms.as_slice(),
            gold.relations.as_slice(),
            candidate.terms.as_slice(),
        ) {
            return self.two_sides(a, b, *relation, c, d);
        }
        let (a, b) = (gold.chain(), candidate.chain());
        match (self.pieces(&a), self.pieces(&b)) {
            (Some(a), Some(b)) => self.same_pieces(a, b),
            _ => Outcome::Different,
        }
    }

    /// `a ~ b` and `c ~ d` with the same relation.
    fn two_sides(&mut self, a: &Node, b: &Node, relation: Relation, c: &Node, d: &Node) -> Outcome {
        if matches!(relation, Relation::In | Relation::Other(_)) {
            return Outcome::Different;
        }
        if a == c && is_unknown(a) {
            return self.nodes(b, d);
        }
        if function_value(a, c) || function_value(c, a) {
            return self.nodes(b, d);
        }
        let names = |x: &Node, y: &Node| name_like(x) && !name_like(y) && y.symbols().is_empty();
        if !([a, b, c, d].into_iter().all(Node::is_scalar)) {
            if name_like(a) && name_like(c) {
                return self.all_sides(a, b, c, d);
            }
            return Outcome::Different;
        }
        if names(a, b) && names(c, d) && a.symbols() != c.symbols() {
            self.note("values of different unknowns");
            return Outcome::Different;
        }
        let f = a.clone().minus(b.clone());
        let g = c.clone().minus(d.clone());
        self.proportional(&f, &g, relation)
    }

    fn all_sides(&mut self, a: &Node, b: &Node, c: &Node, d: &Node) -> Outcome {
        match self.nodes(a, c) {
            Outcome::Equal => self.nodes(b, d),
            other => other,
        }
    }

    /// Whether `f ~ 0` and `g ~ 0` say the same, because one is a multiple of the other.
    fn proportional(&mut self, f: &Node, g: &Node, relation: Relation) -> Outcome {
        let (mut f, mut g) = (f.clone(), g.clone());
        let divisions = divisions_by_letters(&f).max(divisions_by_letters(&g));
        if !relation.is_order() && (1..=MAX_DIVISIONS).contains(&divisions) {
            if f.symbols() != g.symbols() {
                return Outcome::Different;
            }
            f = numerator(&f);
            g = numerator(&g);
        }
        let seed = self.seed;
        let at = |node: &Node| {
            substitute(node, &|name| {
                // Rational points, positive, so that roots of letters exist.
                let bits = hash(name, seed ^ 0x77) % 9973;
                Some(Node::integer(bits as i64 + 2))
            })
        };
        let (f_there, g_there) = (at(&f), at(&g));
        let zero = Node::integer(0);
        for value in [&f_there, &g_there] {
            let (outcome, _) = scalar::equal(value, &zero, seed, self.budget);
            match outcome {
                Outcome::Different => {}
                Outcome::Equal => return Outcome::Different,
                unknown @ Outcome::Unknown(_) => return unknown,
            }
        }
        if f.symbols().is_empty() && g.symbols().is_empty() {
            return Outcome::Different;
        }
        let left = Node::Product(vec![f, g_there.clone()]);
        let right = Node::Product(vec![g, f_there.clone()]);
        let (outcome, how) = scalar::equal(&left, &right, mix(seed), self.budget);
        self.note(format!("sides as multiples of each other: {how}"));
        if outcome != Outcome::Equal || !relation.is_order() {
            return outcome;
        }
        let signs = (
            scalar::order(&f_there, &zero, seed, self.budget),
            scalar::order(&g_there, &zero, seed, self.budget),
        );
        match signs {
            (Some(a), Some(b)) if a == b => Outcome::Equal,
            (Some(_), Some(_)) => Outcome::Different,
            _ => Outcome::Unknown("the sign of a factor is not known".into()),
        }
    }
}

/// `f(x)` on one side and `y` on the other name the same value.
fn function_value(a: &Node, b: &Node) -> bool {
    matches!((a, b), (Node::Named(..), Node::Symbol(name)) if name == "y")
}

/// A relation in standard direction, without steps in between.
struct Tidy {
    terms: Vec<Node>,
    relations: Vec<Relation>,
}

impl Tidy {
    fn chain(&self) -> Node {
        Node::Chain(self.terms.clone(), self.relations.clone())
    }
}

fn tidy(terms: &[Node], relations: &[Relation]) -> Tidy {
    let mut terms = terms.to_vec();
    let mut relations = relations.to_vec();
    // `x = 1/3 ≈ 0.33` ends before the approximation.
    if let Some(at) = relations
        .iter()
        .position(|relation| *relation == Relation::Approximate)
    {
        if at > 0 {
            terms.truncate(at + 1);
            relations.truncate(at);
        } else {
            relations = relations
                .into_iter()
                .map(|relation| {
                    if relation == Relation::Approximate {
                        Relation::Equal
                    } else {
                        relation
                    }
                })
                .collect();
        }
    }
    if relations.len() > 1
        && relations
            .iter()
            .all(|relation| *relation == Relation::Equal)
    {
        let last = terms.pop();
        terms.truncate(1);
        terms.extend(last);
        relations.truncate(1);
    }
    let downwards = relations
        .iter()
        .any(|relation| matches!(relation, Relation::Greater | Relation::GreaterEqual));
    if downwards {
        terms.reverse();
        relations.reverse();
        for relation in &mut relations {
            *relation = relation.flipped();
        }
    }
    // `5 = x` is `x = 5`.
    if let ([a, b], [Relation::Equal]) = (terms.as_slice(), relations.as_slice())
        && name_like(b)
        && !name_like(a)
    {
        terms.reverse();
    }
    Tidy { terms, relations }
}

/// The value of an assignment: `x = 5`, `x = 5 + 6 = 11`, `x ∈ [0, 1]`.
fn assigned<'n>(terms: &'n [Node], relations: &[Relation]) -> Option<&'n Node> {
    let first = terms.first()?;
    if relations == [Relation::In] {
        return terms.last();
    }
    let end = relations
        .iter()
        .position(|relation| *relation == Relation::Approximate)
        .filter(|at| *at > 0)
        .unwrap_or(relations.len());
    let used = relations.get(..end)?;
    if !used
        .iter()
        .all(|relation| matches!(relation, Relation::Equal | Relation::Approximate))
    {
        return None;
    }
    let last = terms.get(end)?;
    let no_letters = |node: &Node| node.symbols().is_empty();
    if name_like(first) || terms.iter().all(no_letters) {
        return Some(last);
    }
    // `5 = x`, and `x + y = z = 7` where the last link is a number after a name.
    if name_like(last) && no_letters(first) {
        return Some(first);
    }
    let named_inside = terms.get(1..end)?.iter().any(name_like);
    (named_inside && no_letters(last)).then_some(last)
}

/// What may stand for a value: `x`, `f(x)`, `AB`, `S_1 : S`, `NO/BO`, `|AB|`, `(p, q)`.
pub(super) fn name_like(node: &Node) -> bool {
    let capital =
        |node: &Node| matches!(node, Node::Symbol(name) if name.starts_with(char::is_uppercase));
    match node {
        Node::Symbol(_) | Node::Named(..) | Node::Text(_) => true,
        Node::Product(factors) => {
            factors.iter().all(capital)
                || (factors.len() == 2
                    && factors
                        .iter()
                        .all(|factor| matches!(factor, Node::Symbol(_))))
                || (factors.iter().all(|factor| {
                    matches!(factor, Node::Symbol(_) | Node::Text(_) | Node::Measured(..))
                }) && factors
                    .iter()
                    .any(|factor| matches!(factor, Node::Text(_) | Node::Measured(..))))
        }
        Node::Measured(inner, unit) => !unit.is_known() && name_like(inner),
        Node::Quotient(above, below) => capital_name(above) && capital_name(below),
        Node::Ratio(parts) => parts.iter().all(name_like),
        Node::Call(Function::Abs, inner) => inner.iter().all(capital_name),
        Node::Tuple { items, .. } => items.iter().all(|item| matches!(item, Node::Symbol(_))),
        _ => false,
    }
}

fn capital_name(node: &Node) -> bool {
    match node {
        Node::Symbol(name) => name.starts_with(char::is_uppercase),
        Node::Product(factors) => factors.iter().all(capital_name),
        _ => false,
    }
}

/// The tree with letters replaced.
pub(super) fn substitute(node: &Node, value: &dyn Fn(&str) -> Option<Node>) -> Node {
    if let Node::Symbol(name) = node
        && let Some(value) = value(name)
    {
        return value;
    }
    let mut copy = node.clone();
    for child in copy.children_mut() {
        let replaced = substitute(child, value);
        *child = replaced;
    }
    copy
}

fn divides_by_letters(node: &Node) -> bool {
    node.any(&|part| matches!(part, Node::Quotient(_, below) if !below.symbols().is_empty()))
}

/// Most divisions that are multiplied out: each may double the formula.
const MAX_DIVISIONS: usize = 10;

fn divisions_by_letters(node: &Node) -> usize {
    let here = matches!(node, Node::Quotient(_, below) if !below.symbols().is_empty());
    usize::from(here)
        + node
            .children()
            .into_iter()
            .map(divisions_by_letters)
            .sum::<usize>()
}

/// What stands above when everything has one denominator.
fn numerator(node: &Node) -> Node {
    fraction(node).0
}

fn fraction(node: &Node) -> (Node, Node) {
    let one = || Node::integer(1);
    match node {
        Node::Quotient(above, below) => {
            let (a, b) = fraction(above);
            let (c, d) = fraction(below);
            (Node::Product(vec![a, d]), Node::Product(vec![b, c]))
        }
        Node::Product(factors) => {
            let parts: Vec<(Node, Node)> = factors.iter().map(fraction).collect();
            let (above, below) = parts.into_iter().unzip();
            (Node::Product(above), Node::Product(below))
        }
        Node::Negate(inner) => {
            let (above, below) = fraction(inner);
            (Node::Negate(Box::new(above)), below)
        }
        Node::Sum(terms) => {
            let mut total = (Node::integer(0), one());
            for term in terms {
                if !divides_by_letters(term) {
                    let scaled = Node::Product(vec![term.clone(), total.1.clone()]);
                    total.0 = Node::Sum(vec![total.0, scaled]);
                    continue;
                }
                let (above, below) = fraction(term);
                let left = Node::Product(vec![total.0, below.clone()]);
                let right = Node::Product(vec![above, total.1.clone()]);
                total = (
                    Node::Sum(vec![left, right]),
                    Node::Product(vec![total.1, below]),
                );
            }
            total
        }
        other => (other.clone(), one()),
    }
}

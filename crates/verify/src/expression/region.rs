//! Sets of real numbers: intervals, unions, finite sets, and inequalities in one unknown.

use std::cmp::Ordering;

use super::compare::{Comparer, Outcome};
use super::scalar;
use super::tree::{Constant, Join, Node, Relation};

/// Most pieces of a set.
const MAX_PIECES: usize = 64;

/// Everything between two ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    low: Node,
    low_closed: bool,
    high: Node,
    high_closed: bool,
}

fn infinity(negative: bool) -> Node {
    let infinity = Node::Constant(Constant::Infinity);
    if negative {
        Node::Negate(Box::new(infinity))
    } else {
        infinity
    }
}

fn point(node: &Node) -> Piece {
    Piece {
        low: node.clone(),
        low_closed: true,
        high: node.clone(),
        high_closed: true,
    }
}

impl Comparer<'_> {
    /// Compares two sets of numbers, if both are and one needs more than its members.
    pub(super) fn regions(&mut self, gold: &Node, candidate: &Node) -> Option<Outcome> {
        let composed = |node: &Node| {
            matches!(
                node,
                Node::Union(_) | Node::Intersection(_) | Node::Without(..)
            )
        };
        let interval = |node: &Node| matches!(node, Node::Tuple { items, .. } if items.len() == 2);
        let both_intervals = interval(gold) && interval(candidate);
        if !(composed(gold) || composed(candidate)) || both_intervals {
            return None;
        }
        let left = self.pieces(gold)?;
        let right = self.pieces(candidate)?;
        Some(self.same_pieces(left, right))
    }

    /// The pieces of a set of numbers.
    pub(super) fn pieces(&mut self, node: &Node) -> Option<Vec<Piece>> {
        let pieces = match node {
            Node::Tuple {
                items,
                closed_left,
                closed_right,
            } => match items.as_slice() {
                [low, high] if low.is_scalar() && high.is_scalar() => vec![Piece {
                    low: low.clone(),
                    low_closed: *closed_left,
                    high: high.clone(),
                    high_closed: *closed_right,
                }],
                _ => return None,
            },
            Node::Set(items) if items.iter().all(Node::is_scalar) => {
                items.iter().map(point).collect()
            }
            Node::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.pieces(part)?);
                }
                all
            }
            Node::Intersection(parts) => {
                let mut parts = parts.iter();
                let mut all = self.pieces(parts.next()?)?;
                for part in parts {
                    let other = self.pieces(part)?;
                    all = self.intersect(&all, &other)?;
                }
                all
            }
            Node::Without(from, what) => {
                let from = self.pieces(from)?;
                let what = self.pieces(what)?;
                let rest = self.complement(what)?;
                self.intersect(&from, &rest)?
            }
            Node::Chain(terms, relations) => self.inequality(terms, relations)?,
            Node::List(parts, join) => self.system(parts, *join)?,
            _ => return None,
        };
        (pieces.len() <= MAX_PIECES).then_some(pieces)
    }

    /// Several inequalities: `x < 1 or x > 3`.
    fn system(&mut self, parts: &[Node], join: Join) -> Option<Vec<Piece>> {
        let mut all: Option<Vec<Piece>> = None;
        let mut unions = Vec::new();
        for part in parts {
            let (Node::Chain(..) | Node::Tuple { .. } | Node::Union(_)) = part else {
                return None;
            };
            let pieces = self.pieces(part)?;
            unions.extend(pieces.clone());
            all = Some(match all {
                None => pieces,
                Some(before) => self.intersect(&before, &pieces)?,
            });
        }
        let all = all.unwrap_or_default();
        let is_union = join == Join::Or || (all.is_empty() && join == Join::Comma);
        Some(if is_union { unions } else { all })
    }

    /// An inequality with one unknown alone on a side, or linear in it.
    fn inequality(&mut self, terms: &[Node], relations: &[Relation]) -> Option<Vec<Piece>> {
        let mut result: Option<Vec<Piece>> = None;
        for (pair, relation) in terms.windows(2).zip(relations) {
            let [left, right] = pair else { return None };
            let pieces = self.simple_inequality(left, *relation, right)?;
            result = Some(match result {
                None => pieces,
                Some(before) => self.intersect(&before, &pieces)?,
            });
        }
        result
    }

    fn simple_inequality(
        &mut self,
        left: &Node,
        relation: Relation,
        right: &Node,
    ) -> Option<Vec<Piece>> {
        if relation == Relation::In {
            return if is_unknown(left) {
                self.pieces(right)
            } else {
                None
            };
        }
        let (unknown, relation, bound) = if right.symbols().is_empty() && !named(right) {
            (left, relation, right)
        } else if left.symbols().is_empty() && !named(left) {
            (right, relation.flipped(), left)
        } else {
            return None;
        };
        if let Node::Call(super::tree::Function::Abs, inner) = unknown
            && let [inner] = inner.as_slice()
        {
            return self.absolute(inner, relation, bound);
        }
        if is_unknown(unknown) {
            return half_line(relation, bound);
        }
        let (bound, flipped) = self.solve(unknown, bound)?;
        half_line(
            if flipped {
                relation.flipped()
            } else {
                relation
            },
            &bound,
        )
    }

    /// `|x| < a` is `x < a` and `x > -a`; `|x| > a` is either.
    fn absolute(&mut self, inner: &Node, relation: Relation, bound: &Node) -> Option<Vec<Piece>> {
        let negative = super::parser::negate(bound.clone());
        let mut right = self.simple_inequality(inner, relation, bound)?;
        let left = self.simple_inequality(inner, relation.flipped(), &negative)?;
        match relation {
            Relation::Less | Relation::LessEqual => self.intersect(&right, &left),
            Relation::Greater | Relation::GreaterEqual => {
                right.extend(left);
                Some(right)
            }
            _ => None,
        }
    }

    /// Solves `unknown = bound` for the one letter in it, if that is linear; true if its
    /// coefficient is negative.
    fn solve(&mut self, unknown: &Node, bound: &Node) -> Option<(Node, bool)> {
        let symbols = unknown.symbols();
        let [symbol] = symbols.as_slice() else {
            return None;
        };
        if named(unknown) {
            return None;
        }
        let at = |value: i64| {
            super::relation::substitute(unknown, &|name| {
                (name == symbol).then(|| Node::integer(value))
            })
        };
        let (zero, one, two) = (at(0), at(1), at(2));
        let first = one.clone().minus(zero.clone());
        let second = two.minus(one);
        let seed = self.seed;
        if scalar::equal(&first, &second, seed, self.budget).0 != Outcome::Equal {
            return None;
        }
        // Three points on a line do not make a line: a random fourth must lie on it too.
        let far = at((super::modular::mix(seed) % 1_000_003) as i64 + 5);
        let distance = Node::integer((super::modular::mix(seed) % 1_000_003) as i64 + 5);
        let expected = Node::Sum(vec![
            zero.clone(),
            Node::Product(vec![first.clone(), distance]),
        ]);
        if scalar::equal(&far, &expected, seed, self.budget).0 != Outcome::Equal {
            return None;
        }
        let slope = scalar::order(&first, &Node::integer(0), seed, self.budget)?;
        if slope == Ordering::Equal {
            return None;
        }
        let root = Node::Quotient(Box::new(bound.clone().minus(zero)), Box::new(first));
        Some((root, slope == Ordering::Less))
    }

    fn order(&mut self, a: &Node, b: &Node) -> Option<Ordering> {
        scalar::order(a, b, self.seed, self.budget)
    }

    fn intersect(&mut self, a: &[Piece], b: &[Piece]) -> Option<Vec<Piece>> {
        let mut found = Vec::new();
        if a.len() * b.len() > 4 * MAX_PIECES {
            return None;
        }
        for x in a {
            for y in b {
                let (low, low_closed) = match self.order(&x.low, &y.low)? {
                    Ordering::Greater => (&x.low, x.low_closed),
                    Ordering::Less => (&y.low, y.low_closed),
                    Ordering::Equal => (&x.low, x.low_closed && y.low_closed),
                };
                let (high, high_closed) = match self.order(&x.high, &y.high)? {
                    Ordering::Less => (&x.high, x.high_closed),
                    Ordering::Greater => (&y.high, y.high_closed),
                    Ordering::Equal => (&x.high, x.high_closed && y.high_closed),
                };
                let nonempty = match self.order(low, high)? {
                    Ordering::Less => true,
                    Ordering::Equal => low_closed && high_closed,
                    Ordering::Greater => false,
                };
                if nonempty {
                    found.push(Piece {
                        low: low.clone(),
                        low_closed,
                        high: high.clone(),
                        high_closed,
                    });
                }
            }
        }
        Some(found)
    }

    fn complement(&mut self, pieces: Vec<Piece>) -> Option<Vec<Piece>> {
        let pieces = self.merged(pieces)?;
        let mut found = Vec::new();
        let mut low = (infinity(true), false);
        for piece in pieces {
            found.push(Piece {
                low: low.0,
                low_closed: low.1,
                high: piece.low,
                high_closed: !piece.low_closed,
            });
            low = (piece.high, !piece.high_closed);
        }
        found.push(Piece {
            low: low.0,
            low_closed: low.1,
            high: infinity(false),
            high_closed: false,
        });
        let mut kept = Vec::new();
        for piece in found {
            match self.order(&piece.low, &piece.high)? {
                Ordering::Less => kept.push(piece),
                Ordering::Equal if piece.low_closed && piece.high_closed => kept.push(piece),
                _ => {}
            }
        }
        Some(kept)
    }

    /// Sorted, with pieces that touch joined.
    fn merged(&mut self, mut pieces: Vec<Piece>) -> Option<Vec<Piece>> {
        // Insertion sort: the order of two ends may be unknown.
        let mut sorted: Vec<Piece> = Vec::with_capacity(pieces.len());
        pieces.reverse();
        while let Some(piece) = pieces.pop() {
            let mut place = sorted.len();
            while let Some(before) = place.checked_sub(1).and_then(|at| sorted.get(at)) {
                let order = self.order(&piece.low, &before.low)?;
                let earlier = order == Ordering::Less
                    || (order == Ordering::Equal && piece.low_closed && !before.low_closed);
                if !earlier {
                    break;
                }
                place -= 1;
            }
            sorted.insert(place, piece);
        }
        let mut joined: Vec<Piece> = Vec::with_capacity(sorted.len());
        for piece in sorted {
            let Some(last) = joined.last_mut() else {
                joined.push(piece);
                continue;
            };
            let touching = match scalar::order(&piece.low, &last.high, self.seed, self.budget)? {
                Ordering::Less => true,
                Ordering::Equal => piece.low_closed || last.high_closed,
                Ordering::Greater => false,
            };
            if !touching {
                joined.push(piece);
                continue;
            }
            match scalar::order(&piece.high, &last.high, self.seed, self.budget)? {
                Ordering::Greater => {
                    last.high = piece.high;
                    last.high_closed = piece.high_closed;
                }
                Ordering::Equal => last.high_closed |= piece.high_closed,
                Ordering::Less => {}
            }
        }
        Some(joined)
    }

    /// Whether two sets of pieces cover the same numbers.
    pub(super) fn same_pieces(&mut self, gold: Vec<Piece>, candidate: Vec<Piece>) -> Outcome {
        let merged = (self.merged(gold.clone()), self.merged(candidate.clone()));
        let (gold, candidate) = match merged {
            (Some(gold), Some(candidate)) => (gold, candidate),
            _ => (gold, candidate),
        };
        if gold.len() != candidate.len() {
            self.note("sets with different numbers of pieces");
            return Outcome::Different;
        }
        let mut result = Outcome::Equal;
        for (a, b) in gold.iter().zip(&candidate) {
            if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed) {
                self.note("open and closed ends differ");
                return Outcome::Different;
            }
            for (x, y) in [(&a.low, &b.low), (&a.high, &b.high)] {
                match self.values(x, y) {
                    Outcome::Equal => {}
                    Outcome::Different => return Outcome::Different,
                    unclear @ Outcome::Unknown(_) => result = unclear,
                }
            }
        }
        result
    }
}

/// One letter, or the value of a function known by name.
pub(super) fn is_unknown(node: &Node) -> bool {
    matches!(node, Node::Symbol(_) | Node::Named(..))
}

fn named(node: &Node) -> bool {
    node.any(&|part| matches!(part, Node::Named(..)))
}

fn half_line(relation: Relation, bound: &Node) -> Option<Vec<Piece>> {
    let below = |closed| Piece {
        low: infinity(true),
        low_closed: false,
        high: bound.clone(),
        high_closed: closed,
    };
    let above = |closed| Piece {
        low: bound.clone(),
        low_closed: closed,
        high: infinity(false),
        high_closed: false,
    };
    Some(match relation {
        Relation::Less => vec![below(false)],
        Relation::LessEqual => vec![below(true)],
        Relation::Greater => vec![above(false)],
        Relation::GreaterEqual => vec![above(true)],
        Relation::NotEqual => vec![below(false), above(false)],
        Relation::Equal => vec![point(bound)],
        _ => return None,
    })
}

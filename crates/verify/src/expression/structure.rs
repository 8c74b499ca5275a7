//! Answers that hold several values: lists, sets, tuples, matrices, ratios, texts.

use super::compare::{Comparer, Outcome};
use super::tree::Node;

/// Most pairs of members that are compared.
const MAX_PAIRS: usize = 4096;

impl Comparer<'_> {
    /// Compares two answers of any kind.
    pub(super) fn nodes(&mut self, gold: &Node, candidate: &Node) -> Outcome {
        if self.budget.pay(200).is_err() {
            return Outcome::Unknown("the operations exceed the budget of a comparison".into());
        }
        if gold == candidate {
            self.note("the same formula");
            return Outcome::Equal;
        }
        if matches!(gold, Node::Chain(..)) || matches!(candidate, Node::Chain(..)) {
            return self.with_relation(gold, candidate);
        }
        if let Some(outcome) = self.residues(gold, candidate) {
            return outcome;
        }
        if let Some(outcome) = self.regions(gold, candidate) {
            return outcome;
        }
        match (gold, candidate) {
            (Node::Text(a), Node::Text(b)) => self.words(a, b),
            (Node::List(a, _) | Node::Set(a), Node::List(b, _) | Node::Set(b)) => {
                if a.iter().chain(b).any(|item| *item == Node::Ellipsis) {
                    return self.in_order(a, b);
                }
                self.unordered(a, b)
            }
            (Node::Tuple { items, .. }, Node::Set(members) | Node::List(members, _))
            | (Node::Set(members) | Node::List(members, _), Node::Tuple { items, .. }) => {
                let (a, b) = if matches!(gold, Node::Tuple { .. }) {
                    (items, members)
                } else {
                    (members, items)
                };
                if !self.options.lenient_set_tuple {
                    self.note("a tuple is no set");
                    return Outcome::Different;
                }
                self.in_order(a, b)
            }
            (
                Node::Tuple {
                    items: a,
                    closed_left,
                    closed_right,
                },
                Node::Tuple {
                    items: b,
                    closed_left: other_left,
                    closed_right: other_right,
                },
            ) => {
                let brackets = (closed_left, closed_right) == (other_left, other_right);
                if !brackets && a.len() == 2 && b.len() == 2 {
                    self.note("open and closed ends differ");
                    return Outcome::Different;
                }
                self.in_order(a, b)
            }
            (Node::Matrix(a), Node::Matrix(b)) => self.matrices(a, b),
            (Node::Matrix(rows), Node::Tuple { items, .. }) => self.vector(rows, items, true),
            (Node::Tuple { items, .. }, Node::Matrix(rows)) => self.vector(rows, items, false),
            (Node::Ratio(a), Node::Ratio(b)) => self.ratios(a, b),
            (Node::Set(items), other) if items.len() == 1 => self.only(items, other, true),
            (other, Node::Set(items)) if items.len() == 1 => self.only(items, other, false),
            (Node::Ratio(parts), other) if other.is_scalar() => self.ratio_value(parts, other),
            (other, Node::Ratio(parts)) if other.is_scalar() => self.ratio_value(parts, other),
            (a, b) if a.is_scalar() && b.is_scalar() => self.scalars(a, b),
            (a, b) => self.mixed_kinds(a, b),
        }
    }

    /// `3 (mod 5)`: the same modulus and the same residue, or the residue alone.
    fn residues(&mut self, gold: &Node, candidate: &Node) -> Option<Outcome> {
        fn parts(node: &Node) -> Option<(&Node, &Node)> {
            match node {
                Node::Named(name, parts) if name == "modulo" => match parts.as_slice() {
                    [residue, modulus] => Some((residue, modulus)),
                    _ => None,
                },
                _ => None,
            }
        }
        match (parts(gold), parts(candidate)) {
            (Some((a, m)), Some((b, n))) => {
                let moduli = self.nodes(m, n);
                if moduli != Outcome::Equal {
                    return Some(moduli);
                }
                let rest = |residue: &Node| {
                    Node::Call(super::tree::Function::Mod, vec![residue.clone(), m.clone()])
                };
                Some(self.nodes(&rest(a), &rest(b)))
            }
            (Some((a, _)), None) if candidate.is_scalar() => Some(self.nodes(a, candidate)),
            (None, Some((b, _))) if gold.is_scalar() => Some(self.nodes(gold, b)),
            _ => None,
        }
    }

    fn only(&mut self, items: &[Node], other: &Node, gold_first: bool) -> Outcome {
        let Some(item) = items.first() else {
            return Outcome::Different;
        };
        if !other.is_scalar() {
            return self.mixed_kinds(item, other);
        }
        if gold_first {
            self.nodes(item, other)
        } else {
            self.nodes(other, item)
        }
    }

    fn mixed_kinds(&mut self, gold: &Node, candidate: &Node) -> Outcome {
        // Prose may say anything; everything else of another kind is another answer.
        let prose = |node: &Node| {
            let whole = matches!(node, Node::Text(words) if words.split(' ').count() <= 3);
            let several = |part: &Node| matches!(part, Node::Text(words) if words.contains(' '));
            !whole && node.any(&several)
        };
        if prose(gold) || prose(candidate) {
            return Outcome::Unknown("no rule compares prose with a formula".into());
        }
        self.note("different kinds of answers");
        Outcome::Different
    }

    /// Members in the same order.
    pub(super) fn in_order(&mut self, gold: &[Node], candidate: &[Node]) -> Outcome {
        if gold.len() != candidate.len() {
            self.note(format!("{} and {} members", gold.len(), candidate.len()));
            return Outcome::Different;
        }
        self.all(gold.iter().zip(candidate))
    }

    /// Equal if all pairs are, different if one is.
    fn all<'n>(&mut self, pairs: impl Iterator<Item = (&'n Node, &'n Node)>) -> Outcome {
        let mut result = Outcome::Equal;
        for (a, b) in pairs {
            match self.nodes(a, b) {
                Outcome::Equal => {}
                Outcome::Different => return Outcome::Different,
                Outcome::Unknown(reason) => result = Outcome::Unknown(reason),
            }
        }
        result
    }

    /// Members in any order; members written twice count once.
    pub(super) fn unordered(&mut self, gold: &[Node], candidate: &[Node]) -> Outcome {
        if gold.len() * candidate.len() > MAX_PAIRS {
            return self.in_order(gold, candidate);
        }
        if gold.is_empty() != candidate.is_empty() {
            return Outcome::Different;
        }
        let mut unclear = None;
        let mut matched = vec![false; candidate.len()];
        for (place, item) in gold.iter().enumerate() {
            // The member at the same place is the likely partner.
            let others = (0..candidate.len()).filter(|other| *other != place);
            let mut found = false;
            for other in std::iter::once(place).chain(others) {
                let Some(partner) = candidate.get(other) else {
                    continue;
                };
                let taken = matched.get(other).copied().unwrap_or(true);
                if taken && gold.len() == candidate.len() {
                    continue;
                }
                match self.nodes(item, partner) {
                    Outcome::Equal => {
                        if let Some(slot) = matched.get_mut(other) {
                            *slot = true;
                        }
                        found = true;
                        break;
                    }
                    Outcome::Different => {}
                    Outcome::Unknown(reason) => unclear = Some(reason),
                }
            }
            if !found {
                return self.without_partner(unclear);
            }
        }
        for (place, partner) in candidate.iter().enumerate() {
            if matched.get(place).copied().unwrap_or(false) {
                continue;
            }
            // More members than gold: each must repeat one that is there.
            let repeats = gold
                .iter()
                .any(|item| self.nodes(item, partner) == Outcome::Equal);
            if !repeats {
                return self.without_partner(unclear);
            }
        }
        Outcome::Equal
    }

    fn without_partner(&mut self, unclear: Option<String>) -> Outcome {
        if let Some(reason) = unclear {
            return Outcome::Unknown(reason);
        }
        self.note("a member has no partner");
        Outcome::Different
    }

    fn matrices(&mut self, gold: &[Vec<Node>], candidate: &[Vec<Node>]) -> Outcome {
        let size = |rows: &[Vec<Node>]| (rows.len(), rows.first().map_or(0, Vec::len));
        if size(gold) != size(candidate) {
            self.note("matrices of different sizes");
            return Outcome::Different;
        }
        self.all(gold.iter().flatten().zip(candidate.iter().flatten()))
    }

    /// A matrix of one row or column is a vector.
    fn vector(&mut self, rows: &[Vec<Node>], items: &[Node], gold_first: bool) -> Outcome {
        if rows.len() != 1 && rows.iter().any(|row| row.len() != 1) {
            self.note("a matrix is no tuple");
            return Outcome::Different;
        }
        let entries: Vec<Node> = rows.iter().flatten().cloned().collect();
        if gold_first {
            self.in_order(&entries, items)
        } else {
            self.in_order(items, &entries)
        }
    }

    /// Ratios up to a common factor; times of day as written.
    fn ratios(&mut self, gold: &[Node], candidate: &[Node]) -> Outcome {
        if gold.len() != candidate.len() {
            return Outcome::Different;
        }
        let (Some(first), Some(other)) = (gold.first(), candidate.first()) else {
            return Outcome::Different;
        };
        if self.in_order(gold, candidate) == Outcome::Equal {
            return Outcome::Equal;
        }
        if is_zero(first) || is_zero(other) || gold.iter().chain(candidate).any(is_zero) {
            return Outcome::Different;
        }
        let mut result = Outcome::Equal;
        for (a, b) in gold.iter().zip(candidate) {
            let left = Node::Product(vec![a.clone(), other.clone()]);
            let right = Node::Product(vec![b.clone(), first.clone()]);
            match self.nodes(&left, &right) {
                Outcome::Equal => {}
                Outcome::Different => return Outcome::Different,
                unclear @ Outcome::Unknown(_) => result = unclear,
            }
        }
        result
    }

    /// `7:32` may be written `7/32`.
    fn ratio_value(&mut self, parts: &[Node], other: &Node) -> Outcome {
        match parts {
            [above, below] if !is_zero(below) && !is_zero(above) => {
                let quotient = Node::Quotient(Box::new(above.clone()), Box::new(below.clone()));
                if matches!(other, Node::Quotient(..)) {
                    return self.scalars(&quotient, other);
                }
                self.note("a ratio is no number");
                Outcome::Different
            }
            _ => Outcome::Different,
        }
    }

    fn words(&mut self, gold: &str, candidate: &str) -> Outcome {
        let plain = |text: &str| super::words::text_answer(text);
        if plain(gold) == plain(candidate) {
            self.note("the same words");
            return Outcome::Equal;
        }
        let count = |text: &str| text.split_whitespace().count();
        if count(gold).max(count(candidate)) > 3 {
            return Outcome::Unknown("texts can only be compared word by word".into());
        }
        self.note("different words");
        Outcome::Different
    }
}

fn is_zero(node: &Node) -> bool {
    matches!(node, Node::Number { value, .. } if num_traits::Zero::is_zero(value))
}

//! The tree of an answer.

use num_rational::BigRational;

use super::units::Unit;

/// A number that needs no letter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Constant {
    /// The ratio of circumference and diameter.
    Pi,
    /// The base of natural logarithms.
    Euler,
    /// The imaginary unit.
    Imaginary,
    /// Positive infinity.
    Infinity,
}

/// A function with a fixed meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Function {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Exp,
    Ln,
    /// Base ten, unless a base is given as the second argument.
    Log,
    Abs,
    Floor,
    Ceil,
    Factorial,
    Binomial,
    Gcd,
    Lcm,
    Min,
    Max,
    /// Remainder of the first argument by the second.
    Mod,
}

/// How two sides of a relation stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Approximate,
    In,
    /// A relation only compared as written (`\equiv`, `\parallel`), by a hash of its name.
    Other(u32),
}

impl Relation {
    /// The relation with its sides exchanged.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            other => other,
        }
    }

    /// Whether it orders its sides.
    pub(super) fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual
        )
    }
}

/// What joins the members of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Join {
    Comma,
    And,
    Or,
}

/// One answer, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// An exact number; `places` counts the digits after its point, if it was written with one.
    Number {
        value: BigRational,
        places: Option<u32>,
    },
    Symbol(String),
    Constant(Constant),
    Sum(Vec<Node>),
    Product(Vec<Node>),
    Negate(Box<Node>),
    Quotient(Box<Node>, Box<Node>),
    Power(Box<Node>, Box<Node>),
    Root(Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    /// A function known by name only: `f(x)`.
    Named(String, Vec<Node>),
    /// `a ± b` when true, `a ∓ b` otherwise.
    PlusMinus(Box<Node>, Box<Node>, bool),
    Percent(Box<Node>),
    Measured(Box<Node>, Unit),
    /// Digits in a base: `204_5`.
    Numeral(String, u32),
    /// Two members with brackets may also be an interval.
    Tuple {
        items: Vec<Node>,
        closed_left: bool,
        closed_right: bool,
    },
    Set(Vec<Node>),
    List(Vec<Node>, Join),
    Matrix(Vec<Vec<Node>>),
    Union(Vec<Node>),
    Intersection(Vec<Node>),
    Without(Box<Node>, Box<Node>),
    Chain(Vec<Node>, Vec<Relation>),
    Ratio(Vec<Node>),
    Ellipsis,
    Text(String),
}

impl Node {
    /// A whole number.
    pub(super) fn integer(value: i64) -> Self {
        Self::rational(BigRational::from_integer(value.into()))
    }

    /// An exact number.
    pub(super) fn rational(value: BigRational) -> Self {
        Self::Number {
            value,
            places: None,
        }
    }

    /// `self - other`.
    pub(super) fn minus(self, other: Self) -> Self {
        Self::Sum(vec![self, Self::Negate(Box::new(other))])
    }

    /// The nodes right below.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number { .. }
            | Self::Symbol(_)
            | Self::Constant(_)
            | Self::Numeral(..)
            | Self::Ellipsis
            | Self::Text(_) => Vec::new(),
            Self::Negate(a) | Self::Percent(a) | Self::Measured(a, _) => vec![a],
            Self::Quotient(a, b)
            | Self::Power(a, b)
            | Self::Root(a, b)
            | Self::PlusMinus(a, b, _)
            | Self::Without(a, b) => vec![a, b],
            Self::Sum(items)
            | Self::Product(items)
            | Self::Call(_, items)
            | Self::Named(_, items)
            | Self::Set(items)
            | Self::List(items, _)
            | Self::Union(items)
            | Self::Intersection(items)
            | Self::Chain(items, _)
            | Self::Ratio(items)
            | Self::Tuple { items, .. } => items.iter().collect(),
            Self::Matrix(rows) => rows.iter().flatten().collect(),
        }
    }

    /// The nodes right below, to change them.
    pub(super) fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Number { .. }
            | Self::Symbol(_)
            | Self::Constant(_)
            | Self::Numeral(..)
            | Self::Ellipsis
            | Self::Text(_) => Vec::new(),
            Self::Negate(a) | Self::Percent(a) | Self::Measured(a, _) => vec![a],
            Self::Quotient(a, b)
            | Self::Power(a, b)
            | Self::Root(a, b)
            | Self::PlusMinus(a, b, _)
            | Self::Without(a, b) => vec![a, b],
            Self::Sum(items)
            | Self::Product(items)
            | Self::Call(_, items)
            | Self::Named(_, items)
            | Self::Set(items)
            | Self::List(items, _)
            | Self::Union(items)
            | Self::Intersection(items)
            | Self::Chain(items, _)
            | Self::Ratio(items)
            | Self::Tuple { items, .. } => items.iter_mut().collect(),
            Self::Matrix(rows) => rows.iter_mut().flatten().collect(),
        }
    }

    /// Whether `test` holds for this node or one below it.
    pub(super) fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|child| child.any(test))
    }

    /// Whether it is one value and not a structure of values.
    pub(super) fn is_scalar(&self) -> bool {
        !self.any(&|node| {
            matches!(
                node,
                Self::Tuple { .. }
                    | Self::Set(_)
                    | Self::List(..)
                    | Self::Matrix(_)
                    | Self::Union(_)
                    | Self::Intersection(_)
                    | Self::Without(..)
                    | Self::Chain(..)
                    | Self::Ratio(_)
                    | Self::Ellipsis
                    | Self::Text(_)
                    | Self::PlusMinus(..)
            )
        })
    }

    /// The letters in it, sorted, each once.
    pub(super) fn symbols(&self) -> Vec<String> {
        fn collect(node: &Node, into: &mut Vec<String>) {
            if let Node::Symbol(name) = node {
                into.push(name.clone());
            }
            for child in node.children() {
                collect(child, into);
            }
        }
        let mut found = Vec::new();
        collect(self, &mut found);
        found.sort();
        found.dedup();
        found
    }
}

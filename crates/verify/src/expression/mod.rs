//! Exact comparison of two mathematical answers.
//!
//! From text to decision: `lexer`, `commands` and `numeral` make tokens, `parser`,
//! `primary` and `measure` a tree,
//! `shape` brings the tree in standard form. `structure`, `relation` and `region` compare what holds
//! several values; `quantity` compares values with units; `scalar` decides whether two formulas
//! have the same value, by a ladder: exact rational numbers (`rational`), values modulo large
//! random primes (`modular`), canonical forms (`polynomial`, `canonical`, `elementary`), intervals
//! with exact bounds and separation bounds (`interval`, `series`, `evaluate`). Floating point
//! numbers are not used. Every step pays from one budget (`budget`), so that no answer can take
//! long.

mod budget;
mod canonical;
mod commands;
mod compare;
mod delimiters;
mod elementary;
mod evaluate;
mod interval;
mod lexer;
mod measure;
mod modular;
mod numeral;
mod options;
mod parser;
mod polynomial;
mod primary;
mod quantity;
mod rational;
mod reading;
mod region;
mod relation;
mod scalar;
mod series;
mod shape;
mod structure;
mod token;
mod tree;
mod units;
mod words;

pub(crate) use delimiters::{BROKEN, is_broken};

pub(crate) use compare::is_plain_integer;
pub use compare::{Comparison, Outcome, compare};
pub use options::{NumberFormat, Options, Percent, Tolerance};

/// True for a unit of measure or of money.
pub(crate) fn is_unit(word: &str) -> bool {
    units::lookup(word).is_some()
}

/// Whether two words are the same unit; nothing if one of them is none.
pub(crate) fn same_unit(one: &str, other: &str) -> Option<bool> {
    let (one, other) = (units::lookup(one)?, units::lookup(other)?);
    Some(one == other)
}

/// True for a number below a hundred in one word.
pub(crate) fn is_cardinal(word: &str) -> bool {
    words::cardinal(word).is_some()
}

//! Metadata values.

use std::ops::Range;

/// A metadata value. Integer widths are folded together, since writers disagree about them
/// (llama.cpp writes u32 where the format text says u64).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// u8 to u64.
    Unsigned(u64),
    /// i8 to i64.
    Signed(i64),
    /// f32 and f64.
    Float(f64),
    /// One byte, 0 or 1.
    Bool(bool),
    /// UTF-8.
    Text(String),
    /// Elements of one type.
    Array(Array),
}

/// An array that was checked and stays in the file: vocabularies are its largest part, and one
/// byte of an array of booleans would otherwise become a whole [`Value`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Value type of the elements, as the format numbers them.
    pub(super) kind: u32,
    /// Number of elements.
    pub(super) count: usize,
    /// Where the elements are in the file.
    pub(super) bytes: Range<usize>,
}

impl Value {
    /// The value as an unsigned integer, if it is one or a signed one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(n) => Some(*n),
            Self::Signed(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The value as a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Unsigned(n) => Some(*n as f64),
            Self::Signed(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// The value as text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }
}

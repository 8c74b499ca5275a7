//! Reading numbers and strings out of bytes that nobody has checked yet.

use super::value::{Array, Value};
use crate::EngineError;

/// The value types of the format that are told apart here.
pub(super) const TEXT: u32 = 8;
const ARRAY: u32 = 9;
/// Arrays may nest; real files nest one level.
const DEEPEST_ARRAY: u32 = 4;

/// A position in the header of a GGUF file. Nothing is allocated before it is known that the file
/// holds at least as many bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(super) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], EngineError> {
        if length > self.remaining() {
            return Err(EngineError::Gguf(format!(
                "{what} at byte {} needs {length} bytes and {} are left: the file is truncated or damaged",
                self.position,
                self.remaining()
            )));
        }
        let slice = &self.bytes[self.position..self.position + length];
        self.position += length;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], EngineError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, EngineError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, EngineError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things of at least `smallest` bytes each, refused if the rest of the file cannot
    /// hold them.
    pub(super) fn count(&mut self, smallest: usize, what: &str) -> Result<usize, EngineError> {
        let count = self.u64(what)?;
        let fits = usize::try_from(count).ok().filter(|n| {
            n.checked_mul(smallest)
                .is_some_and(|bytes| bytes <= self.remaining())
        });
        fits.ok_or_else(|| {
            EngineError::Gguf(format!(
                "{what} says {count} and the remaining {} bytes cannot hold that many: the file is truncated or damaged",
                self.remaining()
            ))
        })
    }

    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, EngineError> {
        let length = self.count(1, what)?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes)
            .map_err(|_| EngineError::Gguf(format!("{what} is not valid UTF-8")))
    }

    pub(super) fn value(&mut self, key: &str) -> Result<Value, EngineError> {
        let kind = self.u32(key)?;
        self.value_of(kind, key, 0)
    }

    /// A value whose type is known already, as elements of arrays are.
    pub(super) fn value_of(
        &mut self,
        kind: u32,
        key: &str,
        depth: u32,
    ) -> Result<Value, EngineError> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>(key)?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array(key)?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array(key)?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array(key)?))),
            4 => Value::Unsigned(u64::from(u32::from_le_bytes(self.array(key)?))),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array(key)?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array(key)?))),
            7 => match self.array::<1>(key)?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => {
                    return Err(EngineError::Gguf(format!("`{key}` is the boolean {other}")));
                }
            },
            TEXT => Value::Text(self.text(key)?.to_owned()),
            ARRAY => Value::Array(self.array_value(key, depth)?),
            10 => Value::Unsigned(self.u64(key)?),
            11 => Value::Signed(i64::from_le_bytes(self.array(key)?)),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            other => {
                return Err(EngineError::Gguf(format!(
                    "`{key}` has the unknown value type {other}"
                )));
            }
        })
    }

    /// Walks an array, checking every element and keeping none.
    fn array_value(&mut self, key: &str, depth: u32) -> Result<Array, EngineError> {
        if depth >= DEEPEST_ARRAY {
            return Err(EngineError::Gguf(format!(
                "`{key}` nests arrays deeper than {DEEPEST_ARRAY}"
            )));
        }
        let kind = self.u32(key)?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            TEXT | 10..=12 => 8,
            _ => 12,
        };
        let count = self.count(smallest, key)?;
        let start = self.position;
        for _ in 0..count {
            match kind {
                TEXT => {
                    self.text(key)?;
                }
                _ => {
                    self.value_of(kind, key, depth + 1)?;
                }
            }
        }
        let bytes = start..self.position;
        Ok(Array { kind, count, bytes })
    }
}

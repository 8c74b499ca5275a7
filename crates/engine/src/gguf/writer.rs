//! Writing GGUF v3 files: metadata, and files whose tensors fit into memory (adapters, small models).

use super::stream::{TensorPlan, header};
use super::{ALIGNMENT, TensorType};

/// Metadata to be written: keys with values of the format's types, each key once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufMetadata {
    /// Key, value type as the format numbers them, bytes of the value.
    pub(super) entries: Vec<(String, u32, Vec<u8>)>,
}

impl GgufMetadata {
    /// No entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, text: &str) {
        let mut bytes = Vec::new();
        put_string(&mut bytes, text);
        self.set(key, 8, bytes);
    }

    /// Adds an unsigned 32-bit integer, the width llama.cpp writes for counts.
    pub fn integer(&mut self, key: &str, value: u32) {
        self.set(key, 4, value.to_le_bytes().to_vec());
    }

    /// Adds a single-precision number.
    pub fn number(&mut self, key: &str, value: f32) {
        self.set(key, 6, value.to_le_bytes().to_vec());
    }

    /// Adds a boolean.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.set(key, 7, vec![u8::from(value)]);
    }

    /// Adds an array of texts.
    pub fn texts<'a>(&mut self, key: &str, texts: impl ExactSizeIterator<Item = &'a str>) {
        let mut bytes = array_start(8, texts.len());
        texts.for_each(|text| put_string(&mut bytes, text));
        self.set(key, 9, bytes);
    }

    /// Adds an array of signed 32-bit integers.
    pub fn integers(&mut self, key: &str, values: &[i32]) {
        let mut bytes = array_start(5, values.len());
        for value in values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.set(key, 9, bytes);
    }

    /// Adds a value by its type's number and its bytes, or replaces the one there is.
    pub(super) fn set(&mut self, key: &str, kind: u32, bytes: Vec<u8>) {
        match self.entries.iter_mut().find(|(k, _, _)| k == key) {
            Some(entry) => (entry.1, entry.2) = (kind, bytes),
            None => self.entries.push((key.to_owned(), kind, bytes)),
        }
    }
}

/// Collects metadata and F32 tensors, then gives the bytes of the file.
#[derive(Debug, Default)]
pub struct GgufWriter {
    metadata: GgufMetadata,
    tensors: Vec<(TensorPlan, Vec<f32>)>,
}

impl GgufWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file with metadata and no tensors yet.
    pub fn with(metadata: GgufMetadata) -> Self {
        Self {
            metadata,
            tensors: Vec::new(),
        }
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, text: &str) {
        self.metadata.text(key, text);
    }

    /// Adds an unsigned 32-bit integer, the width llama.cpp writes for counts.
    pub fn integer(&mut self, key: &str, value: u32) {
        self.metadata.integer(key, value);
    }

    /// Adds a single-precision number.
    pub fn number(&mut self, key: &str, value: f32) {
        self.metadata.number(key, value);
    }

    /// Adds an F32 tensor; `dims` has the contiguous dimension first.
    pub fn tensor(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        let plan = TensorPlan {
            name: name.to_owned(),
            dims: dims.to_vec(),
            tensor_type: TensorType::F32,
        };
        self.tensors.push((plan, values));
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let plans: Vec<&TensorPlan> = self.tensors.iter().map(|(plan, _)| plan).collect();
        let mut out = header(&self.metadata, &plans);
        for (_, values) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            for value in values {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out
    }
}

fn array_start(kind: u32, count: usize) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes()].concat()
}

pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

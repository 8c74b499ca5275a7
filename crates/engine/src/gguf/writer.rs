//! Writing GGUF v3 files of F32 tensors: adapters, and tiny models for tests.

const ALIGNMENT: usize = 32;

/// Collects metadata and tensors, then gives the bytes of the file.
#[derive(Debug, Default)]
pub struct GgufWriter {
    metadata: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl GgufWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, text: &str) {
        let mut bytes = Vec::new();
        put_string(&mut bytes, text);
        self.metadata.push((key.to_owned(), 8, bytes));
    }

    /// Adds an unsigned 32-bit integer, the width llama.cpp writes for counts.
    pub fn integer(&mut self, key: &str, value: u32) {
        self.metadata
            .push((key.to_owned(), 4, value.to_le_bytes().to_vec()));
    }

    /// Adds a single-precision number.
    pub fn number(&mut self, key: &str, value: f32) {
        self.metadata
            .push((key.to_owned(), 6, value.to_le_bytes().to_vec()));
    }

    /// Adds an F32 tensor; `dims` has the contiguous dimension first.
    pub fn tensor(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        self.tensors.push((name.to_owned(), dims.to_vec(), values));
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(b"GGUF");
        out.extend_from_slice(&3u32.to_le_bytes());
        out.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.metadata.len() as u64).to_le_bytes());
        for (key, kind, bytes) in &self.metadata {
            put_string(&mut out, key);
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(bytes);
        }
        let mut offset = 0;
        for (name, dims, values) in &self.tensors {
            put_string(&mut out, name);
            out.extend_from_slice(&(dims.len() as u32).to_le_bytes());
            for dim in dims {
                out.extend_from_slice(&(*dim as u64).to_le_bytes());
            }
            out.extend_from_slice(&0u32.to_le_bytes());
            out.extend_from_slice(&(offset as u64).to_le_bytes());
            offset = (offset + values.len() * 4).next_multiple_of(ALIGNMENT);
        }
        for (_, _, values) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            for value in values {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

//! A GGUF file taken apart, so that tests can break one thing and put it together again.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this"
)]

pub mod directory;
pub mod mutation;

use std::path::{Path, PathBuf};

use autodidact_engine::{EngineError, Model, gguf::GgufFile};

/// A metadata entry: key, value type, the value's bytes.
pub type Entry = (String, u32, Vec<u8>);

/// A tensor info as it stands in the file, with its offset, and the tensor's bytes.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub name: String,
    pub dims: Vec<u64>,
    pub kind: u32,
    pub offset: u64,
    pub data: Vec<u8>,
}

/// A file in parts. Tensors hold F32 data and lie where `offset` says.
#[derive(Debug, Clone)]
pub struct Parts {
    pub version: u32,
    pub metadata: Vec<Entry>,
    pub tensors: Vec<Tensor>,
}

/// Random numbers for tests: the same ones for the same seed (SplitMix64).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd129_0d3f_9b2c_85a1))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// A value's bytes as the format stores texts.
pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// The bytes of an array of texts.
pub fn texts(texts: &[&str]) -> Vec<u8> {
    let mut bytes = [
        &8u32.to_le_bytes()[..],
        &(texts.len() as u64).to_le_bytes()[..],
    ]
    .concat();
    for one in texts {
        bytes.extend(text(one));
    }
    bytes
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = self.u64() as usize;
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn skip_value(&mut self, kind: u32) {
        match kind {
            0 | 1 | 7 => self.take(1).len(),
            2 | 3 => self.take(2).len(),
            4..=6 => self.take(4).len(),
            8 => self.text().len(),
            9 => {
                let (kind, count) = (self.u32(), self.u64());
                for _ in 0..count {
                    self.skip_value(kind);
                }
                0
            }
            _ => self.take(8).len(),
        };
    }
}

impl Parts {
    pub fn of(bytes: &[u8]) -> Self {
        let mut reader = Reader(&bytes[4..]);
        let version = reader.u32();
        let (tensors, entries) = (reader.u64(), reader.u64());
        let metadata = (0..entries).map(|_| {
            let (key, kind) = (reader.text(), reader.u32());
            let before = reader.0;
            reader.skip_value(kind);
            let value = before[..before.len() - reader.0.len()].to_vec();
            (key, kind, value)
        });
        let metadata = metadata.collect();
        let tensors = (0..tensors).map(|_| {
            let name = reader.text();
            let dims = (0..reader.u32()).map(|_| reader.u64()).collect();
            let (kind, offset) = (reader.u32(), reader.u64());
            let data = Vec::new();
            Tensor {
                name,
                dims,
                kind,
                offset,
                data,
            }
        });
        let mut tensors: Vec<Tensor> = tensors.collect();
        let start = (bytes.len() - reader.0.len()).next_multiple_of(32);
        for tensor in &mut tensors {
            assert_eq!(tensor.kind, 0, "F32");
            let at = start + tensor.offset as usize;
            let length = 4 * tensor.dims.iter().product::<u64>() as usize;
            tensor.data = bytes[at..at + length].to_vec();
        }
        Self {
            version,
            metadata,
            tensors,
        }
    }

    pub fn tiny() -> Self {
        Self::of(&std::fs::read(golden("tiny.gguf")).unwrap())
    }

    /// No metadata, and one F32 tensor `t` of eight values.
    pub fn minimal() -> Self {
        let tensor = Tensor {
            name: "t".into(),
            dims: vec![8],
            kind: 0,
            offset: 0,
            data: vec![0; 32],
        };
        Self {
            version: 3,
            metadata: Vec::new(),
            tensors: vec![tensor],
        }
    }

    /// Replaces or adds a metadata entry.
    pub fn set(mut self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self = self.without(key);
        self.metadata.push((key.into(), kind, value));
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.metadata.retain(|(k, _, _)| k != key);
        self
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|t| t.name == name).unwrap()
    }

    /// Moves every tensor behind the one before it.
    pub fn aligned(mut self) -> Self {
        let mut offset = 0;
        for tensor in &mut self.tensors {
            tensor.offset = offset;
            offset = (offset + tensor.data.len() as u64).next_multiple_of(32);
        }
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.metadata {
            out.extend(text(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        for tensor in &self.tensors {
            out.extend(text(&tensor.name));
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            for dim in &tensor.dims {
                out.extend(dim.to_le_bytes());
            }
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.to_le_bytes());
        }
        let start = out.len().next_multiple_of(32);
        for tensor in &self.tensors {
            let at = start.saturating_add(tensor.offset as usize);
            let end = at.saturating_add(tensor.data.len());
            if end < 1 << 24 {
                out.resize(out.len().max(end), 0);
                out[at..end].copy_from_slice(&tensor.data);
            }
        }
        out
    }

    pub fn open(&self) -> Result<Model, EngineError> {
        Model::new(GgufFile::from_bytes(self.bytes())?)
    }
}

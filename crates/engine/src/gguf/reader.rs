//! Opening a GGUF file: everything in the header is checked against the size of the file before
//! anything is allocated or trusted.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::cursor::{Cursor, TEXT};
use super::dequantize;
use super::infos::read_tensors;
use super::tensor::TensorInfo;
use super::value::Value;
use crate::EngineError;

const MAGIC: &[u8] = b"GGUF";
const VERSION: u32 = 3;

/// The bytes of a file: mapped from disk, or held in memory.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Bytes {
    pub(crate) fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }

    /// Reads all of a mapped file.
    fn populate(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Mapped(map) = self {
            // Where it cannot be done, pages come one by one as they are touched.
            let _ = map.advise(memmap2::Advice::PopulateRead);
        }
    }

    /// Lets go of the memory of mapped pages that touch a range; the file has them still.
    fn release(&self, start: usize, length: usize) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self {
            // SAFETY: the map is of a file and is never written to, so a page that is dropped comes
            // back from the file, with the same bytes, when it is read again.
            #[expect(unsafe_code, reason = "dropping pages of a mapped file")]
            let done = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length)
            };
            // Where it cannot be done, only memory is lost.
            drop(done);
        }
        #[cfg(not(unix))]
        let _ = (start, length);
    }
}

/// An open GGUF file, or a directory of safetensors files that shows itself as one: the same
/// metadata keys, tensor names and row orders.
pub struct GgufFile {
    path: PathBuf,
    /// One file; or those of a directory.
    parts: Vec<Bytes>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

impl std::fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GgufFile")
            .field("path", &self.path)
            .field("metadata", &self.metadata.len())
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

impl GgufFile {
    /// Maps the file and reads its header.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Self::parse(path, map_file(path)?)
    }

    /// Puts together what was read elsewhere. Every tensor must lie inside the part it names.
    pub(crate) fn assemble(
        path: &Path,
        parts: Vec<Bytes>,
        metadata: HashMap<String, Value>,
        tensors: HashMap<String, TensorInfo>,
    ) -> Self {
        debug_assert!(
            tensors
                .values()
                .all(|t| t.start + t.length <= parts[t.part].get().len())
        );
        Self {
            path: path.to_owned(),
            parts,
            metadata,
            tensors,
        }
    }

    /// Reads the rows of a tensor in another order from now on.
    pub(crate) fn reorder(&mut self, name: &str, rows: &Arc<[usize]>) {
        if let Some(info) = self.tensors.get_mut(name) {
            info.conversion.rows = Some(rows.clone());
        }
    }

    /// Reads a file that is already in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, EngineError> {
        Self::parse(Path::new("<memory>"), Bytes::Held(bytes))
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self, EngineError> {
        let mut cursor = Cursor::new(bytes.get());
        if cursor.take(4, "the magic number")? != MAGIC {
            return Err(EngineError::Gguf(
                "the file does not start with `GGUF`: it is not a GGUF model".into(),
            ));
        }
        let version = cursor.u32("the version")?;
        if version == VERSION.swap_bytes() {
            return Err(EngineError::Gguf(
                "it is big-endian and only little-endian files are read; convert it with gguf-convert-endian".into(),
            ));
        }
        if version != VERSION {
            return Err(EngineError::Gguf(format!(
                "version {version} is not supported, only {VERSION} (little-endian); convert the model with a current llama.cpp"
            )));
        }
        // A tensor info is at least 8 + 4 + 8 + 4 + 8 bytes, a metadata entry 8 + 4 + 1.
        let tensor_count = cursor.count(32, "the tensor count")?;
        let metadata_count = cursor.count(13, "the metadata count")?;
        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let key = cursor.text("a metadata key")?.to_owned();
            let value = cursor.value(&key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(EngineError::Gguf(format!(
                    "`{key}` appears twice in the metadata"
                )));
            }
        }
        let tensors = read_tensors(&mut cursor, tensor_count, &metadata, bytes.get().len())?;
        Ok(Self {
            path: path.to_owned(),
            metadata,
            tensors,
            parts: vec![bytes],
        })
    }

    /// All bytes of a file, unless this is a directory.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        let bytes = self.parts.first().map(Bytes::get);
        bytes.filter(|bytes| bytes.starts_with(MAGIC))
    }

    /// A tensor's bytes as they are stored.
    pub(super) fn stored(&self, info: &TensorInfo) -> &[u8] {
        &self.parts[info.part].get()[info.start..info.start + info.length]
    }

    /// All tensors, in no order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.values()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A metadata value.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A metadata text that must be there.
    pub fn text(&self, key: &str) -> Result<&str, EngineError> {
        self.value(key)
            .and_then(Value::as_text)
            .ok_or_else(|| EngineError::missing(key, "text"))
    }

    /// A metadata integer that must be there.
    pub fn integer(&self, key: &str) -> Result<usize, EngineError> {
        self.value(key)
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| EngineError::missing(key, "integer"))
    }

    /// A metadata number that must be there.
    pub fn number(&self, key: &str) -> Result<f64, EngineError> {
        self.value(key)
            .and_then(Value::as_f64)
            .ok_or_else(|| EngineError::missing(key, "number"))
    }

    /// The texts of an array, if the metadata has one of that name.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, EngineError> {
        let Some(array) = self.value(key).and_then(Value::as_array) else {
            return Ok(None);
        };
        if array.kind != TEXT {
            return Err(EngineError::Gguf(format!("`{key}` does not hold texts")));
        }
        let mut cursor = Cursor::new(&self.parts[0].get()[array.bytes.clone()]);
        let texts = (0..array.count).map(|_| cursor.text(key));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// The integers of an array that must have `length` of them, if the metadata has one of that
    /// name.
    pub fn integers(&self, key: &str, length: usize) -> Result<Option<Vec<u64>>, EngineError> {
        self.numbers(key, length, "integers", Value::as_u64)
    }

    /// The numbers of an array that must have `length` of them, if the metadata has one of that
    /// name.
    pub fn floats(&self, key: &str, length: usize) -> Result<Option<Vec<f32>>, EngineError> {
        self.numbers(key, length, "finite numbers", |value| {
            let number = value.as_f64().filter(|n| n.is_finite());
            number.map(|n| n as f32)
        })
    }

    fn numbers<N>(
        &self,
        key: &str,
        length: usize,
        what: &str,
        number: impl Fn(&Value) -> Option<N>,
    ) -> Result<Option<Vec<N>>, EngineError> {
        let Some(array) = self.value(key).and_then(Value::as_array) else {
            return Ok(None);
        };
        if array.count != length {
            return Err(EngineError::Gguf(format!(
                "`{key}` has {} elements instead of {length}",
                array.count
            )));
        }
        let mut cursor = Cursor::new(&self.parts[0].get()[array.bytes.clone()]);
        let numbers = (0..length).map(|_| {
            number(&cursor.value_of(array.kind, key, 1)?)
                .ok_or_else(|| EngineError::Gguf(format!("`{key}` holds more than {what}")))
        });
        numbers.collect::<Result<_, _>>().map(Some)
    }

    /// Number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// The names of all tensors, sorted.
    pub fn tensor_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// A tensor's description, if the file has it.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// A tensor that must be there with these rows and columns.
    pub fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<&TensorInfo, EngineError> {
        let info = self
            .tensor(name)
            .ok_or_else(|| EngineError::Gguf(format!("the file has no tensor `{name}`")))?;
        if (info.rows(), info.columns()) != (rows, columns) {
            return Err(EngineError::Gguf(format!(
                "tensor `{name}` is {} x {}, and the metadata asks for {rows} x {columns}",
                info.rows(),
                info.columns()
            )));
        }
        Ok(info)
    }

    /// Dequantizes the rows `first..first + count` into `out` (`count * columns` values).
    pub fn read_rows(&self, info: &TensorInfo, first: usize, count: usize, out: &mut [f32]) {
        match &info.conversion.rows {
            None => self.read_stored(info, first * info.row_bytes(), out),
            Some(order) if info.dims.len() == 1 => {
                let mut vector = vec![0.0; info.columns()];
                self.read_stored(info, 0, &mut vector);
                for (at, out) in order.iter().zip(out.iter_mut()) {
                    *out = vector[*at];
                }
            }
            Some(order) => {
                let rows = out.chunks_exact_mut(info.columns());
                for (row, out) in order[first..first + count].iter().zip(rows) {
                    self.read_stored(info, row * info.row_bytes(), out);
                }
            }
        }
    }

    /// Dequantizes `out.len()` weights of a row from column `first` on; both are whole blocks.
    pub(crate) fn read_part(&self, info: &TensorInfo, row: usize, first: usize, out: &mut [f32]) {
        let order = info.conversion.rows.as_ref();
        let row = order.map_or(row, |order| order[row]);
        let (weights, size) = info.tensor_type.block();
        self.read_stored(info, row * info.row_bytes() + first / weights * size, out);
    }

    /// The stored bytes of `count` weights of a row from column `first` on; both are whole blocks.
    pub(crate) fn part(&self, info: &TensorInfo, row: usize, first: usize, count: usize) -> &[u8] {
        let order = info.conversion.rows.as_ref();
        let row = order.map_or(row, |order| order[row]);
        let (weights, size) = info.tensor_type.block();
        let start = info.start + row * info.row_bytes() + first / weights * size;
        &self.parts[info.part].get()[start..start + count / weights * size]
    }

    /// Dequantizes whole blocks from byte `at` of a tensor on.
    fn read_stored(&self, info: &TensorInfo, at: usize, out: &mut [f32]) {
        let (weights, size) = info.tensor_type.block();
        let start = info.start + at;
        let bytes = &self.parts[info.part].get()[start..start + out.len() / weights * size];
        dequantize(info.tensor_type, bytes, out);
        if info.conversion.plus_one {
            for value in out {
                *value += 1.0;
            }
        }
    }

    /// Reads the whole file now, from one end to the other, for who will use all of it again and again:
    /// reading is then part of loading, and not of the first tokens.
    pub(crate) fn populate(&self) {
        self.parts.iter().for_each(Bytes::populate);
    }

    /// Lets go of the memory in which a tensor's pages of the file are held: for who keeps the weights
    /// in another form and hardly ever comes back.
    pub(crate) fn release(&self, info: &TensorInfo) {
        self.parts[info.part].release(info.start, info.rows() * info.row_bytes());
    }

    /// Dequantizes a whole tensor, row by row.
    pub fn read(&self, info: &TensorInfo) -> Vec<f32> {
        let mut out = vec![0.0; info.rows() * info.columns()];
        self.read_rows(info, 0, info.rows(), &mut out);
        out
    }
}

/// Maps a file.
pub(crate) fn map_file(path: &Path) -> Result<Bytes, EngineError> {
    let unreadable = |source| EngineError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: the map is read-only. As with every memory-mapped model format, another process
    // that truncates the file while it is mapped can fault this one; that is the accepted
    // price for not copying gigabytes.
    #[expect(unsafe_code, reason = "memory-mapping a model file")]
    let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Bytes::Mapped(map))
}

//! Opening a GGUF file: everything in the header is checked against the size of the file before
//! anything is allocated or trusted.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::cursor::Cursor;
use super::dequantize;
use super::tensor::{TensorInfo, TensorType, byte_length};
use super::value::Value;
use crate::EngineError;

const MAGIC: &[u8] = b"GGUF";
const VERSION: u32 = 3;
const DEFAULT_ALIGNMENT: usize = 32;
/// The format allows four dimensions.
const MOST_DIMS: usize = 4;

/// The bytes of a file: mapped from disk, or held in memory.
enum Bytes {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// An open GGUF file.
pub struct GgufFile {
    path: PathBuf,
    bytes: Bytes,
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
        Self::parse(path, Bytes::Mapped(map))
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
            let key = cursor.string("a metadata key")?;
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
            bytes,
        })
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
        let start = info.start + first * info.row_bytes();
        let bytes = &self.bytes.get()[start..start + count * info.row_bytes()];
        dequantize(info.tensor_type, bytes, out);
    }

    /// Dequantizes a whole tensor, row by row.
    pub fn read(&self, info: &TensorInfo) -> Vec<f32> {
        let mut out = vec![0.0; info.rows() * info.columns()];
        self.read_rows(info, 0, info.rows(), &mut out);
        out
    }
}

fn read_tensors(
    cursor: &mut Cursor<'_>,
    count: usize,
    metadata: &HashMap<String, Value>,
    file_length: usize,
) -> Result<HashMap<String, TensorInfo>, EngineError> {
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(value) => value
            .as_u64()
            .filter(|n| n.is_power_of_two() && (8..=1 << 20).contains(n))
            .ok_or_else(|| EngineError::Gguf(format!("`general.alignment` is {value:?}")))?
            as usize,
    };
    let mut infos = Vec::new();
    for _ in 0..count {
        infos.push(read_tensor_info(cursor, alignment)?);
    }
    let data_start = cursor.position().next_multiple_of(alignment);
    let mut tensors = HashMap::new();
    for mut info in infos {
        let end = data_start
            .checked_add(info.start)
            .and_then(|start| start.checked_add(info.length))
            .filter(|end| *end <= file_length)
            .ok_or_else(|| {
                EngineError::Gguf(format!(
                    "tensor `{}` ends past the end of the file: it is truncated or damaged; fetch it again",
                    info.name
                ))
            })?;
        info.start = end - info.length;
        if let Some(twice) = tensors.insert(info.name.clone(), info) {
            return Err(EngineError::Gguf(format!(
                "tensor `{}` appears twice",
                twice.name
            )));
        }
    }
    Ok(tensors)
}

/// One tensor info; `start` is still relative to the data section.
fn read_tensor_info(cursor: &mut Cursor<'_>, alignment: usize) -> Result<TensorInfo, EngineError> {
    let name = cursor.string("a tensor name")?;
    let dim_count = cursor.u32(&name)? as usize;
    if dim_count > MOST_DIMS {
        return Err(EngineError::Gguf(format!(
            "tensor `{name}` has {dim_count} dimensions"
        )));
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        let dim = usize::try_from(cursor.u64(&name)?)
            .map_err(|_| EngineError::Gguf(format!("tensor `{name}` has an impossible shape")))?;
        dims.push(dim);
    }
    let tensor_type = TensorType::from_id(cursor.u32(&name)?, &name)?;
    let offset = cursor.u64(&name)?;
    let start = usize::try_from(offset)
        .ok()
        .filter(|start| start % alignment == 0)
        .ok_or_else(|| {
            EngineError::Gguf(format!(
                "tensor `{name}` starts at the unaligned offset {offset}"
            ))
        })?;
    let length = byte_length(&name, &dims, tensor_type)?;
    Ok(TensorInfo {
        name,
        dims,
        tensor_type,
        start,
        length,
    })
}

//! GGUF v3: reading models, writing adapters and models.

mod codes;
mod cursor;
mod infos;
mod quant;
mod quantize;
mod raw;
mod reader;
mod stream;
mod tensor;
mod value;
mod writer;

pub use reader::GgufFile;
pub use stream::{TensorPlan, write_gguf};
pub use tensor::{TensorInfo, TensorType};
pub use value::{Array, Value};
pub use writer::{GgufMetadata, GgufWriter};

pub(crate) use codes::{Codes, Coding, codes};
pub(crate) use quant::dequantize;
pub(crate) use quantize::quantize;
pub(crate) use reader::{Bytes, map_file};
pub(crate) use tensor::{Conversion, byte_length};

/// Tensors begin at multiples of this in files that are written, the format's default.
const ALIGNMENT: usize = 32;

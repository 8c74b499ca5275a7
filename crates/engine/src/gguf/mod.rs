//! GGUF v3: reading models, writing adapters.

mod cursor;
mod infos;
mod quant;
mod reader;
mod tensor;
mod value;
mod writer;

pub use reader::GgufFile;
pub use tensor::{TensorInfo, TensorType};
pub use value::{Array, Value};
pub use writer::GgufWriter;

pub(crate) use quant::dequantize;

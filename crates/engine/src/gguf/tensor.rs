//! Tensor descriptions: names, shapes, types and where the bytes are.

use std::sync::Arc;

use crate::EngineError;

/// The storage types this engine reads (`ggml_type` in the GGUF specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the names of the format")]
pub enum TensorType {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// 32 weights of 4 bits, one scale.
    Q4_0,
    /// 32 weights of 4 bits, scale and minimum.
    Q4_1,
    /// 32 weights of 5 bits, one scale.
    Q5_0,
    /// 32 weights of 5 bits, scale and minimum.
    Q5_1,
    /// 32 weights of 8 bits, one scale.
    Q8_0,
    /// 256 weights of 4 bits in 8 sub-blocks.
    Q4_K,
    /// 256 weights of 5 bits in 8 sub-blocks.
    Q5_K,
    /// 256 weights of 6 bits in 16 sub-blocks.
    Q6_K,
    /// The upper half of an IEEE single.
    BF16,
}

impl TensorType {
    /// From the id in the file.
    pub(super) fn from_id(id: u32, name: &str) -> Result<Self, EngineError> {
        Ok(match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            30 => Self::BF16,
            other => {
                return Err(EngineError::Gguf(format!(
                    "tensor `{name}` has storage type {other}, which this engine does not read; \
                     use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K"
                )));
            }
        })
    }

    /// The id in a file.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// Weights in a block and bytes in a block.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
        }
    }
}

/// Where a tensor is and how it is stored.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// The name in the file.
    pub name: String,
    /// Sizes, the contiguous one (row length) first.
    pub dims: Vec<usize>,
    /// Storage type.
    pub tensor_type: TensorType,
    /// First byte, counted from the start of the file.
    pub(crate) start: usize,
    /// Length in bytes.
    pub(crate) length: usize,
    /// Which of several files the bytes are in.
    pub(crate) part: usize,
    /// What is done to the stored values.
    pub(crate) conversion: Conversion,
}

/// How stored values become those of the tensor. In a GGUF file they are the same; checkpoints of
/// transformers order some rows otherwise and store Gemma's norms less one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversion {
    /// For each row its row in the file; for a vector, for each element its element.
    pub(crate) rows: Option<Arc<[usize]>>,
    /// One is added to every value.
    pub(crate) plus_one: bool,
}

impl TensorInfo {
    /// Row length: the contiguous dimension.
    pub fn columns(&self) -> usize {
        self.dims.first().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all other dimensions.
    pub fn rows(&self) -> usize {
        self.dims.iter().skip(1).product()
    }

    /// Bytes of one row.
    pub(super) fn row_bytes(&self) -> usize {
        let (weights, bytes) = self.tensor_type.block();
        self.columns() / weights * bytes
    }
}

/// Bytes a tensor of this shape needs, refusing overflow, zero sizes and rows that are not whole
/// blocks.
pub(crate) fn byte_length(
    name: &str,
    dims: &[usize],
    tensor_type: TensorType,
) -> Result<usize, EngineError> {
    let (weights, bytes) = tensor_type.block();
    let columns = dims.first().copied().unwrap_or(1);
    if dims.contains(&0) || columns % weights != 0 {
        return Err(EngineError::Gguf(format!(
            "tensor `{name}` has shape {dims:?}, which {tensor_type:?} blocks of {weights} weights cannot store"
        )));
    }
    dims.iter()
        .skip(1)
        .try_fold(columns / weights, |product, &dim| product.checked_mul(dim))
        .and_then(|blocks| blocks.checked_mul(bytes))
        .ok_or_else(|| {
            EngineError::Gguf(format!("tensor `{name}` has the impossible shape {dims:?}"))
        })
}

//! Products of quantized weights with activations rounded to eight bits.
//!
//! A weight is `scale * code + minimum`, an activation `scale * integer`, both over groups of
//! neighbours, so a product needs one multiplication of floats a group instead of one a weight.
//! llama.cpp multiplies this way too (`ggml_vec_dot_q4_1_q8_1` and its kin). Sums inside a group
//! are exact integers, those over groups run in order of the inner dimension: every SIMD level
//! gives the same bits.

mod panels;
mod product;
#[cfg(target_arch = "x86_64")]
mod round_x86;
mod rows;
mod transposed;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use panels::{EightBitPanels, PIECE, PanelPacker};
pub(crate) use product::{PanelPart, multiply_eight_bit};
pub(crate) use rows::EightBitRows;
pub(crate) use transposed::{TRANSPOSED, round_group};

//! The arithmetic: panel matrix multiplication, and vector loops compiled for each level of SIMD.
//!
//! Everything here gives the same bits at every SIMD level and for every grouping of rows: each
//! output of a matrix product is one chain of fused multiply-adds in the order of the inner
//! dimension, and every other sum runs over a fixed number of lanes.

mod activation;
mod aligned;
mod backward;
mod eight_bit;
mod exponentials;
#[cfg(test)]
pub(crate) mod finite_differences;
mod gemm;
mod level;
mod limit;
mod matmul;
mod norm;
mod panel;
mod prefetch;
mod product;
mod transpose;
mod vector;

pub(crate) use activation::{
    activate, activate_backward, gate, gate_backward, soft_cap, soft_cap_backward,
};
pub(crate) use aligned::Aligned;
pub(crate) use backward::{add_scaled, softmax_backward};
pub(crate) use eight_bit::{
    EightBitPanels, EightBitRows, PIECE, PanelPacker, PanelPart, TRANSPOSED, multiply_eight_bit,
    round_group,
};
pub(crate) use exponentials::exp_sums;
pub(crate) use gemm::{View, gemm};
pub(crate) use level::{Level, dispatch};
pub use level::{instruction_set, limit_instruction_set};
pub use limit::fused_multiply_add_rate;
pub(crate) use matmul::{Panels, multiply, pack_panel, packed_columns};
pub(crate) use norm::{layer_norm, layer_norm_backward};
pub(crate) use panel::{Columns, PANEL, Rows, multiply_panel};
pub(crate) use prefetch::prefetch;
pub(crate) use product::{Packed, PanelBuffers, Right, multiply_by_panels};
pub(crate) use transpose::transpose;
pub(crate) use vector::{
    add_assign, exp_in_place, max_of, rms_norm, rms_norm_backward, scale_in_place,
    softmax_numerators, sum_of_squares,
};

//! The arithmetic: panel matrix multiplication, and vector loops compiled for each level of SIMD.
//!
//! Everything here gives the same bits at every SIMD level and for every grouping of rows: each
//! output of a matrix product is one chain of fused multiply-adds in the order of the inner
//! dimension, and every other sum runs over a fixed number of lanes.

mod activation;
mod gemm;
mod level;
mod matmul;
mod norm;
mod panel;
mod vector;

#[allow(
    unused_imports,
    reason = "sampling and training use them as they learn to"
)]
pub(crate) use activation::{
    activate, activate_backward, gate, gate_backward, soft_cap, soft_cap_backward,
};
pub(crate) use gemm::{View, gemm};
pub use level::instruction_set;
pub(crate) use level::{Level, dispatch};
pub(crate) use matmul::{PackedRows, Panels, multiply};
#[allow(
    unused_imports,
    reason = "sampling and training use them as they learn to"
)]
pub(crate) use norm::{layer_norm, layer_norm_backward};
pub(crate) use panel::PANEL;
pub(crate) use vector::{
    add_assign, exp_in_place, max_of, rms_norm, rms_norm_backward, scale_in_place, silu_gate,
    silu_gate_backward, softmax_numerators, sum_of_squares,
};

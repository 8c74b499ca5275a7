//! The output head and the cross-entropy, computed only for rows that predict a completion token.

use super::batch::Shard;
use super::weights::Frozen;
use crate::ModelConfig;
use crate::kernels::{
    View, exp_in_place, gemm, max_of, rms_norm, rms_norm_backward, scale_in_place,
};

/// Rows whose logits exist at once: a whole vocabulary of f32 each.
const ROWS: usize = 128;

/// Buffers of [`loss_and_gradient`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct HeadBuffers {
    inputs: Vec<f32>,
    scales: Vec<f32>,
    normed: Vec<f32>,
    logits: Vec<f32>,
    d_normed: Vec<f32>,
}

/// The summed cross-entropy of a shard's targets; writes into `d_stream` the gradient of that sum
/// times `weight` with respect to the last block's output `stream` (both `[tokens][hidden]`).
pub(super) fn loss_and_gradient(
    config: &ModelConfig,
    frozen: &Frozen,
    shard: &Shard,
    weight: f32,
    stream: &[f32],
    d_stream: &mut [f32],
    buffers: &mut HeadBuffers,
) -> f64 {
    let (width, vocabulary) = (config.hidden, config.vocabulary);
    let HeadBuffers {
        inputs,
        scales,
        normed,
        logits,
        d_normed,
    } = buffers;
    d_stream.fill(0.0);
    let mut loss = 0.0;
    for targets in shard.targets.chunks(ROWS) {
        let rows = targets.len();
        inputs.clear();
        scales.clear();
        normed.resize(rows * width, 0.0);
        d_normed.resize(rows * width, 0.0);
        logits.resize(rows * vocabulary, 0.0);
        for ((row, _), out) in targets.iter().zip(normed.chunks_exact_mut(width)) {
            let x = &stream[row * width..(row + 1) * width];
            inputs.extend_from_slice(x);
            scales.push(rms_norm(x, &frozen.norm, config.norm_epsilon, out));
        }
        let head = View::new(&frozen.head, vocabulary, width, width);
        gemm(
            logits,
            vocabulary,
            View::new(normed, rows, width, width),
            head.transposed(),
            1.0,
            false,
        );
        for ((_, target), line) in targets.iter().zip(logits.chunks_exact_mut(vocabulary)) {
            loss += cross_entropy(line, *target as usize, weight);
        }
        gemm(
            d_normed,
            width,
            View::new(logits, rows, vocabulary, vocabulary),
            head,
            1.0,
            false,
        );
        for (i, (row, _)) in targets.iter().enumerate() {
            let (x, d) = (
                &inputs[i * width..(i + 1) * width],
                &d_normed[i * width..(i + 1) * width],
            );
            let d_x = &mut d_stream[row * width..(row + 1) * width];
            rms_norm_backward(x, &frozen.norm, scales[i], d, d_x);
        }
    }
    loss
}

/// The loss of one row; replaces its logits by their gradient times `weight`.
fn cross_entropy(logits: &mut [f32], target: usize, weight: f32) -> f64 {
    let max = max_of(logits);
    let score = logits[target] - max;
    let sum = exp_in_place(logits, max, 1.0);
    scale_in_place(logits, weight / sum);
    logits[target] -= weight;
    f64::from(sum).ln() - f64::from(score)
}

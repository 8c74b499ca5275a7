//! Norms over many rows, forward and backward. Statistics of a row are computed again in the
//! backward pass, which costs less than keeping them.

use crate::ModelConfig;
use crate::architecture::Norm;
use crate::kernels::{
    layer_norm, layer_norm_backward, rms_norm, rms_norm_backward, sum_of_squares,
};
use crate::profile::{LayerKind, timed};

/// `out = norm(x)` for every row; both are `[rows][width]`.
pub(super) fn forward(config: &ModelConfig, norm: &Norm, x: &[f32], out: &mut Vec<f32>) {
    let _timing = timed(LayerKind::Norm);
    let width = norm.weight.len();
    out.resize(x.len(), 0.0);
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        match &norm.bias {
            Some(bias) => {
                layer_norm(x, &norm.weight, bias, config.norm_epsilon, out);
            }
            None => {
                rms_norm(x, &norm.weight, config.norm_epsilon, out);
            }
        }
    }
}

/// `d_x += ` the gradient of [`forward`], given that of its output.
pub(super) fn backward(
    config: &ModelConfig,
    norm: &Norm,
    x: &[f32],
    d_out: &[f32],
    d_x: &mut [f32],
) {
    let _timing = timed(LayerKind::Norm);
    let width = norm.weight.len();
    let (weight, epsilon) = (&norm.weight, config.norm_epsilon);
    let mut out = vec![0.0; width];
    let rows = d_out.chunks_exact(width).zip(d_x.chunks_exact_mut(width));
    for (x, (d_out, d_x)) in x.chunks_exact(width).zip(rows) {
        if let Some(bias) = &norm.bias {
            let (mean, scale) = layer_norm(x, weight, bias, epsilon, &mut out);
            layer_norm_backward(x, weight, mean, scale, d_out, d_x);
        } else {
            rms_norm_backward(x, weight, inverse_rms(x, epsilon), d_out, d_x);
        }
    }
}

/// `1 / rms(x)`, as the forward pass computes it.
fn inverse_rms(x: &[f32], epsilon: f32) -> f32 {
    1.0 / (sum_of_squares(x) / x.len() as f32 + epsilon).sqrt()
}

/// RMSNorm of every head in `heads` by `weight`, `[head_dim]`, in place.
pub(super) fn heads_forward(
    heads: &mut [f32],
    weight: &[f32],
    epsilon: f32,
    buffer: &mut Vec<f32>,
) {
    for head in heads.chunks_exact_mut(weight.len()) {
        buffer.clear();
        buffer.extend_from_slice(head);
        rms_norm(buffer, weight, epsilon, head);
    }
}

/// Replaces the gradients `d` of normed heads by those of the heads `x`.
pub(super) fn heads_backward(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    d: &mut [f32],
    buffer: &mut Vec<f32>,
) {
    let width = weight.len();
    for (x, d) in x.chunks_exact(width).zip(d.chunks_exact_mut(width)) {
        buffer.clear();
        buffer.extend_from_slice(d);
        d.fill(0.0);
        rms_norm_backward(x, weight, inverse_rms(x, epsilon), buffer, d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::{assert_gradient, wave};

    #[test]
    fn norms_of_heads_match_finite_differences() {
        let (x, weight, d_out) = (wave(24, 0.7, 1.0), wave(8, 0.4, 1.0), wave(24, 1.3, 1.0));
        let (mut d, mut buffer) = (d_out.clone(), Vec::new());
        heads_backward(&x, &weight, 1e-6, &mut d, &mut buffer);
        assert_gradient(&x, &d, |x| {
            let mut out = x.to_vec();
            heads_forward(&mut out, &weight, 1e-6, &mut Vec::new());
            let products = out.iter().zip(&d_out);
            products.map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()
        });
    }
}

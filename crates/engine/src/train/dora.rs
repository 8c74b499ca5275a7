//! The gradients of a DoRA adapter (Liu et al. 2024): `W' = m / |V| * V` row by row, where
//! `V = W + scale B A`. As in the paper (section 4.3) and in PEFT, the length `|V|` counts as a
//! constant.

use super::network::Network;
use crate::kernels::{View, gemm, scale_in_place, sum_of_squares};
use crate::{EngineError, Linear};

/// Buffers, kept between calls; both are `[outputs][inputs]`.
#[derive(Debug, Default)]
pub(super) struct DoraBuffers {
    weight: Vec<f32>,
    d_weight: Vec<f32>,
}

/// One linear layer's parameters: `a` is `[rank][inputs]`, `b` `[outputs][rank]`.
#[derive(Debug, Clone, Copy)]
struct Parameters<'a> {
    a: View<'a>,
    b: View<'a>,
    magnitudes: &'a [f32],
    scale: f32,
}

impl Parameters<'_> {
    /// Gradients of `A`, `B` and the magnitudes. `weight` is the base's and becomes `V`,
    /// `d_weight` that of the loss with respect to `W'` and is spent.
    fn gradients(
        &self,
        weight: &mut [f32],
        d_weight: &mut [f32],
        [d_a, d_b, d_m]: [&mut [f32]; 3],
    ) {
        let (rank, inputs) = (self.a.rows(), self.a.columns());
        let outputs = self.magnitudes.len();
        gemm(weight, inputs, self.b, self.a, self.scale, true);
        let rows = weight
            .chunks_exact(inputs)
            .zip(d_weight.chunks_exact_mut(inputs));
        for ((v, d), (m, d_m)) in rows.zip(self.magnitudes.iter().zip(d_m)) {
            let length = sum_of_squares(v).sqrt();
            let inverse = if length > 0.0 { 1.0 / length } else { 0.0 };
            let product: f64 = v
                .iter()
                .zip(d.iter())
                .map(|(v, d)| f64::from(*v) * f64::from(*d))
                .sum();
            *d_m = product as f32 * inverse;
            scale_in_place(d, m * inverse);
        }
        let d = View::new(d_weight, outputs, inputs, inputs);
        gemm(d_b, rank, d, self.a.transposed(), self.scale, false);
        gemm(d_a, inputs, self.b.transposed(), d, self.scale, false);
    }
}

impl Network<'_> {
    /// Writes the gradients of a linear layer's adapter from the layer's input `x` and its
    /// output's gradient `d`.
    pub(super) fn dora_gradient(
        &self,
        layer: usize,
        linear: Linear,
        x: View<'_>,
        d: View<'_>,
        buffers: &mut DoraBuffers,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let layout = &self.adapter.layout;
        let (outputs, inputs) = layout.shape(linear);
        let DoraBuffers { weight, d_weight } = buffers;
        weight.resize(outputs * inputs, 0.0);
        d_weight.resize(outputs * inputs, 0.0);
        let info = self.model.config.linear(&self.model.file, layer, linear)?;
        self.model.file.read_rows(info, 0, outputs, weight);
        gemm(d_weight, inputs, d.transposed(), x, 1.0, false);
        let (a, b) = (layout.a(layer, linear), layout.b(layer, linear));
        let m = layout.magnitudes(layer, linear);
        let values = &self.adapter.values;
        let parameters = Parameters {
            a: View::new(&values[a.clone()], layout.rank, inputs, inputs),
            b: View::new(&values[b.clone()], outputs, layout.rank, layout.rank),
            magnitudes: &values[m.clone()],
            scale: layout.scale(),
        };
        // The three lie one behind the other.
        let (d_a, rest) = gradient[a.start..m.end].split_at_mut(a.len());
        let (d_b, d_m) = rest.split_at_mut(b.len());
        parameters.gradients(weight, d_weight, [d_a, d_b, d_m]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::{assert_gradient, wave};

    const OUTPUTS: usize = 5;
    const INPUTS: usize = 7;
    const RANK: usize = 3;
    const SCALE: f32 = 0.7;

    /// `V` by the definition.
    fn direction(weight: &[f32], a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut v = weight.to_vec();
        for o in 0..OUTPUTS {
            for i in 0..INPUTS {
                let products = (0..RANK).map(|r| b[o * RANK + r] * a[r * INPUTS + i]);
                v[o * INPUTS + i] += SCALE * products.sum::<f32>();
            }
        }
        v
    }

    #[test]
    fn gradients_match_finite_differences_with_constant_lengths() {
        let (weight, d) = (wave(35, 0.9, 1.0), wave(35, 1.7, 1.0));
        let (a, b, m) = (wave(21, 0.5, 1.0), wave(15, 1.1, 1.0), wave(5, 0.8, 2.0));
        let start = direction(&weight, &a, &b);
        let lengths: Vec<f32> = start
            .chunks_exact(INPUTS)
            .map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt())
            .collect();
        // The loss is linear in W', with the coefficients `d`.
        let loss = |a: &[f32], b: &[f32], m: &[f32]| -> f64 {
            let v = direction(&weight, a, b);
            let element = |at: usize| {
                let row = at / INPUTS;
                f64::from(m[row] / lengths[row]) * f64::from(v[at]) * f64::from(d[at])
            };
            (0..OUTPUTS * INPUTS).map(element).sum()
        };
        let parameters = Parameters {
            a: View::new(&a, RANK, INPUTS, INPUTS),
            b: View::new(&b, OUTPUTS, RANK, RANK),
            magnitudes: &m,
            scale: SCALE,
        };
        let (mut d_a, mut d_b, mut d_m) = ([0.0; 21], [0.0; 15], [0.0; 5]);
        let gradients = [&mut d_a[..], &mut d_b[..], &mut d_m[..]];
        parameters.gradients(&mut weight.clone(), &mut d.clone(), gradients);
        assert_gradient(&a, &d_a, |a| loss(a, &b, &m));
        assert_gradient(&b, &d_b, |b| loss(&a, b, &m));
        assert_gradient(&m, &d_m, |m| loss(&a, &b, m));
    }
}

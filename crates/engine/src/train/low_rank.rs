//! The adapter's own products. Linear layers that read the same input are taken together: a matrix
//! of rank 16 alone is too narrow for the vectors, two or three beside each other are not.

use super::network::Network;
use super::weights::Group;
use crate::kernels::{View, gemm, transpose};
use crate::profile::{LayerKind, timed};

/// Rows whose output gradients are used twice while they are in the second-level cache.
const BLOCK: usize = 64;

/// Buffers, kept between calls. `n` linear layers of a group have `n * rank` low-rank rows.
#[derive(Debug, Default)]
pub(super) struct LowRankBuffers {
    /// `A` of all of them, `[n * rank][inputs]`.
    down: Vec<f32>,
    /// `x A^T`, `[rows][n * rank]`.
    u: Vec<f32>,
    /// `scale d B`, `[rows][n * rank]`.
    v: Vec<f32>,
    /// The gradient of one `B`, transposed, `[rank][outputs]`.
    d_up: Vec<f32>,
    /// The gradient of `down`.
    d_down: Vec<f32>,
}

impl Network<'_> {
    /// Copies `A` of a group's linear layers below each other: their number of rows.
    fn gather_down(&self, layer: usize, group: Group, down: &mut Vec<f32>) -> usize {
        let layout = &self.adapter.layout;
        down.clear();
        let mut count = 0;
        for linear in group.linears(&self.model.config) {
            down.extend_from_slice(&self.adapter.values[layout.a(layer, linear)]);
            count += layout.rank;
        }
        count
    }

    /// Adds the adapter's product to that of frozen weights: `out += scale (input A^T) B^T`.
    pub(super) fn add_adapter(
        &self,
        layer: usize,
        group: Group,
        input: View<'_>,
        out: &mut [f32],
        buffers: &mut LowRankBuffers,
    ) {
        let layout = &self.adapter.layout;
        let (rank, stride, rows) = (layout.rank, self.outputs(group), input.rows());
        if rank == 0 {
            return;
        }
        let LowRankBuffers { down, u, .. } = buffers;
        let count = self.gather_down(layer, group, down);
        let a = View::new(down, count, input.columns(), input.columns());
        u.resize(rows * count, 0.0);
        gemm(u, count, input, a.transposed(), layout.scale(), false);
        let (mut first, mut at) = (0, 0);
        for linear in group.linears(&self.model.config) {
            let (outputs, _) = layout.shape(linear);
            let b = &self.adapter.values[layout.b(layer, linear)];
            let b = View::new(b, outputs, rank, rank);
            let u = View::new(&u[at..], rows, rank, count);
            gemm(&mut out[first..], stride, u, b.transposed(), 1.0, true);
            first += outputs;
            at += rank;
        }
    }

    /// Gradients of `A` and `B` of a group from its input `x` and its output's gradient `d`
    /// (`[rows][outputs]`): with `u = x A^T` and `v = scale d B`, `dB = scale d^T u` and
    /// `dA = v^T x`. Where the adapter is not merged into the weights, what comes through it is
    /// added to `d_input`: `v A`.
    #[expect(clippy::too_many_arguments, reason = "buffers of one workspace")]
    pub(super) fn adapter_gradient(
        &self,
        layer: usize,
        group: Group,
        x: View<'_>,
        d: &[f32],
        buffers: &mut LowRankBuffers,
        gradient: &mut [f32],
        d_input: Option<&mut [f32]>,
    ) {
        let _timing = timed(LayerKind::AdapterGradient);
        let layout = &self.adapter.layout;
        let (rank, scale) = (layout.rank, layout.scale());
        let (rows, inputs, stride) = (x.rows(), x.columns(), self.outputs(group));
        let LowRankBuffers {
            down,
            u,
            v,
            d_up,
            d_down,
        } = buffers;
        if rank == 0 {
            return;
        }
        let count = self.gather_down(layer, group, down);
        let a = View::new(down, count, inputs, inputs);
        u.resize(rows * count, 0.0);
        v.resize(rows * count, 0.0);
        gemm(u, count, x, a.transposed(), 1.0, false);
        let (mut first, mut at) = (0, 0);
        for linear in group.linears(&self.model.config) {
            let (outputs, _) = layout.shape(linear);
            let b = &self.adapter.values[layout.b(layer, linear)];
            let b = View::new(b, outputs, rank, rank);
            d_up.clear();
            d_up.resize(rank * outputs, 0.0);
            for from in (0..rows).step_by(BLOCK) {
                let block = BLOCK.min(rows - from);
                let d = View::new(&d[from * stride + first..], block, outputs, stride);
                let u = View::new(&u[from * count + at..], block, rank, count);
                gemm(&mut v[from * count + at..], count, d, b, scale, false);
                // Transposed, since rows of `d` are far apart: as the left factor they would be
                // gathered from many pages.
                gemm(d_up, outputs, u.transposed(), d, scale, true);
            }
            let d_b = &mut gradient[layout.b(layer, linear)];
            transpose(d_up, rank, outputs, d_b, rank);
            first += outputs;
            at += rank;
        }
        let v = View::new(v, rows, count, count);
        d_down.resize(count * inputs, 0.0);
        gemm(d_down, inputs, v.transposed(), x, 1.0, false);
        let parts = d_down.chunks_exact(rank * inputs);
        for (linear, part) in group.linears(&self.model.config).zip(parts) {
            gradient[layout.a(layer, linear)].copy_from_slice(part);
        }
        if let Some(d_input) = d_input {
            gemm(d_input, inputs, v, a, 1.0, true);
        }
    }
}

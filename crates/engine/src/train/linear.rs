//! Linear layers: the frozen weights with the adapter merged in, and the adapter's gradients.

use super::coded::CodedBuffers;
use super::dora::DoraBuffers;
use super::low_rank::LowRankBuffers;
use super::network::Network;
use super::weights::{Group, Held, load};
use crate::EngineError;
use crate::kernels::{PanelBuffers, Right, View, add_assign, multiply_by_panels};
use crate::profile::timed;

/// Buffers of linear layers, kept between calls.
#[derive(Debug, Default)]
pub(super) struct LinearBuffers {
    /// The weights of a group, where they are not kept.
    weight: Vec<f32>,
    low_rank: LowRankBuffers,
    dora: DoraBuffers,
    coded: CodedBuffers,
    pub(super) panels: PanelBuffers,
}

impl Network<'_> {
    /// Number of outputs of a group: the sum of its linear layers'.
    pub(super) fn outputs(&self, group: Group) -> usize {
        let linears = group.linears(&self.model.config);
        linears.map(|l| self.model.config.shape(l).0).sum()
    }

    /// The weights of a group as a right factor, the adapter merged in: those of this step, or
    /// made in `buffer`. `backward`: for the way back.
    fn weight<'w>(
        &'w self,
        layer: usize,
        group: Group,
        backward: bool,
        buffer: &'w mut Vec<f32>,
    ) -> Result<Right<'w>, EngineError> {
        let matrix = match (self.whole, self.held) {
            (Some(whole), _) => whole.group(layer, group),
            (None, Held::Merged(merged)) if backward => return Ok(merged.backward(layer, group)),
            (None, Held::Merged(merged)) => return Ok(merged.forward(layer, group)),
            (None, Held::Coded(_) | Held::InFile) => {
                load(self.model, self.adapter, layer, group, buffer)?;
                buffer
            }
        };
        Ok(if backward {
            Right::Plain(matrix)
        } else {
            Right::Transposed(matrix)
        })
    }

    /// `out = input W^T + bias` for a group of linear layers. `input` is `[rows][inputs]`, `out`
    /// `[rows][outputs]` without gaps.
    pub(super) fn linear_forward(
        &self,
        layer: usize,
        group: Group,
        input: View<'_>,
        out: &mut Vec<f32>,
        buffers: &mut LinearBuffers,
    ) -> Result<(), EngineError> {
        let _timing = timed(group.kind());
        let outputs = self.outputs(group);
        out.resize(input.rows() * outputs, 0.0);
        if let Some(coded) = self.held.as_coded() {
            coded.forward(layer, group, input, out, &mut buffers.coded);
            self.add_adapter(layer, group, input, out, &mut buffers.low_rank);
        } else {
            let weight = self.weight(layer, group, false, &mut buffers.weight)?;
            multiply_by_panels(input, weight, outputs, out, outputs, &mut buffers.panels);
        }
        let mut first = 0;
        for linear in group.linears(&self.model.config) {
            let width = self.model.config.shape(linear).0;
            if let Some(bias) = self.frozen.layers[layer].bias(linear) {
                for row in out.chunks_exact_mut(outputs) {
                    add_assign(&mut row[first..first + width], bias);
                }
            }
            first += width;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "buffers of one workspace")]
    /// The way back through a group of linear layers: writes the gradients of what is trained in
    /// them, and `d_input = d_output W` if it is asked for. `d_output` is `[rows][outputs]`.
    pub(super) fn linear_backward(
        &self,
        layer: usize,
        group: Group,
        input: View<'_>,
        d_output: &[f32],
        mut d_input: Option<&mut [f32]>,
        buffers: &mut LinearBuffers,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let _timing = timed(group.kind());
        let (outputs, rows) = (self.outputs(group), input.rows());
        // The adapter that stands beside codes adds its part of the gradient below.
        let mut beside = None;
        if let Some(coded) = self.held.as_coded() {
            beside = d_input.take();
            if let Some(d_input) = beside.as_deref_mut() {
                let d = View::new(d_output, rows, outputs, outputs);
                coded.backward(layer, group, d, d_input, &mut buffers.coded);
            }
        }
        if self.whole.is_none() && !self.adapter.layout.has_magnitudes() {
            let low_rank = &mut buffers.low_rank;
            self.adapter_gradient(layer, group, input, d_output, low_rank, gradient, beside);
        }
        let mut first = 0;
        for linear in group.linears(&self.model.config) {
            let width = self.model.config.shape(linear).0;
            let d = View::new(&d_output[first..], rows, width, outputs);
            if let Some(whole) = self.whole {
                whole.bias_gradient(
                    layer,
                    linear,
                    d_output,
                    first..first + width,
                    outputs,
                    gradient,
                );
            } else if self.adapter.layout.has_magnitudes() {
                self.dora_gradient(layer, linear, input, d, &mut buffers.dora, gradient)?;
            }
            first += width;
        }
        if let Some(whole) = self.whole {
            let d = View::new(d_output, rows, outputs, outputs);
            whole.group_gradient(layer, group, input, d, gradient);
        }
        if let Some(d_input) = d_input {
            let inputs = input.columns();
            let weight = self.weight(layer, group, true, &mut buffers.weight)?;
            let d_output = View::new(d_output, rows, outputs, outputs);
            let panels = &mut buffers.panels;
            multiply_by_panels(d_output, weight, inputs, d_input, inputs, panels);
        }
        Ok(())
    }
}

//! What a half of a block adds to the stream: the output of its last linear layer, normed where
//! the architecture says so, times the residual scale.

use super::linear::LinearBuffers;
use super::network::Network;
use super::norms;
use super::weights::Group;
use crate::EngineError;
use crate::architecture::Norm;
use crate::kernels::{View, add_scaled, scale_in_place};

impl Network<'_> {
    /// `stream += residual_scale * post_norm(linear(input))`; keeps what is normed in `kept`.
    #[expect(clippy::too_many_arguments, reason = "buffers of one workspace")]
    pub(super) fn add_to_stream(
        &self,
        layer: usize,
        group: Group,
        input: View<'_>,
        post_norm: Option<&Norm>,
        stream: &mut [f32],
        kept: &mut Vec<f32>,
        sum: &mut Vec<f32>,
        buffers: &mut LinearBuffers,
    ) -> Result<(), EngineError> {
        let config = &self.model.config;
        match post_norm {
            Some(norm) => {
                self.linear_forward(layer, group, input, kept, buffers)?;
                norms::forward(config, norm, kept, sum);
            }
            None => self.linear_forward(layer, group, input, sum, buffers)?,
        }
        add_scaled(stream, sum, config.residual_scale);
        Ok(())
    }

    /// Writes into `d_half` the gradient of the last linear layer's output, given that of the
    /// stream.
    pub(super) fn half_gradient(
        &self,
        post_norm: Option<&Norm>,
        d_stream: &[f32],
        kept: &[f32],
        d_half: &mut Vec<f32>,
        buffer: &mut Vec<f32>,
    ) {
        let config = &self.model.config;
        d_half.clear();
        d_half.extend_from_slice(d_stream);
        scale_in_place(d_half, config.residual_scale);
        if let Some(norm) = post_norm {
            std::mem::swap(d_half, buffer);
            d_half.clear();
            d_half.resize(d_stream.len(), 0.0);
            norms::backward(config, norm, kept, buffer, d_half);
        }
    }
}

//! What a step minimizes, as a function of the stream after the last block.

use super::head::{Head, HeadBuffers};
use super::tree::Shard;
use super::weights::Frozen;
use crate::ModelConfig;

/// The objective of one step. It sees a shard's output rows and gives the shard's part of the
/// loss, and that part's gradient.
#[derive(Debug, Clone, Copy)]
pub(super) enum Objective {
    /// The negative log-probability of every completion token, times `weight`.
    NextToken {
        /// One over the number of completion tokens in the step.
        weight: f64,
    },
}

impl Objective {
    /// The loss of a shard; writes into `d_stream`, which must be zero, the gradient with respect
    /// to `stream`, the last block's output at the shard's output rows (`[outputs][hidden]`).
    pub(super) fn loss_and_gradient(
        self,
        config: &ModelConfig,
        frozen: &Frozen,
        shard: &Shard,
        stream: &[f32],
        d_stream: &mut [f32],
        buffers: &mut HeadBuffers,
    ) -> f64 {
        let head = Head {
            config,
            frozen,
            shard,
            stream,
        };
        match self {
            Self::NextToken { weight } => {
                let weights = vec![-weight as f32; shard.targets.len()];
                let log_probabilities = head.backward(&weights, d_stream, buffers);
                -log_probabilities.iter().sum::<f64>() * weight
            }
        }
    }
}

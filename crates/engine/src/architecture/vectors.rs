//! The small tensors of a block: weights of norms, and biases. They are read once and kept as f32.

use super::{Linear, ModelConfig, NormKind};
use crate::EngineError;
use crate::gguf::GgufFile;

/// Weight, and for a LayerNorm the bias, of one norm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Norm {
    /// Reads `name.weight` and, for a LayerNorm, `name.bias`.
    pub(crate) fn read(
        config: &ModelConfig,
        file: &GgufFile,
        name: &str,
        width: usize,
    ) -> Result<Self, EngineError> {
        let read = |name: &str| Ok::<_, EngineError>(file.read(file.matrix(name, 1, width)?));
        let weight = read(&format!("{name}.weight"))?;
        let bias = match config.architecture.norm {
            NormKind::Rms => None,
            NormKind::Layer => Some(read(&format!("{name}.bias"))?),
        };
        Ok(Self { weight, bias })
    }
}

/// All small tensors of one block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LayerVectors {
    /// Before attention (`attn_norm`, or Falcon 40B's `attn_norm_2`).
    pub(crate) attention_norm: Norm,
    /// Before the feed-forward half. `None`: it reads what attention reads (Falcon 7B).
    pub(crate) feed_forward_norm: Option<Norm>,
    /// After attention, before its output is added to the stream (Gemma).
    pub(crate) post_attention_norm: Option<Norm>,
    /// After the feed-forward half, before its output is added to the stream (Gemma).
    pub(crate) post_feed_forward_norm: Option<Norm>,
    /// Of every query head, `[head_dim]`.
    pub(crate) query_norm: Option<Vec<f32>>,
    /// Of every key head, `[head_dim]`.
    pub(crate) key_norm: Option<Vec<f32>>,
    /// Biases of linear layers, by [`Linear::index`].
    biases: [Option<Vec<f32>>; Linear::COUNT],
}

impl LayerVectors {
    /// Reads those of a block; which there are has been checked by [`ModelConfig::read`].
    pub(crate) fn read(
        config: &ModelConfig,
        file: &GgufFile,
        layer: usize,
    ) -> Result<Self, EngineError> {
        let name = |name: &str| format!("blk.{layer}.{name}");
        let norm = |short: &str| Norm::read(config, file, &name(short), config.hidden);
        let (attention, feed_forward) = config.norm_names(file, layer);
        let post = |short: &str| {
            let wanted = config.architecture.post_norms;
            wanted.then(|| norm(short)).transpose()
        };
        let head = |short: &str| {
            let wanted = config.architecture.query_key_norms;
            let tensor = name(&format!("{short}.weight"));
            let read = || Ok(file.read(file.matrix(&tensor, 1, config.head_dim)?));
            wanted.then(read).transpose()
        };
        let mut biases = <[Option<Vec<f32>>; Linear::COUNT]>::default();
        for linear in config.linears() {
            if let Some(info) = config.bias(file, layer, *linear)? {
                biases[linear.index()] = Some(file.read(info));
            }
        }
        Ok(Self {
            attention_norm: norm(attention)?,
            feed_forward_norm: feed_forward.map(norm).transpose()?,
            post_attention_norm: post("post_attention_norm")?,
            post_feed_forward_norm: post("post_ffw_norm")?,
            query_norm: head("attn_q_norm")?,
            key_norm: head("attn_k_norm")?,
            biases,
        })
    }

    /// The bias of a linear layer, `[outputs]`, if it has one.
    pub(crate) fn bias(&self, linear: Linear) -> Option<&[f32]> {
        self.biases[linear.index()].as_deref()
    }

    /// The same, to be replaced in a training of all parameters.
    pub(crate) fn bias_mut(&mut self, linear: Linear) -> Option<&mut [f32]> {
        self.biases[linear.index()].as_deref_mut()
    }
}

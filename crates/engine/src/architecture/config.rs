//! The shape of a model, read from its metadata.

use super::{Architecture, Linear, Wiring};
use crate::EngineError;
use crate::gguf::{GgufFile, TensorInfo};

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: &'static Architecture,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    /// Added to the mean square, or the variance, in norms.
    pub norm_epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// The same for layers with a window.
    pub local_rope_base: f64,
    /// Positions are multiplied by this before they are rotated (linear scaling: 1 / factor), in
    /// layers without a window of their own base.
    pub rope_scale: f64,
    /// How many dimensions of a head are rotated.
    pub rope_dims: usize,
    /// Divisors of the rotary frequencies (Llama 3's scaling), one for each pair.
    pub rope_factors: Option<Vec<f32>>,
    /// How many positions a local layer sees, its own included.
    pub window: Option<usize>,
    /// Attention scores are multiplied by this.
    pub attention_scale: f32,
    /// Attention scores become `cap * tanh(score / cap)`.
    pub attention_cap: Option<f32>,
    /// Logits become `cap * tanh(logit / cap)`.
    pub logit_cap: Option<f32>,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// What a half adds to the stream is multiplied by this.
    pub residual_scale: f32,
    /// Logits are multiplied by this before they are capped (Granite's divisor, inverted).
    pub logit_scale: f32,
    /// The output head is the embedding.
    pub tied: bool,
}

/// Metadata of one architecture: keys below its name, bounded.
pub(super) struct Keys<'a> {
    file: &'a GgufFile,
    architecture: &'static Architecture,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture.name)
    }

    fn has(&self, name: &str) -> bool {
        self.file.value(&self.key(name)).is_some()
    }

    fn positive(&self, name: &str) -> Result<usize, EngineError> {
        let value = self.file.integer(&self.key(name))?;
        if value == 0 || value > 1 << 24 {
            return Err(EngineError::Gguf(format!(
                "`{}` is {value}",
                self.key(name)
            )));
        }
        Ok(value)
    }

    fn positive_or(&self, name: &str, default: usize) -> Result<usize, EngineError> {
        if self.has(name) {
            self.positive(name)
        } else {
            Ok(default)
        }
    }

    /// A finite positive number.
    fn number(&self, name: &str) -> Result<f64, EngineError> {
        let value = self.file.number(&self.key(name))?;
        if !value.is_finite() || value <= 0.0 {
            return Err(EngineError::Gguf(format!(
                "`{}` is {value}, which makes no sense",
                self.key(name)
            )));
        }
        Ok(value)
    }

    /// A finite positive number; zero or absent gives the default, as writers use both.
    fn number_or(&self, name: &str, default: f64) -> Result<f64, EngineError> {
        let zero = self.file.number(&self.key(name)).is_ok_and(|v| v == 0.0);
        if self.has(name) && !zero {
            self.number(name)
        } else {
            Ok(default)
        }
    }

    /// As [`Keys::number_or`], where the default may be that there is none.
    fn optional(&self, name: &str, default: Option<f32>) -> Result<Option<f32>, EngineError> {
        let value = self.number_or(name, f64::from(default.unwrap_or(0.0)))? as f32;
        Ok((value > 0.0).then_some(value))
    }
}

impl ModelConfig {
    /// Reads and checks the configuration; afterwards every tensor of the model is known to exist
    /// in the right shape.
    pub fn read(file: &GgufFile) -> Result<Self, EngineError> {
        let name = file.text("general.architecture")?;
        let Some(architecture) = Architecture::named(name) else {
            return Err(EngineError::Unsupported(format!(
                "architecture `{name}`; this engine runs {}",
                Architecture::names()
            )));
        };
        let keys = Keys { file, architecture };
        let embedding = file.tensor("token_embd.weight").ok_or_else(|| {
            EngineError::Gguf("the file has no tensor `token_embd.weight`".into())
        })?;
        let (hidden, heads) = (
            keys.positive("embedding_length")?,
            keys.positive("attention.head_count")?,
        );
        let head_dim = keys.positive_or("attention.key_length", hidden / heads)?;
        let layers = keys.positive("block_count")?;
        let rope_base = keys.number_or("rope.freq_base", 10_000.0)?;
        let local_rope_base = architecture.local_rope_base.unwrap_or(rope_base);
        let by_width = architecture.layers_scaled_by_width == Some(layers);
        let scaled_width = if by_width { hidden / heads } else { head_dim };
        let root = architecture.embedding_by_root;
        let embedding_scale = if root { (hidden as f64).sqrt() } else { 1.0 };
        let (attention_cap, logit_cap) = architecture.soft_caps;
        let config = Self {
            layers,
            hidden,
            heads,
            kv_heads: keys.positive_or("attention.head_count_kv", heads)?,
            head_dim,
            feed_forward: keys.positive("feed_forward_length")?,
            vocabulary: embedding.rows(),
            context: keys.positive("context_length")?,
            norm_epsilon: keys.norm_epsilon()?,
            rope_base,
            local_rope_base: keys.number_or("rope.freq_base_swa", local_rope_base)?,
            rope_scale: keys.rope_scale()?,
            rope_dims: keys.positive_or("rope.dimension_count", head_dim)?,
            rope_factors: rope_factors(file, head_dim)?,
            window: keys.window()?,
            attention_scale: keys
                .number_or("attention.scale", 1.0 / (scaled_width.max(1) as f64).sqrt())?
                as f32,
            attention_cap: keys.optional("attn_logit_softcapping", attention_cap)?,
            logit_cap: keys.optional("final_logit_softcapping", logit_cap)?,
            embedding_scale: keys.number_or("embedding_scale", embedding_scale)? as f32,
            residual_scale: keys.number_or("residual_scale", 1.0)? as f32,
            logit_scale: (1.0 / keys.number_or("logit_scale", 1.0)?) as f32,
            tied: file.tensor("output.weight").is_none(),
            architecture,
        };
        config.check(file)?;
        Ok(config)
    }

    /// The linear layers of a block, in the order their LoRA parameters are stored.
    pub fn linears(&self) -> &'static [Linear] {
        self.architecture.linears
    }

    /// Outputs and inputs of a linear layer; (0, 0) if this architecture does not have it.
    pub fn shape(&self, linear: Linear) -> (usize, usize) {
        if !self.linears().contains(&linear) {
            return (0, 0);
        }
        let (queries, keys) = (self.queries(), self.keys());
        match linear {
            Linear::Query => (queries, self.hidden),
            Linear::Key | Linear::Value => (keys, self.hidden),
            Linear::QueryKeyValue => (queries + 2 * keys, self.hidden),
            Linear::Output => (self.hidden, queries),
            Linear::Gate | Linear::Up => (self.feed_forward, self.hidden),
            Linear::Down => (self.hidden, self.feed_forward),
        }
    }

    /// Length of all queries of a position: `heads * head_dim`.
    pub fn queries(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Length of all keys, and of all values, of a position: `kv_heads * head_dim`.
    pub fn keys(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// How many positions a layer sees, its own included; `None`: all before it.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.window
            .filter(|_| self.architecture.windows.is_local(layer))
    }

    /// True if a layer has a window, and with it the local rotary base.
    pub fn is_local(&self, layer: usize) -> bool {
        self.window(layer).is_some()
    }

    /// The tensor of a linear layer.
    pub(crate) fn linear<'a>(
        &self,
        file: &'a GgufFile,
        layer: usize,
        linear: Linear,
    ) -> Result<&'a TensorInfo, EngineError> {
        let (outputs, inputs) = self.shape(linear);
        let name = format!("blk.{layer}.{}.weight", linear.gguf_name());
        file.matrix(&name, outputs, inputs)
    }

    /// The bias of a linear layer, if the file has one.
    pub(crate) fn bias<'a>(
        &self,
        file: &'a GgufFile,
        layer: usize,
        linear: Linear,
    ) -> Result<Option<&'a TensorInfo>, EngineError> {
        let name = format!("blk.{layer}.{}.bias", linear.gguf_name());
        if file.tensor(&name).is_none() {
            return Ok(None);
        }
        file.matrix(&name, 1, self.shape(linear).0).map(Some)
    }

    /// The tensor of the output head: `output.weight`, or the embedding where they are tied.
    pub(crate) fn head<'a>(&self, file: &'a GgufFile) -> Result<&'a TensorInfo, EngineError> {
        let name = if self.tied {
            "token_embd.weight"
        } else {
            "output.weight"
        };
        file.matrix(name, self.vocabulary, self.hidden)
    }

    /// The names of the norms before attention and before the feed-forward half, without
    /// `blk.N.`. Falcon 40B has one for each, under names of its own; Falcon 7B has one for both.
    pub(crate) fn norm_names(
        &self,
        file: &GgufFile,
        layer: usize,
    ) -> (&'static str, Option<&'static str>) {
        match self.architecture.wiring {
            Wiring::Sequential => ("attn_norm", Some("ffn_norm")),
            Wiring::Parallel => {
                let second = format!("blk.{layer}.attn_norm_2.weight");
                if file.tensor(&second).is_some() {
                    ("attn_norm_2", Some("attn_norm"))
                } else {
                    ("attn_norm", None)
                }
            }
        }
    }
}

impl Keys<'_> {
    fn norm_epsilon(&self) -> Result<f32, EngineError> {
        let name = match self.architecture.norm {
            super::NormKind::Rms => "attention.layer_norm_rms_epsilon",
            super::NormKind::Layer => "attention.layer_norm_epsilon",
        };
        Ok(self.number(name)? as f32)
    }

    /// The factor of linear scaling, inverted. Other kinds of scaling are refused.
    fn rope_scale(&self) -> Result<f64, EngineError> {
        let kind = self.file.value(&self.key("rope.scaling.type"));
        match kind.and_then(|v| v.as_text()) {
            None | Some("none") => Ok(1.0),
            Some("linear") => Ok(1.0 / self.number_or("rope.scaling.factor", 1.0)?),
            Some(other) => Err(EngineError::Unsupported(format!(
                "rotary scaling `{other}` by metadata; `linear` is supported"
            ))),
        }
    }

    /// The sliding window; writers put zero where there is none.
    fn window(&self) -> Result<Option<usize>, EngineError> {
        let name = "attention.sliding_window";
        let zero = self.file.integer(&self.key(name)).is_ok_and(|v| v == 0);
        if !self.has(name) || zero {
            return Ok(None);
        }
        self.positive(name).map(Some)
    }
}

/// Llama 3's divisors, one for each pair of a head. Their number is checked before they are read,
/// and once more when it is known how many dimensions are rotated.
fn rope_factors(file: &GgufFile, head_dim: usize) -> Result<Option<Vec<f32>>, EngineError> {
    let Some(info) = file.tensor("rope_freqs.weight") else {
        return Ok(None);
    };
    if info.rows() != 1 || info.columns() > head_dim {
        return Err(EngineError::Gguf(
            "`rope_freqs.weight` has the wrong length".into(),
        ));
    }
    Ok(Some(file.read(info)))
}

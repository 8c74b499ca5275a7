//! The sizes of a model that does not exist yet.

use crate::EngineError;
use crate::gguf::GgufMetadata;

/// Most parameters of a model made from scratch: a larger one cannot be trained on a CPU anyway.
const MOST_PARAMETERS: usize = 1 << 30;

/// Sizes of a decoder of the llama or the qwen3 family.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    /// `llama`, or `qwen3`, which norms each query and key head.
    pub architecture: String,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; they divide the query heads.
    pub kv_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
    /// Longest sequence, in tokens.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f32,
    /// Added to the mean square in norms.
    pub norm_epsilon: f32,
    /// The output head is the embedding.
    pub tied: bool,
}

impl Default for ModelShape {
    /// About three million parameters and a context of 256 tokens.
    fn default() -> Self {
        Self {
            architecture: "llama".into(),
            layers: 4,
            hidden: 256,
            heads: 8,
            kv_heads: 8,
            head_dim: 32,
            feed_forward: 704,
            context: 256,
            rope_base: 10_000.0,
            norm_epsilon: 1e-5,
            tied: true,
        }
    }
}

impl ModelShape {
    /// Number of parameters with a vocabulary of so many tokens; `None` if it cannot be counted.
    pub fn parameters(&self, vocabulary: usize) -> Option<usize> {
        let queries = self.heads.checked_mul(self.head_dim)?;
        let keys = self.kv_heads.checked_mul(self.head_dim)?;
        let attention = queries.checked_add(keys)?.checked_mul(2 * self.hidden)?;
        let feed_forward = self.feed_forward.checked_mul(3 * self.hidden)?;
        let norms = 2 * self.hidden
            + if self.has_head_norms() {
                2 * self.head_dim
            } else {
                0
            };
        let block = attention.checked_add(feed_forward)?.checked_add(norms)?;
        let tables = if self.tied { 1 } else { 2 };
        let tables = vocabulary.checked_mul(self.hidden)?.checked_mul(tables)?;
        let blocks = block.checked_mul(self.layers)?;
        blocks.checked_add(tables)?.checked_add(self.hidden)
    }

    pub(super) fn has_head_norms(&self) -> bool {
        self.architecture == "qwen3"
    }

    /// Refuses sizes that do not fit together.
    pub(super) fn check(&self, vocabulary: usize) -> Result<(), EngineError> {
        if !["llama", "qwen3"].contains(&self.architecture.as_str()) {
            return Err(EngineError::Input(format!(
                "a model from scratch is of the family `llama` or `qwen3`, not `{}`",
                self.architecture
            )));
        }
        let sizes = [
            self.layers,
            self.hidden,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.feed_forward,
            self.context,
        ];
        if sizes.iter().any(|size| *size == 0 || *size > 1 << 24) {
            return Err(EngineError::Input(format!(
                "every size of a model must be between 1 and {}: {self:?}",
                1 << 24
            )));
        }
        if !self.heads.is_multiple_of(self.kv_heads) || !self.head_dim.is_multiple_of(2) {
            return Err(EngineError::Input(format!(
                "{} key heads must divide {} heads, and the head width {} must be even",
                self.kv_heads, self.heads, self.head_dim
            )));
        }
        let positive = |x: f32| x.is_finite() && x > 0.0;
        if !positive(self.rope_base) || !positive(self.norm_epsilon) {
            return Err(EngineError::Input(
                "`rope_base` and `norm_epsilon` must be positive numbers".into(),
            ));
        }
        let parameters = self.parameters(vocabulary);
        if parameters.is_none_or(|count| count > MOST_PARAMETERS) {
            return Err(EngineError::Input(format!(
                "the model would have more than {MOST_PARAMETERS} parameters; choose smaller sizes"
            )));
        }
        Ok(())
    }

    /// The metadata that say the sizes.
    pub(super) fn metadata(&self, name: &str, vocabulary: usize) -> GgufMetadata {
        let mut metadata = GgufMetadata::new();
        metadata.text("general.architecture", &self.architecture);
        metadata.text("general.type", "model");
        metadata.text("general.name", name);
        metadata.integer("general.file_type", 0);
        for (key, value) in [
            ("vocab_size", vocabulary),
            ("context_length", self.context),
            ("embedding_length", self.hidden),
            ("block_count", self.layers),
            ("feed_forward_length", self.feed_forward),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("attention.key_length", self.head_dim),
            ("attention.value_length", self.head_dim),
            ("rope.dimension_count", self.head_dim),
        ] {
            metadata.integer(&format!("{}.{key}", self.architecture), value as u32);
        }
        for (key, value) in [
            ("attention.layer_norm_rms_epsilon", self.norm_epsilon),
            ("rope.freq_base", self.rope_base),
        ] {
            metadata.number(&format!("{}.{key}", self.architecture), value);
        }
        metadata
    }
}

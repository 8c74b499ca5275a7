//! That a model's sizes fit together, and that every tensor it needs is there in the right shape.

use super::{Linear, ModelConfig, NormKind};
use crate::EngineError;
use crate::gguf::{GgufFile, Value};

impl ModelConfig {
    /// Refuses a configuration that contradicts itself or the tensors.
    pub(super) fn check(&self, file: &GgufFile) -> Result<(), EngineError> {
        let experts = file.value(&format!("{}.expert_count", self.architecture.name));
        if experts.and_then(Value::as_u64) > Some(0) {
            return Err(EngineError::Unsupported("mixture-of-experts layers".into()));
        }
        if self.head_dim == 0
            || !self.heads.is_multiple_of(self.kv_heads)
            || self.rope_dims > self.head_dim
            || !self.rope_dims.is_multiple_of(2)
        {
            return Err(EngineError::Gguf(format!(
                "{} heads, {} key heads, head width {} and {} rotated dimensions do not fit together",
                self.heads, self.kv_heads, self.head_dim, self.rope_dims
            )));
        }
        if let Some(factors) = &self.rope_factors {
            if factors.len() != self.rope_dims / 2 {
                return Err(EngineError::Gguf(
                    "`rope_freqs.weight` has the wrong length".into(),
                ));
            }
            if factors.iter().any(|f| !f.is_finite() || *f <= 0.0) {
                return Err(EngineError::Gguf(
                    "`rope_freqs.weight` holds divisors that are not positive numbers".into(),
                ));
            }
        }
        file.matrix("token_embd.weight", self.vocabulary, self.hidden)?;
        if !self.tied {
            file.matrix("output.weight", self.vocabulary, self.hidden)?;
        }
        self.check_norm(file, "output_norm", self.hidden)?;
        (0..self.layers).try_for_each(|layer| self.check_layer(file, layer))
    }

    fn check_layer(&self, file: &GgufFile, layer: usize) -> Result<(), EngineError> {
        let (attention, feed_forward) = self.norm_names(file, layer);
        for name in [Some(attention), feed_forward].into_iter().flatten() {
            self.check_norm(file, &format!("blk.{layer}.{name}"), self.hidden)?;
        }
        if self.architecture.post_norms {
            for name in ["post_attention_norm", "post_ffw_norm"] {
                self.check_norm(file, &format!("blk.{layer}.{name}"), self.hidden)?;
            }
        }
        if self.architecture.query_key_norms {
            for name in ["attn_q_norm", "attn_k_norm"] {
                self.check_norm(file, &format!("blk.{layer}.{name}"), self.head_dim)?;
            }
        }
        for linear in self.linears() {
            self.linear(file, layer, *linear)?;
            self.bias(file, layer, *linear)?;
        }
        self.check_unknown(file, layer)
    }

    fn check_norm(&self, file: &GgufFile, name: &str, width: usize) -> Result<(), EngineError> {
        file.matrix(&format!("{name}.weight"), 1, width)?;
        if self.architecture.norm == NormKind::Layer {
            file.matrix(&format!("{name}.bias"), 1, width)?;
        }
        Ok(())
    }

    /// A layer with a tensor that changes the result and that this architecture does not know is
    /// refused: computing without it would be silently wrong.
    fn check_unknown(&self, file: &GgufFile, layer: usize) -> Result<(), EngineError> {
        let known = |linear: &Linear| self.linears().contains(linear);
        let foreign = [Linear::Query, Linear::QueryKeyValue, Linear::Gate]
            .into_iter()
            .filter(|linear| !known(linear))
            .map(|linear| format!("blk.{layer}.{}.weight", linear.gguf_name()));
        let norms = [
            (self.architecture.query_key_norms, "attn_q_norm"),
            (self.architecture.query_key_norms, "attn_k_norm"),
            (self.architecture.post_norms, "post_attention_norm"),
            (self.architecture.post_norms, "post_ffw_norm"),
        ];
        let norms = norms.into_iter().filter(|(known, _)| !known);
        let norms = norms.map(|(_, name)| format!("blk.{layer}.{name}.weight"));
        for name in foreign.chain(norms) {
            if file.tensor(&name).is_some() {
                return Err(EngineError::Unsupported(format!(
                    "tensor `{name}` in a model of the architecture `{}`",
                    self.architecture.name
                )));
            }
        }
        Ok(())
    }
}

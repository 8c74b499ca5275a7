//! The shape of a model, read from GGUF metadata and checked against the tensors.

use crate::EngineError;
use crate::gguf::{GgufFile, TensorInfo, Value};

/// Architectures this engine runs, with what distinguishes them. A new one is a new row.
const ARCHITECTURES: &[&str] = &["llama"];

/// The linear layers of a block that LoRA adapts, in the order their parameters are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Linear {
    /// Attention query.
    Query,
    /// Attention key.
    Key,
    /// Attention value.
    Value,
    /// Attention output.
    Output,
    /// Feed-forward gate.
    Gate,
    /// Feed-forward up.
    Up,
    /// Feed-forward down.
    Down,
}

impl Linear {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// The tensor's name in a GGUF file, without `blk.N.` and `.weight`.
    pub fn gguf_name(self) -> &'static str {
        match self {
            Self::Query => "attn_q",
            Self::Key => "attn_k",
            Self::Value => "attn_v",
            Self::Output => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// The module's name in transformers, below `model.layers.N.`.
    pub fn module_name(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Output => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// Position in [`Linear::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// `general.architecture`.
    pub architecture: String,
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
    /// Added to the mean square in RMSNorm.
    pub norm_epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// How many dimensions of a head are rotated, in adjacent pairs.
    pub rope_dims: usize,
    /// Divisors of the rotary frequencies (Llama 3's scaling), one for each pair.
    pub rope_factors: Option<Vec<f32>>,
    /// The output head is the embedding.
    pub tied: bool,
}

impl ModelConfig {
    /// Reads and checks the configuration; afterwards every tensor of the model is known to exist
    /// in the right shape.
    pub fn read(file: &GgufFile) -> Result<Self, EngineError> {
        let architecture = file.text("general.architecture")?.to_owned();
        if !ARCHITECTURES.contains(&architecture.as_str()) {
            return Err(EngineError::Unsupported(format!(
                "architecture `{architecture}`; this engine runs {}",
                ARCHITECTURES.join(", ")
            )));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let positive = |name: &str| {
            let value = file.integer(&key(name))?;
            if value == 0 || value > 1 << 24 {
                return Err(EngineError::Gguf(format!("`{}` is {value}", key(name))));
            }
            Ok(value)
        };
        let hidden = positive("embedding_length")?;
        let heads = positive("attention.head_count")?;
        let optional = |name: &str, default: usize| {
            if file.value(&key(name)).is_some() {
                positive(name)
            } else {
                Ok(default)
            }
        };
        let head_dim = optional("attention.key_length", hidden / heads)?;
        let embedding = file.tensor("token_embd.weight").ok_or_else(|| {
            EngineError::Gguf("the file has no tensor `token_embd.weight`".into())
        })?;
        let config = Self {
            layers: positive("block_count")?,
            hidden,
            heads,
            kv_heads: optional("attention.head_count_kv", heads)?,
            head_dim,
            feed_forward: positive("feed_forward_length")?,
            vocabulary: embedding.rows(),
            context: positive("context_length")?,
            norm_epsilon: file.number(&key("attention.layer_norm_rms_epsilon"))? as f32,
            rope_base: file.number(&key("rope.freq_base")).unwrap_or(10_000.0),
            rope_dims: optional("rope.dimension_count", head_dim)?,
            rope_factors: rope_factors(file, head_dim)?,
            tied: file.tensor("output.weight").is_none(),
            architecture: architecture.clone(),
        };
        config.check(file)?;
        Ok(config)
    }

    fn check(&self, file: &GgufFile) -> Result<(), EngineError> {
        let scaling = file.value(&format!("{}.rope.scaling.type", self.architecture));
        if scaling
            .and_then(|v| v.as_text())
            .is_some_and(|kind| kind != "none")
        {
            return Err(EngineError::Unsupported(
                "rotary scaling by metadata".into(),
            ));
        }
        if file
            .value(&format!("{}.expert_count", self.architecture))
            .and_then(Value::as_u64)
            > Some(0)
        {
            return Err(EngineError::Unsupported("mixture-of-experts layers".into()));
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(self.rope_base) || !positive(f64::from(self.norm_epsilon)) {
            return Err(EngineError::Gguf(format!(
                "a rotary base of {} and a norm epsilon of {} make no sense",
                self.rope_base, self.norm_epsilon
            )));
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
        if self
            .rope_factors
            .as_ref()
            .is_some_and(|f| f.len() != self.rope_dims / 2)
        {
            return Err(EngineError::Gguf(
                "`rope_freqs.weight` has the wrong length".into(),
            ));
        }
        file.matrix("token_embd.weight", self.vocabulary, self.hidden)?;
        file.matrix("output_norm.weight", 1, self.hidden)?;
        if !self.tied {
            file.matrix("output.weight", self.vocabulary, self.hidden)?;
        }
        for layer in 0..self.layers {
            file.matrix(&format!("blk.{layer}.attn_norm.weight"), 1, self.hidden)?;
            file.matrix(&format!("blk.{layer}.ffn_norm.weight"), 1, self.hidden)?;
            for linear in Linear::ALL {
                self.linear(file, layer, linear)?;
                let bias = format!("blk.{layer}.{}.bias", linear.gguf_name());
                if file.tensor(&bias).is_some() {
                    return Err(EngineError::Unsupported(format!("bias `{bias}`")));
                }
            }
        }
        Ok(())
    }

    /// Outputs and inputs of a linear layer.
    pub fn shape(&self, linear: Linear) -> (usize, usize) {
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        match linear {
            Linear::Query => (queries, self.hidden),
            Linear::Key | Linear::Value => (keys, self.hidden),
            Linear::Output => (self.hidden, queries),
            Linear::Gate | Linear::Up => (self.feed_forward, self.hidden),
            Linear::Down => (self.hidden, self.feed_forward),
        }
    }

    /// The tensor of a linear layer.
    pub(crate) fn linear<'a>(
        &self,
        file: &'a GgufFile,
        layer: usize,
        linear: Linear,
    ) -> Result<&'a TensorInfo, EngineError> {
        let (outputs, inputs) = self.shape(linear);
        file.matrix(
            &format!("blk.{layer}.{}.weight", linear.gguf_name()),
            outputs,
            inputs,
        )
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

/// Cosines and sines of the rotary embedding: row `p` holds `rope_dims / 2` pairs for position `p`.
#[derive(Debug)]
pub(crate) struct RopeTable {
    half: usize,
    table: Vec<(f32, f32)>,
}

impl RopeTable {
    pub(crate) fn new(config: &ModelConfig, positions: usize) -> Self {
        let half = config.rope_dims / 2;
        let mut table = Vec::with_capacity(positions * half);
        for position in 0..positions {
            for j in 0..half {
                let exponent = -2.0 * j as f64 / config.rope_dims as f64;
                let factor = config
                    .rope_factors
                    .as_ref()
                    .map_or(1.0, |f| f64::from(f[j]));
                let angle = position as f64 * config.rope_base.powf(exponent) / factor;
                table.push((angle.cos() as f32, angle.sin() as f32));
            }
        }
        Self { half, table }
    }

    /// Rotates one head in place, adjacent pairs together, as GGUF stores llama models.
    pub(crate) fn rotate(&self, head: &mut [f32], position: usize) {
        let row = &self.table[position * self.half..(position + 1) * self.half];
        for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(row) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a * cos - b * sin;
            pair[1] = a * sin + b * cos;
        }
    }

    /// The inverse rotation, which is also the gradient's way back.
    pub(crate) fn rotate_back(&self, head: &mut [f32], position: usize) {
        let row = &self.table[position * self.half..(position + 1) * self.half];
        for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(row) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a * cos + b * sin;
            pair[1] = b * cos - a * sin;
        }
    }
}

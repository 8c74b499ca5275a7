//! The table of architectures. A new family of decoders is a new row.

use super::{Linear, WindowPattern};

/// How a block normalises its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / rms(x) * weight` (Zhang and Sennrich 2019).
    Rms,
    /// `(x - mean) / deviation * weight + bias` (Ba et al. 2016).
    Layer,
}

/// The non-linearity of the feed-forward half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU by its tanh approximation (`gelu_pytorch_tanh`).
    GeluTanh,
    /// GELU by the error function.
    Gelu,
}

/// How the halves of a block follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// `x += attention(norm(x))`, then `x += feed_forward(norm(x))`.
    Sequential,
    /// `x += attention(norm(x)) + feed_forward(norm(x))`: both read the same `x` (Falcon).
    Parallel,
}

/// Which dimensions of a head the rotary embedding turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopePairs {
    /// `2 j` and `2 j + 1`, as GGUF stores llama and granite.
    Adjacent,
    /// `j` and `j + rope_dims / 2`.
    Halves,
}

/// A family of decoders: everything about it that is not a size.
#[derive(Debug, PartialEq)]
pub struct Architecture {
    /// `general.architecture`, the prefix of the metadata keys.
    pub name: &'static str,
    /// What `config.json` calls it (`model_type`).
    pub model_types: &'static [&'static str],
    /// The linear layers of a block, in the order their LoRA parameters are stored.
    pub linears: &'static [Linear],
    /// How blocks normalise.
    pub norm: NormKind,
    /// The feed-forward non-linearity.
    pub activation: Activation,
    /// How a block's halves follow each other.
    pub wiring: Wiring,
    /// Pairs of the rotary embedding.
    pub rope_pairs: RopePairs,
    /// RMSNorm of every query and key head before it is rotated.
    pub query_key_norms: bool,
    /// Norms of each half's output before it is added to the stream.
    pub post_norms: bool,
    /// Embeddings are multiplied by the square root of the width.
    pub embedding_by_root: bool,
    /// Which layers see only a window, where the model has one.
    pub windows: WindowPattern,
    /// Rotary base of the layers that see only a window, if it differs and the file does not say.
    pub local_rope_base: Option<f64>,
    /// The bound of the tanh on attention scores and on logits, if the file does not say.
    pub soft_caps: (Option<f32>, Option<f32>),
    /// Number of layers of the one size whose attention scale is `1 / sqrt(hidden / heads)`
    /// instead of `1 / sqrt(head_dim)`.
    pub layers_scaled_by_width: Option<usize>,
}

/// Query, key and value apart; gate, up, down.
const GATED: &[Linear] = &[
    Linear::Query,
    Linear::Key,
    Linear::Value,
    Linear::Output,
    Linear::Gate,
    Linear::Up,
    Linear::Down,
];

/// Query, key and value in one; up, down.
const FUSED: &[Linear] = &[
    Linear::QueryKeyValue,
    Linear::Output,
    Linear::Up,
    Linear::Down,
];

const LLAMA: Architecture = Architecture {
    name: "llama",
    model_types: &["llama", "mistral"],
    linears: GATED,
    norm: NormKind::Rms,
    activation: Activation::Silu,
    wiring: Wiring::Sequential,
    rope_pairs: RopePairs::Adjacent,
    query_key_norms: false,
    post_norms: false,
    embedding_by_root: false,
    windows: WindowPattern::AllLocal,
    local_rope_base: None,
    soft_caps: (None, None),
    layers_scaled_by_width: None,
};

const GEMMA2: Architecture = Architecture {
    name: "gemma2",
    model_types: &["gemma2"],
    activation: Activation::GeluTanh,
    rope_pairs: RopePairs::Halves,
    post_norms: true,
    embedding_by_root: true,
    windows: WindowPattern::GlobalEvery(2),
    soft_caps: (Some(50.0), Some(30.0)),
    layers_scaled_by_width: Some(46),
    ..LLAMA
};

/// All architectures this engine runs.
pub(super) static ARCHITECTURES: &[Architecture] = &[
    LLAMA,
    Architecture {
        name: "granite",
        model_types: &["granite"],
        ..LLAMA
    },
    Architecture {
        name: "qwen2",
        model_types: &["qwen2"],
        rope_pairs: RopePairs::Halves,
        ..LLAMA
    },
    Architecture {
        name: "qwen3",
        model_types: &["qwen3"],
        rope_pairs: RopePairs::Halves,
        query_key_norms: true,
        ..LLAMA
    },
    GEMMA2,
    Architecture {
        name: "gemma3",
        model_types: &["gemma3_text"],
        query_key_norms: true,
        windows: WindowPattern::GlobalEvery(6),
        local_rope_base: Some(10_000.0),
        soft_caps: (None, None),
        layers_scaled_by_width: Some(62),
        ..GEMMA2
    },
    Architecture {
        name: "falcon",
        model_types: &["falcon", "RefinedWeb", "RefinedWebModel"],
        linears: FUSED,
        norm: NormKind::Layer,
        activation: Activation::Gelu,
        wiring: Wiring::Parallel,
        rope_pairs: RopePairs::Halves,
        ..LLAMA
    },
];

impl Architecture {
    /// The row of a name in GGUF metadata.
    pub fn named(name: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|a| a.name == name)
    }

    /// The row of a `model_type` in `config.json`.
    pub fn of_model_type(model_type: &str) -> Option<&'static Self> {
        ARCHITECTURES
            .iter()
            .find(|a| a.model_types.contains(&model_type))
    }

    /// All names, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = ARCHITECTURES.iter().map(|a| a.name).collect();
        names.join(", ")
    }

    /// All values of `model_type`, for messages.
    pub fn model_types() -> String {
        let types: Vec<&str> = ARCHITECTURES
            .iter()
            .flat_map(|a| a.model_types.iter().copied())
            .collect();
        types.join(", ")
    }

    /// The feed-forward half has a gate beside its up-projection.
    pub fn gated(&self) -> bool {
        self.linears.contains(&Linear::Gate)
    }

    /// Query, key and value are one linear layer.
    pub fn fused(&self) -> bool {
        self.linears.contains(&Linear::QueryKeyValue)
    }
}

//! The linear layers of a block.

/// The linear layers of a block that LoRA adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Linear {
    /// Attention query.
    Query,
    /// Attention key.
    Key,
    /// Attention value.
    Value,
    /// Query, key and value below each other in one matrix (Falcon).
    QueryKeyValue,
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
    /// How many kinds there are.
    pub const COUNT: usize = 8;

    /// The tensor's name in a GGUF file, without `blk.N.` and `.weight`.
    pub fn gguf_name(self) -> &'static str {
        match self {
            Self::Query => "attn_q",
            Self::Key => "attn_k",
            Self::Value => "attn_v",
            Self::QueryKeyValue => "attn_qkv",
            Self::Output => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// The module's name in transformers below the layer, for a model whose query, key and value
    /// are apart (`model.layers.N.`) or `fused` (`transformer.h.N.`, Falcon).
    pub fn module_name(self, fused: bool) -> &'static str {
        match (self, fused) {
            (Self::Query, _) => "self_attn.q_proj",
            (Self::Key, _) => "self_attn.k_proj",
            (Self::Value, _) => "self_attn.v_proj",
            (Self::QueryKeyValue, _) => "self_attention.query_key_value",
            (Self::Output, false) => "self_attn.o_proj",
            (Self::Output, true) => "self_attention.dense",
            (Self::Gate, _) => "mlp.gate_proj",
            (Self::Up, false) => "mlp.up_proj",
            (Self::Up, true) => "mlp.dense_h_to_4h",
            (Self::Down, false) => "mlp.down_proj",
            (Self::Down, true) => "mlp.dense_4h_to_h",
        }
    }

    /// A number below [`Linear::COUNT`].
    pub fn index(self) -> usize {
        self as usize
    }
}

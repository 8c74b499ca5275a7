//! The names of tensors in transformers and in GGUF.

use crate::{Architecture, Linear};

/// Norms of a block: transformers' name, GGUF's name.
fn norms(architecture: &Architecture) -> &'static [(&'static str, &'static str)] {
    if architecture.fused() {
        &[
            ("input_layernorm", "attn_norm"),
            ("ln_mlp", "attn_norm"),
            ("ln_attn", "attn_norm_2"),
        ]
    } else if architecture.post_norms {
        &[
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "post_attention_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffw_norm"),
            ("self_attn.q_norm", "attn_q_norm"),
            ("self_attn.k_norm", "attn_k_norm"),
        ]
    } else {
        &[
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.q_norm", "attn_q_norm"),
            ("self_attn.k_norm", "attn_k_norm"),
        ]
    }
}

/// What a tensor of a checkpoint is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A tensor under GGUF's name.
    Known(String),
    /// Nothing that the text model computes with.
    Other,
    /// A part of a block that this engine does not know.
    Foreign,
}

/// Understands the name of a tensor in a checkpoint.
pub(super) fn gguf_name(architecture: &Architecture, name: &str) -> Name {
    if matches!(name, "lm_head.weight" | "language_model.lm_head.weight") {
        return Name::Known("output.weight".into());
    }
    let prefixes = [
        "model.language_model.",
        "language_model.model.",
        "model.",
        "transformer.",
    ];
    let Some(rest) = prefixes.iter().find_map(|p| name.strip_prefix(p)) else {
        return Name::Other;
    };
    let Some((rest, kind)) = rest.rsplit_once('.') else {
        return Name::Other;
    };
    match rest {
        "embed_tokens" | "word_embeddings" => return Name::Known(format!("token_embd.{kind}")),
        "norm" | "ln_f" => return Name::Known(format!("output_norm.{kind}")),
        _ => {}
    }
    let layers = rest.strip_prefix("layers.").or(rest.strip_prefix("h."));
    let Some((layer, module)) = layers.and_then(|rest| rest.split_once('.')) else {
        return Name::Other;
    };
    // A table that old checkpoints store and everyone computes.
    if kind == "inv_freq" {
        return Name::Other;
    }
    let short = module_name(architecture, module);
    match (layer.parse::<u32>(), short, kind) {
        (Ok(layer), Some(short), "weight" | "bias") => {
            Name::Known(format!("blk.{layer}.{short}.{kind}"))
        }
        _ => Name::Foreign,
    }
}

/// GGUF's name of a module of a block.
fn module_name(architecture: &Architecture, module: &str) -> Option<&'static str> {
    let fused = architecture.fused();
    let linears = architecture.linears.iter();
    let linear = linears
        .copied()
        .find(|l| l.module_name(fused) == module)
        .map(Linear::gguf_name);
    let norm = norms(architecture).iter().find(|(name, _)| *name == module);
    linear.or(norm.map(|(_, short)| *short))
}

/// Transformers' name of a GGUF tensor, for messages.
pub(super) fn hub_name(architecture: &Architecture, name: &str) -> Option<String> {
    let fused = architecture.fused();
    let (stem, kind) = name.rsplit_once('.')?;
    match stem {
        "output" => return Some(format!("lm_head.{kind}")),
        "token_embd" if fused => return Some(format!("transformer.word_embeddings.{kind}")),
        "token_embd" => return Some(format!("model.embed_tokens.{kind}")),
        "output_norm" if fused => return Some(format!("transformer.ln_f.{kind}")),
        "output_norm" => return Some(format!("model.norm.{kind}")),
        _ => {}
    }
    let (layer, short) = stem.strip_prefix("blk.")?.split_once('.')?;
    let linear = architecture.linears.iter().find(|l| l.gguf_name() == short);
    let norm = norms(architecture).iter().find(|(_, s)| *s == short);
    let module = linear.map(|l| l.module_name(fused));
    let module = module.or(norm.map(|(module, _)| *module))?;
    let layers = if fused {
        "transformer.h"
    } else {
        "model.layers"
    };
    Some(format!("{layers}.{layer}.{module}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(family: &str, name: &str) -> Name {
        gguf_name(Architecture::named(family).unwrap(), name)
    }

    #[test]
    fn names_are_translated_both_ways() {
        for (family, theirs, ours) in [
            (
                "llama",
                "model.layers.3.self_attn.q_proj.weight",
                "blk.3.attn_q.weight",
            ),
            (
                "llama",
                "model.layers.3.post_attention_layernorm.weight",
                "blk.3.ffn_norm.weight",
            ),
            (
                "gemma2",
                "model.layers.0.post_attention_layernorm.weight",
                "blk.0.post_attention_norm.weight",
            ),
            (
                "qwen2",
                "model.layers.0.self_attn.k_proj.bias",
                "blk.0.attn_k.bias",
            ),
            (
                "falcon",
                "transformer.h.1.self_attention.query_key_value.weight",
                "blk.1.attn_qkv.weight",
            ),
            (
                "falcon",
                "transformer.h.1.ln_attn.bias",
                "blk.1.attn_norm_2.bias",
            ),
            ("falcon", "transformer.ln_f.weight", "output_norm.weight"),
            ("llama", "model.embed_tokens.weight", "token_embd.weight"),
            ("llama", "lm_head.weight", "output.weight"),
        ] {
            assert_eq!(known(family, theirs), Name::Known(ours.into()));
            let architecture = Architecture::named(family).unwrap();
            assert_eq!(hub_name(architecture, ours).unwrap(), theirs);
        }
        assert_eq!(
            known(
                "gemma3",
                "language_model.model.layers.0.self_attn.q_norm.weight"
            ),
            Name::Known("blk.0.attn_q_norm.weight".into())
        );
        assert_eq!(known("gemma3", "vision_tower.encoder.weight"), Name::Other);
        assert_eq!(
            known("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
            Name::Other
        );
        assert_eq!(
            known("llama", "model.layers.0.mlp.experts.0.w1.weight"),
            Name::Foreign
        );
        assert_eq!(
            known("llama", "model.layers.x.mlp.up_proj.weight"),
            Name::Foreign
        );
        assert_eq!(
            known("llama", "model.layers.0.mlp.up_proj.qweight"),
            Name::Foreign
        );
    }
}

//! `config.json` as the metadata of a GGUF file.

use std::collections::HashMap;

use super::keys::Keys;
use super::rope::Rope;
use crate::gguf::Value;
use crate::{Activation, Architecture, Linear, NormKind, WindowPattern};

/// What `config.json` says.
#[derive(Debug)]
pub(super) struct HubConfig {
    pub(super) architecture: &'static Architecture,
    /// GGUF's keys.
    pub(super) metadata: HashMap<String, Value>,
    /// The output head is the embedding, whatever else a file holds.
    pub(super) tied: bool,
    /// Linear layers with a bias.
    pub(super) biased: Vec<Linear>,
    /// Divisors of the rotary frequencies.
    pub(super) rope_factors: Option<Vec<f32>>,
}

/// Metadata on its way.
struct Metadata {
    prefix: &'static str,
    values: HashMap<String, Value>,
}

impl Metadata {
    fn count(&mut self, key: &str, value: u64) {
        let key = format!("{}.{key}", self.prefix);
        self.values.insert(key, Value::Unsigned(value));
    }

    fn number(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value {
            let key = format!("{}.{key}", self.prefix);
            self.values.insert(key, Value::Float(value));
        }
    }
}

impl HubConfig {
    /// Understands the configuration of a model and refuses what would be computed otherwise.
    pub(super) fn new(keys: &Keys) -> Result<Self, String> {
        if keys.value("quantization_config").is_some() {
            return Err(
                "its weights are quantized (`quantization_config`); take the original model, or a GGUF file for quantized weights".into(),
            );
        }
        let kind = keys.text("model_type")?.unwrap_or_default().to_owned();
        // Gemma 3 with a picture encoder: the text model is one part of it.
        let inner = keys.object("text_config")?;
        let kind = match (kind.as_str(), &inner) {
            ("gemma3", Some(_)) => "gemma3_text",
            (kind, _) => kind,
        };
        let Some(architecture) = Architecture::of_model_type(kind) else {
            return Err(format!(
                "`model_type` in `config.json` is `{kind}`; this engine runs {}",
                Architecture::model_types()
            ));
        };
        let keys = inner.as_ref().unwrap_or(keys);
        check_traits(keys, architecture)?;
        let sizes = Sizes::read(keys, architecture)?;
        let rope = Rope::read(keys)?;
        let base = rope.base.unwrap_or(match architecture.name {
            "gemma3" => 1_000_000.0,
            _ => 10_000.0,
        });
        let mut metadata = Metadata {
            prefix: architecture.name,
            values: HashMap::new(),
        };
        let name = Value::Text(architecture.name.into());
        metadata.values.insert("general.architecture".into(), name);
        sizes.write(&mut metadata);
        write_rope(&rope, base, &mut metadata);
        write_constants(keys, architecture, &mut metadata)?;
        if let Some(window) = window(keys, kind, architecture, sizes.layers)? {
            metadata.count("attention.sliding_window", window);
        }
        let tied_by_default = architecture.embedding_by_root || architecture.fused();
        Ok(Self {
            architecture,
            metadata: metadata.values,
            tied: keys.flag("tie_word_embeddings")?.unwrap_or(tied_by_default),
            biased: biased(keys, architecture)?,
            rope_factors: rope
                .factors
                .map(|f| f.divisors(base, (sizes.rope_dims / 2) as usize)),
        })
    }
}

/// The sizes of a model.
struct Sizes {
    layers: u64,
    hidden: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    rope_dims: u64,
    feed_forward: u64,
    context: u64,
}

impl Sizes {
    fn read(keys: &Keys, architecture: &Architecture) -> Result<Self, String> {
        let hidden = keys.needed(&["hidden_size"])?;
        let heads = keys.needed(&["num_attention_heads", "n_head"])?;
        let head_dim = match (keys.count(&["head_dim"])?, architecture.name) {
            (Some(size), _) if !architecture.fused() => size,
            (None, "gemma2" | "gemma3") => 256,
            (None, "qwen3") => 128,
            _ => hidden / heads,
        };
        let partial = keys.number("partial_rotary_factor")?.unwrap_or(1.0);
        if partial > 1.0 || head_dim == 0 {
            return Err("the head size in `config.json` makes no sense".into());
        }
        let kv_heads = if architecture.fused() {
            falcon_kv_heads(keys, heads)?
        } else {
            keys.count(&["num_key_value_heads"])?.unwrap_or(heads)
        };
        let feed_forward = if architecture.fused() {
            let given = keys.count(&["ffn_hidden_size"])?;
            given.unwrap_or(4 * hidden)
        } else {
            keys.needed(&["intermediate_size"])?
        };
        let context = keys.count(&["max_position_embeddings"])?;
        Ok(Self {
            layers: keys.needed(&["num_hidden_layers", "n_layer"])?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            rope_dims: (head_dim as f64 * partial) as u64,
            feed_forward,
            context: context.unwrap_or(2048),
        })
    }

    fn write(&self, metadata: &mut Metadata) {
        metadata.count("block_count", self.layers);
        metadata.count("embedding_length", self.hidden);
        metadata.count("attention.head_count", self.heads);
        metadata.count("attention.head_count_kv", self.kv_heads);
        metadata.count("attention.key_length", self.head_dim);
        metadata.count("attention.value_length", self.head_dim);
        metadata.count("rope.dimension_count", self.rope_dims);
        metadata.count("feed_forward_length", self.feed_forward);
        metadata.count("context_length", self.context);
    }
}

/// Falcon 7B has one key head for all queries, Falcon 40B says how many, older ones have one each.
fn falcon_kv_heads(keys: &Keys, heads: u64) -> Result<u64, String> {
    let given = keys.count(&["num_kv_heads", "n_head_kv"])?;
    if keys.flag("new_decoder_architecture")?.unwrap_or(false) {
        return Ok(given.unwrap_or(heads));
    }
    let one = keys.flag("multi_query")?.unwrap_or(true);
    Ok(if one { 1 } else { heads })
}

/// Refuses variants of a family that would be computed wrongly.
fn check_traits(keys: &Keys, architecture: &Architecture) -> Result<(), String> {
    let names = ["hidden_activation", "hidden_act", "activation"];
    let activations: &[&str] = match architecture.activation {
        Activation::Silu => &["silu", "swish"],
        // Gemma's first configurations say `gelu` and mean its approximation.
        Activation::GeluTanh => &["gelu_pytorch_tanh", "gelu"],
        Activation::Gelu => &["gelu"],
    };
    for name in names {
        if let Some(text) = keys.text(name)? {
            if !activations.contains(&text) {
                return Err(format!(
                    "`{name}` in `config.json` is `{text}`; models of this family have `{}`",
                    activations[0]
                ));
            }
            break;
        }
    }
    if architecture.fused() {
        let alibi = keys.flag("alibi")?.unwrap_or(false);
        let parallel = keys.flag("parallel_attn")?.unwrap_or(true);
        let new = keys.flag("new_decoder_architecture")?.unwrap_or(false);
        if alibi || !(parallel || new) {
            return Err(
                "Falcon models with ALiBi or without parallel attention are not supported".into(),
            );
        }
    }
    for cap in ["attn_logit_softcapping", "final_logit_softcapping"] {
        if architecture.soft_caps.0.is_some() && keys.is_null(cap) {
            return Err(format!(
                "`{cap}` in `config.json` is null; models of this family have a number"
            ));
        }
    }
    if keys.flag("use_bidirectional_attention")? == Some(true) {
        return Err("attention in both directions is not supported".into());
    }
    Ok(())
}

fn write_rope(rope: &Rope, base: f64, metadata: &mut Metadata) {
    metadata.number("rope.freq_base", Some(base));
    metadata.number("rope.freq_base_swa", rope.local_base);
    if let Some(factor) = rope.linear {
        let key = format!("{}.rope.scaling.type", metadata.prefix);
        metadata.values.insert(key, Value::Text("linear".into()));
        metadata.number("rope.scaling.factor", Some(factor));
    }
}

fn write_constants(
    keys: &Keys,
    architecture: &Architecture,
    metadata: &mut Metadata,
) -> Result<(), String> {
    match architecture.norm {
        NormKind::Rms => {
            let epsilon = keys.number("rms_norm_eps")?.unwrap_or(1e-6);
            metadata.number("attention.layer_norm_rms_epsilon", Some(epsilon));
        }
        NormKind::Layer => {
            let epsilon = keys.number("layer_norm_epsilon")?.unwrap_or(1e-5);
            metadata.number("attention.layer_norm_epsilon", Some(epsilon));
        }
    }
    let scalar = keys.number("query_pre_attn_scalar")?;
    let scale = scalar.filter(|_| architecture.embedding_by_root);
    metadata.number("attention.scale", scale.map(|scalar| 1.0 / scalar.sqrt()));
    if architecture.name == "granite" {
        for (ours, theirs) in [
            ("attention.scale", "attention_multiplier"),
            ("embedding_scale", "embedding_multiplier"),
            ("residual_scale", "residual_multiplier"),
            ("logit_scale", "logits_scaling"),
        ] {
            // Transformers' own default is 1, also for the scale of attention.
            metadata.number(ours, Some(keys.number(theirs)?.unwrap_or(1.0)));
        }
    }
    if architecture.embedding_by_root {
        for cap in ["attn_logit_softcapping", "final_logit_softcapping"] {
            metadata.number(cap, keys.number(cap)?);
        }
    }
    Ok(())
}

/// The window of local layers. Which layers are local is the family's trait; a model that differs
/// is refused.
fn window(
    keys: &Keys,
    kind: &str,
    architecture: &Architecture,
    layers: u64,
) -> Result<Option<u64>, String> {
    let types = keys.texts("layer_types")?;
    let window = keys.count(&["sliding_window"])?;
    let off = keys.flag("use_sliding_window")? == Some(false);
    let none = matches!(kind, "llama" | "granite") || architecture.fused();
    let window = window.filter(|_| !off && !none);
    let Some(window) = window else {
        return Ok(None);
    };
    let pattern = architecture.windows;
    if let Some(types) = types {
        let local: Vec<bool> = types.iter().map(|t| *t == "sliding_attention").collect();
        if pattern == WindowPattern::AllLocal && !local.contains(&true) {
            return Ok(None);
        }
        let same = |(layer, local): (usize, &bool)| pattern.is_local(layer) == *local;
        if types.len() as u64 != layers || !local.iter().enumerate().all(same) {
            return Err(
                "`layer_types` in `config.json` has windows in other layers than models of this family".into(),
            );
        }
        return Ok(Some(window));
    }
    let given = keys.count(&["sliding_window_pattern", "_sliding_window_pattern"])?;
    let every = match pattern {
        WindowPattern::AllLocal => None,
        WindowPattern::GlobalEvery(n) => Some(n as u64),
    };
    let first = keys.count(&["max_window_layers"])?;
    let qwen = architecture.name.starts_with("qwen") && first.is_some_and(|first| first > 0);
    if given.is_some_and(|given| Some(given) != every) || qwen {
        return Err("`config.json` has windows in other layers than models of this family".into());
    }
    Ok(Some(window))
}

/// Linear layers with a bias.
fn biased(keys: &Keys, architecture: &Architecture) -> Result<Vec<Linear>, String> {
    let on = |key: &str| Ok::<_, String>(keys.flag(key)?.unwrap_or(false));
    let mut biased = Vec::new();
    if architecture.fused() {
        if on("bias")? {
            biased.extend(architecture.linears);
        }
        return Ok(biased);
    }
    if architecture.name == "qwen2" {
        biased.extend([Linear::Query, Linear::Key, Linear::Value]);
    } else if on("attention_bias")? {
        biased.extend([Linear::Query, Linear::Key, Linear::Value, Linear::Output]);
    }
    if on("mlp_bias")? {
        biased.extend([Linear::Gate, Linear::Up, Linear::Down]);
    }
    Ok(biased)
}

//! PEFT adapter directories: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! GGUF and transformers disagree about the order of some layers' output rows
//! ([`ModelConfig::transformers_rows`]): exporting reorders the rows of `B`, importing turns them back.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gguf::{INVOKED, check_rank_and_alpha};
use super::{Adapter, AdapterLayout, LoraScaling};
use crate::{EngineError, Linear, ModelConfig};

/// Values of `init_lora_weights` that leave the base as it is; with others (PiSSA, OLoRA, CorDA,
/// LoftQ, ...) PEFT changes the base's own weights when it loads the adapter.
const PLAIN: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// The fields of `adapter_config.json` that matter here; only the classic set is written, since
/// old PEFT versions reject keys they do not know.
#[expect(clippy::struct_excessive_bools, reason = "the file's own keys")]
#[derive(Debug, Serialize, Deserialize)]
struct PeftConfig {
    peft_type: String,
    task_type: Option<String>,
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    lora_dropout: f32,
    #[serde(default)]
    bias: String,
    #[serde(default)]
    target_modules: Vec<String>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    inference_mode: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f32>,
    #[serde(default, skip_serializing)]
    alora_invocation_tokens: Option<Value>,
    #[serde(default, skip_serializing)]
    init_lora_weights: Option<Value>,
}

impl PeftConfig {
    /// What makes the adapter mean something else than it seems to, if anything does.
    fn problem(&self) -> Option<String> {
        if self.peft_type != "LORA" {
            return Some(format!(
                "its type is `{}`; LoRA is supported, with rsLoRA and DoRA",
                self.peft_type
            ));
        }
        if !self.rank_pattern.is_empty() || !self.alpha_pattern.is_empty() {
            return Some("`rank_pattern` and `alpha_pattern` are not supported".into());
        }
        if self.alora_invocation_tokens.is_some() {
            return Some(INVOKED.into());
        }
        match &self.init_lora_weights {
            Some(Value::String(name)) if !PLAIN.contains(&name.as_str()) => Some(format!(
                "it was begun with `init_lora_weights = \"{name}\"`, which changes the base; let PEFT convert it to plain LoRA (`save_pretrained` with `path_initial_model_for_weight_conversion`)"
            )),
            _ => None,
        }
    }
}

impl Adapter {
    /// The two files of a PEFT directory, by name.
    pub fn to_peft(
        &self,
        config: &ModelConfig,
        base_model: &str,
    ) -> Result<[(&'static str, Vec<u8>); 2], EngineError> {
        let mut tensors = self.tensors(config);
        let fused = config.architecture.fused();
        let score = &self.values[self.layout.score()];
        if !score.is_empty() {
            tensors.push((SCORE.to_owned(), vec![1, score.len()], bytes(score)));
        }
        let problem = |e: &dyn std::fmt::Display| EngineError::Input(format!("writing PEFT: {e}"));
        let mut views = Vec::new();
        for (name, shape, bytes) in &tensors {
            let view =
                TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| problem(&e))?;
            views.push((name.as_str(), view));
        }
        let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
        let weights = safetensors::serialize(views, metadata).map_err(|e| problem(&e))?;
        let config = PeftConfig {
            peft_type: "LORA".into(),
            task_type: Some(
                if score.is_empty() {
                    "CAUSAL_LM"
                } else {
                    "SEQ_CLS"
                }
                .into(),
            ),
            base_model_name_or_path: Some(base_model.into()),
            r: self.layout.rank,
            lora_alpha: self.layout.alpha,
            lora_dropout: 0.0,
            bias: "none".into(),
            target_modules: self
                .layout
                .linears()
                .iter()
                .filter_map(|l| l.module_name(fused).rsplit('.').next())
                .map(str::to_owned)
                .collect(),
            use_rslora: self.layout.scaling == LoraScaling::RootOfRank,
            use_dora: self.layout.has_magnitudes(),
            fan_in_fan_out: false,
            inference_mode: true,
            modules_to_save: (!score.is_empty()).then(|| vec!["score".to_owned()]),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            alora_invocation_tokens: None,
            init_lora_weights: None,
        };
        let config = serde_json::to_vec_pretty(&config).map_err(|e| problem(&e))?;
        Ok([
            ("adapter_config.json", config),
            ("adapter_model.safetensors", weights),
        ])
    }

    /// The tensors of all linear layers: name, shape, bytes.
    fn tensors(&self, config: &ModelConfig) -> Vec<(String, Vec<usize>, Vec<u8>)> {
        let fused = config.architecture.fused();
        let mut tensors = Vec::new();
        for layer in 0..self.layout.layers() {
            for linear in self.layout.linears().iter().copied() {
                let (outputs, inputs) = self.layout.shape(linear);
                let rank = self.layout.rank;
                let order = config.transformers_rows(linear);
                let a = self.values[self.layout.a(layer, linear)].to_vec();
                let b = &self.values[self.layout.b(layer, linear)];
                let b = reorder(b, rank, order.as_deref(), Direction::ToTransformers);
                tensors.push((
                    tensor_name(layer, linear, fused, HALVES[0]),
                    vec![rank, inputs],
                    bytes(&a),
                ));
                tensors.push((
                    tensor_name(layer, linear, fused, HALVES[1]),
                    vec![outputs, rank],
                    bytes(&b),
                ));
                let magnitudes = &self.values[self.layout.magnitudes(layer, linear)];
                if !magnitudes.is_empty() {
                    let m = reorder(magnitudes, 1, order.as_deref(), Direction::ToTransformers);
                    let name = tensor_name(layer, linear, fused, MAGNITUDES);
                    tensors.push((name, vec![outputs], bytes(&m)));
                }
            }
        }
        tensors
    }

    /// Reads a PEFT directory.
    pub fn from_peft(directory: &Path, config: &ModelConfig) -> Result<Self, EngineError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(|source| EngineError::Read { path, source })
        };
        let bad = |problem: String| EngineError::Adapter {
            path: directory.to_owned(),
            problem,
        };
        let peft: PeftConfig = serde_json::from_slice(&read("adapter_config.json")?)
            .map_err(|e| bad(format!("adapter_config.json: {e}")))?;
        if let Some(problem) = peft.problem() {
            return Err(bad(problem));
        }
        check_rank_and_alpha(peft.r, peft.lora_alpha, config).map_err(bad)?;
        let weights = read("adapter_model.safetensors")?;
        let tensors = SafeTensors::deserialize(&weights).map_err(|e| bad(e.to_string()))?;
        let scaling = if peft.use_rslora {
            LoraScaling::RootOfRank
        } else {
            LoraScaling::Rank
        };
        let layout = AdapterLayout::new(config, peft.r, peft.lora_alpha)
            .with_scaling(scaling)
            .with_magnitudes(peft.use_dora)
            .with_score(tensors.tensor(SCORE).is_ok());
        let fused = config.architecture.fused();
        // Nothing is made before every shape is known to be right: a file of a few bytes could
        // otherwise ask for an adapter of any rank.
        let known = known_tensors(&tensors, &layout, fused, config.hidden).map_err(bad)?;
        if known == 0 || known != tensors.len() {
            return Err(bad(format!(
                "it holds {} tensors of which {known} belong to this model's linear layers",
                tensors.len()
            )));
        }
        let mut values = vec![0.0; layout.parameters()];
        for layer in 0..layout.layers() {
            for linear in layout.linears().iter().copied() {
                let order = config.transformers_rows(linear);
                let read = |part: &str| {
                    let name = tensor_name(layer, linear, fused, part);
                    let view = tensors.tensor(&name).ok();
                    let floats = view.map(|v| floats(&v).map_err(|e| bad(format!("{name}: {e}"))));
                    floats.transpose()
                };
                // A layer that is not adapted has neither half: zero B leaves it as it is.
                let (Some(a), Some(b)) = (read(HALVES[0])?, read(HALVES[1])?) else {
                    continue;
                };
                values[layout.a(layer, linear)].copy_from_slice(&a);
                let b = reorder(&b, peft.r, order.as_deref(), Direction::ToGguf);
                values[layout.b(layer, linear)].copy_from_slice(&b);
                if let Some(m) = read(MAGNITUDES)? {
                    let m = reorder(&m, 1, order.as_deref(), Direction::ToGguf);
                    values[layout.magnitudes(layer, linear)].copy_from_slice(&m);
                }
            }
        }
        if let Ok(view) = tensors.tensor(SCORE) {
            let score = floats(&view).map_err(|e| bad(format!("{SCORE}: {e}")))?;
            values[layout.score()].copy_from_slice(&score);
        }
        Ok(Self { layout, values })
    }
}

/// How many tensors belong to the model's linear layers or are its score head. An adapted layer has both halves, and with
/// DoRA its magnitudes, in the right shapes.
fn known_tensors(
    tensors: &SafeTensors<'_>,
    layout: &AdapterLayout,
    fused: bool,
    hidden: usize,
) -> Result<usize, String> {
    let mut known = 0;
    for layer in 0..layout.layers() {
        for linear in layout.linears().iter().copied() {
            let (outputs, inputs) = layout.shape(linear);
            let [a, b, m] = [HALVES[0], HALVES[1], MAGNITUDES]
                .map(|part| tensor_name(layer, linear, fused, part));
            if tensors.tensor(&a).is_err() || tensors.tensor(&b).is_err() {
                continue;
            }
            check_shape(tensors, &a, &[layout.rank, inputs])?;
            check_shape(tensors, &b, &[outputs, layout.rank])?;
            known += 2;
            if layout.has_magnitudes() {
                check_shape(tensors, &m, &[outputs])?;
                known += 1;
            }
        }
    }
    if tensors.tensor(SCORE).is_ok() {
        check_shape(tensors, SCORE, &[1, hidden])?;
        known += 1;
    }
    Ok(known)
}

fn check_shape(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<(), String> {
    let view = tensors
        .tensor(name)
        .map_err(|_| format!("it has no tensor `{name}`"))?;
    if view.shape() == shape {
        return Ok(());
    }
    Err(format!(
        "{name}: shape {:?} instead of {shape:?}",
        view.shape()
    ))
}

/// The names of `A` and `B` in the file.
const HALVES: [&str; 2] = ["lora_A.weight", "lora_B.weight"];
/// The name of the score head, a module that is saved whole.
const SCORE: &str = "base_model.model.score.weight";
/// The name of DoRA's magnitude vector.
const MAGNITUDES: &str = "lora_magnitude_vector";

fn tensor_name(layer: usize, linear: Linear, fused: bool, part: &str) -> String {
    let layers = if fused {
        "transformer.h"
    } else {
        "model.layers"
    };
    format!(
        "base_model.model.{layers}.{layer}.{}.{part}",
        linear.module_name(fused)
    )
}

/// Which way rows are reordered.
#[derive(Clone, Copy)]
enum Direction {
    /// GGUF's order to transformers'.
    ToTransformers,
    /// Back.
    ToGguf,
}

/// Reorders rows of `rank` values: those of `B`, or with rank 1 magnitudes; `order` is that of [`ModelConfig::transformers_rows`].
fn reorder(b: &[f32], rank: usize, order: Option<&[usize]>, direction: Direction) -> Vec<f32> {
    let mut out = b.to_vec();
    for (gguf, transformers) in order.unwrap_or_default().iter().copied().enumerate() {
        let (from, to) = match direction {
            Direction::ToTransformers => (gguf, transformers),
            Direction::ToGguf => (transformers, gguf),
        };
        out[to * rank..(to + 1) * rank].copy_from_slice(&b[from * rank..(from + 1) * rank]);
    }
    out
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn floats(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F16 => view
            .data()
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::BF16 => view
            .data()
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        other => return Err(format!("type {other:?}; F32, F16 and BF16 are read")),
    };
    if values.iter().all(|v| v.is_finite()) {
        Ok(values)
    } else {
        Err("values that are not finite".into())
    }
}

//! GGUF adapters, as llama.cpp loads them with `--lora`.

use std::path::Path;

use super::{Adapter, AdapterLayout};
use crate::gguf::{GgufFile, GgufWriter, TensorInfo};
use crate::{EngineError, Linear, ModelConfig};

/// What is said of adapters (aLoRA) that act only behind certain tokens.
pub(super) const INVOKED: &str =
    "it acts only behind its invocation tokens (aLoRA), which is not supported";

impl Adapter {
    /// True if the format can hold the adapter: it has no place for DoRA's magnitudes and for score
    /// heads.
    pub fn fits_gguf(&self) -> bool {
        !self.layout.has_magnitudes() && !self.layout.has_score()
    }

    /// The bytes of a GGUF adapter. Rank is not stored: llama.cpp reads it off the shapes and
    /// scales by alpha over rank, so for rsLoRA an alpha is written that gives the same scale.
    ///
    /// # Errors
    /// [`EngineError::Input`] if the adapter does not fit ([`Self::fits_gguf`]).
    pub fn to_gguf(&self, config: &ModelConfig) -> Result<Vec<u8>, EngineError> {
        if self.layout.has_magnitudes() {
            return Err(EngineError::Input(
                "a GGUF adapter cannot hold the magnitudes of DoRA; export the model with the adapter merged into it instead (`autodidact merge`)".into(),
            ));
        }
        self.refuse_score("a GGUF adapter")?;
        let mut writer = GgufWriter::new();
        writer.text("general.type", "adapter");
        writer.text("general.architecture", config.architecture.name);
        writer.text("adapter.type", "lora");
        writer.number("adapter.lora.alpha", self.layout.alpha_over_rank());
        for layer in 0..self.layout.layers() {
            for linear in self.layout.linears().iter().copied() {
                let (outputs, inputs) = self.layout.shape(linear);
                let a = self.values[self.layout.a(layer, linear)].to_vec();
                let b = self.values[self.layout.b(layer, linear)].to_vec();
                writer.tensor(
                    &tensor_name(layer, linear, 'a'),
                    &[inputs, self.layout.rank],
                    a,
                );
                writer.tensor(
                    &tensor_name(layer, linear, 'b'),
                    &[self.layout.rank, outputs],
                    b,
                );
            }
        }
        Ok(writer.finish())
    }

    /// Refuses to lose the score head in a file that has no place for it.
    pub(super) fn refuse_score(&self, file: &str) -> Result<(), EngineError> {
        if self.layout.has_score() {
            return Err(EngineError::Input(format!(
                "{file} cannot hold a score head; keep the PEFT directory"
            )));
        }
        Ok(())
    }

    /// Reads a GGUF adapter.
    pub fn from_gguf(path: &Path, config: &ModelConfig) -> Result<Self, EngineError> {
        let bad = |problem: String| EngineError::Adapter {
            path: path.to_owned(),
            problem,
        };
        // Below, an error about the file is an error about the adapter, with its path.
        let named = |error: EngineError| match error {
            EngineError::Gguf(problem) => bad(problem),
            other => other,
        };
        let file = GgufFile::open(path).map_err(named)?;
        if file.text("adapter.type").ok() != Some("lora") {
            return Err(bad(
                "the GGUF file is not a LoRA adapter; is it a model?".into()
            ));
        }
        let architecture = file.text("general.architecture").map_err(named)?;
        if architecture != config.architecture.name {
            return Err(bad(format!(
                "made for the architecture `{architecture}`, and the model is `{}`",
                config.architecture.name
            )));
        }
        if file.value("adapter.alora.invocation_tokens").is_some() {
            return Err(bad(INVOKED.into()));
        }
        let alpha = file.number("adapter.lora.alpha").map_err(named)? as f32;
        let pairs = pairs(&file, config).map_err(named)?;
        let Some(first) = pairs.first() else {
            return Err(bad("it adapts no linear layer of this model".into()));
        };
        if 2 * pairs.len() != file.tensor_count() {
            return Err(bad(format!(
                "it holds {} tensors of which {} belong to this model's linear layers",
                file.tensor_count(),
                2 * pairs.len()
            )));
        }
        let rank = first.a.rows();
        if let Some(other) = pairs.iter().find(|p| p.a.rows() != rank) {
            return Err(bad(format!(
                "`{}` has rank {} and `{}` rank {rank}; one rank for all is supported",
                other.a.name,
                other.a.rows(),
                first.a.name
            )));
        }
        check_rank_and_alpha(rank, alpha, config).map_err(bad)?;
        let layout = AdapterLayout::new(config, rank, alpha);
        let mut values = vec![0.0; layout.parameters()];
        for Pair {
            layer,
            linear,
            a,
            b,
        } in pairs
        {
            values[layout.a(layer, linear)].copy_from_slice(&file.read(a));
            values[layout.b(layer, linear)].copy_from_slice(&file.read(b));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(bad("it holds values that are not finite".into()));
        }
        Ok(Self { layout, values })
    }

    /// Reads an adapter in either format: a directory is PEFT, a file GGUF.
    pub fn open(path: &Path, config: &ModelConfig) -> Result<Self, EngineError> {
        if path.is_dir() {
            Self::from_peft(path, config)
        } else {
            Self::from_gguf(path, config)
        }
    }
}

/// The two tensors of one linear layer, of the right shapes for each other and for the layer.
struct Pair<'a> {
    layer: usize,
    linear: Linear,
    a: &'a TensorInfo,
    b: &'a TensorInfo,
}

/// The layers a file adapts. Nothing is read yet, so that no memory is taken for an adapter that
/// does not fit. A layer that is not adapted has neither tensor.
fn pairs<'a>(file: &'a GgufFile, config: &ModelConfig) -> Result<Vec<Pair<'a>>, EngineError> {
    let mut pairs = Vec::new();
    for layer in 0..config.layers {
        for linear in config.linears().iter().copied() {
            let (outputs, inputs) = config.shape(linear);
            let [a, b] = ['a', 'b'].map(|half| tensor_name(layer, linear, half));
            let Some(rank) = file.tensor(&a).or(file.tensor(&b)).map(|half| {
                if half.name == a {
                    half.rows()
                } else {
                    half.columns()
                }
            }) else {
                continue;
            };
            pairs.push(Pair {
                layer,
                linear,
                a: file.matrix(&a, rank, inputs)?,
                b: file.matrix(&b, outputs, rank)?,
            });
        }
    }
    Ok(pairs)
}

/// Refuses ranks and scales that no training leaves behind.
pub(super) fn check_rank_and_alpha(
    rank: usize,
    alpha: f32,
    config: &ModelConfig,
) -> Result<(), String> {
    if rank == 0 || rank > config.hidden.max(64) {
        return Err(format!("rank {rank} makes no sense for this model"));
    }
    // llama.cpp reads an alpha of 0 as a scale of 1, PEFT as a scale of 0.
    if !alpha.is_finite() || alpha == 0.0 {
        return Err(format!("alpha is {alpha}"));
    }
    Ok(())
}

fn tensor_name(layer: usize, linear: Linear, half: char) -> String {
    format!("blk.{layer}.{}.weight.lora_{half}", linear.gguf_name())
}

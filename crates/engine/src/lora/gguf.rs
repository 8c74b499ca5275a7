//! GGUF adapters, as llama.cpp loads them with `--lora`.

use std::path::Path;

use super::{Adapter, AdapterLayout};
use crate::gguf::{GgufFile, GgufWriter};
use crate::{EngineError, Linear, ModelConfig};

impl Adapter {
    /// The bytes of a GGUF adapter. Rank is not stored: llama.cpp reads it off the shapes.
    pub fn to_gguf(&self, config: &ModelConfig) -> Vec<u8> {
        let mut writer = GgufWriter::new();
        writer.text("general.type", "adapter");
        writer.text("general.architecture", &config.architecture);
        writer.text("adapter.type", "lora");
        writer.number("adapter.lora.alpha", self.layout.alpha);
        for layer in 0..self.layout.layers() {
            for linear in Linear::ALL {
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
        writer.finish()
    }

    /// Reads a GGUF adapter.
    pub fn from_gguf(path: &Path, config: &ModelConfig) -> Result<Self, EngineError> {
        let bad = |problem: String| EngineError::Adapter {
            path: path.to_owned(),
            problem,
        };
        let file = GgufFile::open(path)?;
        if file.text("adapter.type").ok() != Some("lora") {
            return Err(bad("not a LoRA adapter".into()));
        }
        if file.text("general.architecture")? != config.architecture {
            return Err(bad(format!(
                "made for another architecture than {}",
                config.architecture
            )));
        }
        let alpha = file.number("adapter.lora.alpha")? as f32;
        let rank = file
            .tensor(&tensor_name(0, Linear::Query, 'a'))
            .map(crate::gguf::TensorInfo::rows)
            .ok_or_else(|| bad("it does not adapt the first query layer".into()))?;
        let layout = AdapterLayout::new(config, rank, alpha);
        let mut values = vec![0.0; layout.parameters()];
        for layer in 0..layout.layers() {
            for linear in Linear::ALL {
                let (outputs, inputs) = layout.shape(linear);
                let a = file.matrix(&tensor_name(layer, linear, 'a'), rank, inputs)?;
                let b = file.matrix(&tensor_name(layer, linear, 'b'), outputs, rank)?;
                values[layout.a(layer, linear)].copy_from_slice(&file.read(a));
                values[layout.b(layer, linear)].copy_from_slice(&file.read(b));
            }
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

fn tensor_name(layer: usize, linear: Linear, half: char) -> String {
    format!("blk.{layer}.{}.weight.lora_{half}", linear.gguf_name())
}

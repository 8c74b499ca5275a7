//! A model with its adapter merged into it, as a GGUF file of its own.

use std::path::Path;

use super::Adapter;
use crate::gguf::{GgufMetadata, TensorInfo, TensorPlan, TensorType, quantize, write_gguf};
use crate::{EngineError, Linear, Model};

/// Rows merged at once.
const ROWS: usize = 64;

impl Adapter {
    /// Writes the base with this adapter merged into it: all of the base's metadata, the adapted
    /// linear layers stored as `tensor_type` (F32, F16, Q8_0 or Q4_0; F16 where rows are no whole
    /// blocks of it), and every other tensor byte for byte. A few rows are in memory at a time, and the file is there whole or not at all.
    ///
    /// # Errors
    /// [`EngineError::Input`] for an adapter of another model's shape or weights the type cannot
    /// store, [`EngineError::Write`] if the file cannot be written.
    pub fn write_merged(
        &self,
        model: &Model,
        tensor_type: TensorType,
        path: &Path,
    ) -> Result<(), EngineError> {
        self.check(&model.config)?;
        self.refuse_score("a merged model")?;
        let merged = self.adapted(model)?;
        let linear_of = |name: &str| merged.iter().find(|(info, _, _)| info.name == name);
        let plans = model.file.tensors_in_order().into_iter().map(|info| {
            let adapted = linear_of(&info.name).is_some();
            TensorPlan {
                name: info.name.clone(),
                dims: info.dims.clone(),
                tensor_type: if adapted {
                    storable(info, tensor_type)
                } else {
                    info.tensor_type
                },
            }
        });
        let plans: Vec<TensorPlan> = plans.collect();
        let metadata = metadata(model, tensor_type)?;
        let failed = |source| EngineError::Write {
            path: path.to_owned(),
            source,
        };
        write_gguf(path, &metadata, &plans, |plan, out| {
            if let Some((info, layer, linear)) = linear_of(&plan.name) {
                let stored = plan.tensor_type;
                return self.rows(model, info, (*layer, *linear), stored, |bytes| {
                    out.write_all(bytes).map_err(failed)
                });
            }
            let info = model.file.tensor(&plan.name);
            let bytes = info.map_or(&[][..], |info| model.file.raw(info));
            out.write_all(bytes).map_err(failed)
        })
    }

    /// The tensors of the linear layers that this adapter changes.
    fn adapted<'m>(
        &self,
        model: &'m Model,
    ) -> Result<Vec<(&'m TensorInfo, usize, Linear)>, EngineError> {
        let mut adapted = Vec::new();
        for layer in 0..self.layout.layers() {
            for linear in self.layout.linears().iter().copied() {
                let deciding = if self.layout.has_magnitudes() {
                    self.layout.magnitudes(layer, linear)
                } else {
                    self.layout.b(layer, linear)
                };
                if self.values[deciding].iter().any(|v| *v != 0.0) {
                    let info = model.config.linear(&model.file, layer, linear)?;
                    adapted.push((info, layer, linear));
                }
            }
        }
        Ok(adapted)
    }

    /// Gives `out` the merged weight of a linear layer, a few rows after the other.
    fn rows(
        &self,
        model: &Model,
        info: &TensorInfo,
        (layer, linear): (usize, Linear),
        tensor_type: TensorType,
        mut out: impl FnMut(&[u8]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let (rows, columns) = (info.rows(), info.columns());
        let (mut weight, mut bytes) = (vec![0.0; ROWS * columns], Vec::new());
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let weight = &mut weight[..count * columns];
            model.file.read_rows(info, first, count, weight);
            self.merge_rows(layer, linear, first, weight);
            bytes.clear();
            quantize(tensor_type, &info.name, columns, weight, &mut bytes)?;
            out(&bytes)?;
        }
        Ok(())
    }
}

/// The storage type of a tensor whose rows may not be whole blocks: then F16, as in llama.cpp.
fn storable(info: &TensorInfo, tensor_type: TensorType) -> TensorType {
    if info.columns().is_multiple_of(tensor_type.block().0) {
        tensor_type
    } else {
        TensorType::F16
    }
}

/// The base's metadata with the storage type of what is written anew.
pub(crate) fn metadata(
    model: &Model,
    tensor_type: TensorType,
) -> Result<GgufMetadata, EngineError> {
    let mut metadata = model.file.raw_metadata()?;
    // llama_ftype: what most tensors are stored as. It informs, and decides nothing.
    let file_type = match tensor_type {
        TensorType::F32 => 0,
        TensorType::F16 => 1,
        quantized => {
            metadata.integer("general.quantization_version", 2);
            if quantized == TensorType::Q4_0 { 2 } else { 7 }
        }
    };
    metadata.integer("general.file_type", file_type);
    Ok(metadata)
}

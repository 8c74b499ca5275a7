//! Checkpoints: everything a training needs to go on exactly where it was.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::optimizer::Moments;
use crate::EngineError;

/// The state of a training after a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u32,
    /// What is trained: a hash of the model's shape, the examples and the hyperparameters. A
    /// checkpoint of another training is refused.
    pub(super) fingerprint: String,
    pub(super) values: Vec<f32>,
    pub(super) moments: Moments,
}

/// The metadata entry that holds all of [`State`]. One and not three: safetensors writes entries in
/// a random order, and equal checkpoints shall be equal files.
const STATE: &str = "training_state";

/// What a checkpoint holds beside its tensors.
#[derive(Serialize, Deserialize)]
struct State {
    step: u32,
    fingerprint: String,
    /// BLAKE3 of the tensors.
    checksum: String,
}

impl Checkpoint {
    /// The bytes of a safetensors file with a checksum.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EngineError> {
        let problem = |e: &dyn std::fmt::Display| EngineError::Checkpoint(e.to_string());
        let parts = [
            ("values", bytes(&self.values)),
            ("first_moment", bytes(&self.moments.first)),
            ("second_moment", bytes(&self.moments.second)),
        ];
        let mut hasher = blake3::Hasher::new();
        let mut views = Vec::new();
        for (name, data) in &parts {
            hasher.update(data);
            let shape = vec![self.values.len()];
            views.push((
                *name,
                TensorView::new(Dtype::F32, shape, data).map_err(|e| problem(&e))?,
            ));
        }
        let state = State {
            step: self.step,
            fingerprint: self.fingerprint.clone(),
            checksum: hasher.finalize().to_hex().to_string(),
        };
        let state = serde_json::to_string(&state).map_err(|e| problem(&e))?;
        let metadata = HashMap::from([(STATE.to_owned(), state)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| problem(&e))
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote.
    pub fn from_bytes(file: &[u8]) -> Result<Self, EngineError> {
        let problem = |text: String| EngineError::Checkpoint(text);
        let (_, header) = SafeTensors::read_metadata(file).map_err(|e| problem(e.to_string()))?;
        let tensors = SafeTensors::deserialize(file).map_err(|e| problem(e.to_string()))?;
        let state = header.metadata().as_ref().and_then(|m| m.get(STATE));
        let state = state.ok_or_else(|| problem(format!("it has no `{STATE}`")))?;
        let state: State =
            serde_json::from_str(state).map_err(|e| problem(format!("its `{STATE}`: {e}")))?;
        let mut hasher = blake3::Hasher::new();
        let mut read = |name: &str| {
            let view = tensors.tensor(name).map_err(|e| problem(e.to_string()))?;
            hasher.update(view.data());
            Ok::<_, EngineError>(floats(view.data()))
        };
        let values = read("values")?;
        let moments = Moments {
            first: read("first_moment")?,
            second: read("second_moment")?,
        };
        if hasher.finalize().to_hex().as_str() != state.checksum {
            return Err(problem("its checksum does not match its content".into()));
        }
        Ok(Self {
            step: state.step,
            fingerprint: state.fingerprint,
            values,
            moments,
        })
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_and_damage_is_noticed() {
        let checkpoint = Checkpoint {
            step: 7,
            fingerprint: "f".into(),
            values: vec![1.0, -2.5],
            moments: Moments {
                first: vec![0.5, 0.25],
                second: vec![3.0, 4.0],
            },
        };
        let mut file = checkpoint.to_bytes().unwrap();
        for _ in 0..20 {
            assert_eq!(checkpoint.to_bytes().unwrap(), file, "equal bytes");
        }
        assert_eq!(Checkpoint::from_bytes(&file).unwrap(), checkpoint);
        assert!(Checkpoint::from_bytes(&file[..file.len() - 3]).is_err());
        let last = file.len() - 1;
        file[last] ^= 1;
        assert!(
            Checkpoint::from_bytes(&file)
                .unwrap_err()
                .to_string()
                .contains("checksum")
        );
    }
}

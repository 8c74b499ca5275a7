//! A file's metadata and tensors as their bytes, to be copied into another file.

use super::cursor::Cursor;
use super::{GgufFile, GgufMetadata, TensorInfo};
use crate::EngineError;

impl GgufFile {
    /// All metadata in the order of the file, every value in its own type, but for the alignment,
    /// which is another file's own.
    pub(crate) fn raw_metadata(&self) -> Result<GgufMetadata, EngineError> {
        let bytes = self.bytes().ok_or_else(|| {
            EngineError::Unsupported(
                "a directory cannot be written as a GGUF file here; convert it with llama.cpp first, or merge the adapter with PEFT's `merge_and_unload`".into(),
            )
        })?;
        let mut cursor = Cursor::new(bytes);
        cursor.take(8, "magic number and version")?;
        cursor.u64("the tensor count")?;
        let count = cursor.count(13, "the metadata count")?;
        let mut metadata = GgufMetadata::new();
        for _ in 0..count {
            let key = cursor.text("a metadata key")?.to_owned();
            let start = cursor.position();
            cursor.value(&key)?;
            let value = &bytes[start..cursor.position()];
            if let (Some((kind, value)), true) =
                (value.split_first_chunk::<4>(), key != "general.alignment")
            {
                metadata
                    .entries
                    .push((key, u32::from_le_bytes(*kind), value.to_vec()));
            }
        }
        Ok(metadata)
    }

    /// A tensor's bytes as they are stored.
    pub(crate) fn raw(&self, info: &TensorInfo) -> &[u8] {
        self.stored(info)
    }

    /// All tensors in the order they lie in the file.
    pub fn tensors_in_order(&self) -> Vec<&TensorInfo> {
        let mut tensors: Vec<&TensorInfo> = self.tensors().collect();
        tensors.sort_by_key(|info| info.start);
        tensors
    }
}

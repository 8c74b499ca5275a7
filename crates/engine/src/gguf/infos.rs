//! Reading the tensor infos of a header and refusing what cannot be true of the file.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::tensor::{Conversion, TensorInfo, TensorType, byte_length};
use super::value::Value;
use crate::EngineError;

const DEFAULT_ALIGNMENT: usize = 32;
/// The format allows four dimensions.
const MOST_DIMS: usize = 4;

/// The tensors of a file by name, each within the file and none on another.
pub(super) fn read_tensors(
    cursor: &mut Cursor<'_>,
    count: usize,
    metadata: &HashMap<String, Value>,
    file_length: usize,
) -> Result<HashMap<String, TensorInfo>, EngineError> {
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(value) => value
            .as_u64()
            .filter(|n| n.is_power_of_two() && (8..=1 << 20).contains(n))
            .ok_or_else(|| EngineError::Gguf(format!("`general.alignment` is {value:?}")))?
            as usize,
    };
    let mut infos = Vec::new();
    for _ in 0..count {
        infos.push(read_tensor_info(cursor, alignment)?);
    }
    let data_start = cursor.position().next_multiple_of(alignment);
    refuse_overlaps(&mut infos)?;
    let mut tensors = HashMap::new();
    for mut info in infos {
        let end = data_start
            .checked_add(info.start)
            .and_then(|start| start.checked_add(info.length))
            .filter(|end| *end <= file_length)
            .ok_or_else(|| {
                EngineError::Gguf(format!(
                    "tensor `{}` ends past the end of the file: it is truncated or damaged; fetch it again",
                    info.name
                ))
            })?;
        info.start = end - info.length;
        if let Some(twice) = tensors.insert(info.name.clone(), info) {
            return Err(EngineError::Gguf(format!(
                "tensor `{}` appears twice",
                twice.name
            )));
        }
    }
    Ok(tensors)
}

/// Sorts tensors by where they are and refuses those that share bytes: a small file could otherwise
/// describe a model of any size.
fn refuse_overlaps(infos: &mut [TensorInfo]) -> Result<(), EngineError> {
    infos.sort_by_key(|info| info.start);
    for pair in infos.windows(2) {
        let end = pair[0].start.checked_add(pair[0].length);
        if end.is_none_or(|end| end > pair[1].start) {
            return Err(EngineError::Gguf(format!(
                "tensors `{}` and `{}` overlap: the file is damaged",
                pair[0].name, pair[1].name
            )));
        }
    }
    Ok(())
}

/// One tensor info; `start` is still relative to the data section.
fn read_tensor_info(cursor: &mut Cursor<'_>, alignment: usize) -> Result<TensorInfo, EngineError> {
    let name = cursor.text("a tensor name")?.to_owned();
    let dim_count = cursor.u32(&name)? as usize;
    if dim_count > MOST_DIMS {
        return Err(EngineError::Gguf(format!(
            "tensor `{name}` has {dim_count} dimensions"
        )));
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        let dim = usize::try_from(cursor.u64(&name)?)
            .map_err(|_| EngineError::Gguf(format!("tensor `{name}` has an impossible shape")))?;
        dims.push(dim);
    }
    let tensor_type = TensorType::from_id(cursor.u32(&name)?, &name)?;
    let offset = cursor.u64(&name)?;
    let start = usize::try_from(offset)
        .ok()
        .filter(|start| start % alignment == 0)
        .ok_or_else(|| {
            EngineError::Gguf(format!(
                "tensor `{name}` starts at the unaligned offset {offset}"
            ))
        })?;
    let length = byte_length(&name, &dims, tensor_type)?;
    Ok(TensorInfo {
        name,
        dims,
        tensor_type,
        start,
        length,
        part: 0,
        conversion: Conversion::default(),
    })
}

//! Turning f32 into stored blocks: the inverse of `quant.rs`, for the types models are written in.

use half::f16;

use super::TensorType;
use crate::EngineError;

/// Weights in a block of Q8_0 and Q4_0.
const BLOCK: usize = 32;

/// Appends whole rows in a storage type; `name` is the tensor's, for messages.
///
/// # Errors
/// [`EngineError::Input`] for a type that is not written, for values that are not finite in it, and
/// for rows that are not whole blocks.
pub(crate) fn quantize(
    tensor_type: TensorType,
    name: &str,
    columns: usize,
    values: &[f32],
    out: &mut Vec<u8>,
) -> Result<(), EngineError> {
    let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    // A NaN is not seen by `max`, but it is by the sum.
    let limit = match tensor_type {
        TensorType::F32 => f32::MAX,
        TensorType::Q8_0 => 127.0 * f32::from(f16::MAX),
        TensorType::Q4_0 => 8.0 * f32::from(f16::MAX),
        _ => f32::from(f16::MAX),
    };
    if largest > limit || values.iter().any(|v| !v.is_finite()) {
        return Err(EngineError::Input(format!(
            "tensor `{name}` holds values that {tensor_type:?} cannot store; choose F32"
        )));
    }
    if !columns.is_multiple_of(tensor_type.block().0) {
        return Err(EngineError::Input(format!(
            "tensor `{name}` has rows of {columns} weights, which {tensor_type:?} blocks of {} cannot store; choose F16 or F32",
            tensor_type.block().0
        )));
    }
    match tensor_type {
        TensorType::F32 => out.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        TensorType::F16 => {
            out.extend(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()));
        }
        TensorType::Q8_0 => values.chunks_exact(BLOCK).for_each(|b| q8_0(b, out)),
        TensorType::Q4_0 => values.chunks_exact(BLOCK).for_each(|b| q4_0(b, out)),
        other => {
            return Err(EngineError::Input(format!(
                "tensors are written as F32, F16, Q8_0 or Q4_0, not as {other:?}"
            )));
        }
    }
    Ok(())
}

/// One scale, the largest magnitude over 127, and a signed byte for each weight (ggml's reference
/// quantizer).
fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    out.extend(
        block
            .iter()
            .map(|v| ((v * inverse).round() as i8).cast_unsigned()),
    );
}

/// One scale, the value of largest magnitude over -8, and 4 bits for each weight, the first half of
/// the block in the low bits (ggml's reference quantizer). The first of equal magnitudes counts.
fn q4_0(block: &[f32], out: &mut Vec<u8>) {
    let mut largest = 0.0f32;
    for value in block {
        if value.abs() > largest.abs() {
            largest = *value;
        }
    }
    let scale = largest / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    let code = |value: &f32| ((value * inverse + 8.5) as u8).min(15);
    let (low, high) = block.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(l, h)| code(l) | (code(h) << 4)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::dequantize;

    fn wave(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (i as f32 * 0.7).sin() * 0.01 * (i % 9) as f32)
            .collect()
    }

    #[test]
    fn what_is_written_reads_back_within_the_type_s_precision() {
        let values = wave(96);
        for (tensor_type, tolerance) in [
            (TensorType::F32, 0.0),
            (TensorType::F16, 0.08 / 2048.0),
            (TensorType::Q8_0, 0.08 / 250.0),
            // Half a step, or a whole one where the code is capped at 15.
            (TensorType::Q4_0, 0.08 / 7.9),
        ] {
            let (mut bytes, mut back) = (Vec::new(), vec![0.0; 96]);
            quantize(tensor_type, "t", 32, &values, &mut bytes).unwrap();
            dequantize(tensor_type, &bytes, &mut back);
            for (a, b) in values.iter().zip(&back) {
                assert!((a - b).abs() <= tolerance, "{tensor_type:?}: {a} and {b}");
            }
        }
    }

    #[test]
    fn what_a_type_cannot_hold_is_refused() {
        let refused = |tensor_type, columns, value: f32| {
            let mut values = wave(columns);
            values[1] = value;
            let error = quantize(tensor_type, "t", columns, &values, &mut Vec::new());
            error.unwrap_err().to_string()
        };
        assert!(refused(TensorType::F16, 32, 70_000.0).contains("choose F32"));
        assert!(refused(TensorType::Q8_0, 32, f32::NAN).contains("choose F32"));
        assert!(refused(TensorType::Q8_0, 40, 0.0).contains("blocks of 32"));
        assert!(refused(TensorType::Q4_0, 40, 0.0).contains("blocks of 32"));
        assert!(refused(TensorType::Q4_1, 32, 0.0).contains("not as Q4_1"));
    }

    /// Worked by hand: the value of largest magnitude gets code 0, its opposite would need 16.
    #[test]
    fn four_bits_are_laid_out_as_ggml_s() {
        let mut values = [0.0f32; 32];
        (values[0], values[1], values[16], values[17]) = (-8.0, 8.0, 3.0, -1.0);
        let mut bytes = Vec::new();
        quantize(TensorType::Q4_0, "t", 32, &values, &mut bytes).unwrap();
        assert_eq!(bytes[..2], f16::from_f32(1.0).to_le_bytes());
        assert_eq!(bytes[2], 0xb0, "-8 is code 0, 3 is code 11");
        assert_eq!(bytes[3], 0x7f, "8 is capped at code 15, -1 is code 7");
        assert!(bytes[4..].iter().all(|b| *b == 0x88), "nothing is code 8");
        let mut zeros = Vec::new();
        quantize(TensorType::Q4_0, "t", 32, &[0.0; 32], &mut zeros).unwrap();
        assert_eq!(zeros[2], 0x88);
    }
}

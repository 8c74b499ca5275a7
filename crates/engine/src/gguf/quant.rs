//! Turning stored blocks into f32. Block layouts are those of `ggml-common.h`.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use half::{bf16, f16};

use super::tensor::TensorType;
use crate::kernels::dispatch;

#[inline(always)]
fn dequantize_body(tensor_type: TensorType, bytes: &[u8], out: &mut [f32]) {
    let (weights, size) = tensor_type.block();
    debug_assert_eq!(bytes.len() / size * weights, out.len());
    let blocks = bytes.chunks_exact(size).zip(out.chunks_exact_mut(weights));
    match tensor_type {
        TensorType::F32 => {
            blocks.for_each(|(b, o)| o[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        }
        TensorType::F16 => blocks.for_each(|(b, o)| o[0] = half_at(b, 0)),
        TensorType::BF16 => {
            blocks.for_each(|(b, o)| o[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32());
        }
        TensorType::Q4_0 => {
            blocks.for_each(|(b, o)| q4(&b[2..], half_at(b, 0), -8.0 * half_at(b, 0), o));
        }
        TensorType::Q4_1 => blocks.for_each(|(b, o)| q4(&b[4..], half_at(b, 0), half_at(b, 2), o)),
        TensorType::Q5_0 => {
            blocks.for_each(|(b, o)| q5(&b[2..], half_at(b, 0), -16.0 * half_at(b, 0), o));
        }
        TensorType::Q5_1 => blocks.for_each(|(b, o)| q5(&b[4..], half_at(b, 0), half_at(b, 2), o)),
        TensorType::Q8_0 => blocks.for_each(|(b, o)| q8(b, o)),
        TensorType::Q4_K => blocks.for_each(|(b, o)| q4_k(b, o)),
        TensorType::Q5_K => blocks.for_each(|(b, o)| q5_k(b, o)),
        TensorType::Q6_K => blocks.for_each(|(b, o)| q6_k(b, o)),
    }
}

dispatch! {
    /// Dequantizes whole blocks. `bytes` and `out` must describe the same number of weights.
    pub(crate) fn dequantize(tensor_type: TensorType, bytes: &[u8], out: &mut [f32]) = dequantize_body;
}

#[inline(always)]
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// 16 bytes: low nibbles are the first 16 weights, high nibbles the last 16; value is
/// `scale * nibble + offset`. With offset `-8 * scale` the rounding equals `scale * (nibble - 8)`:
/// both are exact before the one rounding of the f32 result only if the products are exact, which
/// an f16 scale times a 5-bit integer is.
#[inline(always)]
fn q4(quants: &[u8], scale: f32, offset: f32, out: &mut [f32]) {
    let (low, high) = out.split_at_mut(16);
    for ((byte, l), h) in quants.iter().zip(low).zip(high) {
        *l = scale * f32::from(byte & 15) + offset;
        *h = scale * f32::from(byte >> 4) + offset;
    }
}

/// As [`q4`] with a fifth bit for each weight in the four bytes before the nibbles.
#[inline(always)]
fn q5(fields: &[u8], scale: f32, offset: f32, out: &mut [f32]) {
    let fifth = u32::from_le_bytes([fields[0], fields[1], fields[2], fields[3]]);
    let (low, high) = out.split_at_mut(16);
    for (j, ((byte, l), h)) in fields[4..].iter().zip(low).zip(high).enumerate() {
        let low_bit = ((fifth >> j) & 1) as u8;
        let high_bit = ((fifth >> (j + 16)) & 1) as u8;
        *l = scale * f32::from((byte & 15) | (low_bit << 4)) + offset;
        *h = scale * f32::from((byte >> 4) | (high_bit << 4)) + offset;
    }
}

#[inline(always)]
fn q8(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    for (byte, o) in block[2..].iter().zip(out) {
        *o = scale * f32::from(byte.cast_signed());
    }
}

/// The 6-bit scale and minimum of sub-block `j` (0..8) of Q4_K and Q5_K.
#[inline(always)]
pub(super) fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4),
            (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4),
        )
    };
    (f32::from(scale), f32::from(minimum))
}

#[inline(always)]
fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (scales, quants) = (&block[4..16], &block[16..]);
    for (group, (bytes, o)) in quants
        .chunks_exact(32)
        .zip(out.chunks_exact_mut(64))
        .enumerate()
    {
        let (s0, m0) = scale_and_minimum(scales, 2 * group);
        let (s1, m1) = scale_and_minimum(scales, 2 * group + 1);
        let (d0, d1) = (scale * s0, scale * s1);
        let (n0, n1) = (minimum * m0, minimum * m1);
        let (low, high) = o.split_at_mut(32);
        for ((byte, l), h) in bytes.iter().zip(low).zip(high) {
            *l = d0 * f32::from(byte & 15) - n0;
            *h = d1 * f32::from(byte >> 4) - n1;
        }
    }
}

#[inline(always)]
fn q5_k(block: &[u8], out: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (scales, fifth, quants) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, (bytes, o)) in quants
        .chunks_exact(32)
        .zip(out.chunks_exact_mut(64))
        .enumerate()
    {
        let (s0, m0) = scale_and_minimum(scales, 2 * group);
        let (s1, m1) = scale_and_minimum(scales, 2 * group + 1);
        let (d0, d1) = (scale * s0, scale * s1);
        let (n0, n1) = (minimum * m0, minimum * m1);
        let (low, high) = o.split_at_mut(32);
        for (((byte, bits), l), h) in bytes.iter().zip(fifth).zip(low).zip(high) {
            let (low_bit, high_bit) = ((bits >> (2 * group)) & 1, (bits >> (2 * group + 1)) & 1);
            *l = d0 * f32::from((byte & 15) | (low_bit << 4)) - n0;
            *h = d1 * f32::from((byte >> 4) | (high_bit << 4)) - n1;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 208);
    for (half, o) in out.chunks_exact_mut(128).enumerate() {
        let low = &block[64 * half..64 * half + 64];
        let high = &block[128 + 32 * half..128 + 32 * half + 32];
        let scales = &block[192 + 8 * half..192 + 8 * half + 8];
        for l in 0..32 {
            let six_bits = [
                (low[l] & 15) | ((high[l] & 3) << 4),
                (low[l + 32] & 15) | (((high[l] >> 2) & 3) << 4),
                (low[l] >> 4) | (((high[l] >> 4) & 3) << 4),
                (low[l + 32] >> 4) | (((high[l] >> 6) & 3) << 4),
            ];
            for (quarter, bits) in six_bits.into_iter().enumerate() {
                let sub_scale = f32::from(scales[l / 16 + 2 * quarter].cast_signed());
                o[l + 32 * quarter] = scale * sub_scale * (f32::from(bits) - 32.0);
            }
        }
    }
}

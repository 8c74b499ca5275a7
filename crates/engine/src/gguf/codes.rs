//! Stored blocks as small integers, for products that never turn weights into f32.
//!
//! Every quantized type is `scale * code + minimum` over groups of 16 or 32 neighbours, with codes
//! of at most eight bits and no sign. Block layouts are those of `ggml-common.h`.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::quant::{half_at, scale_and_minimum};
use super::tensor::TensorType;
use crate::kernels::dispatch;

/// How the weights of a quantized type are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Neighbours with one scale and minimum: 16 or 32.
    pub(crate) group: usize,
    /// The largest code.
    pub(crate) largest: u8,
}

/// Codes of part of a row. All slices cover the same weights.
#[derive(Debug)]
pub(crate) struct Codes<'a> {
    pub(crate) values: &'a mut [u8],
    pub(crate) scales: &'a mut [f32],
    pub(crate) minima: &'a mut [f32],
}

impl TensorType {
    /// How its weights are coded; nothing for the floating-point types.
    pub(crate) fn coding(self) -> Option<Coding> {
        let (group, largest) = match self {
            Self::F32 | Self::F16 | Self::BF16 => return None,
            Self::Q4_0 | Self::Q4_1 | Self::Q4_K => (32, 15),
            Self::Q5_0 | Self::Q5_1 | Self::Q5_K => (32, 31),
            Self::Q6_K => (16, 63),
            Self::Q8_0 => (32, 255),
        };
        Some(Coding { group, largest })
    }
}

#[inline(always)]
fn codes_body(tensor_type: TensorType, bytes: &[u8], out: &mut Codes<'_>) {
    let (weights, size) = tensor_type.block();
    let groups = tensor_type.coding().map_or(1, |c| weights / c.group);
    let blocks = bytes
        .chunks_exact(size)
        .zip(out.values.chunks_exact_mut(weights))
        .zip(out.scales.chunks_exact_mut(groups))
        .zip(out.minima.chunks_exact_mut(groups));
    for (((block, codes), scales), minima) in blocks {
        let scale = half_at(block, 0);
        match tensor_type {
            TensorType::Q4_0 => {
                nibbles(&block[2..], codes);
                (scales[0], minima[0]) = (scale, -8.0 * scale);
            }
            TensorType::Q4_1 => {
                nibbles(&block[4..], codes);
                (scales[0], minima[0]) = (scale, half_at(block, 2));
            }
            TensorType::Q5_0 => {
                five_bits(&block[2..], codes);
                (scales[0], minima[0]) = (scale, -16.0 * scale);
            }
            TensorType::Q5_1 => {
                five_bits(&block[4..], codes);
                (scales[0], minima[0]) = (scale, half_at(block, 2));
            }
            TensorType::Q8_0 => {
                for bytes in block[2..].as_chunks::<32>().0 {
                    codes.copy_from_slice(&each(bytes, |byte| byte ^ 0x80));
                }
                (scales[0], minima[0]) = (scale, -128.0 * scale);
            }
            TensorType::Q4_K => {
                pairs(&block[16..], codes);
                sub_scales(block, scales, minima);
            }
            TensorType::Q5_K => {
                pairs(&block[48..], codes);
                fifth_bits(&block[16..48], codes);
                sub_scales(block, scales, minima);
            }
            TensorType::Q6_K => six_bits(block, codes, scales, minima),
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => {}
        }
    }
}

dispatch! {
    /// The codes of whole blocks of a quantized type.
    pub(crate) fn codes(tensor_type: TensorType, bytes: &[u8], out: &mut Codes<'_>) = codes_body;
}

/// Writes low nibbles to the first half of `codes` and high nibbles to the last.
///
#[inline(always)]
fn split_nibbles<const N: usize>(bytes: &[u8; N], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(N);
    low.copy_from_slice(&each(bytes, |byte| byte & 15));
    high.copy_from_slice(&each(bytes, |byte| byte >> 4));
}

/// `map` for arrays that becomes vector instructions: that of the standard library is a call here,
/// and iterators over slices stay byte by byte.
#[inline(always)]
fn each<const N: usize>(bytes: &[u8; N], change: impl Fn(u8) -> u8) -> [u8; N] {
    let mut changed = [0; N];
    for i in 0..N {
        changed[i] = change(bytes[i]);
    }
    changed
}

/// `|=` for arrays, for the same reason.
#[inline(always)]
fn or_assign<const N: usize>(codes: &mut [u8; N], bits: &[u8; N]) {
    for i in 0..N {
        codes[i] |= bits[i];
    }
}

/// 16 bytes: low nibbles are the first 16 codes, high nibbles the last 16.
#[inline(always)]
fn nibbles(bytes: &[u8], codes: &mut [u8]) {
    for bytes in bytes.as_chunks::<16>().0 {
        split_nibbles(bytes, codes);
    }
}

/// As [`nibbles`] with a fifth bit for each code in the four bytes before them.
#[inline(always)]
fn five_bits(fields: &[u8], codes: &mut [u8]) {
    let fifth = u32::from_le_bytes([fields[0], fields[1], fields[2], fields[3]]);
    nibbles(&fields[4..], codes);
    for codes in codes.as_chunks_mut::<32>().0 {
        for (j, code) in codes.iter_mut().enumerate() {
            *code |= (((fifth >> j) & 1) as u8) << 4;
        }
    }
}

/// 32 bytes for every 64 codes: low nibbles are the first 32, high nibbles the last 32.
#[inline(always)]
fn pairs(bytes: &[u8], codes: &mut [u8]) {
    let bytes = bytes.as_chunks::<32>().0;
    for (bytes, codes) in bytes.iter().zip(codes.chunks_exact_mut(64)) {
        split_nibbles(bytes, codes);
    }
}

/// Bit `i` of byte `j` is the fifth bit of code `j` of sub-block `i`.
#[inline(always)]
fn fifth_bits(bits: &[u8], codes: &mut [u8]) {
    for bits in bits.as_chunks::<32>().0 {
        for (i, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            or_assign(codes, &each(bits, |bits| ((bits >> i) & 1) << 4));
        }
    }
}

/// The scales and minima of the eight sub-blocks of Q4_K and Q5_K.
#[inline(always)]
fn sub_scales(block: &[u8], scales: &mut [f32], minima: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (j, (s, m)) in scales.iter_mut().zip(minima).enumerate() {
        let (sub_scale, sub_minimum) = scale_and_minimum(&block[4..16], j);
        (*s, *m) = (scale * sub_scale, -(minimum * sub_minimum));
    }
}

#[inline(always)]
fn six_bits(block: &[u8], codes: &mut [u8], scales: &mut [f32], minima: &mut [f32]) {
    for (half, codes) in codes.chunks_exact_mut(128).enumerate() {
        let low = block[64 * half..64 * half + 64].as_chunks::<32>().0;
        let high = block[128 + 32 * half..].as_chunks::<32>().0;
        let quarters = codes.as_chunks_mut::<32>().0.iter_mut();
        for (quarter, codes) in quarters.enumerate() {
            let (low, high) = (&low[quarter % 2], &high[0]);
            let (nibble, pair) = (4 * (quarter / 2), 2 * quarter);
            *codes = each(low, |l| (l >> nibble) & 15);
            or_assign(codes, &each(high, |h| ((h >> pair) & 3) << 4));
        }
    }
    let scale = half_at(block, 208);
    for ((s, m), sub_scale) in scales.iter_mut().zip(minima).zip(&block[192..208]) {
        *s = scale * f32::from(sub_scale.cast_signed());
        *m = -32.0 * *s;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gguf::dequantize;

    const TYPES: [TensorType; 8] = [
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::Q5_0,
        TensorType::Q5_1,
        TensorType::Q8_0,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
    ];

    /// Two blocks of random bytes whose half floats are small numbers.
    fn blocks(tensor_type: TensorType, random: &[u8]) -> Vec<u8> {
        let size = tensor_type.block().1;
        let mut bytes: Vec<u8> = random.iter().copied().cycle().take(2 * size).collect();
        let halves: &[usize] = match tensor_type {
            TensorType::Q6_K => &[208],
            TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 => &[0],
            _ => &[0, 2],
        };
        for block in bytes.chunks_exact_mut(size) {
            for at in halves {
                block[at + 1] = (block[at + 1] & 0x83) | 0x28;
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn scale_times_code_plus_minimum_is_the_weight(
            random in proptest::collection::vec(any::<u8>(), 420), which in 0..TYPES.len(),
        ) {
            let tensor_type = TYPES[which];
            let bytes = blocks(tensor_type, &random);
            let count = 2 * tensor_type.block().0;
            let Coding { group, largest } = tensor_type.coding().unwrap();
            let mut expected = vec![0.0; count];
            dequantize(tensor_type, &bytes, &mut expected);
            let (mut values, mut scales) = (vec![0u8; count], vec![0.0f32; count / group]);
            let mut minima = scales.clone();
            codes(tensor_type, &bytes, &mut Codes {
                values: &mut values, scales: &mut scales, minima: &mut minima,
            });
            for (i, (expected, code)) in expected.iter().zip(&values).enumerate() {
                prop_assert!(*code <= largest);
                let (scale, minimum) = (scales[i / group], minima[i / group]);
                let got = scale.mul_add(f32::from(*code), minimum);
                let size = scale.abs() * f32::from(*code) + minimum.abs();
                prop_assert!((got - expected).abs() <= 1e-6 * size, "{i}: {got}, {expected}");
            }
        }
    }
}

//! Rounding of rows with AVX-512 and with AVX2. The compiler's own vectors of the scalar loop take
//! four times as long (`autodidact bench --profile`, rounding): it spills what it adds up across lanes.
#![expect(unsafe_code, reason = "SIMD kernels")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_max_epu32, _mm_shuffle_epi32,
    _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_max_epu32, _mm256_mul_ps, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_permutevar8x32_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32, _mm256_srai_epi32, _mm256_storeu_si256,
    _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_si256,
    _mm512_cvtepi32_epi8, _mm512_extracti64x4_epi64, _mm512_loadu_ps, _mm512_max_epu32,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
};

use super::rows::{GROUP, ROUNDING, scales_of};

/// All bits of a float but its sign.
const MAGNITUDE: i32 = i32::MAX;

/// One row's groups of elements, codes, scales and sums of codes.
fn groups<'a>(
    row: &'a [f32],
    codes: &'a mut [i8],
    scales: &'a mut [f32],
    totals: &'a mut [i32],
) -> impl Iterator<
    Item = (
        &'a [f32; GROUP],
        &'a mut [i8; GROUP],
        &'a mut f32,
        &'a mut [i32; 2],
    ),
> {
    let row = row.as_chunks().0.iter();
    let codes = codes.as_chunks_mut().0.iter_mut();
    let totals = totals.as_chunks_mut().0.iter_mut();
    let together = row.zip(codes).zip(scales).zip(totals);
    together.map(|(((row, codes), scale), totals)| (row, codes, scale, totals))
}

/// Rounds one row.
pub(super) fn avx512(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    // SAFETY: the level was detected; everything that is read or written is in slices of the length
    // it needs.
    unsafe { avx512_row(row, codes, scales, totals) }
}

/// Rounds one row.
pub(super) fn avx2(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    // SAFETY: as above.
    unsafe { avx2_row(row, codes, scales, totals) }
}

/// # Safety
/// The processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
unsafe fn avx512_row(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    let (magnitude, rounding) = (_mm512_set1_epi32(MAGNITUDE), _mm512_set1_ps(ROUNDING));
    for (row, codes, scale, totals) in groups(row, codes, scales, totals) {
        // SAFETY: 32 floats are read, and 32 bytes written below.
        let x = unsafe { [0, 16].map(|i| _mm512_loadu_ps(row.as_ptr().add(i))) };
        let [low, high] = x.map(|x| _mm512_and_si512(_mm512_castps_si512(x), magnitude));
        let both = _mm512_max_epu32(low, high);
        let halves = _mm256_max_epu32(
            _mm512_castsi512_si256(both),
            _mm512_extracti64x4_epi64::<1>(both),
        );
        let factor = _mm512_set1_ps(scales_of(largest(halves), scale));
        let integers = x.map(|x| {
            let rounded = _mm512_add_ps(_mm512_mul_ps(x, factor), rounding);
            _mm512_cvtepi32_epi8(_mm512_castps_si512(rounded))
        });
        for (i, sixteen) in integers.into_iter().enumerate() {
            // SAFETY: see above.
            unsafe {
                codes
                    .as_mut_ptr()
                    .add(16 * i)
                    .cast::<__m128i>()
                    .write_unaligned(sixteen);
            }
        }
        // SAFETY: the 32 bytes that were written.
        *totals = sums_of(unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) });
    }
}

/// # Safety
/// The processor has the instructions.
#[target_feature(enable = "avx2")]
unsafe fn avx2_row(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    let (magnitude, rounding) = (_mm256_set1_epi32(MAGNITUDE), _mm256_set1_ps(ROUNDING));
    // Packing works within halves of a vector; this brings the fours back into order.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (row, codes, scale, totals) in groups(row, codes, scales, totals) {
        // SAFETY: 32 floats are read, and 32 bytes written below.
        let x = unsafe { [0, 8, 16, 24].map(|i| _mm256_loadu_ps(row.as_ptr().add(i))) };
        let [a, b, c, d] = x.map(|x| _mm256_and_si256(_mm256_castps_si256(x), magnitude));
        let all = _mm256_max_epu32(_mm256_max_epu32(a, b), _mm256_max_epu32(c, d));
        let factor = _mm256_set1_ps(scales_of(largest(all), scale));
        let [a, b, c, d] = x.map(|x| {
            let bits = _mm256_castps_si256(_mm256_add_ps(_mm256_mul_ps(x, factor), rounding));
            _mm256_srai_epi32::<24>(_mm256_slli_epi32::<24>(bits))
        });
        let packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        let packed = _mm256_permutevar8x32_epi32(packed, order);
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(codes.as_mut_ptr().cast(), packed) };
        *totals = sums_of(packed);
    }
}

/// The largest of eight magnitudes.
#[target_feature(enable = "avx2")]
fn largest(eight: __m256i) -> f32 {
    let four = _mm_max_epu32(
        _mm256_castsi256_si128(eight),
        _mm256_extracti128_si256::<1>(eight),
    );
    let two = _mm_max_epu32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
    let one = _mm_max_epu32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two));
    f32::from_bits(_mm_cvtsi128_si32(one).cast_unsigned())
}

/// The sums of the first and of the last sixteen codes.
#[target_feature(enable = "avx2")]
fn sums_of(codes: __m256i) -> [i32; 2] {
    let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    [
        _mm256_castsi256_si128(fours),
        _mm256_extracti128_si256::<1>(fours),
    ]
    .map(|four| {
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two)))
    })
}

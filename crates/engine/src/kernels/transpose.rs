//! Transposing matrices, most often rows of weights into panels.

/// `out[i * out_stride + j] = rows[j * columns + i]` for `j` below `count` and `i` below `columns`.
pub(crate) fn transpose(
    rows: &[f32],
    count: usize,
    columns: usize,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(rows.len() >= count * columns, "rows");
    assert!(
        count <= out_stride && out.len() >= columns * out_stride,
        "transposed rows"
    );
    #[cfg(target_arch = "x86_64")]
    let (whole_rows, whole_columns) = if is_x86_feature_detected!("avx") {
        let whole = (count / 8 * 8, columns / 8 * 8);
        for j in (0..whole.0).step_by(8) {
            for i in (0..whole.1).step_by(8) {
                let (from, to) = (&rows[j * columns + i..], &mut out[i * out_stride + j..]);
                // SAFETY: AVX was detected; the tile ends at row `j + 7` and column `i + 7`, which
                // the assertions put inside both slices.
                #[expect(unsafe_code, reason = "SIMD kernel")]
                unsafe {
                    x86::tile(from.as_ptr(), columns, to.as_mut_ptr(), out_stride);
                }
            }
        }
        whole
    } else {
        (0, 0)
    };
    #[cfg(not(target_arch = "x86_64"))]
    let (whole_rows, whole_columns) = (0, 0);
    for (j, row) in rows.chunks_exact(columns.max(1)).take(count).enumerate() {
        let first = if j < whole_rows { whole_columns } else { 0 };
        for (i, x) in row.iter().enumerate().skip(first) {
            out[i * out_stride + j] = *x;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "SIMD kernel")]
mod x86 {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
        _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    /// Transposes eight rows of eight values.
    ///
    /// # Safety
    /// The processor has AVX; eight rows of eight values can be read `stride` apart, and written
    /// `out_stride` apart.
    #[target_feature(enable = "avx")]
    pub(super) unsafe fn tile(from: *const f32, stride: usize, to: *mut f32, out_stride: usize) {
        let mut rows = [_mm256_setzero_ps(); 8];
        for (r, row) in rows.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { _mm256_loadu_ps(from.add(r * stride)) };
        }
        for (r, row) in transposed(rows).iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_ps(to.add(r * out_stride), *row) };
        }
    }

    #[target_feature(enable = "avx")]
    fn transposed(r: [__m256; 8]) -> [__m256; 8] {
        let mut pairs = [_mm256_setzero_ps(); 8];
        for k in 0..4 {
            pairs[2 * k] = _mm256_unpacklo_ps(r[2 * k], r[2 * k + 1]);
            pairs[2 * k + 1] = _mm256_unpackhi_ps(r[2 * k], r[2 * k + 1]);
        }
        let mut fours = [_mm256_setzero_ps(); 8];
        for k in 0..2 {
            for h in 0..2 {
                let (a, b) = (pairs[4 * k + h], pairs[4 * k + 2 + h]);
                fours[4 * k + 2 * h] = _mm256_shuffle_ps::<0x44>(a, b);
                fours[4 * k + 2 * h + 1] = _mm256_shuffle_ps::<0xee>(a, b);
            }
        }
        let mut out = [_mm256_setzero_ps(); 8];
        for k in 0..4 {
            out[k] = _mm256_permute2f128_ps::<0x20>(fours[k], fours[4 + k]);
            out[4 + k] = _mm256_permute2f128_ps::<0x31>(fours[k], fours[4 + k]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_transposed() {
        for (count, columns) in [(16, 32), (16, 37), (9, 8), (3, 20), (1, 1), (0, 5)] {
            let rows: Vec<f32> = (0..count * columns).map(|i| i as f32).collect();
            let mut out = vec![-1.0; columns * 16];
            transpose(&rows, count, columns, &mut out, 16);
            for i in 0..columns {
                for j in 0..16 {
                    let expected = if j < count {
                        rows[j * columns + i]
                    } else {
                        -1.0
                    };
                    let got = out[i * 16 + j];
                    assert_eq!(
                        got.to_bits(),
                        expected.to_bits(),
                        "{count} x {columns}: {i}, {j}"
                    );
                }
            }
        }
    }
}

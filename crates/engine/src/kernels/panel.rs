//! The innermost loop: a few rows times a panel of 32 columns.

use super::Level;

/// Columns of a panel: two AVX-512 or four AVX2 vectors.
pub(crate) const PANEL: usize = 32;
/// Rows at once; 12 rows of two AVX-512 accumulators leave room for the panel's two vectors.
pub(crate) const ROWS: usize = 12;

/// `c[r, 0..32] = start + sum over i of a[i, r] * b[i, 0..32]`, where `start` is `c` itself if
/// `accumulate` and zero otherwise.
///
/// * `a`: `inner` groups of `rows` values (rows interleaved), `rows` at most [`ROWS`].
/// * `b`: `inner` rows of 32 values, `b_stride` apart.
/// * `c`: `rows` rows of 32 values, `c_stride` apart.
///
/// Every output is a chain of fused multiply-adds in the order of `i`, so splitting `inner` into
/// accumulating calls, or the rows into other groups, changes no bit.
#[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
pub(crate) fn multiply_panel(
    level: Level,
    inner: usize,
    rows: usize,
    a: &[f32],
    b: &[f32],
    b_stride: usize,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    if rows == 0 {
        return;
    }
    if inner == 0 {
        if !accumulate {
            c.chunks_mut(c_stride)
                .take(rows)
                .for_each(|row| row[..PANEL].fill(0.0));
        }
        return;
    }
    assert!(rows <= ROWS && a.len() >= inner * rows, "rows of a");
    assert!(
        inner == 0 || b.len() >= (inner - 1) * b_stride + PANEL,
        "rows of b"
    );
    assert!(c.len() >= (rows - 1) * c_stride + PANEL, "rows of c");
    #[cfg(target_arch = "x86_64")]
    {
        let shape = x86::Shape {
            inner,
            b_stride,
            c_stride,
            accumulate,
        };
        match level {
            Level::Avx512 => return x86::avx512(rows, &shape, a, b, c),
            Level::Avx2 => return x86::avx2(rows, &shape, a, b, c),
            Level::Scalar => {}
        }
    }
    let _ = level;
    scalar(inner, rows, a, b, b_stride, c, c_stride, accumulate);
}

/// The reference, and what runs where there is no SIMD kernel.
#[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
fn scalar(
    inner: usize,
    rows: usize,
    a: &[f32],
    b: &[f32],
    b_stride: usize,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    for r in 0..rows {
        let out = &mut c[r * c_stride..r * c_stride + PANEL];
        if !accumulate {
            out.fill(0.0);
        }
        for i in 0..inner {
            let x = a[i * rows + r];
            for (o, w) in out.iter_mut().zip(&b[i * b_stride..i * b_stride + PANEL]) {
                *o = x.mul_add(*w, *o);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "SIMD kernels")]
mod x86 {
    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    pub(super) struct Shape {
        pub(super) inner: usize,
        pub(super) b_stride: usize,
        pub(super) c_stride: usize,
        pub(super) accumulate: bool,
    }

    /// How many rows of `b` ahead to ask the cache for.
    const PREFETCH: usize = 8;

    /// # Safety
    /// The processor has AVX-512F, and the slices are as long as the caller has checked.
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512_rows<const R: usize>(s: &Shape, a: *const f32, b: *const f32, c: *mut f32) {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        // SAFETY: every pointer stays inside the slices whose lengths `multiply_panel` asserted;
        // prefetching an address past the end is allowed and has no effect.
        unsafe {
            if s.accumulate {
                for (r, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_loadu_ps(c.add(r * s.c_stride));
                    sum[1] = _mm512_loadu_ps(c.add(r * s.c_stride + 16));
                }
            }
            for i in 0..s.inner {
                let row = b.add(i * s.b_stride);
                _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(PREFETCH * s.b_stride).cast());
                _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(PREFETCH * s.b_stride + 16).cast());
                let (b0, b1) = (_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(16)));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*a.add(i * R + r));
                    sum[0] = _mm512_fmadd_ps(x, b0, sum[0]);
                    sum[1] = _mm512_fmadd_ps(x, b1, sum[1]);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(c.add(r * s.c_stride), sum[0]);
                _mm512_storeu_ps(c.add(r * s.c_stride + 16), sum[1]);
            }
        }
    }

    /// # Safety
    /// The processor has AVX2 and FMA, and the slices are as long as the caller has checked.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_rows<const R: usize>(
        s: &Shape,
        a_rows: usize,
        a: *const f32,
        b: *const f32,
        c: *mut f32,
    ) {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        // SAFETY: as in `avx512_rows`.
        unsafe {
            if s.accumulate {
                for (r, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm256_loadu_ps(c.add(r * s.c_stride));
                    sum[1] = _mm256_loadu_ps(c.add(r * s.c_stride + 8));
                }
            }
            for i in 0..s.inner {
                let row = b.add(i * s.b_stride);
                _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(PREFETCH * s.b_stride).cast());
                let (b0, b1) = (_mm256_loadu_ps(row), _mm256_loadu_ps(row.add(8)));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*a.add(i * a_rows + r));
                    sum[0] = _mm256_fmadd_ps(x, b0, sum[0]);
                    sum[1] = _mm256_fmadd_ps(x, b1, sum[1]);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                _mm256_storeu_ps(c.add(r * s.c_stride), sum[0]);
                _mm256_storeu_ps(c.add(r * s.c_stride + 8), sum[1]);
            }
        }
    }

    pub(super) fn avx512(rows: usize, s: &Shape, a: &[f32], b: &[f32], c: &mut [f32]) {
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the level was detected, and `multiply_panel` checked the lengths.
        unsafe {
            match rows {
                1 => avx512_rows::<1>(s, a, b, c),
                2 => avx512_rows::<2>(s, a, b, c),
                3 => avx512_rows::<3>(s, a, b, c),
                4 => avx512_rows::<4>(s, a, b, c),
                5 => avx512_rows::<5>(s, a, b, c),
                6 => avx512_rows::<6>(s, a, b, c),
                7 => avx512_rows::<7>(s, a, b, c),
                8 => avx512_rows::<8>(s, a, b, c),
                9 => avx512_rows::<9>(s, a, b, c),
                10 => avx512_rows::<10>(s, a, b, c),
                11 => avx512_rows::<11>(s, a, b, c),
                _ => avx512_rows::<12>(s, a, b, c),
            }
        }
    }

    /// Sixteen registers hold six rows of half a panel.
    pub(super) fn avx2(rows: usize, s: &Shape, a: &[f32], b: &[f32], c: &mut [f32]) {
        for half in [0, 16] {
            let mut first = 0;
            while first < rows {
                let count = (rows - first).min(6);
                let (a, b) = (a[first..].as_ptr(), b[half..].as_ptr());
                let c = c[first * s.c_stride + half..].as_mut_ptr();
                // SAFETY: the level was detected, and `multiply_panel` checked the lengths.
                unsafe {
                    match count {
                        1 => avx2_rows::<1>(s, rows, a, b, c),
                        2 => avx2_rows::<2>(s, rows, a, b, c),
                        3 => avx2_rows::<3>(s, rows, a, b, c),
                        4 => avx2_rows::<4>(s, rows, a, b, c),
                        5 => avx2_rows::<5>(s, rows, a, b, c),
                        _ => avx2_rows::<6>(s, rows, a, b, c),
                    }
                }
                first += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// SIMD and scalar agree bit for bit, for every shape, accumulating or not.
        #[test]
        fn every_level_gives_the_same_bits(
            inner in 0usize..70, rows in 1usize..=ROWS, extra in 0usize..5,
            accumulate: bool, seed: u32,
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            };
            let (b_stride, c_stride) = (PANEL + extra, PANEL + 2 * extra);
            let a: Vec<f32> = (0..inner * rows).map(|_| next()).collect();
            let b: Vec<f32> = (0..inner * b_stride + PANEL).map(|_| next()).collect();
            let start: Vec<f32> = (0..rows * c_stride + PANEL).map(|_| next()).collect();
            let run = |level| {
                let mut c = start.clone();
                multiply_panel(level, inner, rows, &a, &b, b_stride, &mut c, c_stride, accumulate);
                c
            };
            let expected = run(Level::Scalar);
            prop_assert_eq!(&run(Level::detect()), &expected);
            if Level::detect() == Level::Avx512 {
                prop_assert_eq!(&run(Level::Avx2), &expected);
            }
        }
    }
}

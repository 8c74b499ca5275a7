//! The innermost loop: rows of activations times a panel of 32 columns.

use super::Level;

/// Columns of a panel: two AVX-512 or four AVX2 vectors.
pub(crate) const PANEL: usize = 32;
/// Half a panel: what AVX2 computes at once.
pub(super) const HALF: usize = PANEL / 2;

/// The left factor: element `(r, i)` is `data[r * stride + i]`.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the number of rows")]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) stride: usize,
}

/// The right factor, a panel: element `(i, j)` is `data[i * step + j]` in the first 16 columns and
/// `data[second + i * step + j - 16]` in the last 16.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) step: usize,
    pub(crate) second: usize,
    /// What the caller will multiply with next, in the same layout; fetched meanwhile. Empty if
    /// nobody knows.
    pub(crate) next: &'a [f32],
}

/// `c[r, 0..32] = start + sum over i below inner of a[r, i] * b[i, 0..32]`, where `start` is `c`
/// itself if `accumulate` and zero otherwise. Rows of `c` are `c_stride` apart.
///
/// Every output is a chain of fused multiply-adds in the order of `i`, so splitting `inner` into
/// accumulating calls, or the rows into other groups, changes no bit.
pub(crate) fn multiply_panel(
    level: Level,
    inner: usize,
    a: Rows<'_>,
    b: Columns<'_>,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    if a.rows == 0 {
        return;
    }
    if !accumulate && inner == 0 {
        for row in c.chunks_mut(c_stride).take(a.rows) {
            row[..PANEL].fill(0.0);
        }
    }
    if inner == 0 {
        return;
    }
    let (last, end) = (a.rows - 1, (inner - 1) * b.step + HALF);
    assert!(a.data.len() >= last * a.stride + inner, "rows of a");
    assert!(b.data.len() >= end + b.second, "rows of b");
    assert!(c.len() >= last * c_stride + PANEL, "rows of c");
    #[cfg(target_arch = "x86_64")]
    match level {
        Level::Avx512 => return x86::avx512(inner, a, b, c, c_stride, accumulate),
        Level::Avx2 => return x86::avx2(inner, a, b, c, c_stride, accumulate),
        Level::Scalar => {}
    }
    let _ = level;
    scalar(inner, a, b, c, c_stride, accumulate);
}

/// The reference, and what runs where there is no SIMD kernel.
fn scalar(
    inner: usize,
    a: Rows<'_>,
    b: Columns<'_>,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    for r in 0..a.rows {
        let out = &mut c[r * c_stride..r * c_stride + PANEL];
        if !accumulate {
            out.fill(0.0);
        }
        let (low, high) = out.split_at_mut(HALF);
        for (i, x) in a.data[r * a.stride..][..inner].iter().enumerate() {
            let first = &b.data[i * b.step..][..HALF];
            let second = &b.data[b.second + i * b.step..][..HALF];
            for (o, w) in low.iter_mut().zip(first) {
                *o = x.mul_add(*w, *o);
            }
            for (o, w) in high.iter_mut().zip(second) {
                *o = x.mul_add(*w, *o);
            }
        }
    }
}

/// Splits `total` into the fewest pieces of at most `most`, as even as possible: (first, count).
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) fn pieces(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let count = total.div_ceil(most);
    (0..count).map(move |p| {
        let first = p * total / count;
        (first, (p + 1) * total / count - first)
    })
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "SIMD kernels")]
mod x86 {
    use std::arch::x86_64::{
        _MM_HINT_T1, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{Columns, HALF, Rows, pieces};

    /// Steps of the inner dimension at once, so that the panel's part stays near while all groups of
    /// rows pass: 320 * 64 bytes in the first-level cache, or 288 * 128, a little beyond it, which is
    /// faster than loading and storing the sums more often.
    const AVX2_STEPS: usize = 320;
    const AVX512_STEPS: usize = 288;
    /// Sixteen registers hold six rows of half a panel.
    const AVX2_ROWS: usize = 6;
    /// Twelve rows of two AVX-512 accumulators leave room for the panel's two vectors.
    const AVX512_ROWS: usize = 12;

    /// One group of rows times one part of a panel.
    #[derive(Clone, Copy)]
    struct Part {
        steps: usize,
        a: *const f32,
        a_stride: usize,
        b: *const f32,
        b_step: usize,
        b_second: usize,
        c: *mut f32,
        c_stride: usize,
        accumulate: bool,
        /// What the next part will read, fetched bit by bit: all groups together fetch it once.
        ahead: *const f32,
        ahead_step: usize,
    }

    /// # Safety
    /// The processor has AVX-512F, and the part lies inside the slices it was made from.
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512_rows<const R: usize>(p: &Part) {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        // SAFETY: see above; prefetching an address past the end is allowed and has no effect.
        unsafe {
            if p.accumulate {
                for (r, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_loadu_ps(p.c.add(r * p.c_stride));
                    sum[1] = _mm512_loadu_ps(p.c.add(r * p.c_stride + 16));
                }
            }
            for i in 0..p.steps {
                let row = p.b.add(i * p.b_step);
                let ahead = p.ahead.wrapping_add(i * p.ahead_step);
                _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
                _mm_prefetch::<_MM_HINT_T1>(ahead.wrapping_add(p.b_second).cast());
                let (b0, b1) = (_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(p.b_second)));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*p.a.add(r * p.a_stride + i));
                    sum[0] = _mm512_fmadd_ps(x, b0, sum[0]);
                    sum[1] = _mm512_fmadd_ps(x, b1, sum[1]);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(p.c.add(r * p.c_stride), sum[0]);
                _mm512_storeu_ps(p.c.add(r * p.c_stride + 16), sum[1]);
            }
        }
    }

    /// `R` rows of `V` vectors: 6 by 2 (half a panel), or at most 3 by 4 (a whole one), so that
    /// there are always enough independent sums to hide the latency of an addition.
    ///
    /// # Safety
    /// The processor has AVX2 and FMA, and the part lies inside the slices it was made from.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_rows<const R: usize, const V: usize>(p: &Part) {
        let mut sums = [[_mm256_setzero_ps(); V]; R];
        // SAFETY: as in `avx512_rows`.
        unsafe {
            if p.accumulate {
                for (r, sum) in sums.iter_mut().enumerate() {
                    for (v, s) in sum.iter_mut().enumerate() {
                        *s = _mm256_loadu_ps(p.c.add(r * p.c_stride + 8 * v));
                    }
                }
            }
            for i in 0..p.steps {
                let row = p.b.add(i * p.b_step);
                let mut b = [_mm256_setzero_ps(); V];
                for (v, b) in b.iter_mut().enumerate() {
                    *b = _mm256_loadu_ps(row.add(v / 2 * p.b_second + v % 2 * 8));
                }
                let ahead = p.ahead.wrapping_add(i * p.ahead_step);
                _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
                if V > 2 {
                    _mm_prefetch::<_MM_HINT_T1>(ahead.wrapping_add(p.b_second).cast());
                }
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*p.a.add(r * p.a_stride + i));
                    for (s, b) in sum.iter_mut().zip(&b) {
                        *s = _mm256_fmadd_ps(x, *b, *s);
                    }
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                for (v, s) in sum.iter().enumerate() {
                    _mm256_storeu_ps(p.c.add(r * p.c_stride + 8 * v), *s);
                }
            }
        }
    }

    /// Every part of a product, `run` with the number of its rows.
    ///
    /// # Safety
    /// As the caller of `multiply_panel`'s checks promises; `run` must stay inside the part.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "its closure is the kernel")]
    #[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
    fn parts(
        inner: usize,
        steps: usize,
        most_rows: usize,
        first_column: usize,
        a: Rows<'_>,
        b: Columns<'_>,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
        run: impl Fn(usize, &Part),
    ) {
        let column = first_column / HALF * b.second + first_column % HALF;
        let ahead_step = b.step.div_ceil(a.rows.div_ceil(most_rows));
        for (start, steps) in pieces(inner, steps) {
            for (g, (first, count)) in pieces(a.rows, most_rows).enumerate() {
                let b_data = b.data[column + start * b.step..].as_ptr();
                let ahead = if start + steps == inner && !b.next.is_empty() {
                    b.next.as_ptr()
                } else {
                    b_data.wrapping_add(steps * b.step)
                };
                let ahead = ahead.wrapping_add(g * steps * ahead_step);
                let part = Part {
                    steps,
                    a: a.data[first * a.stride + start..].as_ptr(),
                    a_stride: a.stride,
                    b: b_data,
                    b_step: b.step,
                    b_second: b.second,
                    c: c[first * c_stride + first_column..].as_mut_ptr(),
                    c_stride,
                    accumulate: accumulate || start > 0,
                    ahead,
                    ahead_step,
                };
                run(count, &part);
            }
        }
    }

    pub(super) fn avx512(
        inner: usize,
        a: Rows<'_>,
        b: Columns<'_>,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
    ) {
        let run = |rows, part: &Part| {
            // SAFETY: the level was detected, and `multiply_panel` checked the lengths.
            unsafe {
                match rows {
                    1 => avx512_rows::<1>(part),
                    2 => avx512_rows::<2>(part),
                    3 => avx512_rows::<3>(part),
                    4 => avx512_rows::<4>(part),
                    5 => avx512_rows::<5>(part),
                    6 => avx512_rows::<6>(part),
                    7 => avx512_rows::<7>(part),
                    8 => avx512_rows::<8>(part),
                    9 => avx512_rows::<9>(part),
                    10 => avx512_rows::<10>(part),
                    11 => avx512_rows::<11>(part),
                    _ => avx512_rows::<12>(part),
                }
            }
        };
        let (steps, rows) = (AVX512_STEPS, AVX512_ROWS);
        parts(inner, steps, rows, 0, a, b, c, c_stride, accumulate, run);
    }

    pub(super) fn avx2(
        inner: usize,
        a: Rows<'_>,
        b: Columns<'_>,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
    ) {
        if a.rows <= 3 {
            let run = |rows, part: &Part| {
                // SAFETY: the level was detected, and `multiply_panel` checked the lengths.
                unsafe {
                    match rows {
                        1 => avx2_rows::<1, 4>(part),
                        2 => avx2_rows::<2, 4>(part),
                        _ => avx2_rows::<3, 4>(part),
                    }
                }
            };
            parts(
                inner,
                AVX2_STEPS / 2,
                3,
                0,
                a,
                b,
                c,
                c_stride,
                accumulate,
                run,
            );
            return;
        }
        let run = |rows, part: &Part| {
            // SAFETY: as above.
            unsafe {
                match rows {
                    1 => avx2_rows::<1, 2>(part),
                    2 => avx2_rows::<2, 2>(part),
                    3 => avx2_rows::<3, 2>(part),
                    4 => avx2_rows::<4, 2>(part),
                    5 => avx2_rows::<5, 2>(part),
                    _ => avx2_rows::<6, 2>(part),
                }
            }
        };
        let (steps, rows) = (AVX2_STEPS, AVX2_ROWS);
        for column in [0, HALF] {
            // The first half of the columns is followed by the second.
            let next = if column == 0 {
                &b.data[b.second..]
            } else {
                b.next
            };
            let b = Columns { next, ..b };
            parts(
                inner, steps, rows, column, a, b, c, c_stride, accumulate, run,
            );
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
            inner in prop_oneof![0usize..70, 300usize..700], rows in 1usize..=27,
            extra in 0usize..5, halves_apart: bool, accumulate: bool, seed: u32,
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            };
            let (stride, c_stride) = (inner + extra, PANEL + 2 * extra);
            let (step, second) = if halves_apart { (HALF, inner * HALF) } else { (PANEL + extra, HALF) };
            let a: Vec<f32> = (0..rows * stride).map(|_| next()).collect();
            let b: Vec<f32> = (0..inner * (PANEL + extra)).map(|_| next()).collect();
            let start: Vec<f32> = (0..rows * c_stride).map(|_| next()).collect();
            let run = |level| {
                let mut c = start.clone();
                let a = Rows { data: &a, rows, stride };
                let b = Columns { data: &b, step, second, next: &start };
                multiply_panel(level, inner, a, b, &mut c, c_stride, accumulate);
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

//! The same with AVX-512 VNNI and with AVX2.
#![expect(unsafe_code, reason = "SIMD kernels")]

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_cvtepi32_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_xor_si256,
    _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_storeu_ps,
};

use super::panels::group_length;
use super::product::PanelPart;
use super::rows::{EightBitRows, GROUP};
use crate::kernels::PANEL;
use crate::kernels::panel::pieces;

/// Rows at once: sums and integer sums of two vectors each fill 24 of 32 registers.
const AVX512_ROWS: usize = 6;
/// Rows at once with sixteen registers, two vectors of eight outputs each.
const AVX2_ROWS: usize = 2;

/// Some rows, and a panel from some output on.
#[derive(Clone, Copy)]
struct Part {
    /// Groups of the panel.
    groups: usize,
    /// Codes of the first row, and how far apart rows are, which is also the inner dimension.
    codes: *const i8,
    inner: usize,
    /// Scales of the first row.
    scales: *const f32,
    /// Sums of the first row over the panel's groups.
    sums: *const f32,
    /// Sums of codes of the first row, over 16.
    totals: *const i32,
    panel: *const f32,
    c: *mut f32,
    c_stride: usize,
    /// Whether `c` holds the sums of earlier groups.
    accumulate: bool,
    /// For AVX2: which sixteen outputs.
    half: usize,
}

/// # Safety
/// The processor has the instructions, `STEPS` is a quarter of the panel's group, and the part lies
/// inside the slices it was made from.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn avx512_rows<const R: usize, const STEPS: usize>(p: &Part) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let (scale_stride, sum_stride) = (p.inner / GROUP, p.inner / (4 * STEPS));
    let mut panel = p.panel;
    // SAFETY: see above.
    unsafe {
        if p.accumulate {
            for (r, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(p.c.add(r * p.c_stride));
                sum[1] = _mm512_loadu_ps(p.c.add(r * p.c_stride + 16));
            }
        }
        for g in 0..p.groups {
            let mut dots = [[_mm512_setzero_si512(); 2]; R];
            let codes = p.codes.add(g * STEPS * 4);
            for step in 0..STEPS {
                let word = |half: usize| -> __m512i {
                    _mm512_loadu_si512(panel.add((half * STEPS + step) * 16).cast())
                };
                let (first, second) = (word(0), word(1));
                for (r, dot) in dots.iter_mut().enumerate() {
                    let four = codes.add(r * p.inner + step * 4).cast::<[u8; 4]>();
                    let x = _mm512_set1_epi32(i32::from_ne_bytes(four.read()));
                    dot[0] = _mm512_dpbusd_epi32(dot[0], first, x);
                    dot[1] = _mm512_dpbusd_epi32(dot[1], second, x);
                }
            }
            let floats = panel.add(STEPS * PANEL);
            for half in 0..2 {
                let scales = _mm512_loadu_ps(floats.add(half * 16));
                let minima = _mm512_loadu_ps(floats.add(PANEL + half * 16));
                for (r, (sum, dot)) in sums.iter_mut().zip(&dots).enumerate() {
                    let scale = *p.scales.add(r * scale_stride + g * STEPS * 4 / GROUP);
                    let row_sum = *p.sums.add(r * sum_stride + g);
                    let dot = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[half]), scales);
                    let s = _mm512_fmadd_ps(dot, _mm512_set1_ps(scale), sum[half]);
                    sum[half] = _mm512_fmadd_ps(minima, _mm512_set1_ps(row_sum), s);
                }
            }
            panel = panel.add(group_length(4 * STEPS));
        }
        for (r, sum) in sums.iter().enumerate() {
            _mm512_storeu_ps(p.c.add(r * p.c_stride), sum[0]);
            _mm512_storeu_ps(p.c.add(r * p.c_stride + 16), sum[1]);
        }
    }
}

/// Sixteen outputs. `PAIRS` products of codes and activations are added in 16 bits before they are
/// widened: as many as cannot overflow with the largest code. With `PAIRS` 0 codes have eight bits
/// and even one could, so code - 128, which has a sign, is multiplied instead.
///
/// # Safety
/// As for [`avx512_rows`].
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_rows<const R: usize, const STEPS: usize, const PAIRS: usize>(p: &Part) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    let (scale_stride, sum_stride) = (p.inner / GROUP, p.inner / (4 * STEPS));
    let (ones, sign) = (_mm256_set1_epi16(1), _mm256_set1_epi8(i8::MIN));
    let together = if PAIRS == 0 { 1 } else { PAIRS };
    let mut panel = p.panel;
    // SAFETY: see above.
    unsafe {
        if p.accumulate {
            for (r, sum) in sums.iter_mut().enumerate() {
                let c = p.c.add(r * p.c_stride + p.half * 16);
                *sum = [_mm256_loadu_ps(c), _mm256_loadu_ps(c.add(8))];
            }
        }
        for g in 0..p.groups {
            let mut dots = [[_mm256_setzero_si256(); 2]; R];
            let codes = p.codes.add(g * STEPS * 4);
            for first in (0..STEPS).step_by(together) {
                let mut short = [[_mm256_setzero_si256(); 2]; R];
                for step in first..first + together {
                    for v in 0..2 {
                        let word = panel.add((p.half * STEPS + step) * 16 + v * 8).cast();
                        let mut word: __m256i = _mm256_loadu_si256(word);
                        if PAIRS == 0 {
                            word = _mm256_xor_si256(word, sign);
                        }
                        for (r, short) in short.iter_mut().enumerate() {
                            let four = codes.add(r * p.inner + step * 4).cast::<[u8; 4]>();
                            let x = _mm256_set1_epi32(i32::from_ne_bytes(four.read()));
                            let product = if PAIRS == 0 {
                                let x = _mm256_sign_epi8(x, word);
                                _mm256_maddubs_epi16(_mm256_abs_epi8(word), x)
                            } else {
                                _mm256_maddubs_epi16(word, x)
                            };
                            short[v] = _mm256_add_epi16(short[v], product);
                        }
                    }
                }
                for (dot, short) in dots.iter_mut().zip(&short) {
                    for (dot, short) in dot.iter_mut().zip(short) {
                        *dot = _mm256_add_epi32(*dot, _mm256_madd_epi16(*short, ones));
                    }
                }
            }
            let floats = panel.add(STEPS * PANEL + p.half * 16);
            for v in 0..2 {
                let scales = _mm256_loadu_ps(floats.add(v * 8));
                let minima = _mm256_loadu_ps(floats.add(PANEL + v * 8));
                for (r, (sum, dot)) in sums.iter_mut().zip(&dots).enumerate() {
                    let mut dot = dot[v];
                    if PAIRS == 0 {
                        let totals = p.totals.add((r * p.inner + g * STEPS * 4) / 16);
                        let total = *totals + if STEPS == 8 { *totals.add(1) } else { 0 };
                        dot = _mm256_add_epi32(dot, _mm256_set1_epi32(128 * total));
                    }
                    let scale = *p.scales.add(r * scale_stride + g * STEPS * 4 / GROUP);
                    let row_sum = *p.sums.add(r * sum_stride + g);
                    let dot = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), scales);
                    let s = _mm256_fmadd_ps(dot, _mm256_set1_ps(scale), sum[v]);
                    sum[v] = _mm256_fmadd_ps(minima, _mm256_set1_ps(row_sum), s);
                }
            }
            panel = panel.add(group_length(4 * STEPS));
        }
        for (r, sum) in sums.iter().enumerate() {
            let c = p.c.add(r * p.c_stride + p.half * 16);
            _mm256_storeu_ps(c, sum[0]);
            _mm256_storeu_ps(c.add(8), sum[1]);
        }
    }
}

/// Groups of at most `most` rows, each with the panel, for `run` with the number of rows.
#[inline(always)]
#[expect(clippy::inline_always, reason = "its closure is the kernel")]
fn parts(
    rows: &EightBitRows,
    panel: PanelPart<'_>,
    most: usize,
    c: &mut [f32],
    c_stride: usize,
    run: impl Fn(usize, &Part),
) {
    let (inner, group) = (rows.inner, panel.coding.group);
    let sums = if group == GROUP {
        &rows.sums
    } else {
        &rows.half_sums
    };
    for (first, count) in pieces(rows.rows, most) {
        let part = Part {
            groups: panel.groups(),
            codes: rows.codes[first * inner + panel.first..].as_ptr(),
            inner,
            scales: rows.scales[(first * inner + panel.first) / GROUP..].as_ptr(),
            sums: sums[(first * inner + panel.first) / group..].as_ptr(),
            totals: rows.totals[(first * inner + panel.first) / 16..].as_ptr(),
            panel: panel.data.as_ptr(),
            accumulate: panel.first > 0,
            c: c[first * c_stride..].as_mut_ptr(),
            c_stride,
            half: 0,
        };
        run(count, &part);
    }
}

pub(super) fn avx512(rows: &EightBitRows, panel: PanelPart<'_>, c: &mut [f32], c_stride: usize) {
    let run = |count, part: &Part| {
        // SAFETY: the caller detected the instructions and checked the lengths.
        unsafe {
            match (count, panel.coding.group == GROUP) {
                (1, true) => avx512_rows::<1, 8>(part),
                (2, true) => avx512_rows::<2, 8>(part),
                (3, true) => avx512_rows::<3, 8>(part),
                (4, true) => avx512_rows::<4, 8>(part),
                (5, true) => avx512_rows::<5, 8>(part),
                (_, true) => avx512_rows::<6, 8>(part),
                (1, false) => avx512_rows::<1, 4>(part),
                (2, false) => avx512_rows::<2, 4>(part),
                (3, false) => avx512_rows::<3, 4>(part),
                (4, false) => avx512_rows::<4, 4>(part),
                (5, false) => avx512_rows::<5, 4>(part),
                (_, false) => avx512_rows::<6, 4>(part),
            }
        }
    };
    parts(rows, panel, AVX512_ROWS, c, c_stride, run);
}

pub(super) fn avx2(rows: &EightBitRows, panel: PanelPart<'_>, c: &mut [f32], c_stride: usize) {
    let run = |count, part: &Part| {
        for half in 0..2 {
            let part = Part { half, ..*part };
            // SAFETY: the caller detected the instructions and checked the lengths.
            unsafe {
                match (panel.coding.group == GROUP, panel.coding.largest) {
                    (true, ..=15) => avx2_rows_of::<8, 8>(count, &part),
                    (true, ..=31) => avx2_rows_of::<8, 4>(count, &part),
                    (true, ..=63) => avx2_rows_of::<8, 2>(count, &part),
                    (true, ..=127) => avx2_rows_of::<8, 1>(count, &part),
                    (true, _) => avx2_rows_of::<8, 0>(count, &part),
                    (false, ..=63) => avx2_rows_of::<4, 2>(count, &part),
                    (false, _) => avx2_rows_of::<4, 0>(count, &part),
                }
            }
        }
    };
    parts(rows, panel, AVX2_ROWS, c, c_stride, run);
}

/// # Safety
/// As for [`avx512_rows`].
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_rows_of<const STEPS: usize, const PAIRS: usize>(count: usize, part: &Part) {
    // SAFETY: as the caller promises.
    unsafe {
        match count {
            1 => avx2_rows::<1, STEPS, PAIRS>(part),
            _ => avx2_rows::<2, STEPS, PAIRS>(part),
        }
    }
}

//! One panel times all rows.

use super::panels::{EightBitPanels, group_length};
use super::rows::{EightBitRows, GROUP};
use crate::gguf::Coding;
use crate::kernels::{Level, PANEL};

impl EightBitPanels {
    /// `c[r, panel] = rows[r, :] * weights[panel, :]^T`, `c` starting at the panel's columns.
    pub(crate) fn multiply_one(
        &self,
        level: Level,
        panel: usize,
        rows: &EightBitRows,
        c: &mut [f32],
        c_stride: usize,
    ) {
        let part = PanelPart {
            data: self.panel(panel),
            coding: self.coding,
            first: 0,
        };
        multiply_eight_bit(level, rows, part, c, c_stride);
    }
}

/// A panel, or some groups of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PanelPart<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) coding: Coding,
    /// The first input it covers, at the begin of a group.
    pub(crate) first: usize,
}

impl PanelPart<'_> {
    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.data.len() / group_length(self.coding.group)
    }
}

/// `c[r, 0..32] = rows[r, :] * panel`, rows of `c` `c_stride` apart. A part of a panel is
/// multiplied with its inputs, and added to `c` unless it is the first.
///
/// Every output is the sum over groups, in order, of `(scale * dot) * row scale` and
/// `minimum * row sum`, each added by a fused multiply-add; `dot` is an exact integer.
pub(crate) fn multiply_eight_bit(
    level: Level,
    rows: &EightBitRows,
    panel: PanelPart<'_>,
    c: &mut [f32],
    c_stride: usize,
) {
    if rows.rows == 0 {
        return;
    }
    let group = panel.coding.group;
    assert!(group == GROUP || group == GROUP / 2, "a group");
    assert!(panel.first.is_multiple_of(GROUP), "first input");
    let last = panel.first + panel.groups() * group;
    assert!(last <= rows.inner, "inputs of a panel");
    assert!(c.len() >= (rows.rows - 1) * c_stride + PANEL, "rows of c");
    #[cfg(target_arch = "x86_64")]
    match level {
        Level::Avx512 if is_x86_feature_detected!("avx512vnni") => {
            return super::x86::avx512(rows, panel, c, c_stride);
        }
        Level::Avx512 | Level::Avx2 => return super::x86::avx2(rows, panel, c, c_stride),
        Level::Scalar => {}
    }
    let _ = level;
    scalar(rows, panel, c, c_stride);
}

/// The reference, and what runs where there is no SIMD kernel.
fn scalar(rows: &EightBitRows, panel: PanelPart<'_>, c: &mut [f32], c_stride: usize) {
    let group = panel.coding.group;
    for r in 0..rows.rows {
        let out = &mut c[r * c_stride..][..PANEL];
        if panel.first == 0 {
            out.fill(0.0);
        }
        let codes = rows.codes[r * rows.inner..][panel.first..rows.inner].chunks_exact(group);
        let groups = panel.data.chunks_exact(group_length(group)).zip(codes);
        for (g, (groups, x)) in (panel.first / group..).zip(groups) {
            let (codes, floats) = groups.split_at(PANEL * group / 4);
            let codes: &[u8] = bytemuck::cast_slice(codes);
            let (scales, minima) = floats.split_at(PANEL);
            let scale = rows.scales[(r * rows.inner + g * group) / GROUP];
            let sum = if group == GROUP {
                rows.sums[r * (rows.inner / GROUP) + g]
            } else {
                rows.half_sums[r * (rows.inner / group) + g]
            };
            for (o, out) in out.iter_mut().enumerate() {
                let first = o / 16 * 16 * group + o % 16 * 4;
                let dot: i32 = x
                    .iter()
                    .enumerate()
                    .map(|(i, x)| i32::from(*x) * i32::from(codes[first + i / 4 * 64 + i % 4]))
                    .sum();
                // At most 32 * 127 * 255: exact as a float.
                *out = (dot as f32 * scales[o]).mul_add(scale, *out);
                *out = minima[o].mul_add(sum, *out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::Rows;

    struct Case {
        rows: EightBitRows,
        panel: Vec<f32>,
        coding: Coding,
    }

    fn case(groups: usize, rows: usize, coding: Coding, seed: u32) -> Case {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let inner = groups * GROUP;
        let mut unit = || next() as f32 / 8_388_608.0 - 1.0;
        let data: Vec<f32> = (0..rows * inner).map(|_| unit()).collect();
        let mut eight_bit = EightBitRows::default();
        let input = Rows {
            data: &data,
            rows,
            stride: inner,
        };
        eight_bit.round(input, inner);
        let mut panel = vec![0.0; coding.panel_length(inner)];
        for part in panel.chunks_exact_mut(group_length(coding.group)) {
            let (codes, floats) = part.split_at_mut(PANEL * coding.group / 4);
            for x in floats.iter_mut() {
                *x = unit();
            }
            // Often the largest code, where sums could overflow.
            let codes: &mut [u8] = bytemuck::cast_slice_mut(codes);
            for code in codes {
                let x = unit();
                *code = if x > 0.5 {
                    coding.largest
                } else {
                    ((x + 1.0) / 1.5 * f32::from(coding.largest)) as u8
                };
            }
        }
        Case {
            rows: eight_bit,
            panel,
            coding,
        }
    }

    proptest! {
        #[test]
        fn every_level_gives_the_same_bits(
            groups in 1usize..9, rows in 1usize..=15, which in 0usize..5, seed: u32, extra in 0usize..5,
            split in 1usize..9,
        ) {
            let (group, largest) = [(32, 15), (32, 31), (16, 63), (32, 127), (32, 255)][which];
            let Case { rows, panel, coding } = case(groups, rows, Coding { group, largest }, seed);
            let stride = PANEL + extra;
            let run = |level| {
                let mut c = vec![7.0; rows.rows * stride];
                // In two parts, as weights in a file are multiplied.
                let middle = split.min(groups) * GROUP;
                let (data, rest) = panel.split_at(coding.panel_length(middle));
                for (data, first) in [(data, 0), (rest, middle)] {
                    if first < groups * GROUP && !data.is_empty() {
                        let part = PanelPart { data, coding, first };
                        multiply_eight_bit(level, &rows, part, &mut c, stride);
                    }
                }
                c.iter().map(|x: &f32| x.to_bits()).collect::<Vec<_>>()
            };
            let expected = run(Level::Scalar);
            prop_assert_eq!(&run(Level::detect()), &expected);
            if Level::detect() == Level::Avx512 {
                prop_assert_eq!(&run(Level::Avx2), &expected);
            }
        }
    }

    #[test]
    fn a_product_of_changed_weights_is_near_that_of_floats() {
        let (inner, outputs, count) = (320, 37, 5);
        let wave = |i: usize, f: f32| (i as f32 * f).sin();
        let weights: Vec<f32> = (0..outputs * inner).map(|i| wave(i, 0.71)).collect();
        let input: Vec<f32> = (0..count * inner).map(|i| wave(i, 0.37)).collect();
        let panels = EightBitPanels::round(&weights, inner);
        assert_eq!(panels.padded_outputs(), 64);
        let mut rows = EightBitRows::default();
        let left = Rows {
            data: &input,
            rows: count,
            stride: inner,
        };
        rows.round(left, inner);
        let mut c = vec![7.0; count * 64];
        for panel in 0..2 {
            panels.multiply_one(Level::detect(), panel, &rows, &mut c[panel * PANEL..], 64);
        }
        for (r, line) in c.chunks_exact(64).enumerate() {
            for (o, got) in line.iter().enumerate() {
                let at = |i: usize| weights.get(o * inner + i).filter(|_| o < outputs);
                let expected: f32 = (0..inner)
                    .map(|i| input[r * inner + i] * at(i).unwrap_or(&0.0))
                    .sum();
                // Errors of 1/254 of the largest element, in random directions.
                assert!((got - expected).abs() < 0.2, "{r}, {o}: {got}, {expected}");
            }
        }
    }
}

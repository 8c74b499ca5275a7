//! The rotary position embedding (Su et al. 2021).

use super::{ModelConfig, RopePairs};

/// Cosines and sines for one kind of layer: row `p` holds `rope_dims / 2` pairs for position `p`.
#[derive(Debug)]
pub(crate) struct RopeTable {
    pairs: RopePairs,
    half: usize,
    table: Vec<(f32, f32)>,
}

impl RopeTable {
    /// The table of global layers, or of `local` ones, for the positions `0..positions`.
    pub(crate) fn new(config: &ModelConfig, local: bool, positions: usize) -> Self {
        let half = config.rope_dims / 2;
        let (base, scale) = if local {
            (config.local_rope_base, 1.0)
        } else {
            (config.rope_base, config.rope_scale)
        };
        let mut table = Vec::with_capacity(positions * half);
        for position in 0..positions {
            for j in 0..half {
                let exponent = -2.0 * j as f64 / config.rope_dims as f64;
                let factors = config.rope_factors.as_ref();
                let factor = factors.map_or(1.0, |f| f64::from(f[j]));
                let angle = position as f64 * scale * base.powf(exponent) / factor;
                table.push((angle.cos() as f32, angle.sin() as f32));
            }
        }
        Self {
            pairs: config.architecture.rope_pairs,
            half,
            table,
        }
    }

    /// Rotates one head in place.
    pub(crate) fn rotate(&self, head: &mut [f32], position: usize) {
        let row = &self.table[position * self.half..(position + 1) * self.half];
        match self.pairs {
            RopePairs::Adjacent => {
                for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(row) {
                    let (a, b) = (pair[0], pair[1]);
                    pair[0] = a * cos - b * sin;
                    pair[1] = a * sin + b * cos;
                }
            }
            RopePairs::Halves => {
                let (low, high) = head.split_at_mut(self.half);
                for ((x, y), (cos, sin)) in low.iter_mut().zip(high).zip(row) {
                    let (a, b) = (*x, *y);
                    *x = a * cos - b * sin;
                    *y = a * sin + b * cos;
                }
            }
        }
    }

    /// The inverse rotation, which is also the gradient's way back.
    pub(crate) fn rotate_back(&self, head: &mut [f32], position: usize) {
        let row = &self.table[position * self.half..(position + 1) * self.half];
        match self.pairs {
            RopePairs::Adjacent => {
                for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(row) {
                    let (a, b) = (pair[0], pair[1]);
                    pair[0] = a * cos + b * sin;
                    pair[1] = b * cos - a * sin;
                }
            }
            RopePairs::Halves => {
                let (low, high) = head.split_at_mut(self.half);
                for ((x, y), (cos, sin)) in low.iter_mut().zip(high).zip(row) {
                    let (a, b) = (*x, *y);
                    *x = a * cos + b * sin;
                    *y = b * cos - a * sin;
                }
            }
        }
    }
}

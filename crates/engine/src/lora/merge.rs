//! The weight of a linear layer with its adapter merged in.

use super::Adapter;
use crate::kernels::{View, gemm, scale_in_place, sum_of_squares};
use crate::{EngineError, Linear, Model};

/// Rows dequantized at once to measure them.
const ROWS: usize = 64;

impl Adapter {
    /// Whether merging changes this linear layer at all.
    pub(crate) fn changes(&self, layer: usize, linear: Linear) -> bool {
        let layout = &self.layout;
        let ranges = [layout.b(layer, linear), layout.magnitudes(layer, linear)];
        ranges
            .into_iter()
            .any(|range| self.values[range].iter().any(|x| *x != 0.0))
    }

    /// Merges into a whole row-major `[outputs, inputs]` weight.
    pub(crate) fn merge_into(&self, layer: usize, linear: Linear, weight: &mut [f32]) {
        self.merge_rows(layer, linear, 0, weight);
    }

    /// Merges into the rows of a weight from `first` on: adds `scale * B A`, and with DoRA then
    /// brings each row to its magnitude (Liu et al. 2024, equation 5).
    pub(crate) fn merge_rows(
        &self,
        layer: usize,
        linear: Linear,
        first: usize,
        weight: &mut [f32],
    ) {
        let layout = &self.layout;
        let (inputs, rank) = (layout.shape(linear).1, layout.rank);
        let magnitudes = &self.values[layout.magnitudes(layer, linear)];
        if layout.has_magnitudes() && magnitudes.iter().all(|m| *m == 0.0) {
            return;
        }
        let rows = weight.len() / inputs;
        let a = View::new(&self.values[layout.a(layer, linear)], rank, inputs, inputs);
        let b = &self.values[layout.b(layer, linear)][first * rank..];
        let b = View::new(b, rows, rank, rank);
        gemm(weight, inputs, b, a, layout.scale(), true);
        let magnitudes = magnitudes.iter().skip(first);
        for (row, magnitude) in weight.chunks_exact_mut(inputs).zip(magnitudes) {
            let length = sum_of_squares(row).sqrt();
            // A row of nothing has no direction: it stays nothing, where PEFT would get NaN.
            scale_in_place(
                row,
                if length > 0.0 {
                    magnitude / length
                } else {
                    0.0
                },
            );
        }
    }

    /// Gives every linear layer without magnitudes those of the base's rows, so that a DoRA adapter
    /// changes nothing there yet and can be trained. A plain adapter stays as it is.
    ///
    /// # Errors
    /// [`EngineError::Input`] for an adapter of another model's shape.
    pub fn fill_magnitudes(&mut self, model: &Model) -> Result<(), EngineError> {
        self.check(&model.config)?;
        if !self.layout.has_magnitudes() {
            return Ok(());
        }
        for layer in 0..self.layout.layers() {
            for linear in self.layout.linears() {
                let magnitudes = &mut self.values[self.layout.magnitudes(layer, *linear)];
                if magnitudes.iter().all(|m| *m == 0.0) {
                    row_lengths(model, layer, *linear, magnitudes)?;
                }
            }
        }
        Ok(())
    }
}

/// Euclidean lengths of the base weight's rows.
fn row_lengths(
    model: &Model,
    layer: usize,
    linear: Linear,
    out: &mut [f32],
) -> Result<(), EngineError> {
    let info = model.config.linear(&model.file, layer, linear)?;
    let inputs = info.columns();
    let mut rows = vec![0.0; ROWS * inputs];
    for (i, out) in out.chunks_mut(ROWS).enumerate() {
        let rows = &mut rows[..out.len() * inputs];
        model.file.read_rows(info, i * ROWS, out.len(), rows);
        for (row, out) in rows.chunks_exact(inputs).zip(out) {
            *out = sum_of_squares(row).sqrt();
        }
    }
    Ok(())
}

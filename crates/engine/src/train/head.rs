//! The output head: log-probabilities of target tokens, and the way back from them. Logits are
//! computed only for rows that predict a completion token, a few rows at a time.

use super::coded::{Coded, CodedBuffers};
use super::norms;
use super::tree::{Shard, Target};
use super::weights::Frozen;
use super::whole::{NormPlace, Whole};
use crate::ModelConfig;
use crate::kernels::{
    PanelBuffers, View, exp_in_place, gemm, max_of, multiply_by_panels, scale_in_place, soft_cap,
    soft_cap_backward,
};
use crate::profile::{LayerKind, timed};

/// Most rows whose logits exist at once: a whole vocabulary of f32 each.
const ROWS: usize = 128;
/// Most logits that exist at once, if that is less: 64 MiB.
const LOGITS: usize = 16 << 20;

/// Buffers of the head, kept between calls.
#[derive(Debug, Default)]
pub(super) struct HeadBuffers {
    normed: Vec<f32>,
    logits: Vec<f32>,
    capped: Vec<f32>,
    panels: PanelBuffers,
    coded: CodedBuffers,
    d_normed: Vec<f32>,
    /// Indices of targets, in the order of their rows.
    order: Vec<usize>,
}

/// The output head over a shard's output rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) frozen: &'a Frozen,
    /// The weights in codes, where they are held so.
    pub(super) coded: Option<&'a Coded>,
    pub(super) shard: &'a Shard,
    /// The last block's output at the shard's output rows, `[outputs][hidden]`.
    pub(super) stream: &'a [f32],
}

impl Head<'_> {
    /// The log-probability of every target of the shard.
    pub(super) fn log_probabilities(&self, buffers: &mut HeadBuffers) -> Vec<f64> {
        self.pass(None, None, buffers)
    }

    /// As [`Head::log_probabilities`]; adds to `d_stream` the gradient of
    /// `sum over targets of weights[target] * log-probability`, and where all parameters are
    /// trained to `whole` that of the head and its norm.
    pub(super) fn backward(
        &self,
        weights: &[f32],
        d_stream: &mut [f32],
        whole: Option<(&Whole, &mut [f32])>,
        buffers: &mut HeadBuffers,
    ) -> Vec<f64> {
        self.pass(Some((weights, d_stream)), whole, buffers)
    }

    fn pass(
        &self,
        mut back: Option<(&[f32], &mut [f32])>,
        mut whole: Option<(&Whole, &mut [f32])>,
        buffers: &mut HeadBuffers,
    ) -> Vec<f64> {
        let _timing = timed(LayerKind::Head);
        let (config, targets) = (self.config, &self.shard.targets);
        let hidden = config.hidden;
        let rows = self.stream.len() / hidden;
        let mut log_probabilities = vec![0.0; targets.len()];
        let mut order = std::mem::take(&mut buffers.order);
        order.clear();
        order.extend(0..targets.len());
        order.sort_by_key(|t| (targets[*t].output, *t));
        let mut rest = order.as_slice();
        let step = (LOGITS / config.vocabulary).clamp(1, ROWS);
        for from in (0..rows).step_by(step) {
            let to = (from + step).min(rows);
            let here = rest.partition_point(|t| targets[*t].output < to);
            let (chunk, after) = rest.split_at(here);
            rest = after;
            self.logits(from, to, buffers);
            let lines = buffers.logits.chunks_exact_mut(config.vocabulary);
            let mut of_chunk = chunk;
            for (output, line) in (from..to).zip(lines) {
                let here = of_chunk.partition_point(|t| targets[*t].output <= output);
                let (of_row, after) = of_chunk.split_at(here);
                of_chunk = after;
                let weights = back.as_ref().map(|(weights, _)| *weights);
                row(line, of_row, targets, weights, &mut log_probabilities);
            }
            if let Some((_, d_stream)) = &mut back {
                self.chunk_backward(from, to, d_stream, buffers);
                if let Some((whole, gradient)) = &mut whole {
                    self.whole_gradient(from, to, whole, buffers, gradient);
                }
            }
        }
        buffers.order = order;
        log_probabilities
    }

    /// Scaled and capped logits of the output rows `from..to`.
    fn logits(&self, from: usize, to: usize, buffers: &mut HeadBuffers) {
        let config = self.config;
        let (hidden, vocabulary) = (config.hidden, config.vocabulary);
        let rows = &self.stream[from * hidden..to * hidden];
        norms::forward(config, &self.frozen.norm, rows, &mut buffers.normed);
        buffers.logits.resize((to - from) * vocabulary, 0.0);
        scale_in_place(&mut buffers.normed, config.logit_scale);
        let normed = View::new(&buffers.normed, to - from, hidden, hidden);
        let logits = &mut buffers.logits;
        let coded = self.coded.filter(|coded| coded.has_head());
        if let Some(coded) = coded {
            coded.logits(normed, logits, &mut buffers.coded);
        } else {
            let (head, panels) = (self.frozen.head_forward(), &mut buffers.panels);
            multiply_by_panels(normed, head, vocabulary, logits, vocabulary, panels);
        }
        if let Some(cap) = config.logit_cap {
            soft_cap(logits, cap);
            buffers.capped.clone_from(logits);
        }
    }

    /// From the gradient of a chunk's logits, which stands in `buffers.logits`, to `d_stream`.
    fn chunk_backward(
        &self,
        from: usize,
        to: usize,
        d_stream: &mut [f32],
        buffers: &mut HeadBuffers,
    ) {
        let config = self.config;
        let (hidden, vocabulary) = (config.hidden, config.vocabulary);
        if let Some(cap) = config.logit_cap {
            soft_cap_backward(&buffers.capped, cap, &mut buffers.logits);
        }
        buffers.d_normed.resize((to - from) * hidden, 0.0);
        let d_logits = View::new(&buffers.logits, to - from, vocabulary, vocabulary);
        let d_normed = &mut buffers.d_normed;
        if let Some(coded) = self.coded.filter(|coded| coded.has_head()) {
            coded.logits_backward(d_logits, d_normed, &mut buffers.coded);
        } else {
            let (head, panels) = (self.frozen.head_backward(), &mut buffers.panels);
            multiply_by_panels(d_logits, head, hidden, d_normed, hidden, panels);
        }
        scale_in_place(d_normed, config.logit_scale);
        let rows = &self.stream[from * hidden..to * hidden];
        let d_rows = &mut d_stream[from * hidden..to * hidden];
        norms::backward(config, &self.frozen.norm, rows, d_normed, d_rows);
    }
}

impl Head<'_> {
    /// Adds the gradients of the head and of the norm before it, after [`Head::chunk_backward`].
    fn whole_gradient(
        &self,
        from: usize,
        to: usize,
        whole: &Whole,
        buffers: &HeadBuffers,
        gradient: &mut [f32],
    ) {
        let (rows, hidden) = (to - from, self.config.hidden);
        let vocabulary = self.config.vocabulary;
        let d_logits = View::new(&buffers.logits, rows, vocabulary, vocabulary);
        let normed = View::new(&buffers.normed, rows, hidden, hidden);
        let d_head = &mut gradient[whole.head()];
        // `normed` is already times the logit scale.
        gemm(d_head, hidden, d_logits.transposed(), normed, 1.0, true);
        let x = &self.stream[from * hidden..to * hidden];
        let (norm, d) = (&self.frozen.norm, &buffers.d_normed);
        whole.norm_gradient(NormPlace::Output, self.config, norm, x, d, gradient);
    }
}

/// Log-probabilities of a row's targets; with weights, replaces the row's logits by their gradient.
fn row(
    logits: &mut [f32],
    of_row: &[usize],
    targets: &[Target],
    weights: Option<&[f32]>,
    log_probabilities: &mut [f64],
) {
    let max = max_of(logits);
    for target in of_row {
        let token = targets[*target].token as usize;
        log_probabilities[*target] = f64::from(logits[token] - max);
    }
    let sum = exp_in_place(logits, max, 1.0);
    for target in of_row {
        log_probabilities[*target] -= f64::from(sum).ln();
    }
    if let Some(weights) = weights {
        let total: f32 = of_row.iter().map(|t| weights[*t]).sum();
        scale_in_place(logits, -total / sum);
        for target in of_row {
            logits[targets[*target].token as usize] += weights[*target];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::{assert_gradient, wave};
    use crate::train::tree::Sequence;

    #[test]
    fn log_probabilities_match_finite_differences_with_scale_and_cap() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
        let model = crate::Model::open(&path).unwrap();
        let frozen = Frozen::new(&model, 8).unwrap();
        let mut config = model.config.clone();
        config.logit_scale = 3.0;
        let tokens: [&[u32]; 2] = [&[5, 6, 7, 8], &[5, 6, 9]];
        let sequences = tokens.map(|tokens| Sequence {
            tokens,
            prompt_tokens: 1,
        });
        let shard = Shard::new(&sequences);
        let stream = wave(shard.outputs.len() * config.hidden, 0.7, 1.0);
        let weights = wave(shard.targets.len(), 1.9, 1.0);
        for cap in [None, Some(2.0)] {
            config.logit_cap = cap;
            let frozen = &frozen;
            let head = Head {
                config: &config,
                frozen,
                coded: None,
                shard: &shard,
                stream: &stream,
            };
            let mut buffers = HeadBuffers::default();
            let mut d = vec![0.0; stream.len()];
            let together = head.backward(&weights, &mut d, None, &mut buffers);
            assert_eq!(together, head.log_probabilities(&mut buffers));
            assert_gradient(&stream, &d, |stream| {
                let mut buffers = HeadBuffers::default();
                let values = Head { stream, ..head }.log_probabilities(&mut buffers);
                let weighted = values.iter().zip(&weights);
                weighted.map(|(v, w)| v * f64::from(*w)).sum()
            });
        }
    }
}

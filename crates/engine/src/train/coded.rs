//! Frozen weights as small integers, with the adapter beside them instead of merged in.
//!
//! Forward, a product is the one that sampling computes: stored codes times activations rounded to
//! eight bits, so that the loss is that of the model which wrote the rationales. On the way back the
//! transposed weights are rounded to 128 steps over 32 neighbours, and gradients to eight bits. What
//! is trained stays f32: the adapter's own products, its gradients, and the optimizer. As in QLoRA
//! (Dettmers et al. 2023), the gradient flows through a quantized base into an adapter that is not.

use super::weights::{Group, load, release};
use crate::gguf::{Coding, TensorInfo};
use crate::kernels::{EightBitPanels, EightBitRows, Level, PANEL, View};
use crate::profile::{self, LayerKind, timed};
use crate::{Adapter, AdapterLayout, EngineError, Model};

/// Rows that are multiplied at once: their codes and a panel's stay in the second-level cache.
const BLOCK: usize = 192;

/// A matrix in codes.
#[derive(Debug)]
struct Both {
    /// `[outputs][inputs]`, one for each tensor.
    forward: Vec<EightBitPanels>,
    /// `[inputs][outputs of all tensors]`.
    backward: EightBitPanels,
}

/// All matrices of a model in codes. They never change.
#[derive(Debug)]
pub(super) struct Coded {
    layers: Vec<[Both; 4]>,
    head: Option<Both>,
}

/// Buffers of products with codes, kept between calls.
#[derive(Debug, Default)]
pub(super) struct CodedBuffers {
    rows: EightBitRows,
}

impl Coded {
    /// Reads a model, each of `threads` threads its share of the layers; nothing if a matrix of a
    /// layer is not quantized, or its sides do not fill groups and panels.
    pub(super) fn new(model: &Model, threads: usize) -> Result<Option<Self>, EngineError> {
        if !fits(model)? {
            return Ok(None);
        }
        let layers: Vec<usize> = (0..model.config.layers).collect();
        let share = layers.len().div_ceil(threads.max(1)).max(1);
        let layers = std::thread::scope(|scope| {
            let workers: Vec<_> = layers
                .chunks(share)
                .map(|layers| {
                    scope.spawn(move || {
                        let of_layer = |layer: &usize| code_layer(model, *layer);
                        layers.iter().map(of_layer).collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut all = Vec::new();
            for worker in workers {
                all.extend(worker.join().map_err(|_| EngineError::Worker)??);
            }
            Ok::<_, EngineError>(all)
        })?;
        Ok(Some(Self {
            layers,
            head: code_head(model)?,
        }))
    }

    /// True if the output head is in codes, too.
    pub(super) fn has_head(&self) -> bool {
        self.head.is_some()
    }

    /// `out = input W^T` for a group of linear layers; `out` is `[rows][outputs]` without gaps.
    pub(super) fn forward(
        &self,
        layer: usize,
        group: Group,
        input: View<'_>,
        out: &mut [f32],
        buffers: &mut CodedBuffers,
    ) {
        multiply(
            &self.layers[layer][group as usize].forward,
            input,
            out,
            buffers,
        );
    }

    /// `d_input = d_output W`.
    pub(super) fn backward(
        &self,
        layer: usize,
        group: Group,
        d_output: View<'_>,
        d_input: &mut [f32],
        buffers: &mut CodedBuffers,
    ) {
        let weights = &self.layers[layer][group as usize].backward;
        multiply(std::slice::from_ref(weights), d_output, d_input, buffers);
    }

    /// Logits, `[rows][vocabulary]`, if the head is in codes.
    pub(super) fn logits(&self, rows: View<'_>, out: &mut [f32], buffers: &mut CodedBuffers) {
        if let Some(head) = &self.head {
            multiply(&head.forward, rows, out, buffers);
        }
    }

    /// The way back from the gradient of logits, if the head is in codes.
    pub(super) fn logits_backward(
        &self,
        d_logits: View<'_>,
        out: &mut [f32],
        buffers: &mut CodedBuffers,
    ) {
        if let Some(head) = &self.head {
            let weights = std::slice::from_ref(&head.backward);
            multiply(weights, d_logits, out, buffers);
        }
    }
}

/// `c = a W^T` for tensors below each other; rows of `c` are as long as all of them.
fn multiply(tensors: &[EightBitPanels], a: View<'_>, c: &mut [f32], buffers: &mut CodedBuffers) {
    let (level, rows, inner) = (Level::detect(), a.rows(), a.columns());
    let stride: usize = tensors.iter().map(EightBitPanels::padded_outputs).sum();
    profile::count(2 * (rows * inner * stride) as u64);
    for first in (0..rows).step_by(BLOCK) {
        {
            let _timing = timed(LayerKind::Rounding);
            buffers.rows.round(a.rows_from(first, BLOCK), inner);
        }
        let c = &mut c[first * stride..];
        let mut column = 0;
        for tensor in tensors {
            for panel in 0..tensor.padded_outputs() / PANEL {
                tensor.multiply_one(level, panel, &buffers.rows, &mut c[column..], stride);
                column += PANEL;
            }
        }
    }
}

/// Most weights that are held in codes: two and a half bytes each, in both orders.
const MOST_CODED: usize = 1 << 30;

/// How the weights of a matrix are coded as they are stored.
fn coding(info: &TensorInfo) -> Option<Coding> {
    let coding = info.tensor_type.coding();
    coding.filter(|_| !info.conversion.plus_one)
}

/// True if every matrix of every layer can be held in codes.
fn fits(model: &Model) -> Result<bool, EngineError> {
    let config = &model.config;
    let shapes = config.linears().iter().map(|linear| config.shape(*linear));
    let weights: usize = shapes.map(|(o, i)| o * i).sum();
    if weights.saturating_mul(config.layers) > MOST_CODED {
        return Ok(false);
    }
    for layer in 0..config.layers {
        for linear in config.linears() {
            let info = config.linear(&model.file, layer, *linear)?;
            let (outputs, inputs) = config.shape(*linear);
            let whole = outputs.is_multiple_of(PANEL) && inputs.is_multiple_of(PANEL);
            if coding(info).is_none() || !whole {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn code_layer(model: &Model, layer: usize) -> Result<[Both; 4], EngineError> {
    let nothing = Adapter {
        layout: AdapterLayout::new(&model.config, 0, 0.0),
        values: Vec::new(),
    };
    let mut matrix = Vec::new();
    let mut of_group = |group: Group| {
        let mut forward = Vec::new();
        for linear in group.linears(&model.config) {
            let info = model.config.linear(&model.file, layer, linear)?;
            forward.extend(coding(info).map(|c| EightBitPanels::read(&model.file, info, c)));
        }
        load(model, &nothing, layer, group, &mut matrix)?;
        let inputs = group.inputs(&model.config);
        release(model, layer, group)?;
        Ok(Both {
            forward,
            backward: transposed(&matrix, inputs),
        })
    };
    let [a, b, c, d] = Group::ALL;
    Ok([of_group(a)?, of_group(b)?, of_group(c)?, of_group(d)?])
}

/// The output head, if it can be held in codes.
fn code_head(model: &Model) -> Result<Option<Both>, EngineError> {
    let (config, file) = (&model.config, &model.file);
    let info = config.head(file)?;
    let whole = config.vocabulary.is_multiple_of(PANEL) && config.hidden.is_multiple_of(PANEL);
    let Some(coding) = coding(info).filter(|_| whole) else {
        return Ok(None);
    };
    Ok(Some(Both {
        forward: vec![EightBitPanels::read(file, info, coding)],
        backward: transposed(&file.read(info), config.hidden),
    }))
}

/// A row-major matrix `[outputs][inputs]`, transposed and rounded.
fn transposed(matrix: &[f32], inputs: usize) -> EightBitPanels {
    let outputs = matrix.len() / inputs;
    let mut columns = vec![0.0; matrix.len()];
    for (o, row) in matrix.chunks_exact(inputs).enumerate() {
        for (i, weight) in row.iter().enumerate() {
            columns[i * outputs + o] = *weight;
        }
    }
    EightBitPanels::round(&columns, outputs)
}

//! Frozen weights as small integers, with the adapter beside them instead of merged in.
//!
//! Forward, a product is the one that sampling computes: stored codes times activations rounded to
//! eight bits, so that the loss is that of the model which wrote the rationales. On the way back the
//! transposed weights are rounded to 128 steps over 32 neighbours, and gradients to eight bits. What
//! is trained stays f32: the adapter's own products, its gradients, and the optimizer. As in QLoRA
//! (Dettmers et al. 2023), the gradient flows through a quantized base into an adapter that is not.
//! Models too large to be held twice stay in the file (`coded_stream.rs`).

use std::sync::Arc;

use super::coded_stream::{CodedStream, StreamBuffers};
use super::weights::{Group, linear_weights, load, release};
use crate::gguf::{Coding, TensorInfo};
use crate::kernels::{EightBitPanels, EightBitRows, Level, PANEL, View};
use crate::profile::{self, LayerKind, timed};
use crate::{Adapter, AdapterLayout, EngineError, Linear, Model, WeightStorage};

/// Rows that are multiplied at once: their codes and a panel's stay in the second-level cache.
const BLOCK: usize = 192;

/// Tensors below each other, in codes.
#[derive(Debug)]
enum Matrix {
    InMemory {
        /// `[outputs][inputs]`, one for each tensor.
        forward: Vec<EightBitPanels>,
        /// `[inputs][outputs of all tensors]`.
        backward: EightBitPanels,
    },
    InFile(CodedStream),
}

/// All matrices of a model in codes. They never change.
#[derive(Debug)]
pub(super) struct Coded {
    model: Arc<Model>,
    layers: Vec<[Matrix; 4]>,
    head: Option<Matrix>,
}

/// Buffers of products with codes, kept between calls.
#[derive(Debug, Default)]
pub(super) struct CodedBuffers {
    rows: EightBitRows,
    stream: StreamBuffers,
}

impl Coded {
    /// Reads a model, each of `threads` threads its share of the layers; nothing if a matrix of a
    /// layer is not quantized, or its sides do not fill groups and panels.
    pub(super) fn new(
        model: &Arc<Model>,
        threads: usize,
        storage: WeightStorage,
    ) -> Result<Option<Self>, EngineError> {
        if !is_coded(model)? {
            return Ok(None);
        }
        let in_memory = fits(model, storage);
        if !in_memory {
            model.file.populate();
        }
        let layers: Vec<usize> = (0..model.config.layers).collect();
        let share = layers.len().div_ceil(threads.max(1)).max(1);
        let layers = std::thread::scope(|scope| {
            let workers: Vec<_> = layers
                .chunks(share)
                .map(|layers| {
                    scope.spawn(move || {
                        let of_layer = |layer: &usize| code_layer(model, *layer, in_memory);
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
            head: code_head(model, in_memory)?,
            model: model.clone(),
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
        self.matrix_forward(&self.layers[layer][group as usize], input, out, buffers);
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
        let matrix = &self.layers[layer][group as usize];
        self.matrix_backward(matrix, d_output, d_input, buffers);
    }

    /// Logits, `[rows][vocabulary]`, if the head is in codes.
    pub(super) fn logits(&self, rows: View<'_>, out: &mut [f32], buffers: &mut CodedBuffers) {
        if let Some(head) = &self.head {
            self.matrix_forward(head, rows, out, buffers);
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
            self.matrix_backward(head, d_logits, out, buffers);
        }
    }

    fn matrix_forward(
        &self,
        matrix: &Matrix,
        rows: View<'_>,
        out: &mut [f32],
        buffers: &mut CodedBuffers,
    ) {
        match matrix {
            Matrix::InMemory { forward, .. } => multiply(forward, rows, out, buffers),
            Matrix::InFile(stream) => {
                let stride = buffers.round_all(rows, out.len());
                let CodedBuffers { rows, stream: own } = buffers;
                stream.forward(&self.model.file, rows, out, stride, own);
            }
        }
    }

    fn matrix_backward(
        &self,
        matrix: &Matrix,
        rows: View<'_>,
        out: &mut [f32],
        buffers: &mut CodedBuffers,
    ) {
        match matrix {
            Matrix::InMemory { backward, .. } => {
                multiply(std::slice::from_ref(backward), rows, out, buffers);
            }
            Matrix::InFile(stream) => {
                let stride = buffers.round_all(rows, out.len());
                let CodedBuffers { rows, stream: own } = buffers;
                stream.backward(&self.model.file, rows, out, stride, own);
            }
        }
    }
}

impl CodedBuffers {
    /// Rounds all rows; returns how long those of a product of so many elements are.
    fn round_all(&mut self, rows: View<'_>, product: usize) -> usize {
        let _timing = timed(LayerKind::Rounding);
        let (count, inner) = (rows.rows(), rows.columns());
        self.rows.round(rows.rows_from(0, count), inner);
        profile::count(2 * (inner * product) as u64);
        product / count.max(1)
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

/// True if every matrix of every layer is stored in codes, and its sides fill panels.
fn is_coded(model: &Model) -> Result<bool, EngineError> {
    let config = &model.config;
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

/// True if the matrices of all layers and the head are to be held in memory.
fn fits(model: &Model, storage: WeightStorage) -> bool {
    match storage {
        WeightStorage::Automatic => linear_weights(&model.config) <= MOST_CODED,
        WeightStorage::Packed => true,
        WeightStorage::Streamed => false,
    }
}

/// Tensors of one layer with their codings.
fn tensors(
    model: &Model,
    layer: usize,
    linears: impl Iterator<Item = Linear>,
) -> Result<Vec<(TensorInfo, Coding)>, EngineError> {
    let mut tensors = Vec::new();
    for linear in linears {
        let info = model.config.linear(&model.file, layer, linear)?;
        tensors.extend(coding(info).map(|coding| (info.clone(), coding)));
    }
    Ok(tensors)
}

fn code_layer(model: &Model, layer: usize, in_memory: bool) -> Result<[Matrix; 4], EngineError> {
    let nothing = Adapter {
        layout: AdapterLayout::new(&model.config, 0, 0.0),
        values: Vec::new(),
    };
    let mut floats = Vec::new();
    let mut of_group = |group: Group| {
        let tensors = tensors(model, layer, group.linears(&model.config))?;
        if !in_memory {
            return Ok(Matrix::InFile(CodedStream::new(tensors)));
        }
        let panels = |(info, coding): &(_, _)| EightBitPanels::read(&model.file, info, *coding);
        let forward = tensors.iter().map(panels).collect();
        load(model, &nothing, layer, group, &mut floats)?;
        let inputs = group.inputs(&model.config);
        release(model, layer, group)?;
        Ok(Matrix::InMemory {
            forward,
            backward: EightBitPanels::round_transposed(&floats, inputs),
        })
    };
    let [a, b, c, d] = Group::ALL;
    Ok([of_group(a)?, of_group(b)?, of_group(c)?, of_group(d)?])
}

/// The output head, if it is stored in codes.
fn code_head(model: &Model, in_memory: bool) -> Result<Option<Matrix>, EngineError> {
    let (config, file) = (&model.config, &model.file);
    let info = config.head(file)?;
    let whole = config.vocabulary.is_multiple_of(PANEL) && config.hidden.is_multiple_of(PANEL);
    let Some(coding) = coding(info).filter(|_| whole) else {
        return Ok(None);
    };
    if !in_memory {
        let tensors = vec![(info.clone(), coding)];
        return Ok(Some(Matrix::InFile(CodedStream::new(tensors))));
    }
    let forward = vec![EightBitPanels::read(file, info, coding)];
    Ok(Some(Matrix::InMemory {
        forward,
        backward: EightBitPanels::round_transposed(&file.read(info), config.hidden),
    }))
}

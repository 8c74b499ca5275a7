//! A model's weights as sampling multiplies with them, with an adapter.

use std::sync::Arc;

use super::matrix::{LowRank, Matrix, StreamedTensor, Tensors};
use super::{Arithmetic, WeightStorage};
use crate::architecture::{LayerVectors, Norm};
use crate::gguf::{Coding, TensorInfo};
use crate::kernels::{EightBitPanels, PANEL, Panels};
use crate::{Adapter, EngineError, Linear, Model};

/// Above this many bytes of panels the weights stay in the file.
const PACKED_LIMIT: usize = 4 << 30;

/// One block.
#[derive(Debug)]
pub(super) struct LayerWeights {
    pub(super) vectors: LayerVectors,
    /// Query, key and value, each padded to whole panels, or all three in one.
    pub(super) query_key_value: Matrix,
    pub(super) output: Matrix,
    /// Gate and up, each padded to whole panels, or up alone.
    pub(super) gate_up: Matrix,
    pub(super) down: Matrix,
}

/// The whole model but for its embedding, whose rows are read as needed.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Norm,
    pub(super) head: Matrix,
    pub(super) streamed: bool,
}

impl Weights {
    /// Prepares the weights with `threads` threads.
    pub(super) fn new(
        model: &Model,
        adapter: Option<&Adapter>,
        threads: usize,
        storage: WeightStorage,
        arithmetic: Arithmetic,
    ) -> Result<Self, EngineError> {
        if let Some(adapter) = adapter {
            adapter.check(&model.config)?;
        }
        let streamed = match storage {
            WeightStorage::Automatic => packed_bytes(model, arithmetic)? > PACKED_LIMIT,
            WeightStorage::Packed => false,
            WeightStorage::Streamed => true,
        };
        if streamed && adapter.is_some_and(|a| a.layout.has_magnitudes()) {
            return Err(EngineError::Input(
                "a DoRA adapter changes whole rows of the weights, which are not held in memory for a model this large; sample from a merged file instead (`autodidact merge`)".into(),
            ));
        }
        if streamed {
            model.file.populate();
        }
        let source = Source {
            model,
            adapter,
            streamed,
            arithmetic,
        };
        let source = &source;
        let layers = model.config.layers;
        let mut packed: Vec<Option<LayerWeights>> = (0..layers).map(|_| None).collect();
        let share = layers.div_ceil(threads.max(1)).max(1);
        let head = std::thread::scope(|scope| {
            let workers: Vec<_> = packed
                .chunks_mut(share)
                .enumerate()
                .map(|(worker, slots)| {
                    scope.spawn(move || {
                        for (i, slot) in slots.iter_mut().enumerate() {
                            let layer = worker * share + i;
                            *slot = Some(source.layer(layer)?);
                        }
                        Ok::<(), EngineError>(())
                    })
                })
                .collect();
            for worker in workers {
                worker.join().map_err(|_| EngineError::Worker)??;
            }
            source.head()
        })?;
        Ok(Self {
            layers: packed.into_iter().flatten().collect(),
            norm: Norm::read(
                &model.config,
                &model.file,
                "output_norm",
                model.config.hidden,
            )?,
            head,
            streamed,
        })
    }
}

/// Bytes of all matrices as panels.
fn packed_bytes(model: &Model, arithmetic: Arithmetic) -> Result<usize, EngineError> {
    let config = &model.config;
    let bytes = |infos: &[&TensorInfo]| {
        let coded = arithmetic.codings(infos).is_some();
        let weights = infos.iter().map(|i| i.rows().saturating_mul(i.columns()));
        let weights = weights.fold(0, usize::saturating_add);
        // A byte each, and eight for a scale and a minimum of 32 (of 16 in one type).
        weights.saturating_mul(if coded { 5 } else { 16 }) / 4
    };
    let mut total = bytes(&[config.head(&model.file)?]);
    for layer in 0..config.layers {
        for linears in joined(model) {
            let infos: Result<Vec<_>, _> = linears
                .iter()
                .map(|linear| config.linear(&model.file, layer, *linear))
                .collect();
            total = total.saturating_add(bytes(&infos?));
        }
    }
    Ok(total)
}

/// The linear layers of a block that are multiplied together: those with the same input.
fn joined(model: &Model) -> [&'static [Linear]; 4] {
    let architecture = model.config.architecture;
    [
        if architecture.fused() {
            &[Linear::QueryKeyValue]
        } else {
            &[Linear::Query, Linear::Key, Linear::Value]
        },
        &[Linear::Output],
        if architecture.gated() {
            &[Linear::Gate, Linear::Up]
        } else {
            &[Linear::Up]
        },
        &[Linear::Down],
    ]
}

impl Arithmetic {
    /// How each of some tensors is coded, if all are and may be multiplied so.
    fn codings(self, infos: &[&TensorInfo]) -> Option<Vec<Coding>> {
        let coding = |info: &&TensorInfo| {
            let changed = info.conversion.plus_one;
            info.tensor_type.coding().filter(|_| !changed)
        };
        match self {
            Self::EightBit => infos.iter().map(coding).collect(),
            Self::Full => None,
        }
    }
}

/// Where matrices come from, and what they become.
struct Source<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    streamed: bool,
    arithmetic: Arithmetic,
}

impl Source<'_> {
    fn layer(&self, layer: usize) -> Result<LayerWeights, EngineError> {
        let [query_key_value, output, gate_up, down] = joined(self.model);
        let matrix = |linears: &[Linear]| {
            if self.streamed {
                return self.stream(layer, linears);
            }
            let packed = self.pack(layer, linears);
            for info in self.infos(layer, linears)? {
                self.model.file.release(info);
            }
            packed
        };
        Ok(LayerWeights {
            vectors: LayerVectors::read(&self.model.config, &self.model.file, layer)?,
            query_key_value: matrix(query_key_value)?,
            output: matrix(output)?,
            gate_up: matrix(gate_up)?,
            down: matrix(down)?,
        })
    }

    fn infos(&self, layer: usize, linears: &[Linear]) -> Result<Vec<&TensorInfo>, EngineError> {
        let (config, file) = (&self.model.config, &self.model.file);
        let info = |linear: &Linear| config.linear(file, layer, *linear);
        linears.iter().map(info).collect()
    }

    /// A tensor as f32, with the adapter merged.
    fn merged(&self, layer: usize, linear: Linear, info: &TensorInfo) -> Vec<f32> {
        let mut weight = self.model.file.read(info);
        if let Some(adapter) = self.adapter {
            adapter.merge_into(layer, linear, &mut weight);
        }
        weight
    }

    /// As codes, with the adapter beside them: rounding weights that it was merged into would cost
    /// more than it changes. Or as floats, with the adapter merged.
    fn pack(&self, layer: usize, linears: &[Linear]) -> Result<Matrix, EngineError> {
        let infos = self.infos(layer, linears)?;
        let pairs = linears.iter().zip(&infos);
        if let Some(codings) = self.arithmetic.codings(&infos) {
            // DoRA scales whole rows of the weights, so those must be merged.
            let merge = self.adapter.filter(|a| a.layout.has_magnitudes());
            let tensors = pairs.zip(codings).map(|((linear, info), coding)| {
                if merge.is_some_and(|a| a.changes(layer, *linear)) {
                    let weight = self.merged(layer, *linear, info);
                    EightBitPanels::round(&weight, info.columns())
                } else {
                    EightBitPanels::read(&self.model.file, info, coding)
                }
            });
            return Ok(Matrix {
                tensors: Tensors::EightBit(Arc::new(tensors.collect())),
                low_rank: self.low_rank(layer, linears),
            });
        }
        let inner = self.model.config.shape(linears[0]).1;
        let outputs = infos.iter().map(|i| i.rows().next_multiple_of(PANEL)).sum();
        let mut panels = Panels::new(inner, outputs);
        for (linear, info) in pairs {
            panels.append(&self.merged(layer, *linear, info));
        }
        Ok(Tensors::Packed(panels).into())
    }

    /// Leaves the tensors in the file, with the adapter beside them.
    fn stream(&self, layer: usize, linears: &[Linear]) -> Result<Matrix, EngineError> {
        let infos = self.infos(layer, linears)?;
        let codings = self.arithmetic.codings(&infos);
        let tensor = |(i, info): (usize, &&TensorInfo)| StreamedTensor {
            info: (*info).clone(),
            coding: codings.as_ref().map(|codings| codings[i]),
        };
        let tensors = infos.iter().enumerate().map(tensor);
        Ok(Matrix {
            tensors: Tensors::Streamed(tensors.collect()),
            low_rank: self.low_rank(layer, linears),
        })
    }

    /// What the adapter adds to linear layers with the same input, if it is not merged.
    fn low_rank(&self, layer: usize, linears: &[Linear]) -> Option<LowRank> {
        let beside = |a: &&Adapter| !a.layout.has_magnitudes() && a.layout.rank > 0;
        let adapter = self.adapter.filter(beside)?;
        if !linears.iter().any(|linear| adapter.changes(layer, *linear)) {
            return None;
        }
        let (layout, values) = (&adapter.layout, &adapter.values);
        let rank = layout.rank;
        let mut rows = Vec::new();
        for linear in linears {
            rows.extend_from_slice(&values[layout.a(layer, *linear)]);
        }
        let mut down = Panels::new(layout.shape(linears[0]).1, rank * linears.len());
        down.append(&rows);
        let up = linears.iter().map(|linear| {
            let mut up = Panels::new(rank, layout.shape(*linear).0);
            up.append(&values[layout.b(layer, *linear)]);
            up
        });
        Some(LowRank {
            down,
            up: up.collect(),
            rank,
            scale: layout.scale(),
        })
    }

    /// The head, packed a few panels at a time, so that it never exists twice.
    fn head(&self) -> Result<Matrix, EngineError> {
        const ROWS: usize = 64 * PANEL;
        let (config, file) = (&self.model.config, &self.model.file);
        let (rows, columns) = (config.vocabulary, config.hidden);
        let info = config.head(file)?;
        let coding = self.arithmetic.codings(&[info]).map(|codings| codings[0]);
        if self.streamed {
            let info = info.clone();
            return Ok(Tensors::Streamed(vec![StreamedTensor { info, coding }]).into());
        }
        if let Some(coding) = coding {
            let panels = EightBitPanels::read(file, info, coding);
            return Ok(Tensors::EightBit(Arc::new(vec![panels])).into());
        }
        let mut panels = Panels::new(columns, rows);
        let mut piece = vec![0.0; ROWS * columns];
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let piece = &mut piece[..count * columns];
            file.read_rows(info, first, count, piece);
            panels.append(piece);
        }
        Ok(Tensors::Packed(panels).into())
    }
}

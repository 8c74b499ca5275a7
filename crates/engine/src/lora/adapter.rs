//! The parameters of a LoRA adapter (Hu et al. 2021): for each linear layer `W` a pair `A`, `B`,
//! which adds `alpha / rank * B A` to it.

use std::ops::Range;

use crate::kernels::{View, gemm};
use crate::{EngineError, Linear, ModelConfig};

/// Where each matrix lies in the flat vector of an adapter's parameters. Gradients and optimizer
/// moments use the same layout.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterLayout {
    /// Columns of `B` and rows of `A`.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f32,
    layers: usize,
    linears: &'static [Linear],
    shapes: [(usize, usize); Linear::COUNT],
    layer_length: usize,
}

impl AdapterLayout {
    /// The layout of an adapter on every linear layer of a model.
    pub fn new(config: &ModelConfig, rank: usize, alpha: f32) -> Self {
        let linears = config.linears();
        let mut shapes = [(0, 0); Linear::COUNT];
        for linear in linears {
            shapes[linear.index()] = config.shape(*linear);
        }
        let layer_length = shapes
            .iter()
            .map(|(outputs, inputs)| rank * (outputs + inputs))
            .sum();
        Self {
            rank,
            alpha,
            layers: config.layers,
            linears,
            shapes,
            layer_length,
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers * self.layer_length
    }

    /// Number of blocks.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The linear layers of a block that are adapted, in the order they are stored.
    pub fn linears(&self) -> &'static [Linear] {
        self.linears
    }

    /// `alpha / rank`.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    /// Outputs and inputs of a linear layer.
    pub fn shape(&self, linear: Linear) -> (usize, usize) {
        self.shapes[linear.index()]
    }

    /// `A`, row-major `[rank, inputs]`.
    pub fn a(&self, layer: usize, linear: Linear) -> Range<usize> {
        let start = self.start(layer, linear);
        start..start + self.rank * self.shape(linear).1
    }

    /// `B`, row-major `[outputs, rank]`, rows in the order of the GGUF tensor.
    pub fn b(&self, layer: usize, linear: Linear) -> Range<usize> {
        let start = self.a(layer, linear).end;
        start..start + self.rank * self.shape(linear).0
    }

    fn start(&self, layer: usize, linear: Linear) -> usize {
        let before: usize = self.shapes[..linear.index()]
            .iter()
            .map(|(o, i)| self.rank * (o + i))
            .sum();
        layer * self.layer_length + before
    }
}

/// An adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Where each matrix lies in `values`.
    pub layout: AdapterLayout,
    /// All parameters.
    pub values: Vec<f32>,
}

impl Adapter {
    /// A fresh adapter, which changes nothing yet: `B` is zero and `A` uniform within
    /// `1 / sqrt(inputs)`, as PEFT's Kaiming initialisation with a = sqrt(5) gives.
    pub fn new(layout: AdapterLayout, seed: u64) -> Self {
        let mut values = vec![0.0; layout.parameters()];
        let mut random = crate::random::Random::new(seed);
        for layer in 0..layout.layers() {
            for linear in layout.linears() {
                let bound = 1.0 / (layout.shape(*linear).1 as f32).sqrt();
                for value in &mut values[layout.a(layer, *linear)] {
                    *value = (random.unit() as f32 * 2.0 - 1.0) * bound;
                }
            }
        }
        Self { layout, values }
    }

    /// Refuses an adapter of another model's shape.
    pub(crate) fn check(&self, config: &ModelConfig) -> Result<(), EngineError> {
        let fitting = AdapterLayout::new(config, self.layout.rank, self.layout.alpha);
        if self.layout == fitting && self.values.len() == fitting.parameters() {
            return Ok(());
        }
        Err(EngineError::Input(
            "the adapter was made for a model of another shape; use it with its own base".into(),
        ))
    }

    /// Adds `scale * B A` to a row-major `[outputs, inputs]` weight.
    pub(crate) fn merge_into(&self, layer: usize, linear: Linear, weight: &mut [f32]) {
        let (outputs, inputs) = self.layout.shape(linear);
        let rank = self.layout.rank;
        let a = View::new(
            &self.values[self.layout.a(layer, linear)],
            rank,
            inputs,
            inputs,
        );
        let b = View::new(
            &self.values[self.layout.b(layer, linear)],
            outputs,
            rank,
            rank,
        );
        gemm(weight, inputs, b, a, self.layout.scale(), true);
    }
}

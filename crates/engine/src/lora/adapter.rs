//! The parameters of a LoRA adapter (Hu et al. 2021): for each linear layer `W` a pair `A`, `B`,
//! which adds `scale * B A` to it; with DoRA also the lengths its rows are brought to.

use std::ops::Range;

use crate::{EngineError, Linear, ModelConfig};

/// What alpha is divided by to give the scale of the update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoraScaling {
    /// `alpha / rank` (Hu et al. 2021).
    #[default]
    Rank,
    /// `alpha / sqrt(rank)`: rsLoRA (Kalajdzievski 2023), which keeps learning at large ranks.
    RootOfRank,
}

/// Where each matrix lies in the flat vector of an adapter's parameters. Gradients and optimizer
/// moments use the same layout.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterLayout {
    /// Columns of `B` and rows of `A`.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f32,
    /// Denominator of the scale.
    pub scaling: LoraScaling,
    magnitudes: bool,
    /// Length of the score head, or zero.
    score: usize,
    layers: usize,
    linears: &'static [Linear],
    shapes: [(usize, usize); Linear::COUNT],
    layer_length: usize,
}

impl AdapterLayout {
    /// The layout of a plain LoRA adapter on every linear layer of a model.
    pub fn new(config: &ModelConfig, rank: usize, alpha: f32) -> Self {
        let linears = config.linears();
        let mut shapes = [(0, 0); Linear::COUNT];
        for linear in linears {
            shapes[linear.index()] = config.shape(*linear);
        }
        let mut layout = Self {
            rank,
            alpha,
            scaling: LoraScaling::Rank,
            magnitudes: false,
            score: 0,
            layers: config.layers,
            linears,
            shapes,
            layer_length: 0,
        };
        layout.layer_length = shapes.iter().map(|shape| layout.length(*shape)).sum();
        layout
    }

    /// The same with another denominator of the scale.
    #[must_use]
    pub fn with_scaling(self, scaling: LoraScaling) -> Self {
        Self { scaling, ..self }
    }

    /// The same with a magnitude vector for each linear layer, or without: DoRA (Liu et al. 2024).
    #[must_use]
    pub fn with_magnitudes(self, magnitudes: bool) -> Self {
        let mut layout = Self { magnitudes, ..self };
        let shapes = layout.shapes;
        layout.layer_length = shapes.iter().map(|shape| layout.length(*shape)).sum();
        layout
    }

    /// The same with a score head after the last norm, or without: a reward model or verifier.
    #[must_use]
    pub fn with_score(self, score: bool) -> Self {
        let hidden = self.shape(Linear::Output).0;
        Self {
            score: if score { hidden } else { 0 },
            ..self
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers * self.layer_length + self.score
    }

    /// True for an adapter with a score head.
    pub fn has_score(&self) -> bool {
        self.score > 0
    }

    /// The score head, `[hidden]`: a sequence's score is its product with the normed stream at the
    /// sequence's last token. Empty where there is none.
    pub fn score(&self) -> Range<usize> {
        let start = self.layers * self.layer_length;
        start..start + self.score
    }

    /// Number of blocks.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The linear layers of a block that are adapted, in the order they are stored.
    pub fn linears(&self) -> &'static [Linear] {
        self.linears
    }

    /// What the update `B A` is multiplied by.
    pub fn scale(&self) -> f32 {
        match self.scaling {
            LoraScaling::Rank => self.alpha / self.rank as f32,
            LoraScaling::RootOfRank => self.alpha / (self.rank as f32).sqrt(),
        }
    }

    /// The alpha that gives the same scale when it is divided by the rank, which is all that GGUF
    /// adapters can say.
    pub fn alpha_over_rank(&self) -> f32 {
        match self.scaling {
            LoraScaling::Rank => self.alpha,
            LoraScaling::RootOfRank => self.alpha * (self.rank as f32).sqrt(),
        }
    }

    /// True for a DoRA adapter: every linear layer has a magnitude vector.
    pub fn has_magnitudes(&self) -> bool {
        self.magnitudes
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

    /// DoRA's magnitudes, `[outputs]`, in the order of the GGUF tensor's rows; empty in a plain
    /// adapter. All zero: the layer is not adapted and stays as it is.
    pub fn magnitudes(&self, layer: usize, linear: Linear) -> Range<usize> {
        let start = self.b(layer, linear).end;
        let outputs = self.shape(linear).0;
        start..start + if self.magnitudes { outputs } else { 0 }
    }

    fn start(&self, layer: usize, linear: Linear) -> usize {
        let shapes = &self.shapes[..linear.index()];
        let before: usize = shapes.iter().map(|shape| self.length(*shape)).sum();
        layer * self.layer_length + before
    }

    /// Parameters of a linear layer of this shape.
    fn length(&self, (outputs, inputs): (usize, usize)) -> usize {
        self.rank * (outputs + inputs) + if self.magnitudes { outputs } else { 0 }
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
    /// `1 / sqrt(inputs)`, as PEFT's Kaiming initialisation with a = sqrt(5) gives. Magnitudes are
    /// zero until [`Adapter::fill_magnitudes`] has seen the base, and a score head gives zero.
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
        let fitting = AdapterLayout::new(config, self.layout.rank, self.layout.alpha)
            .with_scaling(self.layout.scaling)
            .with_magnitudes(self.layout.magnitudes)
            .with_score(self.layout.has_score());
        if self.layout == fitting && self.values.len() == fitting.parameters() {
            return Ok(());
        }
        Err(EngineError::Input(
            "the adapter was made for a model of another shape; use it with its own base".into(),
        ))
    }
}

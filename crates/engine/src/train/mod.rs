//! LoRA training with an explicit forward and backward pass.
//!
//! Start reading at [`Trainer::step`], then `network.rs`, which holds the network's two passes,
//! and `objective.rs`, which holds what is minimized. The
//! base is frozen, so no gradient of its weights is ever computed; each layer's weights are
//! dequantized from the mapped file and merged with the adapter, or multiplied as the integers that
//! they are stored as (`coded.rs`). A step's
//! sequences are dealt into shards whose number depends on the sequences alone; shards are computed
//! by one thread each and their gradients added in order, so a step's bits do not depend on how
//! many threads there are.

mod attention;
mod attention_half;
mod batch;
mod checkpoint;
mod coded;
mod coded_stream;
mod data;
mod deal;
mod dora;
mod feed_forward_half;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod gradient_tests;
mod head;
mod linear;
mod low_rank;
mod network;
mod norms;
mod objective;
mod optimizer;
mod options;
mod parallel;
mod residual;
mod scorer;
mod trainer;
mod tree;
mod weights;
mod whole;

pub use checkpoint::Checkpoint;
pub use data::{PreferenceLoss, PreferencePair, ScoredExample, TrainingData};
pub use options::{Schedule, StepReport, Trained, TrainerOptions, TrainingExample};
pub use scorer::Scorer;
pub use trainer::Trainer;

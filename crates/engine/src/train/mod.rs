//! LoRA training with an explicit forward and backward pass.
//!
//! Start reading at [`Trainer::step`], then `network.rs`, which holds the network's two passes,
//! and `objective.rs`, which holds what is minimized. The
//! base is frozen, so no gradient of its weights is ever computed; each layer's weights are
//! dequantized from the mapped file and merged with the adapter when they are needed. A step's
//! sequences are dealt into shards whose number depends on the sequences alone; shards are computed
//! by one thread each and their gradients added in order, so a step's bits do not depend on how
//! many threads there are.

mod attention;
mod attention_half;
mod batch;
mod checkpoint;
mod deal;
mod feed_forward_half;
mod head;
mod linear;
mod network;
mod norms;
mod objective;
mod optimizer;
mod options;
mod parallel;
mod residual;
mod trainer;
mod tree;
mod weights;

pub use checkpoint::Checkpoint;
pub use options::{Schedule, StepReport, TrainerOptions, TrainingExample};
pub use trainer::Trainer;

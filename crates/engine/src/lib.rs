//! The embedded engine: from one GGUF file it samples many sequences at once and trains LoRA
//! adapters, on the CPU, in one process, on the same weights.
//!
//! Start reading at [`Model`] (an open file), then [`Sampler`] (rationales out) and [`Trainer`]
//! (adapters out). Nothing here knows about problems or answers.

mod architecture;
mod bench;
mod chat;
mod directory;
mod error;
pub mod gguf;
mod kernels;
mod lora;
mod model;
mod profile;
mod random;
mod sample;
mod scratch;
mod tokenizer;
mod train;

pub use architecture::{
    Activation, Architecture, Linear, ModelConfig, NormKind, RopePairs, WindowPattern, Wiring,
};
pub use bench::{
    BenchTask, bench_sampling, bench_training, sampling_operations, training_operations,
};
pub use chat::ChatTemplate;
pub use error::EngineError;
pub use kernels::{fused_multiply_add_rate, instruction_set, limit_instruction_set};
pub use lora::{Adapter, AdapterLayout, LoraScaling};
pub use model::Model;
pub use profile::{LayerKind, Profile, ProfileEntry};
pub use sample::{
    Arithmetic, Finished, GenerationStats, LikelyToken, Request, Sampler, SamplingOptions,
    ScoredToken, Session, SessionEvent, SessionOptions, SessionRequest, SessionStats, Ticket,
    WeightStorage,
};
pub use scratch::{ModelShape, Vocabulary};
pub use tokenizer::Tokenizer;
pub use train::{
    Checkpoint, PreferenceLoss, PreferencePair, Schedule, ScoredExample, Scorer, StepReport,
    Trained, Trainer, TrainerOptions, TrainingData, TrainingExample,
};

//! LoRA adapters: parameters in memory, and the two formats they are exchanged in.

mod adapter;
mod export;
mod gguf;
mod merge;
mod peft;

pub use adapter::{Adapter, AdapterLayout, LoraScaling};

pub(crate) use export::metadata;

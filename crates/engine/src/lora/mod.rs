//! LoRA adapters: parameters in memory, and the two formats they are exchanged in.

mod adapter;
mod gguf;
mod peft;

pub use adapter::{Adapter, AdapterLayout};

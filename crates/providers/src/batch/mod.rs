//! Batch interfaces: many requests in one parcel, answered within a day at half the price.
//!
//! [`BatchClient`] is the same for every provider; `files.rs` (OpenAI, Together, Mistral),
//! `anthropic.rs` and `gemini.rs` are what differs. `offline.rs` writes and reads the files of
//! `vllm run-batch`.

mod anthropic;
mod client;
mod entry;
mod files;
mod gemini;
mod offline;

pub use client::{BatchClient, BatchId, BatchResult, BatchState};
pub use offline::{read_offline, write_offline};

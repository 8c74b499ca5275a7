//! An OpenAI-compatible server for models on this machine and for ensembles.
//!
//! Start reading at `router.rs`, which says what answers where. `chat.rs` and `completions.rs` read
//! requests and write replies, `embedded.rs` hands them to the engine's running batch, `strategy.rs`
//! and `ensemble.rs` make one answer of many, `access.rs` decides who may ask at all, and `server.rs`
//! holds the socket. Whatever arrives is hostile; nothing of it is logged.

mod access;
mod catalog;
mod chat;
mod choice;
mod completions;
mod embedded;
mod ensemble;
mod error;
mod fields;
mod limits;
mod logprobs;
mod metrics;
mod observed;
mod reply;
mod router;
mod sampling;
mod server;
mod strategy;
mod telemetry;
mod tokenizing;

pub use access::Token;
pub use catalog::Catalog;
pub use embedded::{ChatFormat, EmbeddedModel};
pub use ensemble::EnsembleModel;
pub use error::ServerError;
pub use limits::Limits;
pub use server::{Server, ServerOptions};
pub use telemetry::TelemetrySettings;

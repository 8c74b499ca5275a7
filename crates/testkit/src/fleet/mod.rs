//! Mock providers on one port, told apart by path and model name.

mod anthropic;
mod anthropic_reply;
mod arithmetic;
mod batch_anthropic;
mod batch_gemini;
mod batch_mistral;
mod batch_openai;
mod completions;
mod dialect;
mod draw;
mod faults;
mod fields;
mod files;
mod gemini;
mod hash;
mod jobs;
mod ledger;
mod mocks;
mod nvidia;
mod ollama;
mod openai;
mod openai_reply;
mod opinions;
mod phrases;
mod pooling;
mod rewards;
mod routes;
mod said;
mod settings;
mod tei;
mod wits;

pub use faults::Fault;
pub use ledger::{Entry, Ledger};
pub use mocks::Fleet;
pub use wits::KnownProblem;

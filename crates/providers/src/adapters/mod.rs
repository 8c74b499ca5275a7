//! One adapter for each wire format: requests to JSON, JSON to answers, and nothing else.
//!
//! `adapter.rs` chooses the format, `call.rs` is what every adapter reads, `draft.rs` what every
//! adapter fills; the folders hold what differs.

mod adapter;
mod anthropic;
mod call;
mod draft;
mod gemini;
mod json;
mod ollama;
mod openai;
mod thinking;

pub use adapter::Adapter;
pub use call::Call;
pub(crate) use gemini::resource as gemini_resource;

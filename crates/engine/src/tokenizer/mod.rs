//! Text to tokens and back: byte-level BPE, SentencePiece, and whatever a `tokenizer.json` says.
//!
//! Text is first cut at whole tokens (`whole.rs`: control tokens where they are allowed, user-defined
//! ones everywhere), and what lies between goes to one of the encoders (`encoder.rs`). Vocabularies
//! come from GGUF metadata (`gguf.rs`), `tokenizer.json` (`json.rs`) or `tokenizer.model`
//! (`protobuf.rs`).
//!
//! Start reading at [`Tokenizer`].

mod bytes;
mod encoder;
mod gguf;
mod hub;
mod json;
mod pre_tokenizer;
mod protobuf;
mod sentencepiece;
#[expect(
    clippy::module_inception,
    reason = "the type the module is named after"
)]
mod tokenizer;
mod vocabulary;
mod well_formed;
mod whole;

pub use tokenizer::Tokenizer;

pub(crate) use hub::{AddedToken, HubTokens};

//! What goes over the wire, between adapters and transport.

use bytes::Bytes;

use crate::{ProviderError, Reply, Usage};

/// Where the key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: …` (Gemini).
    XGoogApiKey,
}

/// A request, ready to send except for address and key.
#[derive(Debug, Clone, PartialEq)]
pub struct WireRequest {
    /// What follows the base URL, beginning with `/`.
    pub path: String,
    /// Headers beside the key and the content type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Bytes,
    /// Tokens it takes at most, prompt and answer together, for the tokens-per-minute limit.
    pub tokens: u64,
}

/// How a body that arrives in pieces is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON object a line (Ollama).
    JsonLines,
}

/// What an adapter reads out of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// At least one.
    pub replies: Vec<Reply>,
    /// As the provider counted; `None` if absent or senseless.
    pub usage: Option<Usage>,
    /// The model's name as the provider gives it; empty if it does not.
    pub model: String,
    /// The provider's name for this request, if the body has it.
    pub request_id: Option<String>,
}

/// Puts an answer together from pieces.
pub trait StreamDecoder: Send {
    /// Takes the data of one event or line. An error object inside the stream is an error.
    fn event(&mut self, name: &str, data: &str) -> Result<(), ProviderError>;

    /// True once the end mark was seen; nothing after it is read.
    fn is_done(&self) -> bool;

    /// The answer. Replies whose end was not seen are [`crate::Finish::Incomplete`].
    fn finish(self: Box<Self>) -> Result<Parsed, ProviderError>;
}

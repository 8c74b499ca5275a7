//! Which wire format a model is spoken to in.

use autodidact_core::{Interface, ModelSpec, ProviderKind};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Call, anthropic, gemini, ollama, openai};
use crate::{Auth, ErrorClass, Framing, Parsed, ProviderError, StreamDecoder, WireRequest};

/// A wire format. It only translates; it opens no socket and waits for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// OpenAI's chat completions, and all who speak like it.
    OpenaiChat,
    /// OpenAI's plain completions.
    OpenaiCompletions,
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Ollama's native interface; plain text goes to `/api/generate`.
    Ollama,
}

impl Adapter {
    /// The format a model is spoken to in. Fails for what is no remote model, and for plain
    /// completions of a provider that has none.
    pub fn of(spec: &ModelSpec) -> Result<Self, ProviderError> {
        let refuse = |message: String| {
            Err(ProviderError::new(
                &spec.name,
                ErrorClass::Declaration,
                message,
            ))
        };
        let completions = spec.interface == Interface::Completions;
        match spec.provider {
            ProviderKind::Local | ProviderKind::Tei => refuse(format!(
                "provider {} has no interface for conversations",
                spec.provider
            )),
            ProviderKind::Anthropic | ProviderKind::Gemini | ProviderKind::Mistral
                if completions =>
            {
                refuse(format!(
                    "provider {} has no plain completions: use interface \"chat\"",
                    spec.provider
                ))
            }
            ProviderKind::Anthropic => Ok(Self::Anthropic),
            ProviderKind::Gemini => Ok(Self::Gemini),
            ProviderKind::Ollama => Ok(Self::Ollama),
            _ if completions => Ok(Self::OpenaiCompletions),
            _ => Ok(Self::OpenaiChat),
        }
    }

    /// Where the key goes.
    pub const fn auth(self) -> Auth {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions | Self::Ollama => Auth::Bearer,
            Self::Anthropic => Auth::XApiKey,
            Self::Gemini => Auth::XGoogApiKey,
        }
    }

    /// How an answer in pieces is framed.
    pub const fn framing(self) -> Framing {
        match self {
            Self::Ollama => Framing::JsonLines,
            _ => Framing::Sse,
        }
    }

    /// Headers that go with every request, beside key and content type.
    pub(crate) fn headers(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Anthropic => vec![("anthropic-version", anthropic::VERSION.to_owned())],
            _ => Vec::new(),
        }
    }

    /// The request as it goes over the wire. Fails with [`ErrorClass::BadRequest`] for what the
    /// interface cannot express.
    pub fn request(self, call: &Call<'_>, stream: bool) -> Result<WireRequest, ProviderError> {
        let mut body = self.body(call)?;
        if stream {
            self.ask_for_pieces(call, &mut body);
        } else if self == Self::Ollama {
            body.insert("stream".to_owned(), Value::Bool(false));
        }
        let mut headers = self.headers();
        let key = &call.request.idempotency_key;
        if call.capabilities.idempotency && !key.is_empty() {
            headers.push(("idempotency-key", key.clone()));
        }
        Ok(WireRequest {
            path: self.path(call, stream),
            headers,
            body: encode(call, &body)?,
            tokens: likely_tokens(call),
        })
    }

    /// The request's JSON without anything about pieces, as batch interfaces take it.
    pub(crate) fn body(self, call: &Call<'_>) -> Result<Map<String, Value>, ProviderError> {
        if !call.prefill().is_empty() && !call.capabilities.prefill {
            return Err(call.refuse(
                "this model does not continue the start of an answer; put it into the question",
            ));
        }
        match self {
            Self::OpenaiChat => Ok(openai::chat(call)),
            Self::OpenaiCompletions => openai::completions(call),
            Self::Anthropic => anthropic::body(call),
            Self::Gemini => Ok(gemini::body(call)),
            Self::Ollama => ollama::body(call),
        }
    }

    fn ask_for_pieces(self, call: &Call<'_>, body: &mut Map<String, Value>) {
        if self == Self::Gemini {
            return; // asked for by the path
        }
        body.insert("stream".to_owned(), Value::Bool(true));
        if call.capabilities.stream_usage && self != Self::Anthropic {
            let options = serde_json::json!({ "include_usage": true });
            body.insert("stream_options".to_owned(), options);
        }
    }

    fn path(self, call: &Call<'_>, stream: bool) -> String {
        match self {
            Self::OpenaiChat => "/chat/completions".to_owned(),
            Self::OpenaiCompletions => "/completions".to_owned(),
            Self::Anthropic => "/v1/messages".to_owned(),
            Self::Gemini => gemini::path(call.spec.model_name(), stream),
            Self::Ollama => ollama::path(call),
        }
    }

    /// Reads a whole body. Fails with [`ErrorClass::Malformed`] if it is not what the interface
    /// promises, and with the error's own class if it is an error under status 200.
    pub fn parse(self, call: &Call<'_>, body: &[u8]) -> Result<Parsed, ProviderError> {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions => openai::parse(call, body),
            Self::Anthropic => anthropic::parse(call, body),
            Self::Gemini => gemini::parse(call, body),
            Self::Ollama => ollama::parse(call, body),
        }
    }

    /// A decoder for one answer in pieces.
    pub fn decoder(self, call: &Call<'_>) -> Box<dyn StreamDecoder> {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions => openai::decoder(call),
            Self::Anthropic => anthropic::decoder(call),
            Self::Gemini => gemini::decoder(call),
            Self::Ollama => ollama::decoder(call),
        }
    }
}

fn encode(call: &Call<'_>, body: &Map<String, Value>) -> Result<Bytes, ProviderError> {
    let encoded = serde_json::to_vec(body);
    encoded
        .map(Bytes::from)
        .map_err(|error| call.refuse(format!("the request cannot be written as JSON: {error}")))
}

/// Tokens for pacing: two bytes a token are more than any tokenizer needs on text, and a provider
/// counts the token limit of the answer in advance.
fn likely_tokens(call: &Call<'_>) -> u64 {
    let (bytes, messages) = call.prompt_size();
    let answers = u64::from(call.request.max_tokens) * u64::from(call.n());
    bytes.div_ceil(2) + messages * 8 + answers
}

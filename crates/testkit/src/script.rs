//! What a test sees of a request, and what it lets the server do with it.

use std::time::{Duration, Instant};

use serde_json::Value;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// 0 for the first request of the server, in order of arrival.
    pub number: usize,
    /// When its first byte was read.
    pub at: Instant,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Headers in order of arrival, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of chunks.
    pub body: Vec<u8>,
    /// 0 for the first connection; requests with the same number came over the same one.
    pub connection: usize,
}

impl Received {
    /// The first header of that name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The path without its query.
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// A normal answer with its length; the connection stays open.
    Answer(Reply),
    /// An answer in chunked transfer encoding, one chunk a piece.
    Pieces {
        /// The HTTP status.
        status: u16,
        /// Headers beside `transfer-encoding`.
        headers: Vec<(String, String)>,
        /// What to wait before a piece, and the piece. Empty pieces only wait.
        pieces: Vec<(Duration, Vec<u8>)>,
        /// What follows the last piece.
        then: End,
    },
    /// Bytes exactly as given, head and all.
    Raw {
        /// What to wait before the bytes, and the bytes.
        bytes: Vec<(Duration, Vec<u8>)>,
        /// What follows the last of them.
        then: End,
    },
    /// Says nothing for as long as the client stays.
    Silence,
    /// Breaks the connection with a TCP reset instead of an answer.
    Reset,
}

impl Act {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer(Reply::json(status, body))
    }

    /// A stream of server-sent events, each text sent as it is in a chunk of its own.
    pub fn stream<T: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::Pieces {
            status: 200,
            headers: vec![("content-type".into(), "text/event-stream".into())],
            pieces: pieces
                .into_iter()
                .map(|piece| (Duration::ZERO, piece.into()))
                .collect(),
            then: End::KeepAlive,
        }
    }
}

/// How an answer in pieces ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Properly; the connection stays open.
    KeepAlive,
    /// Properly, then the connection is closed (FIN).
    Close,
    /// With a TCP reset, without the last chunk.
    Reset,
    /// With a close (FIN), without the last chunk.
    CutChunked,
}

/// A normal answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What to wait before the answer.
    pub delay: Duration,
}

impl Reply {
    /// A body of that type, at once.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Waits before the answer.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// Server-sent events without names (OpenAI, Gemini): one piece for each value.
pub fn events(values: &[Value]) -> Vec<Vec<u8>> {
    let event = |value: &Value| format!("data: {value}\n\n").into_bytes();
    values.iter().map(event).collect()
}

/// One JSON object a line (Ollama, batch results): one piece for each value.
pub fn json_lines(values: &[Value]) -> Vec<Vec<u8>> {
    let line = |value: &Value| format!("{value}\n").into_bytes();
    values.iter().map(line).collect()
}

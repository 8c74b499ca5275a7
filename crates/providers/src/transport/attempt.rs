//! One attempt: a request leaves, and its answer is received completely or not at all.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Request, Response};

use super::retry_after;
use super::server::{Server, causes};
use super::sse::Events;
use super::times::{Deadlines, Times};
use crate::error_body::{error_of_response, error_of_value};
use crate::error_facts::is_html;
use crate::redact::shown;
use crate::wire::{Framing, StreamDecoder};
use crate::{ApiKey, Billed, ErrorClass, ProviderError};

/// Of an error's body no more is read.
const LARGEST_ERROR: usize = 64 * 1024;
/// The largest answer of a model, as one body or in pieces.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The largest file of a batch interface (OpenAI and Anthropic allow 200 and 256 MB up).
pub(super) const LARGEST_FILE: usize = 1024 * 1024 * 1024;
/// How long a finished stream is read on to its end, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(20);

/// What is to be received.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// A body of JSON.
    Json,
    /// Any body, also an empty one.
    File,
    /// An answer in pieces.
    Pieces(
        Framing,
        &'a (dyn Fn() -> Box<dyn StreamDecoder> + Send + Sync),
    ),
}

/// What was received.
pub(super) enum Received {
    Whole(Bytes),
    Pieces(Box<dyn StreamDecoder>),
}

/// What all attempts at a request have in common.
pub(super) struct Attempt<'a> {
    pub(super) model: &'a str,
    pub(super) key: Option<&'a ApiKey>,
    pub(super) times: Times,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) wanted: Wanted<'a>,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ProviderError,
    /// Another attempt may succeed, and the server does not forbid it.
    pub(super) retry: bool,
}

impl Attempt<'_> {
    /// Sends the request to a server. With the answer comes the provider's name for the request.
    pub(super) async fn make(
        &self,
        server: &Server,
    ) -> Result<(Received, Option<String>), Failure> {
        let url = server.url(self.path).map_err(|reason| Failure {
            error: self.error(ErrorClass::Declaration, &reason, Billed::No),
            retry: false,
        })?;
        let mut request = Request::new(self.method.clone(), url);
        request.headers_mut().clone_from(&self.headers);
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        let deadlines = self.times.start();
        let response = deadlines
            .piece(server.client.execute(request))
            .await
            .map_err(|limit| self.unknown(ErrorClass::Timeout, &limit))?
            .map_err(|error| self.network(error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response, deadlines).await);
        }
        let request_id = request_id(response.headers());
        // 202 is NVIDIA's way to say that the answer is to be fetched elsewhere.
        if status.as_u16() == 202 && !matches!(self.wanted, Wanted::File) {
            let mut failure = self.malformed("the answer was put off, which is not supported");
            failure.retry = false;
            failure.error.status = Some(202);
            return Err(failure);
        }
        let received = match self.wanted {
            Wanted::Json => Received::Whole(self.json(response, deadlines).await?),
            Wanted::File => Received::Whole(self.file(response, deadlines).await?),
            Wanted::Pieces(framing, decoder) => {
                Received::Pieces(self.pieces(response, deadlines, framing, decoder()).await?)
            }
        };
        Ok((received, request_id))
    }

    async fn json(&self, response: Response, deadlines: Deadlines) -> Result<Bytes, Failure> {
        let page = is_page(response.headers());
        let body = self.whole(response, deadlines, LARGEST_ANSWER).await?;
        if page || is_html(&body) {
            Err(self.malformed("an HTML page came instead of an answer"))
        } else if body.iter().all(u8::is_ascii_whitespace) {
            Err(self.malformed("the answer is empty"))
        } else {
            Ok(body)
        }
    }

    async fn file(&self, response: Response, deadlines: Deadlines) -> Result<Bytes, Failure> {
        let page = is_page(response.headers());
        let body = self.whole(response, deadlines, LARGEST_FILE).await?;
        if page {
            return Err(self.malformed("an HTML page came instead of a file"));
        }
        Ok(body)
    }

    /// The whole body; one that is cut is an error.
    async fn whole(
        &self,
        mut response: Response,
        mut deadlines: Deadlines,
        largest: usize,
    ) -> Result<Bytes, Failure> {
        let declared = response.content_length().unwrap_or(0);
        if declared > largest as u64 {
            return Err(self.too_large(largest));
        }
        let Some(first) = self.piece(&mut response, &mut deadlines).await? else {
            return Ok(Bytes::new());
        };
        if first.len() as u64 == declared {
            return Ok(first);
        }
        // Not more than is there already on the word of a header.
        let mut body = BytesMut::with_capacity((declared as usize).min(4 * first.len()));
        body.extend_from_slice(&first);
        while let Some(piece) = self.piece(&mut response, &mut deadlines).await? {
            if body.len() + piece.len() > largest {
                return Err(self.too_large(largest));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// An answer in pieces, to its end mark or its clean end.
    async fn pieces(
        &self,
        mut response: Response,
        mut deadlines: Deadlines,
        framing: Framing,
        mut decoder: Box<dyn StreamDecoder>,
    ) -> Result<Box<dyn StreamDecoder>, Failure> {
        if is_page(response.headers()) {
            return Err(self.malformed("an HTML page came instead of an answer"));
        }
        if framing == Framing::Sse && is_json(response.headers()) {
            let body = self.json(response, deadlines).await?;
            self.unasked(&body, decoder.as_mut())?;
            return Ok(decoder);
        }
        let mut events = Events::new(framing);
        let (mut size, mut count) = (0, 0_usize);
        while let Some(piece) = self.piece(&mut response, &mut deadlines).await? {
            size += piece.len();
            if size > LARGEST_ANSWER {
                return Err(self.too_large(LARGEST_ANSWER));
            }
            events.push(&piece);
            while let Some(event) = events
                .next()
                .map_err(|_| self.malformed("an event of the answer is larger than 10 MB"))?
            {
                count += 1;
                decoder
                    .event(&event.name, &event.data)
                    .map_err(|error| self.inside(error))?;
                if decoder.is_done() {
                    drain(response).await;
                    return Ok(decoder);
                }
            }
        }
        if count == 0 {
            return Err(self.malformed("the answer in pieces is empty"));
        }
        Ok(decoder)
    }

    /// A whole body where pieces were asked for: an error, or a server that does not stream.
    fn unasked(&self, body: &[u8], decoder: &mut dyn StreamDecoder) -> Result<(), Failure> {
        let value: serde_json::Value = serde_json::from_slice(body)
            .map_err(|error| self.malformed(&format!("the answer is no JSON: {error}")))?;
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.inside(error_of_value(self.model, &value)));
        }
        decoder
            .event("", &value.to_string())
            .map_err(|error| self.inside(error))
    }

    async fn piece(
        &self,
        response: &mut Response,
        deadlines: &mut Deadlines,
    ) -> Result<Option<Bytes>, Failure> {
        let piece = deadlines
            .piece(response.chunk())
            .await
            .map_err(|limit| self.unknown(ErrorClass::Timeout, &limit))?
            .map_err(|error| self.network(error))?;
        deadlines.begin();
        Ok(piece)
    }

    /// The error that an error status means. Its body may be cut: the status is enough.
    async fn refused(&self, mut response: Response, mut deadlines: Deadlines) -> Failure {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while body.len() < LARGEST_ERROR
            && let Ok(Some(piece)) = self.piece(&mut response, &mut deadlines).await
        {
            body.extend_from_slice(&piece);
        }
        body.truncate(LARGEST_ERROR);
        let mut error = error_of_response(self.model, status, &body, self.key);
        let retried = error.class.is_retried();
        error.retry_after = retried
            .then(|| {
                retry_after::wait(
                    &headers,
                    error.retry_after,
                    status == 429,
                    SystemTime::now(),
                )
            })
            .flatten();
        let forbidden = headers
            .get("x-should-retry")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"false"));
        Failure {
            error,
            retry: retried && !forbidden,
        }
    }

    /// An error inside an accepted answer: some of it may have to be paid.
    fn inside(&self, mut error: ProviderError) -> Failure {
        error.message = shown(&error.message, self.key);
        error.billed = Billed::Unknown;
        Failure {
            retry: error.class.is_retried(),
            error,
        }
    }

    fn network(&self, error: reqwest::Error) -> Failure {
        let billed = if error.is_connect() || error.is_builder() {
            Billed::No
        } else {
            Billed::Unknown
        };
        let class = if error.is_builder() {
            ErrorClass::BadRequest
        } else if error.is_timeout() {
            ErrorClass::Timeout
        } else {
            ErrorClass::Network
        };
        let message = causes(&error.without_url());
        let error = self.error(class, &message, billed);
        Failure {
            retry: class.is_retried(),
            error,
        }
    }

    fn malformed(&self, message: &str) -> Failure {
        self.unknown(ErrorClass::Malformed, message)
    }

    fn too_large(&self, largest: usize) -> Failure {
        let mut failure = self.malformed(&format!("the answer is larger than {largest} bytes"));
        failure.retry = false;
        failure
    }

    fn unknown(&self, class: ErrorClass, message: &str) -> Failure {
        Failure {
            error: self.error(class, message, Billed::Unknown),
            retry: class.is_retried(),
        }
    }

    fn error(&self, class: ErrorClass, message: &str, billed: Billed) -> ProviderError {
        let mut error = ProviderError::new(self.model, class, shown(message, self.key));
        error.billed = billed;
        error
    }
}

async fn drain(mut response: Response) {
    let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
    // A server that does not end its answer only loses the connection.
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

fn is_page(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("text/html")
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/json")
}

/// `x-request-id` (OpenAI and its likes), `request-id` (Anthropic), `nvcf-reqid` (NVIDIA).
fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-request-id", "request-id", "nvcf-reqid"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .map(|id| shown(id, None))
}

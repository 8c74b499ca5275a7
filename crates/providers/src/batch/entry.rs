//! Results of a batch, matched to their requests by name.

use std::collections::HashMap;

use serde_json::Value;

use super::client::BatchResult;
use crate::error_body::error_of_response;
use crate::{
    Billed, ChatModel, ChatRequest, ErrorClass, Parsed, ProviderError, RemoteModel, error_of_value,
};

/// Places for the results of the requests that were submitted.
pub(super) struct Entries<'a> {
    model: &'a RemoteModel,
    requests: &'a [(String, ChatRequest)],
    places: HashMap<&'a str, usize>,
    found: Vec<Option<Result<Parsed, ProviderError>>>,
    /// Why a request has no result; said of the whole batch.
    pub(super) absent: ProviderError,
}

impl<'a> Entries<'a> {
    pub(super) fn new(model: &'a RemoteModel, requests: &'a [(String, ChatRequest)]) -> Self {
        let names = requests.iter().enumerate();
        Self {
            model,
            requests,
            places: names.map(|(at, (name, _))| (name.as_str(), at)).collect(),
            found: vec![None; requests.len()],
            absent: ProviderError {
                billed: Billed::Unknown,
                ..ProviderError::new(
                    &model.spec().name,
                    ErrorClass::Malformed,
                    "the batch has no result for this request",
                )
            },
        }
    }

    /// The name of the request at that place.
    pub(super) fn name_at(&self, place: usize) -> Option<&'a str> {
        self.requests.get(place).map(|(name, _)| name.as_str())
    }

    /// Files a result; the first for a name counts, and unknown names are left out.
    pub(super) fn put(&mut self, name: &str, result: Result<Parsed, ProviderError>) {
        if let Some(at) = self.places.get(name)
            && self.found[*at].is_none()
        {
            self.found[*at] = Some(result);
        }
    }

    /// Files the body of an answer.
    pub(super) fn put_body(&mut self, name: &str, body: &Value) {
        let Some(at) = self.places.get(name).copied() else {
            return;
        };
        let call = self.model.call(&self.requests[at].1);
        let parsed = self
            .model
            .adapter()
            .parse(&call, body.to_string().as_bytes());
        self.put(name, parsed);
    }

    /// Files a line `{custom_id, response: {status_code, body}, error}` (OpenAI, Together, Mistral,
    /// vLLM).
    pub(super) fn put_line(&mut self, line: &Value) {
        let Some(name) = line.get("custom_id").and_then(Value::as_str) else {
            return;
        };
        let response = line.get("response").filter(|response| !response.is_null());
        let body = response.and_then(|response| response.get("body"));
        let status = response
            .and_then(|response| response.get("status_code"))
            .and_then(Value::as_u64)
            .and_then(|status| u16::try_from(status).ok());
        match (status, body) {
            (None | Some(200), Some(body)) if body.is_object() => self.put_body(name, body),
            (Some(status), Some(body)) if status != 200 => {
                let bytes = body.to_string();
                let error = error_of_response(&self.absent.model, status, bytes.as_bytes(), None);
                self.put(name, Err(error));
            }
            _ => {
                let error = self.line_error(line.get("error").unwrap_or(&Value::Null));
                self.put(name, Err(error));
            }
        }
    }

    /// An error without a response, such as `batch_expired`.
    fn line_error(&self, error: &Value) -> ProviderError {
        match error.get("code").and_then(Value::as_str) {
            Some("batch_expired") => self.expired(),
            Some("batch_cancelled") => self.cancelled(),
            // Mistral gives a text; why there is no answer is said of the whole job.
            _ if error.is_null() || (error.is_string() && self.cut_short()) => self.absent.clone(),
            _ => error_of_value(&self.absent.model, error),
        }
    }

    /// True if the batch ended before all of it was answered.
    fn cut_short(&self) -> bool {
        self.absent.class != ErrorClass::Malformed
    }

    /// Files JSON lines; a line that cannot be read leaves its request without a result.
    pub(super) fn put_lines(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            match serde_json::from_slice::<Value>(line) {
                Ok(line) => self.put_line(&line),
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(error) => {
                    tracing::warn!(model = self.absent.model, %error, "a line of a batch is no JSON");
                }
            }
        }
    }

    /// The batch ended before this request was answered.
    pub(super) fn expired(&self) -> ProviderError {
        ProviderError::new(
            &self.absent.model,
            ErrorClass::Timeout,
            "the batch expired before this request was answered",
        )
    }

    /// The batch was cancelled before this request was answered.
    pub(super) fn cancelled(&self) -> ProviderError {
        ProviderError::new(
            &self.absent.model,
            ErrorClass::Interrupted,
            "the batch was cancelled before this request was answered",
        )
    }

    /// One result for each request.
    pub(super) fn finish(self) -> Vec<BatchResult> {
        let Self {
            requests,
            found,
            absent,
            ..
        } = self;
        let names = requests.iter().map(|(name, _)| name.clone());
        let results = found
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(absent.clone())));
        names.zip(results).collect()
    }
}

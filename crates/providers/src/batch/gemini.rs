//! Gemini's batch mode with the requests in the body; the results stand in the operation itself.

use serde_json::{Value, json};

use super::client::{BatchClient, BatchId, BatchState, Body};
use super::entry::Entries;
use crate::adapters::gemini_resource;
use crate::{ChatModel, ErrorClass, ProviderError};

/// Creates the batch.
pub(super) async fn submit(
    client: &BatchClient<'_>,
    bodies: Vec<Body>,
) -> Result<BatchId, ProviderError> {
    let requests: Vec<Value> = bodies
        .into_iter()
        .map(|(name, request)| json!({ "request": request, "metadata": { "key": name } }))
        .collect();
    let request = json!({ "batch": {
        "displayName": "autodidact",
        "inputConfig": { "requests": { "requests": requests } },
    } });
    let model = gemini_resource(client.model().spec().model_name());
    let path = format!("/v1beta/{model}:batchGenerateContent");
    let created = client.create(&path, &request).await?;
    let name = created.get("name").and_then(Value::as_str);
    name.map(|name| BatchId(name.to_owned())).ok_or_else(|| {
        let model = &client.model().spec().name;
        ProviderError::new(model, ErrorClass::Malformed, "the batch has no `name`")
    })
}

/// `BATCH_STATE_RUNNING`, in the client `JOB_STATE_RUNNING`: the last word.
fn word(shown: &Value) -> &str {
    let state = shown.pointer("/metadata/state").or(shown.get("state"));
    let state = state.and_then(Value::as_str).unwrap_or_default();
    state.rsplit("_STATE_").next().unwrap_or_default()
}

/// How far it is. Its 64-bit numbers are texts.
pub(super) fn state(shown: &Value) -> BatchState {
    let done = shown.get("done").and_then(Value::as_bool) == Some(true);
    let ends = [
        "SUCCEEDED",
        "FAILED",
        "CANCELLED",
        "EXPIRED",
        "PARTIALLY_SUCCEEDED",
    ];
    if done || ends.contains(&word(shown)) {
        return BatchState::Ended;
    }
    let count = |key: &str| {
        let value = shown.pointer(&format!("/metadata/batchStats/{key}"));
        let text = value
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        text.or_else(|| value.and_then(Value::as_u64)).unwrap_or(0)
    };
    BatchState::InProgress {
        done: count("successfulRequestCount").saturating_add(count("failedRequestCount")),
        total: count("requestCount"),
    }
}

/// Reads the results, by key and else by position.
pub(super) fn results(shown: &Value, entries: &mut Entries<'_>) -> Result<(), ProviderError> {
    let places = [
        "/response/inlinedResponses/inlinedResponses",
        "/response/inlinedResponses",
        "/metadata/output/inlinedResponses/inlinedResponses",
        "/metadata/output/inlinedResponses",
    ];
    let list = places
        .iter()
        .find_map(|place| shown.pointer(place).and_then(Value::as_array));
    for (place, entry) in list.into_iter().flatten().enumerate() {
        let key = entry.pointer("/metadata/key").and_then(Value::as_str);
        let Some(name) = key.or_else(|| entries.name_at(place)).map(str::to_owned) else {
            continue;
        };
        match (entry.get("response"), entry.get("error")) {
            (Some(response), _) if response.is_object() => entries.put_body(&name, response),
            (_, Some(status)) if !status.is_null() => {
                let error = rpc_error(entries, status);
                entries.put(&name, Err(error));
            }
            _ => {}
        }
    }
    match (word(shown), shown.get("error")) {
        ("CANCELLED", _) => entries.absent = entries.cancelled(),
        ("EXPIRED", _) => entries.absent = entries.expired(),
        (_, Some(status)) if list.is_none() && !status.is_null() => {
            return Err(rpc_error(entries, status));
        }
        _ => {}
    }
    Ok(())
}

/// A `google.rpc.Status`; its codes are those of gRPC.
fn rpc_error(entries: &Entries<'_>, status: &Value) -> ProviderError {
    let class = match status.get("code").and_then(Value::as_u64) {
        Some(1) => return entries.cancelled(),
        Some(4) => return entries.expired(),
        Some(3 | 9 | 11) => ErrorClass::BadRequest,
        Some(5) => ErrorClass::NotFound,
        Some(7 | 16) => ErrorClass::Key,
        Some(8) => ErrorClass::RateLimit,
        Some(14) => ErrorClass::Overloaded,
        _ => ErrorClass::Server,
    };
    let said = crate::error_of_value(&entries.absent.model, status);
    ProviderError { class, ..said }
}

//! Anthropic's Message Batches: requests in the body, results as JSON lines in any order.

use serde_json::{Value, json};

use super::client::{BatchClient, BatchId, BatchState, Body};
use super::entry::Entries;
use crate::{ChatModel, ErrorClass, ProviderError, error_of_value};

/// Creates the batch.
pub(super) async fn submit(
    client: &BatchClient<'_>,
    bodies: Vec<Body>,
) -> Result<BatchId, ProviderError> {
    let requests: Vec<Value> = bodies
        .into_iter()
        .map(|(name, params)| json!({ "custom_id": name, "params": params }))
        .collect();
    let request = json!({ "requests": requests });
    let created = client.create("/v1/messages/batches", &request).await?;
    let id = created.get("id").and_then(Value::as_str);
    id.map(|id| BatchId(id.to_owned())).ok_or_else(|| {
        let model = &client.model().spec().name;
        ProviderError::new(model, ErrorClass::Malformed, "the batch has no `id`")
    })
}

/// How far it is. Everything but `processing` stays 0 until the end.
pub(super) fn state(shown: &Value) -> BatchState {
    if shown.get("processing_status").and_then(Value::as_str) == Some("ended") {
        return BatchState::Ended;
    }
    let counts = shown.get("request_counts").and_then(Value::as_object);
    let of = |(key, count): (&String, &Value)| (key == "processing", count.as_u64().unwrap_or(0));
    let counts: Vec<(bool, u64)> = counts.into_iter().flatten().map(of).collect();
    let sum = |processing: bool| {
        let some = counts.iter().filter(|(is, _)| *is == processing);
        some.fold(0_u64, |sum, (_, count)| sum.saturating_add(*count))
    };
    let done = sum(false);
    BatchState::InProgress {
        done,
        total: done.saturating_add(sum(true)),
    }
}

/// Reads the results.
pub(super) async fn results(
    client: &BatchClient<'_>,
    id: &BatchId,
    entries: &mut Entries<'_>,
) -> Result<(), ProviderError> {
    let path = format!("{}/results", client.path(id)?);
    let lines = client.model().endpoint().get(&path).await?;
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Value>(line) else {
            continue; // the request it was for stays without a result
        };
        let result = line.get("result").unwrap_or(&Value::Null);
        if let Some(name) = line.get("custom_id").and_then(Value::as_str) {
            put(entries, name, result);
        }
    }
    Ok(())
}

fn put(entries: &mut Entries<'_>, name: &str, result: &Value) {
    let error = match result.get("type").and_then(Value::as_str) {
        Some("succeeded") => {
            let message = result.get("message").unwrap_or(&Value::Null);
            return entries.put_body(name, message);
        }
        Some("errored") => {
            let error = result.get("error").unwrap_or(result);
            error_of_value(&entries.absent.model, error)
        }
        Some("canceled") => entries.cancelled(),
        Some("expired") => entries.expired(),
        _ => entries.absent.clone(),
    };
    entries.put(name, Err(error));
}

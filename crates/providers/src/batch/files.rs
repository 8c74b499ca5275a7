//! Batches whose requests go up and whose answers come down as files of JSON lines: OpenAI (API
//! reference, batch), Together (its Python client) and Mistral (its Python client).

use autodidact_core::Interface;
use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{BatchClient, BatchId, BatchState, Body};
use super::entry::Entries;
use crate::{ChatModel, ErrorClass, ProviderError, error_of_value};

const BOUNDARY: &str = "autodidact-7f3a91c4e2d84b60";

/// What differs between the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    Openai,
    Together,
    Mistral,
}

/// Uploads the lines and creates the batch.
pub(super) async fn submit(
    client: &BatchClient<'_>,
    flavor: Flavor,
    bodies: &[Body],
) -> Result<BatchId, ProviderError> {
    let endpoint = match client.model().spec().interface {
        Interface::Chat => "/v1/chat/completions",
        Interface::Completions => "/v1/completions",
    };
    let file = upload(client, flavor, &lines(flavor, endpoint, bodies)).await?;
    let (path, request) = match flavor {
        Flavor::Openai | Flavor::Together => (
            "/batches",
            json!({ "input_file_id": file, "endpoint": endpoint, "completion_window": "24h" }),
        ),
        Flavor::Mistral => (
            "/batch/jobs",
            json!({ "input_files": [file], "endpoint": endpoint,
                "model": client.model().spec().model_name() }),
        ),
    };
    let created = client.create(path, &request).await?;
    name(client, created.get("job").unwrap_or(&created)).map(BatchId)
}

/// The lines of a batch. Mistral's have no method and no address.
pub(super) fn lines(flavor: Flavor, endpoint: &str, bodies: &[Body]) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, body) in bodies {
        let line = match flavor {
            Flavor::Mistral => json!({ "custom_id": name, "body": body }),
            Flavor::Openai | Flavor::Together => {
                json!({ "custom_id": name, "method": "POST", "url": endpoint, "body": body })
            }
        };
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    lines
}

async fn upload(
    client: &BatchClient<'_>,
    flavor: Flavor,
    lines: &[u8],
) -> Result<String, ProviderError> {
    client.check_size(lines.len())?;
    let (path, fields): (_, &[(&str, &str)]) = match flavor {
        Flavor::Openai | Flavor::Mistral => ("/files", &[("purpose", "batch")]),
        Flavor::Together => (
            "/files/upload",
            &[
                ("purpose", "batch-api"),
                ("file_name", "batch.jsonl"),
                ("file_type", "jsonl"),
            ],
        ),
    };
    let mut body = Vec::with_capacity(lines.len() + 1024);
    for (field, value) in fields {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"batch.jsonl\"\r\n\
         Content-Type: application/jsonl\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(lines);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let endpoint = client.model().endpoint();
    // Two copies of a file cost nothing, so this may be repeated.
    let uploaded = endpoint
        .post_unpaid(path, &client.headers(), Bytes::from(body), &kind)
        .await?;
    name(client, &client.json(&uploaded)?)
}

fn name(client: &BatchClient<'_>, value: &Value) -> Result<String, ProviderError> {
    let id = value.get("id").and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| {
        let model = &client.model().spec().name;
        ProviderError::new(model, ErrorClass::Malformed, "what was created has no `id`")
    })
}

fn status(shown: &Value) -> String {
    let status = shown.get("status").and_then(Value::as_str);
    status.unwrap_or_default().to_lowercase()
}

/// How far it is. What is not known to be an end is none.
pub(super) fn state(shown: &Value) -> BatchState {
    match status(shown).as_str() {
        "completed" | "failed" | "expired" | "cancelled" | "success" | "timeout_exceeded" => {
            BatchState::Ended
        }
        _ => {
            let counts = shown.get("request_counts").unwrap_or(&Value::Null);
            let of = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64);
            let failed = of(counts, "failed").unwrap_or(0);
            let completed = of(counts, "completed").map(|completed| completed + failed);
            let done = completed.or_else(|| of(shown, "completed_requests"));
            let total = of(counts, "total").or_else(|| of(shown, "total_requests"));
            BatchState::InProgress {
                done: done.unwrap_or(0),
                total: total.unwrap_or(0),
            }
        }
    }
}

/// Reads the file of answers and the file of errors.
pub(super) async fn results(
    client: &BatchClient<'_>,
    shown: &Value,
    entries: &mut Entries<'_>,
) -> Result<(), ProviderError> {
    let files = [
        "output_file_id",
        "error_file_id",
        "output_file",
        "error_file",
    ]
    .map(|key| shown.get(key).and_then(Value::as_str));
    let inline = shown.get("outputs").and_then(Value::as_array);
    let status = status(shown);
    if status == "failed" && files.iter().all(Option::is_none) && inline.is_none() {
        return Err(refused(client, shown));
    }
    match status.as_str() {
        "expired" | "timeout_exceeded" => entries.absent = entries.expired(),
        "cancelled" => entries.absent = entries.cancelled(),
        _ => {}
    }
    for id in files.into_iter().flatten() {
        let content = content(client, id).await?;
        entries.put_lines(&content);
    }
    for line in inline.into_iter().flatten() {
        entries.put_line(line);
    }
    Ok(())
}

async fn content(client: &BatchClient<'_>, id: &str) -> Result<Bytes, ProviderError> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.is_empty() || !id.chars().all(letter) {
        return Err(client.refuse(format!("{id:?} is no name of a file")));
    }
    let path = format!("/files/{id}/content");
    client.model().endpoint().get(&path).await
}

fn refused(client: &BatchClient<'_>, shown: &Value) -> ProviderError {
    let errors = shown.get("errors").unwrap_or(&Value::Null);
    let first = errors.pointer("/data/0").or_else(|| errors.get(0));
    let said = error_of_value(
        &client.model().spec().name,
        first.unwrap_or(shown.get("error").unwrap_or(errors)),
    );
    ProviderError {
        class: ErrorClass::BadRequest,
        message: format!("the provider refused the batch: {}", said.message),
        ..said
    }
}

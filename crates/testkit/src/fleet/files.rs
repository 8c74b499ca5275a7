//! `/v1/files` of OpenAI and Mistral: what batches read and write.

use serde_json::{Value, json};

use super::dialect::{Kind, Trouble};
use super::jobs::File;
use super::mocks::{Done, Fleet, now};
use crate::script::{Act, Received, Reply};

/// `POST /v1/files`, a form in parts.
pub(crate) fn upload(fleet: &Fleet, request: &Received) -> Result<Done, Trouble> {
    let parts = parts(request).ok_or_else(|| Trouble::invalid("Could not parse multipart form"))?;
    let purpose = parts
        .iter()
        .find(|part| part.name == "purpose")
        .map(|part| String::from_utf8_lossy(&part.body).trim().to_owned())
        .ok_or_else(|| {
            Trouble::invalid("'purpose' is a required property")
                .at("purpose", "missing_required_parameter")
        })?;
    let file = parts
        .into_iter()
        .find(|part| part.name == "file")
        .ok_or_else(|| {
            Trouble::invalid("'file' is a required property")
                .at("file", "missing_required_parameter")
        })?;
    let id = add(fleet, &file.filename, &purpose, file.body);
    describe(fleet, &id)
}

/// Adds a file and returns its name for the interface.
pub(crate) fn add(fleet: &Fleet, filename: &str, purpose: &str, bytes: Vec<u8>) -> String {
    let id = format!("file-{:08x}", fleet.serial());
    let file = File {
        filename: filename.to_owned(),
        purpose: purpose.to_owned(),
        bytes,
        created: now(),
    };
    fleet.jobs().files.insert(id.clone(), file);
    id
}

/// `GET /v1/files/{id}`, with the fields of both providers.
pub(crate) fn describe(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let file = jobs.files.get(id).ok_or_else(|| absent(id))?;
    Ok(Done::json(&json!({
        "id": id,
        "object": "file",
        "bytes": file.bytes.len(),
        "created_at": file.created,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "sample_type": "batch_request",
        "source": "upload",
    })))
}

/// `GET /v1/files/{id}/content`.
pub(crate) fn content(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let file = jobs.files.get(id).ok_or_else(|| absent(id))?;
    let reply = Reply::new(200, "application/octet-stream", file.bytes.clone());
    Ok(Done::free(Act::Answer(reply)))
}

/// The lines of a file as JSON.
pub(crate) fn lines(fleet: &Fleet, id: &str) -> Result<Vec<Value>, Trouble> {
    let jobs = fleet.jobs();
    let file = jobs.files.get(id).ok_or_else(|| absent(id))?;
    let text = String::from_utf8_lossy(&file.bytes);
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| Trouble::invalid(format!("a line is not JSON: {error}")))
        })
        .collect()
}

fn absent(id: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("No such File object: {id}"))
}

struct Part {
    name: String,
    filename: String,
    body: Vec<u8>,
}

fn parts(request: &Received) -> Option<Vec<Part>> {
    let kind = request.header("content-type")?;
    let boundary = kind
        .split("boundary=")
        .nth(1)?
        .split(';')
        .next()?
        .trim_matches('"');
    let mark = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    let mut rest = &request.body[find(&request.body, &mark)? + mark.len()..];
    while !rest.starts_with(b"--") {
        let end = find(rest, &mark)?;
        let part = &rest[..end];
        let body = find(part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&part[..body]).into_owned();
        let value = |name: &str| {
            let value = head
                .split(&format!("{name}=\""))
                .nth(1)?
                .split('"')
                .next()?;
            Some(value.to_owned())
        };
        parts.push(Part {
            name: value("; name")
                .or_else(|| value(" name"))
                .unwrap_or_default(),
            filename: value("filename").unwrap_or_default(),
            // The line end before the next mark belongs to the mark.
            body: part.get(body + 4..part.len().checked_sub(2)?)?.to_vec(),
        });
        rest = &rest[end + mark.len()..];
    }
    Some(parts)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

//! `/v1/batch/jobs` of Mistral (its client): files of lines without method and path, or the lines
//! themselves.

use serde_json::{Value, json};

use super::batch_openai::answer;
use super::dialect::{Dialect, Kind, Trouble};
use super::fields::texts_of;
use super::files;
use super::jobs::{Batch, Line, Outcome, Stage, repeated, run};
use super::mocks::{Done, Fleet, now};
use crate::script::json_lines;

/// `POST /v1/batch/jobs`.
pub(crate) fn create(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let endpoint = body["endpoint"].as_str().unwrap_or_default();
    if !endpoint.starts_with("/v1/") {
        return Err(Trouble::new(Kind::Fields, "Field required").at("endpoint", "missing"));
    }
    let mut lines = Vec::new();
    for id in texts_of(&body["input_files"]) {
        lines.extend(files::lines(fleet, &id)?);
    }
    let inline = body["requests"].as_array();
    lines.extend(inline.into_iter().flatten().cloned());
    if lines.is_empty() {
        return Err(Trouble::invalid(
            "either input_files or requests must be given",
        ));
    }
    let model = body["model"].as_str().unwrap_or_default();
    let requests: Vec<(String, Value)> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let id = line["custom_id"]
                .as_str()
                .map_or_else(|| index.to_string(), str::to_owned);
            let mut body = line["body"].clone();
            if body["model"].is_null() {
                body["model"] = json!(model);
            }
            (id, body)
        })
        .collect();
    if let Some(id) = repeated(&requests) {
        return Err(Trouble::invalid(format!("custom_id {id} is not unique")));
    }
    let lines = run(fleet, "/v1/batch/jobs", &requests, |body| {
        answer(fleet, endpoint, body)
    });
    let echoed = json!({"endpoint": endpoint, "input_files": body["input_files"].as_array().cloned().unwrap_or_default(),
        "metadata": body["metadata"], "inline": inline.is_some()});
    let mut batch = Batch::new(fleet, model, echoed, lines);
    if inline.is_none() {
        batch.output = write_file(fleet, &batch, "output.jsonl", |line| {
            matches!(line.outcome, Outcome::Answer(_))
        });
        batch.errors = write_file(fleet, &batch, "errors.jsonl", |line| {
            !matches!(line.outcome, Outcome::Answer(_))
        });
    }
    let id = format!("job-{:08x}", fleet.serial());
    let shown = show(&id, &batch);
    fleet.jobs().batches.insert(id, batch);
    Ok(Done::json(&shown))
}

fn write_file(
    fleet: &Fleet,
    batch: &Batch,
    name: &str,
    wanted: fn(&Line) -> bool,
) -> Option<String> {
    let lines = batch.shuffled().into_iter().filter(|line| wanted(line));
    let bytes = json_lines(&lines.map(output_line).collect::<Vec<_>>()).concat();
    (!bytes.is_empty()).then(|| files::add(fleet, name, "batch", bytes))
}

fn output_line(line: &Line) -> Value {
    let (response, error) = match &line.outcome {
        Outcome::Answer(body) => (json!({"status_code": 200, "body": body}), Value::Null),
        Outcome::Refused(trouble) => {
            let reply = trouble.reply(Dialect::Mistral);
            let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            (
                json!({"status_code": reply.status, "body": body}),
                json!(trouble.message),
            )
        }
        Outcome::Expired => (
            Value::Null,
            json!("the job's time was over before this request"),
        ),
    };
    json!({"id": format!("batch-{}", line.custom_id), "custom_id": line.custom_id, "response": response, "error": error})
}

fn show(id: &str, batch: &Batch) -> Value {
    let stage = batch.stage();
    let ended = stage == Stage::Ended;
    let status = match stage {
        Stage::Running => "RUNNING",
        Stage::Cancelled => "CANCELLED",
        Stage::Ended => "SUCCESS",
    };
    let (succeeded, failed) = if ended { batch.counts() } else { (0, 0) };
    let mut shown = json!({
        "id": id, "object": "batch", "input_files": batch.echoed["input_files"],
        "endpoint": batch.echoed["endpoint"], "model": batch.model, "agent_id": null,
        "metadata": batch.echoed["metadata"], "errors": [], "status": status,
        "output_file": if ended { json!(batch.output) } else { Value::Null },
        "error_file": if ended { json!(batch.errors) } else { Value::Null },
        "created_at": batch.created, "started_at": batch.created,
        "completed_at": if ended { json!(now()) } else { Value::Null },
        "total_requests": batch.lines.len(), "completed_requests": succeeded + failed,
        "succeeded_requests": succeeded, "failed_requests": failed,
    });
    if ended && batch.echoed["inline"] == Value::Bool(true) {
        shown["outputs"] = batch.shuffled().into_iter().map(output_line).collect();
    }
    shown
}

fn absent(id: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("Batch job {id} not found"))
}

/// `GET /v1/batch/jobs/{id}`.
pub(crate) fn describe(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let batch = jobs.batches.get(id).ok_or_else(|| absent(id))?;
    Ok(Done::json(&show(id, batch)))
}

/// `POST /v1/batch/jobs/{id}/cancel`.
pub(crate) fn cancel(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let mut jobs = fleet.jobs();
    let batch = jobs.batches.get_mut(id).ok_or_else(|| absent(id))?;
    batch.cancel();
    Ok(Done::json(&show(id, batch)))
}

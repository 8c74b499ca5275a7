//! `/v1/batches` of OpenAI (API reference, batch): files in, one or two files out.

use serde_json::{Value, json};

use super::dialect::{Dialect, Kind, Trouble};
use super::files;
use super::jobs::{Batch, Line, Outcome, Stage, repeated, run};
use super::mocks::{Done, Fleet, now};
use super::{completions, openai};
use crate::script::Act;

const ENDPOINTS: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

/// `POST /v1/batches`.
pub(crate) fn create(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let endpoint = body["endpoint"].as_str().unwrap_or_default();
    if !ENDPOINTS.contains(&endpoint) {
        return Err(Trouble::invalid(format!("Invalid value: '{endpoint}'."))
            .at("endpoint", "invalid_value"));
    }
    if body["completion_window"] != "24h" {
        return Err(Trouble::invalid("Invalid value for 'completion_window'.")
            .at("completion_window", "invalid_value"));
    }
    let input = body["input_file_id"].as_str().unwrap_or_default();
    let mut requests = Vec::new();
    let mut refused = None;
    for (number, line) in files::lines(fleet, input)?.into_iter().enumerate() {
        let custom_id = line["custom_id"].as_str().unwrap_or_default().to_owned();
        if custom_id.is_empty() || line["method"] != "POST" || line["url"] != endpoint {
            refused = Some(problem(
                "invalid_request",
                "custom_id, method or url is wrong",
                number + 1,
            ));
        }
        requests.push((custom_id, line["body"].clone()));
    }
    if let Some(id) = repeated(&requests) {
        refused = Some(problem(
            "duplicate_custom_id",
            &format!("The custom_id {id} is not unique."),
            1,
        ));
    }
    let lines = match refused {
        Some(_) => Vec::new(),
        None => run(fleet, "/v1/batches", &requests, |body| {
            answer(fleet, endpoint, body)
        }),
    };
    let model = requests
        .first()
        .and_then(|(_, body)| body["model"].as_str())
        .unwrap_or_default();
    let echoed = json!({"endpoint": endpoint, "input_file_id": input, "metadata": body["metadata"],
        "completion_window": "24h", "problem": refused});
    let mut batch = Batch::new(fleet, model, echoed, lines);
    (batch.output, batch.errors) = write_files(fleet, &batch);
    let id = format!("batch_{:08x}", fleet.serial());
    let shown = show(&id, &batch);
    fleet.jobs().batches.insert(id, batch);
    Ok(Done::json(&shown))
}

fn problem(code: &str, message: &str, line: usize) -> Value {
    json!({"code": code, "message": message, "param": null, "line": line})
}

/// The body of the answer to a line, and its tokens.
pub(crate) fn answer(
    fleet: &Fleet,
    endpoint: &str,
    body: &Value,
) -> Result<(Value, (u64, u64)), Trouble> {
    let dialect = Dialect::from_model(body["model"].as_str().unwrap_or_default());
    let done = if endpoint.ends_with("chat/completions") {
        openai::chat(fleet, dialect, body)
    } else {
        completions::complete(fleet, dialect, body)
    }?;
    let Act::Answer(reply) = done.act else {
        return Err(Trouble::invalid("a batch cannot stream"));
    };
    let reply = serde_json::from_slice(&reply.body).unwrap_or_default();
    Ok((reply, done.paid.unwrap_or_default()))
}

fn write_files(fleet: &Fleet, batch: &Batch) -> (Option<String>, Option<String>) {
    let (mut output, mut errors) = (String::new(), String::new());
    for line in batch.shuffled() {
        let text = format!("{}\n", output_line(fleet, line));
        match line.outcome {
            Outcome::Answer(_) => output.push_str(&text),
            Outcome::Refused(_) | Outcome::Expired => errors.push_str(&text),
        }
    }
    let add = |name: &str, text: String| {
        (!text.is_empty()).then(|| files::add(fleet, name, "batch_output", text.into_bytes()))
    };
    (add("output.jsonl", output), add("errors.jsonl", errors))
}

fn output_line(fleet: &Fleet, line: &Line) -> Value {
    let request = format!("req_{:08x}", fleet.serial());
    let (response, error) = match &line.outcome {
        Outcome::Answer(body) => (
            json!({"status_code": 200, "request_id": request, "body": body}),
            Value::Null,
        ),
        Outcome::Refused(trouble) => {
            let reply = trouble.reply(Dialect::OpenAi);
            let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            (
                json!({"status_code": reply.status, "request_id": request, "body": body}),
                Value::Null,
            )
        }
        Outcome::Expired => {
            let message =
                "This request could not be executed before the completion window expired.";
            (
                Value::Null,
                json!({"code": "batch_expired", "message": message}),
            )
        }
    };
    json!({"id": format!("batch_{request}"), "custom_id": line.custom_id, "response": response, "error": error})
}

fn show(id: &str, batch: &Batch) -> Value {
    let stage = batch.stage();
    let problem = &batch.echoed["problem"];
    let expired = batch
        .lines
        .iter()
        .any(|line| matches!(line.outcome, Outcome::Expired));
    let status = match stage {
        _ if !problem.is_null() => "failed",
        Stage::Running => "in_progress",
        Stage::Cancelled => "cancelled",
        Stage::Ended if expired => "expired",
        Stage::Ended => "completed",
    };
    let ended = stage == Stage::Ended;
    let (completed, failed) = if ended { batch.counts() } else { (0, 0) };
    let at = |wanted: &str| {
        if status == wanted {
            json!(now())
        } else {
            Value::Null
        }
    };
    let file = |id: &Option<String>| if ended { json!(id) } else { Value::Null };
    json!({
        "id": id, "object": "batch", "endpoint": batch.echoed["endpoint"], "model": batch.model,
        "errors": if problem.is_null() { Value::Null } else { json!({"object": "list", "data": [problem]}) },
        "input_file_id": batch.echoed["input_file_id"],
        "completion_window": "24h", "status": status,
        "output_file_id": file(&batch.output), "error_file_id": file(&batch.errors),
        "created_at": batch.created, "in_progress_at": batch.created,
        "expires_at": batch.created + 86_400,
        "finalizing_at": null, "completed_at": at("completed"), "failed_at": at("failed"),
        "expired_at": at("expired"), "cancelling_at": null, "cancelled_at": at("cancelled"),
        "request_counts": {"total": batch.lines.len(), "completed": completed, "failed": failed},
        "metadata": batch.echoed["metadata"],
    })
}

fn absent(id: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("No batch found with id '{id}'."))
}

/// `GET /v1/batches/{id}`.
pub(crate) fn describe(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let batch = jobs.batches.get(id).ok_or_else(|| absent(id))?;
    Ok(Done::json(&show(id, batch)))
}

/// `POST /v1/batches/{id}/cancel`.
pub(crate) fn cancel(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let mut jobs = fleet.jobs();
    let batch = jobs.batches.get_mut(id).ok_or_else(|| absent(id))?;
    batch.cancel();
    Ok(Done::json(&show(id, batch)))
}

/// `GET /v1/batches`.
pub(crate) fn list(fleet: &Fleet) -> Done {
    let jobs = fleet.jobs();
    let own = jobs
        .batches
        .iter()
        .filter(|(id, _)| id.starts_with("batch_"));
    let data: Vec<Value> = own.map(|(id, batch)| show(id, batch)).collect();
    Done::json(
        &json!({"object": "list", "data": data, "has_more": false, "first_id": null, "last_id": null}),
    )
}

//! `/v1/messages/batches` of Anthropic (types of the official client): lines in the body, results as
//! JSON lines in any order.

use serde_json::{Value, json};

use super::anthropic::batched;
use super::dialect::{Dialect, Kind, Trouble};
use super::jobs::{Batch, Line, Outcome, Stage, repeated, run};
use super::mocks::{Done, Fleet};
use crate::script::{Act, Received, Reply, json_lines};

/// `POST /v1/messages/batches`.
pub(crate) fn create(fleet: &Fleet, request: &Received, body: &Value) -> Result<Done, Trouble> {
    let list = body["requests"]
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| Trouble::invalid("requests: Field required"))?;
    let mut requests = Vec::new();
    for (index, line) in list.iter().enumerate() {
        let id = line["custom_id"].as_str().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 64 || !id.chars().all(is_name) {
            return Err(Trouble::invalid(format!(
                "requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            )));
        }
        if line["params"]["stream"] == Value::Bool(true) {
            return Err(Trouble::invalid(format!(
                "requests.{index}.params.stream: batches do not stream"
            )));
        }
        requests.push((id.to_owned(), line["params"].clone()));
    }
    if let Some(id) = repeated(&requests) {
        return Err(Trouble::invalid(format!(
            "requests: custom_id {id} is not unique"
        )));
    }
    let lines = run(fleet, "/v1/messages/batches", &requests, |params| {
        let message = batched(fleet, params)?;
        let usage = &message["usage"];
        let tokens = |name: &str| usage[name].as_u64().unwrap_or(0);
        let input = tokens("input_tokens")
            + tokens("cache_creation_input_tokens")
            + tokens("cache_read_input_tokens");
        let paid = (input, tokens("output_tokens"));
        Ok((message, paid))
    });
    let batch = Batch::new(fleet, "", Value::Null, lines);
    let id = format!("msgbatch_{:08x}", fleet.serial());
    let shown = show(request, &id, &batch);
    fleet.jobs().batches.insert(id, batch);
    Ok(Done::json(&shown))
}

fn show(request: &Received, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage();
    let is = |wanted: fn(&Outcome) -> bool| {
        batch
            .lines
            .iter()
            .filter(|line| wanted(&line.outcome))
            .count()
    };
    let total = batch.lines.len();
    // All counts but the first stay 0 until the end.
    let counts = match stage {
        Stage::Running => [total, 0, 0, 0, 0],
        Stage::Cancelled => [0, 0, 0, total, 0],
        Stage::Ended => [
            0,
            is(|outcome| matches!(outcome, Outcome::Answer(_))),
            is(|outcome| matches!(outcome, Outcome::Refused(_))),
            0,
            is(|outcome| matches!(outcome, Outcome::Expired)),
        ],
    };
    let host = request.header("host").unwrap_or("127.0.0.1");
    let ended = stage != Stage::Running;
    json!({
        "id": id,
        "type": "message_batch",
        "processing_status": if ended { "ended" } else { "in_progress" },
        "request_counts": {"processing": counts[0], "succeeded": counts[1], "errored": counts[2],
            "canceled": counts[3], "expired": counts[4]},
        "created_at": "2026-11-23T00:00:00Z",
        "expires_at": "2026-11-24T00:00:00Z",
        "ended_at": if ended { json!("2026-11-23T00:00:01Z") } else { Value::Null },
        "cancel_initiated_at": if stage == Stage::Cancelled { json!("2026-11-23T00:00:01Z") } else { Value::Null },
        "archived_at": null,
        "results_url": if ended { json!(format!("http://{host}/v1/messages/batches/{id}/results")) } else { Value::Null },
    })
}

fn absent(id: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("batch {id} not found"))
}

/// `GET /v1/messages/batches/{id}`.
pub(crate) fn describe(fleet: &Fleet, request: &Received, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let batch = jobs.batches.get(id).ok_or_else(|| absent(id))?;
    Ok(Done::json(&show(request, id, batch)))
}

/// `POST /v1/messages/batches/{id}/cancel`.
pub(crate) fn cancel(fleet: &Fleet, request: &Received, id: &str) -> Result<Done, Trouble> {
    let mut jobs = fleet.jobs();
    let batch = jobs.batches.get_mut(id).ok_or_else(|| absent(id))?;
    batch.cancel();
    Ok(Done::json(&show(request, id, batch)))
}

/// `GET /v1/messages/batches/{id}/results`.
pub(crate) fn results(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let batch = jobs.batches.get(id).ok_or_else(|| absent(id))?;
    let stage = batch.stage();
    if stage == Stage::Running {
        return Err(Trouble::invalid("the batch has not ended"));
    }
    let lines: Vec<Value> = batch
        .shuffled()
        .into_iter()
        .map(|line| result_line(line, stage))
        .collect();
    let lines = json_lines(&lines).concat();
    Ok(Done::free(Act::Answer(Reply::new(
        200,
        "application/x-jsonl",
        lines,
    ))))
}

fn result_line(line: &Line, stage: Stage) -> Value {
    let result = match &line.outcome {
        _ if stage == Stage::Cancelled => json!({"type": "canceled"}),
        Outcome::Answer(message) => json!({"type": "succeeded", "message": message}),
        Outcome::Refused(trouble) => {
            let reply = trouble.reply(Dialect::Anthropic);
            let error: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            json!({"type": "errored", "error": error})
        }
        Outcome::Expired => json!({"type": "expired"}),
    };
    json!({"custom_id": line.custom_id, "result": result})
}

//! `batchGenerateContent` of Gemini with requests in the body (batch pages and official client):
//! answers in the order of the requests.

use serde_json::{Value, json};

use super::dialect::{Dialect, Kind, Trouble};
use super::draw::Draw;
use super::gemini::{understand, whole};
use super::jobs::{Batch, Line, Outcome, Stage, run};
use super::mocks::{Done, Fleet};

/// `POST models/{model}:batchGenerateContent`.
pub(crate) fn create(fleet: &Fleet, model: &str, body: &Value) -> Result<Done, Trouble> {
    let batch = &body["batch"];
    let list = batch["inputConfig"]["requests"]["requests"]
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| {
            Trouble::invalid("* BatchGenerateContentRequest.batch.input_config: must be given")
        })?;
    let mut keys = Vec::new();
    let mut requests = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let key = item["metadata"]["key"]
            .as_str()
            .map_or_else(|| index.to_string(), str::to_owned);
        keys.push(item["metadata"].clone());
        requests.push((key, item["request"].clone()));
    }
    let lines = run(fleet, "/v1beta/batches", &requests, |request| {
        let (ask, shown) = understand(model, request)?;
        let draws = fleet.draw(&ask);
        let output = draws.iter().map(Draw::output_tokens).sum();
        let reply = whole(fleet.serial(), &ask, &draws, shown);
        Ok((reply, (ask.input_tokens, output)))
    });
    let echoed = json!({"displayName": batch["displayName"], "metadata": keys});
    let batch = Batch::new(fleet, model, echoed, lines);
    let id = format!("gem{:08x}", fleet.serial());
    let shown = show(&id, &batch);
    fleet.jobs().batches.insert(id, batch);
    Ok(Done::json(&shown))
}

fn show(id: &str, batch: &Batch) -> Value {
    let stage = batch.stage();
    let state = match stage {
        Stage::Running => "BATCH_STATE_RUNNING",
        Stage::Ended => "BATCH_STATE_SUCCEEDED",
        Stage::Cancelled => "BATCH_STATE_CANCELLED",
    };
    let name = format!("batches/{id}");
    let (answered, failed) = batch.counts();
    let mut shown = json!({
        "name": name,
        "metadata": {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "model": format!("models/{}", batch.model),
            "displayName": batch.echoed["displayName"],
            "createTime": "2026-11-23T00:00:00Z",
            "updateTime": "2026-11-23T00:00:00Z",
            "name": name,
            "state": state,
            // 64-bit numbers are texts in this interface.
            "batchStats": {"requestCount": batch.lines.len().to_string()},
        },
    });
    if stage == Stage::Ended {
        let answers = batch
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| one(line, &batch.echoed["metadata"][index]));
        let answers = json!({"inlinedResponses": answers.collect::<Vec<_>>()});
        shown["done"] = json!(true);
        shown["metadata"]["endTime"] = json!("2026-11-23T00:00:01Z");
        shown["metadata"]["batchStats"]["successfulRequestCount"] = json!(answered.to_string());
        shown["metadata"]["batchStats"]["failedRequestCount"] = json!(failed.to_string());
        shown["metadata"]["output"] = json!({"inlinedResponses": answers});
        shown["response"] = json!({
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput",
            "inlinedResponses": answers,
        });
    } else if stage == Stage::Cancelled {
        shown["done"] = json!(true);
        shown["error"] = json!({"code": 1, "message": "The operation was cancelled."});
    }
    shown
}

fn one(line: &Line, metadata: &Value) -> Value {
    let mut one = match &line.outcome {
        Outcome::Answer(reply) => json!({"response": reply}),
        Outcome::Refused(trouble) => {
            let code = trouble.reply(Dialect::Gemini).status;
            // Codes of google.rpc: 3 invalid argument, 13 internal.
            json!({"error": {"code": if code < 500 { 3 } else { 13 }, "message": trouble.message}})
        }
        Outcome::Expired => json!({"error": {"code": 4, "message": "Deadline exceeded."}}),
    };
    if metadata.is_object() {
        one["metadata"] = metadata.clone();
    }
    one
}

fn absent(id: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("batches/{id} not found"))
}

/// `GET batches/{id}`.
pub(crate) fn describe(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let jobs = fleet.jobs();
    let batch = jobs.batches.get(id).ok_or_else(|| absent(id))?;
    Ok(Done::json(&show(id, batch)))
}

/// `POST batches/{id}:cancel`.
pub(crate) fn cancel(fleet: &Fleet, id: &str) -> Result<Done, Trouble> {
    let mut jobs = fleet.jobs();
    let batch = jobs.batches.get_mut(id).ok_or_else(|| absent(id))?;
    batch.cancel();
    Ok(Done::json(&json!({})))
}

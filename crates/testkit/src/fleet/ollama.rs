//! `/api/chat` and `/api/generate` of Ollama (its API documentation): fields it does not know, such
//! as `n`, are ignored in silence, and streaming is on unless it is switched off.

use serde_json::{Map, Value, json};

use super::dialect::{Kind, Trouble};
use super::draw::{Draw, Finish, tokens};
use super::fields::{Field, Is, WHOLE, Wrong, texts_of, wrong_known_field};
use super::mocks::{Done, Fleet, fits};
use super::openai_reply::token_logprob;
use super::wits::Ask;
use crate::script::{Act, End, json_lines};

const FIELDS: &[Field] = &[
    ("model", Is::Text),
    ("messages", Is::List),
    ("prompt", Is::Text),
    ("system", Is::Text),
    ("raw", Is::Flag),
    ("stream", Is::Flag),
    ("options", Is::Object),
    ("logprobs", Is::Flag),
    ("top_logprobs", WHOLE),
];

const OPTIONS: &[Field] = &[
    ("num_ctx", WHOLE),
    ("num_predict", WHOLE),
    ("temperature", Is::Number(0.0, 1e9)),
    ("seed", WHOLE),
    ("top_k", WHOLE),
    ("top_p", Is::Number(0.0, 1e9)),
    ("stop", Is::List),
];

/// `POST /api/chat`.
pub(crate) fn chat(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let mut ask = read(body)?;
    for message in body["messages"].as_array().into_iter().flatten() {
        let text = message["content"].as_str().unwrap_or_default();
        ask.input_tokens += 4 + tokens(text).len() as u64;
        match message["role"].as_str() {
            Some("system") => ask.system.push_str(text),
            Some("user") => {
                text.clone_into(&mut ask.user);
                ask.prefill = None;
            }
            Some("assistant") => ask.prefill = Some(text.to_owned()),
            Some("tool") => {}
            _ => return Err(Trouble::invalid("invalid role")),
        }
    }
    answer(fleet, &ask, body, "message")
}

/// `POST /api/generate`.
pub(crate) fn generate(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let mut ask = read(body)?;
    body["prompt"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut ask.user);
    body["system"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut ask.system);
    ask.input_tokens = tokens(&ask.user).len() as u64 + tokens(&ask.system).len() as u64;
    answer(fleet, &ask, body, "response")
}

fn read(body: &Value) -> Result<Ask, Trouble> {
    let empty = Map::new();
    let options = &body["options"];
    let wrong = wrong_known_field(body.as_object().unwrap_or(&empty), &[FIELDS])
        .or_else(|| wrong_known_field(options.as_object().unwrap_or(&empty), &[OPTIONS]));
    match wrong {
        Some(Wrong::Type(name, wanted)) => {
            return Err(Trouble::invalid(format!(
                "json: cannot unmarshal field {name}: want {wanted}"
            )));
        }
        Some(Wrong::Range(name) | Wrong::Unknown(name)) => {
            return Err(Trouble::invalid(format!(
                "option \"{name}\" is out of range"
            )));
        }
        None => {}
    }
    let model = body["model"].as_str().unwrap_or_default();
    if model.is_empty() {
        return Err(Trouble::invalid("model is required"));
    }
    if model.contains("no-such") {
        return Err(Trouble::new(
            Kind::NotFound,
            format!("model '{model}' not found"),
        ));
    }
    Ok(Ask {
        model: model.to_owned(),
        seed: options["seed"].as_i64(),
        temperature: options["temperature"].as_f64(),
        n: 1,
        // Negative: without limit.
        max_tokens: options["num_predict"].as_u64(),
        stop: texts_of(&options["stop"]),
        thinks: !matches!(body["think"], Value::Null | Value::Bool(false)),
        ..Ask::default()
    })
}

fn answer(fleet: &Fleet, ask: &Ask, body: &Value, field: &str) -> Result<Done, Trouble> {
    fits(&ask.model, ask.input_tokens)?;
    let draws = fleet.draw(ask);
    let Some(draw) = draws.first() else {
        return Err(Trouble::invalid("no answer"));
    };
    let act = if body["stream"] == Value::Bool(false) {
        let mut whole = line(ask, field, &draw.text(), draw.reasoning.as_deref());
        end(&mut whole, ask, draw);
        if body["logprobs"] == Value::Bool(true) {
            whole["logprobs"] = logprobs(body, &draw.tokens, &draw.logprobs());
        }
        Act::json(200, &whole)
    } else {
        stream(ask, draw, body, field)
    };
    Ok(Done::paid(act, ask.input_tokens, draw.output_tokens()))
}

fn stream(ask: &Ask, draw: &Draw, body: &Value, field: &str) -> Act {
    let mut lines = Vec::new();
    if let Some(thinking) = &draw.reasoning {
        lines.push(line(ask, field, "", Some(thinking)));
    }
    let all = draw.logprobs();
    for (at, tokens) in draw.tokens.chunks(2).enumerate() {
        let mut part = line(ask, field, &tokens.concat(), None);
        if body["logprobs"] == Value::Bool(true) {
            part["logprobs"] = logprobs(body, tokens, &all[at * 2..]);
        }
        lines.push(part);
    }
    let mut last = line(ask, field, "", None);
    end(&mut last, ask, draw);
    lines.push(last);
    Act::Pieces {
        status: 200,
        headers: vec![("content-type".into(), "application/x-ndjson".into())],
        pieces: json_lines(&lines)
            .into_iter()
            .map(|line| (std::time::Duration::ZERO, line))
            .collect(),
        then: End::KeepAlive,
    }
}

fn line(ask: &Ask, field: &str, text: &str, thinking: Option<&str>) -> Value {
    let mut line =
        json!({"model": ask.model, "created_at": "2026-11-23T00:00:00.000000000Z", "done": false});
    if field == "message" {
        line["message"] = json!({"role": "assistant", "content": text});
        if let Some(thinking) = thinking {
            line["message"]["thinking"] = json!(thinking);
        }
    } else {
        line["response"] = json!(text);
        if let Some(thinking) = thinking {
            line["thinking"] = json!(thinking);
        }
    }
    line
}

fn end(line: &mut Value, ask: &Ask, draw: &Draw) {
    line["done"] = json!(true);
    line["done_reason"] = json!(match draw.finish {
        Finish::End | Finish::Stop(_) => "stop",
        Finish::Length => "length",
    });
    // Nanoseconds.
    line["total_duration"] = json!(5_000_000);
    line["load_duration"] = json!(1_000_000);
    line["prompt_eval_count"] = json!(ask.input_tokens);
    line["prompt_eval_duration"] = json!(1_000_000);
    line["eval_count"] = json!(draw.output_tokens());
    line["eval_duration"] = json!(3_000_000);
}

fn logprobs(body: &Value, tokens: &[String], logprobs: &[f64]) -> Value {
    let top = body["top_logprobs"].as_u64().unwrap_or(0);
    let entries = tokens.iter().zip(logprobs);
    entries
        .map(|(token, logprob)| token_logprob(token, *logprob, top))
        .collect()
}

/// `GET /api/tags`.
pub(crate) fn tags() -> Value {
    let models: Vec<Value> = ["mock-large:latest", "mock-small:latest"]
        .iter()
        .map(|name| {
            json!({"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1,
                "digest": "00", "details": {"format": "gguf", "family": "mock", "families": ["mock"],
                "parameter_size": "1B", "quantization_level": "Q4_0"}})
        })
        .collect();
    json!({"models": models})
}

//! `POST /v1/messages` of Anthropic: what it takes (types of the official client; the refusals as
//! reported by users of the later models).

use serde_json::{Map, Value, json};

use super::anthropic_reply::{Cache, stream, whole};
use super::dialect::Trouble;
use super::draw::tokens;
use super::fields::{COUNT, Field, Is, Wrong, text_of, texts_of, wrong_field};
use super::hash::hash;
use super::mocks::{Done, Fleet, fits, known_model, locked};
use super::wits::Ask;

const FIELDS: &[Field] = &[
    ("model", Is::Text),
    ("max_tokens", Is::Whole(0, i64::MAX)),
    ("messages", Is::List),
    ("system", Is::TextOrList(usize::MAX)),
    ("temperature", Is::Number(0.0, 1.0)),
    ("top_p", Is::Number(0.0, 1.0)),
    ("top_k", COUNT),
    ("stop_sequences", Is::List),
    ("stream", Is::Flag),
    ("thinking", Is::Object),
    ("output_config", Is::Object),
    ("tools", Is::List),
    ("tool_choice", Is::Object),
    ("metadata", Is::Object),
    ("service_tier", Is::Text),
    ("cache_control", Is::Object),
    ("container", Is::Any),
    ("inference_geo", Is::Text),
];

/// Answers one request.
pub(crate) fn messages(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let (ask, cache) = understand(fleet, body)?;
    let draws = fleet.draw(&ask);
    let Some(draw) = draws.first() else {
        return Err(Trouble::invalid(
            "messages: at least one message is required",
        ));
    };
    let id = fleet.serial();
    let act = if body["stream"] == Value::Bool(true) {
        stream(id, &ask, draw, cache)
    } else {
        crate::script::Act::Answer(
            crate::script::Reply::json(200, &whole(id, &ask, draw, cache))
                .header("request-id", format!("req_{id:08x}")),
        )
    };
    Ok(Done::paid(act, ask.input_tokens, draw.output_tokens()))
}

/// The body of the message for a line of a batch, with its tokens.
pub(crate) fn batched(fleet: &Fleet, params: &Value) -> Result<Value, Trouble> {
    if params["max_tokens"] == 0 {
        return Err(Trouble::invalid(
            "max_tokens: must be at least 1 in a batch",
        ));
    }
    let (ask, cache) = understand(fleet, params)?;
    let draws = fleet.draw(&ask);
    let draw = draws
        .first()
        .ok_or_else(|| Trouble::invalid("messages: empty"))?;
    let mut message = whole(fleet.serial(), &ask, draw, cache);
    message["usage"]["service_tier"] = json!("batch");
    Ok(message)
}

fn understand(fleet: &Fleet, body: &Value) -> Result<(Ask, Cache), Trouble> {
    let empty = Map::new();
    let fields = body.as_object().unwrap_or(&empty);
    check(fields)?;
    let ask = read(fields)?;
    check_model(&ask, fields)?;
    known_model(&ask.model)?;
    fits(&ask.model, ask.input_tokens)?;
    let cache = cache(fleet, body);
    Ok((ask, cache))
}

fn check(fields: &Map<String, Value>) -> Result<(), Trouble> {
    for name in ["model", "max_tokens", "messages"] {
        if fields.get(name).is_none_or(Value::is_null) {
            return Err(Trouble::invalid(format!("{name}: Field required")));
        }
    }
    let message = match wrong_field(fields, &[FIELDS]) {
        None => return Ok(()),
        Some(Wrong::Unknown(name)) => format!("{name}: Extra inputs are not permitted"),
        Some(Wrong::Type(name, wanted)) => format!("{name}: Input should be a valid {wanted}"),
        Some(Wrong::Range(name)) => format!("{name}: Input should be within its range"),
    };
    Err(Trouble::invalid(message))
}

fn read(fields: &Map<String, Value>) -> Result<Ask, Trouble> {
    let get = |name: &str| fields.get(name).unwrap_or(&Value::Null);
    let mut ask = Ask {
        model: get("model").as_str().unwrap_or_default().to_owned(),
        system: text_of(get("system")),
        temperature: get("temperature").as_f64(),
        n: 1,
        max_tokens: get("max_tokens").as_u64(),
        stop: texts_of(get("stop_sequences")),
        thinks: matches!(
            get("thinking")["type"].as_str(),
            Some("enabled" | "adaptive")
        ),
        ..Ask::default()
    };
    // Temperature 0 is not deterministic here, and there is no seed.
    ask.temperature = ask.temperature.map(|temperature| temperature.max(0.001));
    ask.input_tokens = 4 + tokens(&ask.system).len() as u64;
    let messages = get("messages")
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if messages.is_empty() {
        return Err(Trouble::invalid(
            "messages: at least one message is required",
        ));
    }
    let mut before = "";
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let text = text_of(&message["content"]);
        if text.is_empty() {
            return Err(Trouble::invalid(format!(
                "messages.{index}: user messages must have non-empty content"
            )));
        }
        ask.input_tokens += 4 + tokens(&text).len() as u64;
        match role {
            // Turns of the same role are merged.
            "user" if before == "user" => ask.user.push_str(&text),
            "user" => ask.user = text,
            "assistant" => ask.prefill = Some(text),
            "system" => {
                return Err(Trouble::invalid(
                    "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.",
                ));
            }
            _ => {
                return Err(Trouble::invalid(format!(
                    "messages.{index}.role: Input should be 'user' or 'assistant'"
                )));
            }
        }
        before = role;
    }
    if before == "user" {
        ask.prefill = None;
    }
    Ok(ask)
}

/// What depends on the model or on other fields.
fn check_model(ask: &Ask, fields: &Map<String, Value>) -> Result<(), Trouble> {
    let generation = generation(&ask.model);
    let sent = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if let Some(prefill) = &ask.prefill {
        if generation >= (4, 6) {
            return Err(Trouble::invalid(
                "This model does not support assistant message prefill. The conversation must end with a user message.",
            ));
        }
        if prefill.ends_with(char::is_whitespace) {
            return Err(Trouble::invalid(
                "messages: final assistant content cannot end with trailing whitespace",
            ));
        }
    }
    if sent("temperature") && ask.model.contains("opus") && generation >= (4, 7) {
        return Err(Trouble::invalid(
            "`temperature` is deprecated for this model.",
        ));
    }
    if !ask.thinks {
        return Ok(());
    }
    if ask.prefill.is_some() {
        return Err(Trouble::invalid(
            "messages: prefilled assistant content is not compatible with `thinking`",
        ));
    }
    if fields
        .get("temperature")
        .is_some_and(|value| value.as_f64() != Some(1.0))
    {
        return Err(Trouble::invalid(
            "`temperature` may only be set to 1 when thinking is enabled.",
        ));
    }
    let thinking = &fields["thinking"];
    if thinking["type"] == "enabled" {
        let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
        if budget < 1024 {
            return Err(Trouble::invalid(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            ));
        }
        if ask.max_tokens <= Some(budget) {
            return Err(Trouble::invalid(
                "`max_tokens` must be greater than `thinking.budget_tokens`.",
            ));
        }
    }
    Ok(())
}

/// The generation in a model's name: `claude-sonnet-4-6-20260101` is (4, 6), `claude-opus-5` (5, 0).
pub(crate) fn generation(model: &str) -> (u32, u32) {
    let mut numbers = model
        .split(['-', '.'])
        .filter(|part| part.len() <= 2)
        .filter_map(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Tokens of what is marked for the cache: written the first time, read afterwards.
fn cache(fleet: &Fleet, body: &Value) -> Cache {
    let mut marked = String::new();
    let parts = body["system"].as_array().into_iter().flatten().chain(
        body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|message| message["content"].as_array().into_iter().flatten()),
    );
    let mut text = String::new();
    for part in parts {
        text.push_str(&text_of(part));
        if part["cache_control"].is_object() {
            marked.clone_from(&text);
        }
    }
    let count = tokens(&marked).len() as u64;
    if count == 0 {
        return Cache::default();
    }
    let is_new = locked(&fleet.inner.cached).insert(hash(&[&marked]));
    Cache {
        written: if is_new { count } else { 0 },
        read: if is_new { 0 } else { count },
    }
}

/// `GET /v1/models`.
pub(crate) fn models() -> Value {
    let names = ["claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5"];
    let data: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}))
        .collect();
    json!({"data": data, "has_more": false, "first_id": names[0], "last_id": names[2]})
}

#[cfg(test)]
mod tests {
    use super::generation;

    #[test]
    fn generations_are_read_from_names() {
        for (model, expected) in [
            ("claude-sonnet-4-6-20260101", (4, 6)),
            ("claude-opus-5", (5, 0)),
            ("claude-3-5-sonnet-20241022", (3, 5)),
            ("claude-sonnet-4-20250514", (4, 0)),
            ("claude-haiku-4.5", (4, 5)),
        ] {
            assert_eq!(generation(model), expected, "{model}");
        }
    }
}

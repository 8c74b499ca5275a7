//! `generateContent` of Gemini and its stream (types of the official client, REST names).

use serde_json::{Map, Value, json};

use super::dialect::Trouble;
use super::draw::{Draw, Finish, tokens};
use super::fields::{COUNT, Field, Is, Wrong, text_of, texts_of, wrong_field};
use super::mocks::{Done, Fleet, fits, known_model};
use super::wits::Ask;
use crate::script::{Act, Received, events};

const FIELDS: &[Field] = &[
    ("contents", Is::List),
    ("systemInstruction", Is::Object),
    ("generationConfig", Is::Object),
    ("safetySettings", Is::List),
    ("tools", Is::List),
    ("toolConfig", Is::Object),
    ("cachedContent", Is::Text),
    ("labels", Is::Object),
    ("serviceTier", Is::Text),
    ("model", Is::Text),
];

const CONFIG: &[Field] = &[
    ("temperature", Is::Number(0.0, 2.0)),
    ("topP", Is::Number(0.0, 1.0)),
    ("topK", Is::Number(1.0, 1e9)),
    ("candidateCount", Is::Whole(1, 8)),
    ("maxOutputTokens", COUNT),
    ("stopSequences", Is::List),
    ("seed", Is::Whole(i32::MIN as i64, i32::MAX as i64)),
    ("responseLogprobs", Is::Flag),
    ("logprobs", Is::Whole(0, 20)),
    ("presencePenalty", Is::Number(-2.0, 2.0)),
    ("frequencyPenalty", Is::Number(-2.0, 2.0)),
    ("responseMimeType", Is::Text),
    ("responseSchema", Is::Object),
    ("responseJsonSchema", Is::Any),
    ("thinkingConfig", Is::Object),
    ("responseModalities", Is::List),
    ("mediaResolution", Is::Text),
];

const THINKING: &[Field] = &[
    ("includeThoughts", Is::Flag),
    ("thinkingBudget", Is::Whole(-1, 65_536)),
    ("thinkingLevel", Is::Text),
];

/// What is shown beside the answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    thoughts: bool,
    logprobs: bool,
}

/// The object with names in camel case: the interface takes `include_thoughts` as well, as all of
/// the JSON form of protocol buffers does.
fn camel(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let camel = fields.map(|(name, value)| {
        let mut words = name.split('_');
        let mut camel = words.next().unwrap_or_default().to_owned();
        for word in words {
            let (first, rest) = word.split_at_checked(1).unwrap_or_default();
            camel.push_str(&first.to_ascii_uppercase());
            camel.push_str(rest);
        }
        (camel, value.clone())
    });
    Value::Object(camel.collect())
}

/// `models/NAME:verb`, taken apart.
pub(crate) fn split_path(path: &str) -> (&str, &str) {
    path.strip_prefix("models/")
        .and_then(|rest| rest.split_once(':'))
        .unwrap_or(("", ""))
}

/// The answer in one body.
pub(crate) fn generate(fleet: &Fleet, model: &str, body: &Value) -> Result<Done, Trouble> {
    let (ask, shown) = understand(model, body)?;
    let draws = fleet.draw(&ask);
    let output = draws.iter().map(Draw::output_tokens).sum();
    let reply = whole(fleet.serial(), &ask, &draws, shown);
    Ok(Done::paid(Act::json(200, &reply), ask.input_tokens, output))
}

/// The answer as events, or without `alt=sse` as one array; there is no end mark.
pub(crate) fn stream(
    fleet: &Fleet,
    model: &str,
    request: &Received,
    body: &Value,
) -> Result<Done, Trouble> {
    let (ask, shown) = understand(model, body)?;
    let draws = fleet.draw(&ask);
    let output = draws.iter().map(Draw::output_tokens).sum();
    let replies = parts(fleet.serial(), &ask, &draws, shown);
    let act = if request.path.contains("alt=sse") {
        Act::stream(events(&replies))
    } else {
        Act::json(200, &Value::Array(replies))
    };
    Ok(Done::paid(act, ask.input_tokens, output))
}

/// `countTokens`.
pub(crate) fn count(body: &Value) -> Result<Done, Trouble> {
    let inner = &body["generateContentRequest"];
    let contents = if inner.is_object() {
        &inner["contents"]
    } else {
        &body["contents"]
    };
    let list = contents.as_array().ok_or_else(|| {
        Trouble::invalid("* GenerateContentRequest.contents: contents is not specified")
    })?;
    let total: u64 = list
        .iter()
        .map(|content| tokens(&text_of(&content["parts"])).len() as u64)
        .sum();
    Ok(Done::json(&json!({"totalTokens": total})))
}

fn check(fields: &Value, known: &[Field], place: &str) -> Result<(), Trouble> {
    let empty = Map::new();
    match wrong_field(fields.as_object().unwrap_or(&empty), &[known]) {
        None => Ok(()),
        Some(Wrong::Unknown(name)) => {
            let at = if place.is_empty() {
                String::new()
            } else {
                format!(" at '{place}'")
            };
            Err(Trouble::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            )))
        }
        Some(Wrong::Type(name, wanted)) => Err(Trouble::invalid(format!(
            "Invalid value at '{place}.{name}' ({wanted})"
        ))),
        Some(Wrong::Range(name)) => Err(Trouble::invalid(format!(
            "Unable to submit request because it has a {name} value that is out of its supported range."
        ))),
    }
}

/// What is asked, and what is to be shown.
pub(crate) fn understand(model: &str, body: &Value) -> Result<(Ask, Shown), Trouble> {
    let body = camel(body);
    let config = camel(&body["generationConfig"]);
    let thinking = camel(&config["thinkingConfig"]);
    check(&body, FIELDS, "")?;
    check(&config, CONFIG, "generation_config")?;
    check(&thinking, THINKING, "generation_config.thinking_config")?;
    let budget = thinking["thinkingBudget"].as_i64();
    let shown = Shown {
        thoughts: thinking["includeThoughts"] == Value::Bool(true),
        logprobs: config["responseLogprobs"] == Value::Bool(true),
    };
    let thinks = shown.thoughts || budget.is_some() || thinking["thinkingLevel"].is_string();
    let mut ask = Ask {
        model: model.to_owned(),
        system: text_of(&body["systemInstruction"]["parts"]),
        seed: config["seed"].as_i64(),
        temperature: config["temperature"].as_f64(),
        n: config["candidateCount"].as_u64().unwrap_or(1) as usize,
        max_tokens: config["maxOutputTokens"].as_u64(),
        stop: texts_of(&config["stopSequences"]),
        thinks: budget != Some(0) && thinks,
        ..Ask::default()
    };
    ask.input_tokens = tokens(&ask.system).len() as u64;
    read_contents(&mut ask, &body["contents"])?;
    known_model(model)?;
    fits(model, ask.input_tokens)?;
    Ok((ask, shown))
}

fn read_contents(ask: &mut Ask, contents: &Value) -> Result<(), Trouble> {
    let contents = contents.as_array().map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() {
        return Err(Trouble::invalid(
            "* GenerateContentRequest.contents: contents is not specified",
        ));
    }
    for (index, content) in contents.iter().enumerate() {
        let text = text_of(&content["parts"]);
        ask.input_tokens += 2 + tokens(&text).len() as u64;
        match content["role"].as_str() {
            Some("user") | None => {
                ask.user = text;
                ask.prefill = None;
            }
            Some("model") => ask.prefill = Some(text),
            Some(_) => {
                return Err(Trouble::invalid(format!(
                    "Please use a valid role: user, model. (contents[{index}].role)"
                )));
            }
        }
    }
    Ok(())
}

const fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::End | Finish::Stop(_) => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}

fn usage(ask: &Ask, draws: &[Draw]) -> Value {
    let answers: u64 = draws.iter().map(|draw| draw.tokens.len() as u64).sum();
    let thoughts: u64 = draws.iter().map(|draw| draw.reasoning_tokens).sum();
    let mut usage = json!({
        "promptTokenCount": ask.input_tokens,
        "candidatesTokenCount": answers,
        "totalTokenCount": ask.input_tokens + answers + thoughts,
    });
    if thoughts > 0 {
        usage["thoughtsTokenCount"] = json!(thoughts);
    }
    usage
}

fn frame(id: u64, ask: &Ask, candidates: &[Value], usage: &Value) -> Value {
    json!({
        "candidates": candidates,
        "usageMetadata": usage,
        "modelVersion": ask.model,
        "responseId": format!("resp{id:08x}"),
    })
}

/// One `GenerateContentResponse`.
pub(crate) fn whole(id: u64, ask: &Ask, draws: &[Draw], shown: Shown) -> Value {
    let candidates = draws.iter().enumerate().map(|(index, draw)| {
        let mut parts = Vec::new();
        if let Some(thoughts) = draw.reasoning.as_ref().filter(|_| shown.thoughts) {
            parts.push(json!({"text": thoughts, "thought": true}));
        }
        let text = draw.text();
        let mut content = json!({"role": "model"});
        if !text.is_empty() {
            parts.push(json!({"text": text}));
        }
        if !parts.is_empty() {
            content["parts"] = json!(parts);
        }
        let mut candidate = json!({"content": content, "finishReason": finish_reason(&draw.finish), "index": index});
        if shown.logprobs {
            add_logprobs(&mut candidate, draw);
        }
        candidate
    });
    let candidates: Vec<Value> = candidates.collect();
    frame(id, ask, &candidates, &usage(ask, draws))
}

fn add_logprobs(candidate: &mut Value, draw: &Draw) {
    let logprobs = draw.logprobs();
    let sum: f64 = logprobs.iter().sum();
    let chosen: Vec<Value> = draw
        .tokens
        .iter()
        .zip(&logprobs)
        .map(|(token, logprob)| json!({"token": token, "tokenId": 1, "logProbability": logprob}))
        .collect();
    let top: Vec<Value> = chosen
        .iter()
        .map(|token| json!({"candidates": [token]}))
        .collect();
    candidate["avgLogprobs"] = json!(sum / logprobs.len().max(1) as f64);
    candidate["logprobsResult"] =
        json!({"chosenCandidates": chosen, "topCandidates": top, "logProbabilitySum": sum});
}

/// The same in parts; the reason to stop and the whole usage come with the last ones.
fn parts(id: u64, ask: &Ask, draws: &[Draw], shown: Shown) -> Vec<Value> {
    let mut replies = Vec::new();
    let part = |index: usize, part: Value| json!({"content": {"role": "model", "parts": [part]}, "index": index});
    let early = json!({"promptTokenCount": ask.input_tokens, "totalTokenCount": ask.input_tokens});
    for (index, draw) in draws.iter().enumerate() {
        if let Some(thoughts) = draw.reasoning.as_ref().filter(|_| shown.thoughts) {
            let candidate = part(index, json!({"text": thoughts, "thought": true}));
            replies.push(frame(id, ask, &[candidate], &early));
        }
        for tokens in draw.tokens.chunks(6) {
            let candidate = part(index, json!({"text": tokens.concat()}));
            replies.push(frame(id, ask, &[candidate], &early));
        }
        let mut last = part(index, json!({"text": ""}));
        last["finishReason"] = json!(finish_reason(&draw.finish));
        if shown.logprobs {
            add_logprobs(&mut last, draw);
        }
        replies.push(frame(id, ask, &[last], &usage(ask, draws)));
    }
    replies
}

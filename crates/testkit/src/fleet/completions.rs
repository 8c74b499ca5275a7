//! `POST /v1/completions`: text to continue (OpenAI API reference, vLLM's source).

use serde_json::{Map, Value, json};

use super::dialect::{Dialect, Trouble};
use super::draw::{Draw, Finish, tokens};
use super::fields::{Field, Is, WHOLE, texts_of, wrong_field, wrong_known_field};
use super::mocks::{Done, Fleet, fits, known_model, now};
use super::openai::refused_field;
use super::wits::Ask;
use crate::script::{Act, events};

const FIELDS: &[Field] = &[
    ("model", Is::Text),
    ("prompt", Is::TextOrList(usize::MAX)),
    ("max_tokens", Is::Whole(0, i64::MAX)),
    ("n", Is::Whole(1, 128)),
    ("best_of", Is::Whole(0, 20)),
    ("echo", Is::Flag),
    ("logprobs", Is::Whole(0, 5)),
    ("suffix", Is::Text),
    ("stop", Is::TextOrList(4)),
    ("seed", WHOLE),
    ("temperature", Is::Number(0.0, 2.0)),
    ("top_p", Is::Number(0.0, 1.0)),
    ("frequency_penalty", Is::Number(-2.0, 2.0)),
    ("presence_penalty", Is::Number(-2.0, 2.0)),
    ("logit_bias", Is::Object),
    ("stream", Is::Flag),
    ("stream_options", Is::Object),
    ("user", Is::Text),
];

struct Choice {
    prompt: String,
    draw: Draw,
}

/// Answers one request, which may also be a line of a batch.
pub(crate) fn complete(fleet: &Fleet, dialect: Dialect, body: &Value) -> Result<Done, Trouble> {
    let empty = Map::new();
    let fields = body.as_object().unwrap_or(&empty);
    for name in ["model", "prompt"] {
        if fields.get(name).is_none_or(Value::is_null) {
            return Err(Trouble::invalid(format!(
                "you must provide a {name} parameter"
            )));
        }
    }
    let wrong = match dialect {
        Dialect::OpenAi => wrong_field(fields, &[FIELDS]),
        _ => wrong_known_field(fields, &[FIELDS]),
    };
    if let Some(wrong) = wrong {
        return Err(refused_field(dialect, &wrong));
    }
    let model = body["model"].as_str().unwrap_or_default();
    known_model(model)?;
    let mut choices = Vec::new();
    let mut input = 0;
    for prompt in texts_of(&body["prompt"]) {
        let ask = read(body, model, &prompt);
        input += ask.input_tokens;
        fits(model, ask.input_tokens)?;
        let draws = fleet.draw(&ask).into_iter();
        choices.extend(draws.map(|draw| Choice {
            prompt: prompt.clone(),
            draw: spaced(&prompt, draw),
        }));
    }
    let output = choices
        .iter()
        .map(|choice| choice.draw.output_tokens())
        .sum();
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let frame = json!({"id": format!("cmpl-{:08x}", fleet.serial()), "object": "text_completion",
        "created": now(), "model": model});
    let act = if body["stream"] == Value::Bool(true) {
        stream(&frame, body, &choices, &usage)
    } else {
        let mut whole = frame;
        whole["choices"] = choices
            .iter()
            .enumerate()
            .map(|(index, choice)| whole_choice(body, index, choice))
            .collect();
        whole["usage"] = usage;
        Act::json(200, &whole)
    };
    Ok(Done::paid(act, input, output))
}

fn read(body: &Value, model: &str, prompt: &str) -> Ask {
    Ask {
        model: model.to_owned(),
        user: prompt.to_owned(),
        seed: body["seed"].as_i64(),
        temperature: body["temperature"].as_f64(),
        n: body["n"].as_u64().unwrap_or(1) as usize,
        // The default of the interface, and a trap.
        max_tokens: Some(body["max_tokens"].as_u64().unwrap_or(16)),
        stop: texts_of(&body["stop"]),
        input_tokens: tokens(prompt).len() as u64,
        ..Ask::default()
    }
}

/// A continuation begins with the space that the prompt does not end with.
fn spaced(prompt: &str, mut draw: Draw) -> Draw {
    if prompt.ends_with(|c: char| !c.is_whitespace())
        && let Some(first) = draw.tokens.first_mut()
        && !first.starts_with(' ')
    {
        first.insert(0, ' ');
    }
    draw
}

fn whole_choice(body: &Value, index: usize, choice: &Choice) -> Value {
    let echo = body["echo"] == Value::Bool(true);
    let mut all = if echo {
        tokens(&choice.prompt)
    } else {
        Vec::new()
    };
    let prompt_tokens = all.len();
    all.extend(choice.draw.tokens.iter().cloned());
    let mut logprobs: Vec<Value> = (0..prompt_tokens)
        .map(|at| if at == 0 { Value::Null } else { json!(-1.0) })
        .collect();
    logprobs.extend(
        choice
            .draw
            .logprobs()
            .into_iter()
            .map(|logprob| json!(logprob)),
    );
    let wanted = body["logprobs"].is_number();
    json!({
        "text": all.concat(),
        "index": index,
        "logprobs": if wanted { arrays(&all, &logprobs) } else { Value::Null },
        "finish_reason": finish(&choice.draw.finish),
    })
}

const fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::End | Finish::Stop(_) => "stop",
        Finish::Length => "length",
    }
}

fn arrays(tokens: &[String], logprobs: &[Value]) -> Value {
    let mut offset = 0;
    let offsets: Vec<usize> = tokens
        .iter()
        .map(|token| {
            offset += token.chars().count();
            offset - token.chars().count()
        })
        .collect();
    let top: Vec<Value> = tokens
        .iter()
        .zip(logprobs)
        .map(|(token, logprob)| {
            if logprob.is_null() {
                Value::Null
            } else {
                json!({token: logprob})
            }
        })
        .collect();
    json!({"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": top, "text_offset": offsets})
}

fn stream(frame: &Value, body: &Value, choices: &[Choice], usage: &Value) -> Act {
    let chunk = |choice: Value| {
        let mut chunk = frame.clone();
        chunk["choices"] = json!([choice]);
        chunk
    };
    let mut chunks = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let logprobs = choice.draw.logprobs();
        for (at, tokens) in choice.draw.tokens.chunks(4).enumerate() {
            let part: Vec<Value> = logprobs[at * 4..]
                .iter()
                .take(tokens.len())
                .map(|l| json!(l))
                .collect();
            let logprobs = if body["logprobs"].is_number() {
                arrays(tokens, &part)
            } else {
                Value::Null
            };
            chunks.push(chunk(json!({"text": tokens.concat(), "index": index, "logprobs": logprobs, "finish_reason": null})));
        }
        let reason = finish(&choice.draw.finish);
        chunks.push(chunk(
            json!({"text": "", "index": index, "logprobs": null, "finish_reason": reason}),
        ));
    }
    if body["stream_options"]["include_usage"] == Value::Bool(true) {
        let mut last = frame.clone();
        last["choices"] = json!([]);
        last["usage"] = usage.clone();
        chunks.push(last);
    }
    let mut pieces = events(&chunks);
    pieces.push(b"data: [DONE]\n\n".to_vec());
    Act::stream(pieces)
}

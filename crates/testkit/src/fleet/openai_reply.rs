//! Bodies and event streams of the OpenAI chat form, with the differences of its imitators.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::draw::{Draw, Finish};
use super::hash::{hash, mix};
use super::mocks::{Fleet, now};
use super::wits::Ask;
use crate::script::{Act, events};

/// Tokens in one event of a stream.
const EVENT_TOKENS: usize = 4;

/// What a reply says beside its answers.
#[derive(Debug)]
pub(crate) struct Form {
    dialect: Dialect,
    id: String,
    created: u64,
    model: String,
    seed: Option<i64>,
    input_tokens: u64,
    logprobs: bool,
    top_logprobs: u64,
    usage_in_stream: bool,
}

impl Form {
    pub(crate) fn new(fleet: &Fleet, dialect: Dialect, body: &Value, ask: &Ask) -> Self {
        Self {
            dialect,
            id: format!("chatcmpl-{:08x}", fleet.serial()),
            created: now(),
            model: ask.model.clone(),
            seed: ask.seed,
            input_tokens: ask.input_tokens,
            logprobs: match &body["logprobs"] {
                Value::Bool(wanted) => *wanted,
                // Together: how many alternatives.
                Value::Number(count) => count.as_u64() > Some(0),
                _ => false,
            },
            top_logprobs: body["top_logprobs"].as_u64().unwrap_or(0),
            // Mistral and Together send the usage without being asked.
            usage_in_stream: body["stream_options"]["include_usage"] == Value::Bool(true)
                || matches!(dialect, Dialect::Mistral | Dialect::Together),
        }
    }

    fn frame(&self, object: &str, choices: &[Value]) -> Value {
        let mut frame = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.dialect == Dialect::OpenAi {
            frame["service_tier"] = json!("default");
            frame["system_fingerprint"] = json!("fp_testkit");
        }
        frame
    }

    fn usage(&self, draws: &[Draw]) -> Value {
        let output: u64 = draws.iter().map(Draw::output_tokens).sum();
        let mut usage = json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
        });
        if self.dialect == Dialect::OpenAi {
            let reasoning: u64 = draws.iter().map(|draw| draw.reasoning_tokens).sum();
            usage["prompt_tokens_details"] = json!({"cached_tokens": 0, "audio_tokens": 0});
            usage["completion_tokens_details"] = json!({"reasoning_tokens": reasoning,
                "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0});
        }
        usage
    }

    fn finish(&self, finish: &Finish) -> &'static str {
        match finish {
            Finish::End if self.dialect == Dialect::Together => "eos",
            Finish::End | Finish::Stop(_) => "stop",
            Finish::Length => "length",
        }
    }

    /// The log-probabilities of a part of the tokens.
    fn logprobs(&self, tokens: &[String], logprobs: &[f64]) -> Value {
        if !self.logprobs || self.dialect == Dialect::Mistral {
            return Value::Null;
        }
        if self.dialect == Dialect::Together {
            return json!({"tokens": tokens, "token_logprobs": logprobs});
        }
        let content: Vec<Value> = tokens
            .iter()
            .zip(logprobs)
            .map(|(token, logprob)| token_logprob(token, *logprob, self.top_logprobs))
            .collect();
        json!({"content": content, "refusal": null})
    }

    fn message(&self, draw: &Draw) -> Value {
        let text = draw.text();
        let mut message = json!({"role": "assistant", "content": text});
        match (self.dialect, &draw.reasoning) {
            (Dialect::OpenAi, _) => {
                message["refusal"] = Value::Null;
                message["annotations"] = json!([]);
            }
            (Dialect::Mistral, Some(reasoning)) => {
                message["content"] = json!([
                    {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]},
                    {"type": "text", "text": text},
                ]);
            }
            (Dialect::OllamaOpenAi | Dialect::Together, Some(reasoning)) => {
                message["reasoning"] = json!(reasoning);
            }
            (_, Some(reasoning)) => message["reasoning_content"] = json!(reasoning),
            (_, None) => {}
        }
        message
    }
}

/// One entry of a list of log-probabilities, with alternatives (also Ollama's).
pub(crate) fn token_logprob(token: &str, logprob: f64, alternatives: u64) -> Value {
    let entry = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let top: Vec<Value> = (0..alternatives)
        .map(|rank| match rank {
            0 => entry(token, logprob),
            _ => entry(&format!("{token}{rank}"), logprob - 1.5 * rank as f64),
        })
        .collect();
    let mut whole = entry(token, logprob);
    whole["top_logprobs"] = json!(top);
    whole
}

/// The answers in one body.
pub(crate) fn whole(form: &Form, draws: &[Draw]) -> Act {
    let choices = draws.iter().enumerate().map(|(index, draw)| {
        let mut choice = json!({
            "index": index,
            "message": form.message(draw),
            "finish_reason": form.finish(&draw.finish),
        });
        if form.dialect != Dialect::Mistral {
            choice["logprobs"] = form.logprobs(&draw.tokens, &draw.logprobs());
        }
        if form.dialect == Dialect::Together {
            choice["seed"] = json!(form.seed.unwrap_or_else(|| hash(&[&form.id]) as i64));
        }
        if let (Dialect::Vllm, Finish::Stop(stop)) = (form.dialect, &draw.finish) {
            choice["stop_reason"] = json!(stop);
        }
        choice
    });
    let mut body = form.frame("chat.completion", &choices.collect::<Vec<_>>());
    body["usage"] = form.usage(draws);
    Act::json(200, &body)
}

/// The answers as events; those of several choices take turns.
pub(crate) fn stream(form: &Form, draws: &[Draw]) -> Act {
    let mut chunks = Vec::new();
    for (index, draw) in draws.iter().enumerate() {
        chunks.push(chunk(
            form,
            index,
            &json!({"role": "assistant", "content": ""}),
            None,
        ));
        if let Some(reasoning) = draw
            .reasoning
            .as_ref()
            .filter(|_| form.dialect != Dialect::OpenAi)
        {
            let delta = match form.dialect {
                Dialect::Mistral => json!({"content": [{"type": "thinking",
                    "thinking": [{"type": "text", "text": reasoning}]}]}),
                Dialect::OllamaOpenAi | Dialect::Together => json!({"reasoning": reasoning}),
                _ => json!({"reasoning_content": reasoning}),
            };
            chunks.push(chunk(form, index, &delta, None));
        }
    }
    let longest = draws
        .iter()
        .map(|draw| draw.tokens.len())
        .max()
        .unwrap_or(0);
    for begin in (0..longest).step_by(EVENT_TOKENS) {
        for (index, draw) in draws.iter().enumerate() {
            let end = draw.tokens.len().min(begin + EVENT_TOKENS);
            if begin < end {
                let tokens = &draw.tokens[begin..end];
                let mut chunk = chunk(form, index, &json!({"content": tokens.concat()}), None);
                let logprobs = form.logprobs(tokens, &draw.logprobs()[begin..end]);
                if !logprobs.is_null() {
                    chunk["choices"][0]["logprobs"] = logprobs;
                }
                chunks.push(chunk);
            }
        }
    }
    for (index, draw) in draws.iter().enumerate() {
        chunks.push(chunk(
            form,
            index,
            &json!({}),
            Some(form.finish(&draw.finish)),
        ));
    }
    add_usage(form, draws, &mut chunks);
    let mut pieces = events(&chunks);
    pieces.push(b"data: [DONE]\n\n".to_vec());
    Act::stream(pieces)
}

/// OpenAI sends a last chunk without choices; Mistral and Together put it into the last one.
fn add_usage(form: &Form, draws: &[Draw], chunks: &mut Vec<Value>) {
    if !form.usage_in_stream {
        return;
    }
    if matches!(form.dialect, Dialect::Mistral | Dialect::Together) {
        if let Some(last) = chunks.last_mut() {
            last["usage"] = form.usage(draws);
        }
        return;
    }
    for chunk in chunks.iter_mut() {
        chunk["usage"] = Value::Null;
    }
    let mut last = form.frame("chat.completion.chunk", &[]);
    last["usage"] = form.usage(draws);
    chunks.push(last);
}

fn chunk(form: &Form, index: usize, delta: &Value, finish: Option<&str>) -> Value {
    let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish});
    let mut chunk = form.frame("chat.completion.chunk", &[choice]);
    if form.dialect == Dialect::OpenAi {
        // Filler that hides the length of the tokens.
        let filler = format!("{:x}", mix(hash(&[&chunk["choices"].to_string()])));
        chunk["obfuscation"] = json!(filler[..filler.len() / 2]);
    }
    chunk
}

//! `POST /v1/chat/completions` of OpenAI and of those who imitate it (OpenAI API reference, Mistral
//! API reference, Together's client, vLLM's and Ollama's sources).

use serde_json::{Map, Value};

use super::dialect::{Dialect, Kind, Trouble};
use super::draw::tokens;
use super::fields::{
    COUNT, Field, Is, WHOLE, Wrong, text_of, texts_of, wrong_field, wrong_known_field,
};
use super::mocks::{Done, Fleet, fits, known_model};
use super::openai_reply::{Form, stream, whole};
use super::wits::Ask;

const COMMON: &[Field] = &[
    ("model", Is::Text),
    ("messages", Is::List),
    ("max_tokens", COUNT),
    ("n", Is::Whole(1, 128)),
    ("temperature", Is::Number(0.0, 2.0)),
    ("top_p", Is::Number(0.0, 1.0)),
    ("frequency_penalty", Is::Number(-2.0, 2.0)),
    ("presence_penalty", Is::Number(-2.0, 2.0)),
    ("response_format", Is::Object),
    ("stream", Is::Flag),
    ("stream_options", Is::Object),
    ("tools", Is::List),
    ("tool_choice", Is::Any),
    ("parallel_tool_calls", Is::Flag),
    ("reasoning_effort", Is::Text),
    ("metadata", Is::Object),
    ("prompt_cache_key", Is::Text),
];

const OPENAI: &[Field] = &[
    ("max_completion_tokens", COUNT),
    ("logit_bias", Is::Object),
    ("logprobs", Is::Flag),
    ("top_logprobs", Is::Whole(0, 20)),
    ("seed", WHOLE),
    ("stop", Is::TextOrList(4)),
    ("verbosity", Is::Text),
    ("service_tier", Is::Text),
    ("store", Is::Flag),
    ("prompt_cache_options", Is::Object),
    ("prompt_cache_retention", Is::Text),
    ("safety_identifier", Is::Text),
    ("prediction", Is::Object),
    ("modalities", Is::List),
    ("audio", Is::Object),
    ("web_search_options", Is::Object),
    ("moderation", Is::Any),
    ("user", Is::Text),
];

const MISTRAL: &[Field] = &[
    ("random_seed", Is::Whole(0, i64::MAX)),
    ("stop", Is::TextOrList(usize::MAX)),
    ("prediction", Is::Object),
    ("prompt_mode", Is::Text),
    ("safe_prompt", Is::Flag),
    ("guardrails", Is::List),
];

const TOGETHER: &[Field] = &[
    ("seed", WHOLE),
    ("stop", Is::List),
    ("top_k", WHOLE),
    ("min_p", Is::Number(0.0, 1.0)),
    ("repetition_penalty", Is::Number(0.0, 10.0)),
    ("logit_bias", Is::Object),
    ("logprobs", Is::Whole(0, 20)),
    ("echo", Is::Flag),
    ("safety_model", Is::Text),
];

/// Fields of vLLM whose type it checks; all others are taken and ignored.
const VLLM: &[Field] = &[
    ("max_completion_tokens", COUNT),
    ("logprobs", Is::Flag),
    ("top_logprobs", Is::Whole(-1, 20)),
    ("seed", WHOLE),
    ("stop", Is::TextOrList(usize::MAX)),
    ("stop_token_ids", Is::List),
    ("top_k", WHOLE),
    ("min_p", Is::Number(0.0, 1.0)),
    ("add_generation_prompt", Is::Flag),
    ("continue_final_message", Is::Flag),
    ("chat_template_kwargs", Is::Object),
];

/// Answers one request, which may also be a line of a batch.
pub(crate) fn chat(fleet: &Fleet, dialect: Dialect, body: &Value) -> Result<Done, Trouble> {
    let fields = body
        .as_object()
        .ok_or_else(|| Trouble::invalid("We could not parse the JSON body of your request."))?;
    check(dialect, fields)?;
    let ask = read(dialect, fields)?;
    known_model(&ask.model)?;
    fits(&ask.model, ask.input_tokens)?;
    let mut draws = fleet.draw(&ask);
    if let (Dialect::Mistral, Some(prefill)) = (dialect, &ask.prefill) {
        for draw in &mut draws {
            draw.tokens.splice(0..0, tokens(prefill));
        }
    }
    let form = Form::new(fleet, dialect, body, &ask);
    let output = draws.iter().map(super::draw::Draw::output_tokens).sum();
    let act = if fields.get("stream") == Some(&Value::Bool(true)) {
        stream(&form, &draws)
    } else {
        whole(&form, &draws)
    };
    Ok(Done::paid(act, ask.input_tokens, output))
}

fn check(dialect: Dialect, fields: &Map<String, Value>) -> Result<(), Trouble> {
    for name in ["model", "messages"] {
        if fields.get(name).is_none_or(Value::is_null) {
            return Err(missing(dialect, name));
        }
    }
    let wrong = match dialect {
        Dialect::Mistral => wrong_field(fields, &[COMMON, MISTRAL]),
        Dialect::Together => wrong_field(fields, &[COMMON, TOGETHER]),
        Dialect::OpenAi => wrong_field(fields, &[COMMON, OPENAI]),
        _ => wrong_known_field(fields, &[COMMON, VLLM]),
    };
    if let Some(wrong) = wrong {
        return Err(refused_field(dialect, &wrong));
    }
    match dialect {
        Dialect::OpenAi => check_openai(fields),
        Dialect::Vllm => check_vllm(fields),
        _ => Ok(()),
    }
}

fn missing(dialect: Dialect, name: &str) -> Trouble {
    match dialect {
        Dialect::Mistral => Trouble::new(Kind::Fields, "Field required").at(name, "missing"),
        _ => Trouble::invalid(format!("Missing required parameter: '{name}'."))
            .at(name, "missing_required_parameter"),
    }
}

pub(crate) fn refused_field(dialect: Dialect, wrong: &Wrong) -> Trouble {
    let mistral = dialect == Dialect::Mistral;
    match wrong {
        Wrong::Unknown(name) if mistral => {
            Trouble::new(Kind::Fields, "Extra inputs are not permitted").at(name, "extra_forbidden")
        }
        Wrong::Unknown(name) => {
            Trouble::invalid(format!("Unknown parameter: '{name}'.")).at(name, "unknown_parameter")
        }
        Wrong::Type(name, wanted) if mistral => {
            Trouble::new(Kind::Fields, format!("Input should be a valid {wanted}"))
                .at(name, "type_error")
        }
        Wrong::Type(name, wanted) => {
            Trouble::invalid(format!("Invalid type for '{name}': expected {wanted}."))
                .at(name, "invalid_type")
        }
        Wrong::Range(name) if mistral => {
            Trouble::new(Kind::Fields, "Input should be within its limits").at(name, "value_error")
        }
        Wrong::Range(name) => {
            Trouble::invalid(format!("Invalid '{name}': out of range.")).at(name, "invalid_value")
        }
    }
}

/// OpenAI's models that reason before they answer.
fn reasons(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"]
        .iter()
        .any(|name| model.starts_with(name))
}

fn check_openai(fields: &Map<String, Value>) -> Result<(), Trouble> {
    let asks_top = fields
        .get("top_logprobs")
        .is_some_and(|value| !value.is_null());
    if asks_top && fields.get("logprobs") != Some(&Value::Bool(true)) {
        return Err(Trouble::invalid(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        )
        .at("top_logprobs", "invalid_value"));
    }
    let model = fields
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !reasons(model) {
        return Ok(());
    }
    let default = |name: &str| match name {
        "temperature" | "top_p" => fields[name].as_f64() == Some(1.0),
        "logprobs" => fields[name] == Value::Bool(false),
        "presence_penalty" | "frequency_penalty" => fields[name].as_f64() == Some(0.0),
        _ => false,
    };
    let refused = [
        "max_tokens",
        "temperature",
        "top_p",
        "logprobs",
        "presence_penalty",
        "frequency_penalty",
        "stop",
    ];
    let sent = |name: &&str| fields.get(*name).is_some_and(|value| !value.is_null());
    match refused.into_iter().filter(sent).find(|name| !default(name)) {
        Some("max_tokens") => Err(Trouble::invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        )
        .at("max_tokens", "unsupported_parameter")),
        Some(name) => Err(Trouble::invalid(format!("Unsupported parameter: '{name}' is not supported with this model."))
            .at(name, "unsupported_parameter")),
        None => Ok(()),
    }
}

fn check_vllm(fields: &Map<String, Value>) -> Result<(), Trouble> {
    let continues = fields.get("continue_final_message") == Some(&Value::Bool(true));
    // The default of `add_generation_prompt` is true.
    if continues && fields.get("add_generation_prompt") != Some(&Value::Bool(false)) {
        return Err(Trouble::invalid(
            "Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
        ));
    }
    Ok(())
}

fn read(dialect: Dialect, fields: &Map<String, Value>) -> Result<Ask, Trouble> {
    let get = |name: &str| fields.get(name).unwrap_or(&Value::Null);
    let model = get("model").as_str().unwrap_or_default().to_owned();
    let mut ask = Ask {
        seed: get(if dialect == Dialect::Mistral {
            "random_seed"
        } else {
            "seed"
        })
        .as_i64(),
        temperature: get("temperature").as_f64(),
        n: match dialect {
            // Ollama's form has no `n` and says nothing about it.
            Dialect::OllamaOpenAi => 1,
            _ => get("n").as_u64().unwrap_or(1) as usize,
        },
        max_tokens: get("max_completion_tokens")
            .as_u64()
            .or_else(|| get("max_tokens").as_u64()),
        stop: texts_of(get("stop")),
        thinks: match dialect {
            Dialect::OpenAi => reasons(&model),
            _ => ["-r1", "qwq", "thinking", "magistral"]
                .iter()
                .any(|name| model.contains(name)),
        },
        model,
        ..Ask::default()
    };
    let messages = get("messages")
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if messages.is_empty() {
        return Err(Trouble::invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        )
        .at("messages", "empty_array"));
    }
    for (index, message) in messages.iter().enumerate() {
        read_message(&mut ask, index, message)?;
    }
    ask.prefill = prefill(dialect, fields, messages)?;
    Ok(ask)
}

fn read_message(ask: &mut Ask, index: usize, message: &Value) -> Result<(), Trouble> {
    let role = message["role"].as_str().unwrap_or_default();
    let text = text_of(&message["content"]);
    ask.input_tokens += 4 + tokens(&text).len() as u64;
    match role {
        "system" | "developer" => {
            ask.system.push_str(&text);
            ask.system.push('\n');
        }
        "user" => ask.user = text,
        "assistant" | "tool" | "function" => {}
        _ => {
            return Err(Trouble::invalid(format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            ))
            .at(&format!("messages[{index}].role"), "invalid_value"));
        }
    }
    Ok(())
}

/// The start of the answer, where the last turn is the assistant's and the provider continues it.
fn prefill(
    dialect: Dialect,
    fields: &Map<String, Value>,
    messages: &[Value],
) -> Result<Option<String>, Trouble> {
    let Some(last) = messages.last().filter(|last| last["role"] == "assistant") else {
        return Ok(None);
    };
    let continued = match dialect {
        Dialect::Mistral if last["prefix"] != Value::Bool(true) => {
            return Err(Trouble::invalid(
                "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
            ));
        }
        Dialect::Mistral | Dialect::Together | Dialect::OllamaOpenAi => true,
        Dialect::Vllm => fields.get("continue_final_message") == Some(&Value::Bool(true)),
        _ => false,
    };
    Ok(continued.then(|| text_of(&last["content"])))
}

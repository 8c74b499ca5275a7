//! NVIDIA's reward models behind the chat interface, in the two shapes that are in use: scores in
//! `logprobs.content` (hosted) and scores as text (NIM containers, the 70B model).

use serde_json::{Value, json};

use super::dialect::Trouble;
use super::draw::tokens;
use super::fields::text_of;
use super::mocks::{Done, Fleet, fits, known_model, now};
use super::rewards::{ATTRIBUTES, logit};
use crate::script::{Act, Received};

/// Scores the last answer of the conversation. The shape is that of the model's name; a name with
/// `nim` in it, or the header `x-testkit-shape: nim`, asks for the one of the containers.
pub(crate) fn reward(fleet: &Fleet, request: &Received, body: &Value) -> Result<Done, Trouble> {
    let model = body["model"].as_str().unwrap_or_default();
    known_model(model)?;
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let (Some(last), Some(before)) = (messages.last(), messages.len().checked_sub(2)) else {
        return Err(Trouble::invalid(
            "a reward model needs a user's and an assistant's message",
        ));
    };
    if last["role"] != "assistant" || messages[before]["role"] != "user" {
        return Err(Trouble::invalid(
            "the last message must be the assistant's, after one of the user",
        ));
    }
    let text: Vec<String> = messages
        .iter()
        .map(|message| text_of(&message["content"]))
        .collect();
    let input: u64 = text.iter().map(|text| 4 + tokens(text).len() as u64).sum();
    fits(model, input)?;
    let scores = fleet.scores(model, &text.join("\n"));
    let nim = model.contains("nim") || request.header("x-testkit-shape") == Some("nim");
    let (content, logprobs) = if nim {
        let pairs = ATTRIBUTES
            .iter()
            .zip(&scores)
            .map(|(name, score)| format!("{name}:{score}"));
        (json!(pairs.collect::<Vec<_>>().join(",")), Value::Null)
    } else if model.contains("70b") {
        (json!(format!("reward:{:.4}", logit(&scores))), Value::Null)
    } else {
        let entry = |(name, score): (&&str, &f64)| json!({"token": name, "logprob": score, "top_logprobs": []});
        let entries: Vec<Value> = ATTRIBUTES.iter().zip(&scores).map(entry).collect();
        (json!(""), json!({"content": entries}))
    };
    let body = json!({
        "id": format!("chatcmpl-{:08x}", fleet.serial()),
        "object": "chat.completion",
        "created": now(),
        "model": model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "logprobs": logprobs,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": input, "completion_tokens": 1, "total_tokens": input + 1},
    });
    Ok(Done::paid(Act::json(200, &body), input, 1))
}

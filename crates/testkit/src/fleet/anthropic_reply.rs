//! Bodies and named events of Anthropic's messages (types of the official client).

use serde_json::{Value, json};

use super::draw::{Draw, Finish};
use super::wits::Ask;
use crate::script::Act;

/// Tokens of the prompt that were written to or read from the cache.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cache {
    pub(crate) written: u64,
    pub(crate) read: u64,
}

fn usage(ask: &Ask, output: u64, cache: Cache) -> Value {
    json!({
        "input_tokens": ask.input_tokens.saturating_sub(cache.written + cache.read),
        "cache_creation_input_tokens": cache.written,
        "cache_read_input_tokens": cache.read,
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn stop_reason(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::End => ("end_turn", None),
        Finish::Stop(stop) => ("stop_sequence", Some(stop)),
        Finish::Length => ("max_tokens", None),
    }
}

/// The message in one body.
pub(crate) fn whole(id: u64, ask: &Ask, draw: &Draw, cache: Cache) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &draw.reasoning {
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": "c2lnbmVk"}));
    }
    let text = draw.text();
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text}));
    }
    let (reason, sequence) = stop_reason(&draw.finish);
    json!({
        "id": format!("msg_{id:08x}"),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage(ask, draw.output_tokens(), cache),
    })
}

/// The message as named events.
pub(crate) fn stream(id: u64, ask: &Ask, draw: &Draw, cache: Cache) -> Act {
    let mut events = Events::default();
    let start = json!({
        "id": format!("msg_{id:08x}"), "type": "message", "role": "assistant", "model": ask.model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(ask, 1, cache),
    });
    events.add("message_start", json!({"message": start}));
    events.add("ping", json!({}));
    let mut index = 0;
    if let Some(thinking) = &draw.reasoning {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        let deltas = [
            json!({"type": "thinking_delta", "thinking": thinking}),
            json!({"type": "signature_delta", "signature": "c2lnbmVk"}),
        ];
        events.block(index, &block, &deltas);
        index += 1;
    }
    if !draw.tokens.is_empty() {
        let deltas: Vec<Value> = draw
            .tokens
            .chunks(4)
            .map(|tokens| json!({"type": "text_delta", "text": tokens.concat()}))
            .collect();
        events.block(index, &json!({"type": "text", "text": ""}), &deltas);
    }
    let (reason, sequence) = stop_reason(&draw.finish);
    let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
    let usage = json!({"output_tokens": draw.output_tokens()});
    events.add("message_delta", json!({"delta": delta, "usage": usage}));
    events.add("message_stop", json!({}));
    Act::stream(events.pieces)
}

#[derive(Default)]
struct Events {
    pieces: Vec<Vec<u8>>,
}

impl Events {
    fn add(&mut self, name: &str, fields: Value) {
        let mut data = json!({"type": name});
        if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
            data.extend(fields);
        }
        self.pieces
            .push(format!("event: {name}\ndata: {data}\n\n").into_bytes());
    }

    fn block(&mut self, index: usize, block: &Value, deltas: &[Value]) {
        self.add(
            "content_block_start",
            json!({"index": index, "content_block": block}),
        );
        for delta in deltas {
            self.add(
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            );
        }
        self.add("content_block_stop", json!({"index": index}));
    }
}

//! What a provider's error body says, whatever its form.

use std::time::Duration;

use serde_json::Value;

/// What a body says about an error, whatever its form.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ErrorFacts {
    pub(crate) message: String,
    /// Types, codes, states and reasons, in lower case.
    pub(crate) codes: Vec<String>,
    /// An HTTP status inside the body.
    pub(crate) status: Option<u16>,
    /// How long to wait, where the body says it (Gemini).
    pub(crate) wait: Option<Duration>,
}

/// Reads `{"error":{…}}`, `{"error":"…"}`, `{"object":"error",…}`, `{"type":"error","error":{…}}`,
/// `{"detail":…}`, problem details (RFC 7807), and lists of one of them.
pub(crate) fn facts_of(value: &Value) -> ErrorFacts {
    let mut facts = ErrorFacts::default();
    read(value, &mut facts, 0);
    facts
}

fn read(value: &Value, facts: &mut ErrorFacts, depth: u8) {
    // Anthropic's batches nest an error in an error; nobody nests deeper.
    if depth > 3 {
        return;
    }
    match value {
        Value::String(text) => say(facts, text),
        Value::Array(list) => {
            if let Some(first) = list.first() {
                read(first, facts, depth + 1);
            }
        }
        Value::Object(object) => {
            for name in ["error", "errors"] {
                if let Some(inner) = object.get(name) {
                    read(inner, facts, depth + 1);
                }
            }
            for name in ["type", "code", "status", "error_type", "error_code"] {
                note(facts, object.get(name));
            }
            for name in ["message", "detail", "title"] {
                match object.get(name) {
                    Some(Value::String(text)) => say(facts, text),
                    Some(detail) => read_detail(detail, facts),
                    None => {}
                }
            }
            if let Some(details) = object.get("details") {
                read_details(details, facts);
            }
            // OpenRouter wraps what the provider behind it said.
            if let Some(Value::String(raw)) = value.pointer("/metadata/raw") {
                facts.message.push_str(": ");
                facts.message.push_str(raw);
            }
            if value.pointer("/metadata/reasons").is_some() {
                facts.codes.push("moderation_blocked".to_owned());
            }
        }
        _ => {}
    }
}

/// The first text is the message: inner ones are read before outer ones.
fn say(facts: &mut ErrorFacts, text: &str) {
    if facts.message.is_empty() {
        text.clone_into(&mut facts.message);
    }
}

fn note(facts: &mut ErrorFacts, code: Option<&Value>) {
    match code {
        Some(Value::String(code)) => facts.codes.push(code.to_lowercase()),
        Some(Value::Number(number)) => {
            let status = number.as_u64().filter(|code| (400..600).contains(code));
            facts.status = facts.status.or(status.map(|status| status as u16));
        }
        _ => {}
    }
}

/// `[{"loc":["body","seed"],"msg":"extra fields not permitted"}]` (FastAPI: Mistral, old vLLM).
fn read_detail(detail: &Value, facts: &mut ErrorFacts) {
    let Some(list) = detail.as_array() else {
        if detail.is_object() {
            read(detail, facts, 2);
        }
        return;
    };
    let told: Vec<String> = list
        .iter()
        .filter_map(|entry| {
            let message = entry.get("msg")?.as_str()?;
            let place = entry.get("loc").and_then(Value::as_array);
            let place: Vec<String> = place
                .into_iter()
                .flatten()
                .map(|part| {
                    part.as_str()
                        .map_or_else(|| part.to_string(), str::to_owned)
                })
                .collect();
            Some(format!("{}: {message}", place.join(".")))
        })
        .collect();
    say(facts, &told.join("; "));
}

/// Gemini's list of `google.rpc` objects, and Anthropic's `details.error_code`.
fn read_details(details: &Value, facts: &mut ErrorFacts) {
    note(facts, details.get("error_code"));
    for detail in details.as_array().into_iter().flatten() {
        note(facts, detail.get("reason"));
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or("");
        if kind.ends_with("RetryInfo")
            && let Some(delay) = detail.get("retryDelay").and_then(Value::as_str)
        {
            facts.wait = crate::transport::duration(delay);
        }
    }
}

/// Pages of gateways, and plain text.
pub(crate) fn facts_of_text(body: &[u8]) -> ErrorFacts {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let lower = text.to_ascii_lowercase();
    let message = if is_html(body) {
        let title = lower.find("<title>").map(|at| at + "<title>".len());
        let end = lower.find("</title>");
        match (title, end) {
            (Some(from), Some(to)) if from < to => format!("an HTML page: {}", &text[from..to]),
            _ => "an HTML page".to_owned(),
        }
    } else {
        text.into_owned()
    };
    ErrorFacts {
        message,
        ..ErrorFacts::default()
    }
}

/// True for a page instead of an answer. JSON never begins with `<`.
pub(crate) fn is_html(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

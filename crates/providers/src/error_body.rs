//! Every provider's error bodies, read into one [`ProviderError`].

use serde_json::Value;

use crate::error_class::{class, status_of_name};
use crate::error_facts::{ErrorFacts, facts_of, facts_of_text};
use crate::redact::shown;
use crate::{ApiKey, ProviderError};

/// The error that a response with this status and body means. `key` is taken out of the message.
pub(crate) fn error_of_response(
    model: &str,
    status: u16,
    body: &[u8],
    key: Option<&ApiKey>,
) -> ProviderError {
    let facts = serde_json::from_slice::<Value>(body)
        .map_or_else(|_| facts_of_text(body), |value| facts_of(&value));
    let mut error = error_of_facts(model, status, &facts, key);
    error.status = Some(status);
    error
}

/// The error that an error object inside an accepted answer means: an event of a stream, a line of
/// a batch, a body behind a 200. `value` may be the object itself or what holds it.
pub fn error_of_value(model: &str, value: &Value) -> ProviderError {
    let facts = facts_of(value);
    let named = facts.codes.iter().find_map(|code| status_of_name(code));
    error_of_facts(model, facts.status.or(named).unwrap_or(500), &facts, None)
}

fn error_of_facts(
    model: &str,
    status: u16,
    facts: &ErrorFacts,
    key: Option<&ApiKey>,
) -> ProviderError {
    let mut message = shown(&facts.message, key);
    if message.is_empty() {
        message = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("no reason given")
            .to_lowercase();
    }
    let mut error = ProviderError::new(model, class(status, facts), message);
    error.retry_after = facts.wait;
    error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::ErrorClass::{self, *};

    fn error(status: u16, body: &str) -> (ErrorClass, String) {
        let error = error_of_response("m", status, body.as_bytes(), None);
        (error.class, error.message)
    }

    /// Status, body, and the class and message it must get.
    const FORMS: [(u16, &str, ErrorClass, &str); 20] = [
        (
            400,
            r#"{"error":{"message":"bad n","type":"invalid_request_error","param":"n","code":null}}"#,
            BadRequest,
            "bad n",
        ),
        (
            400,
            r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            ContextTooLong,
            "too long",
        ),
        (
            429,
            r#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Money,
            "no money",
        ),
        (
            429,
            r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#,
            RateLimit,
            "slow",
        ),
        (
            404,
            r#"{"error":"model 'x' not found"}"#,
            NotFound,
            "model 'x' not found",
        ),
        (
            400,
            r#"{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}"#,
            BadRequest,
            "bad",
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
            Overloaded,
            "Overloaded",
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"spent","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            Money,
            "spent",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            Money,
            "Your credit balance is too low to access the Anthropic API.",
        ),
        (
            422,
            r#"{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted","type":"extra_forbidden"}]}"#,
            BadRequest,
            "body.seed: Extra inputs are not permitted",
        ),
        (401, r#"{"detail":"Unauthorized"}"#, Key, "Unauthorized"),
        (
            402,
            r#"{"type":"urn:x","title":"Payment Required","status":402,"detail":"Cloud credits expired"}"#,
            Money,
            "Cloud credits expired",
        ),
        (
            413,
            r#"{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}"#,
            ContextTooLong,
            "batch size 64 > maximum allowed batch size 32",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
            Key,
            "API key not valid.",
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            Overloaded,
            "Loading model",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"the request exceeds","type":"exceed_context_size_error","n_ctx":4096}}"#,
            ContextTooLong,
            "the request exceeds",
        ),
        (
            502,
            "<html><head><TITLE>502 Bad Gateway</TITLE></head></html>",
            Server,
            "an HTML page: 502 Bad Gateway",
        ),
        (500, "", Server, "internal server error"),
        (418, "tea\r\n\u{7}pot", BadRequest, "tea pot"),
        (301, "", NotFound, "moved permanently"),
    ];

    #[test]
    fn every_form_of_body_gives_its_message_and_class() {
        for (status, body, class, message) in FORMS {
            assert_eq!(error(status, body), (class, message.to_owned()), "{body}");
        }
    }

    #[test]
    fn gemini_says_its_wait_and_an_absent_quota_in_the_body() {
        let wait = br#"{"error":{"code":429,"message":"quota, please retry","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        let error = error_of_response("m", 429, wait, None);
        assert_eq!(error.class, RateLimit);
        assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
        let message =
            "Quota exceeded for metric: x/free_tier_requests, limit: 0, model: gemini-pro";
        let none = serde_json::json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}});
        assert_eq!(error_of_value("m", &none).class, Money);
        let some = message.replace("limit: 0,", "limit: 05,");
        let some = serde_json::json!({"error": {"code": 429, "message": some, "status": "RESOURCE_EXHAUSTED"}});
        assert_eq!(error_of_value("m", &some).class, RateLimit);
    }

    #[test]
    fn errors_inside_an_accepted_answer_get_their_class_from_their_names() {
        for (body, class) in [
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
                Overloaded,
            ),
            (
                r#"{"error":{"message":"x","type":"server_error","code":"rate_limit_exceeded"}}"#,
                RateLimit,
            ),
            (
                r#"{"type":"error","error":{"type":"error","error":{"type":"invalid_request_error","message":"x"}}}"#,
                BadRequest,
            ),
            (r#"{"error":{"code":401,"message":"x"}}"#, Key),
            (
                r#"{"error":"an error was encountered while running the model"}"#,
                Server,
            ),
            ("null", Server),
        ] {
            let value = serde_json::from_str(body).unwrap();
            assert_eq!(error_of_value("m", &value).class, class, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(status in 100_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
            error_of_response("m", status, &body, None);
        }

        #[test]
        fn no_json_makes_it_panic(
            name in "(error|errors|detail|details|message|code|type|metadata)",
            inner in "(error|detail|msg|loc|message|code|@type|raw)",
            value in "(null|1|-1|429|1e99|\"x\"|\\[\\]|\\{\\}|\\[null\\]|\\[\\{\"msg\":1\\}\\])",
        ) {
            let body = format!("{{\"{name}\":{{\"{inner}\":{value}}},\"code\":{value},\"detail\":{value}}}");
            error_of_response("m", 400, body.as_bytes(), None);
        }
    }
}

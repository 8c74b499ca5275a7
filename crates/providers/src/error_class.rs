//! From a status and the names of an error to its class.

use crate::ErrorClass;
use crate::error_facts::ErrorFacts;

/// Names that mean money, whatever the status. OpenAI, Anthropic, Mistral, OpenRouter, Together.
const MONEY: [&str; 12] = [
    "insufficient_quota",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_limit_user_error",
    "enforced_spend_limit_reached",
    "spend_limit_reached",
    "insufficient_credits",
    "insufficient_balance",
    "insufficient_funds",
    "credit_limit_exceeded",
    "payment_required",
];
/// Texts that mean money where the name does not say so (Anthropic's 400, others' 403 and 429).
const MONEY_TEXTS: [&str; 3] = [
    "credit balance is too low",
    "insufficient credits",
    "insufficient balance",
];
const CONTEXT: [&str; 5] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "string_above_max_length",
];
const CONTEXT_TEXTS: [&str; 8] = [
    "maximum context length",
    "maximum model length",
    "context window",
    "context length",
    "context size",
    "prompt is too long",
    "input token count",
    "too large for model with",
];
const FILTER: [&str; 7] = [
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "safety",
    "prohibited_content",
    "data_inspection_failed",
];
const KEY: [&str; 7] = [
    "authentication_error",
    "invalid_api_key",
    "api_key_invalid",
    "api_key_expired",
    "permission_error",
    "permission_denied",
    "unauthenticated",
];
const NOT_FOUND: [&str; 6] = [
    "model_not_found",
    "unknown_model",
    "invalid_model",
    "not_found_error",
    "notfounderror",
    "not_found",
];
const RATE: [&str; 5] = [
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "resource_exhausted",
    "slow_down",
];
const OVERLOADED: [&str; 6] = [
    "overloaded_error",
    "server_is_overloaded",
    "engine_overloaded_error",
    "unavailable_error",
    "unavailable",
    "overloaded",
];
const BAD: [&str; 4] = [
    "invalid_request_error",
    "badrequesterror",
    "invalid_argument",
    "failed_precondition",
];

/// The status that a name stands for where there is no status: inside a stream or a batch.
pub(crate) fn status_of_name(name: &str) -> Option<u16> {
    let among = |names: &[&str]| names.contains(&name);
    [
        (among(&MONEY), 402),
        (among(&KEY), 401),
        (among(&NOT_FOUND), 404),
        (among(&RATE), 429),
        (among(&OVERLOADED), 529),
        (among(&CONTEXT) || among(&FILTER) || among(&BAD), 400),
        (name == "request_too_large", 413),
        (name == "timeout_error" || name == "deadline_exceeded", 504),
    ]
    .into_iter()
    .find_map(|(is, status)| is.then_some(status))
}

/// The class of an error, by its names first and its status second.
pub(crate) fn class(status: u16, facts: &ErrorFacts) -> ErrorClass {
    let named = |names: &[&str]| facts.codes.iter().any(|code| names.contains(&&**code));
    let text = facts.message.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|part| text.contains(part));
    let refused = (400..500).contains(&status);
    if status == 402 || named(&MONEY) || (refused && (says(&MONEY_TEXTS) || no_quota(facts, &text)))
    {
        ErrorClass::Money
    } else if named(&CONTEXT) || (matches!(status, 400 | 413 | 422) && says(&CONTEXT_TEXTS)) {
        ErrorClass::ContextTooLong
    } else if refused && named(&FILTER) {
        ErrorClass::Filtered
    } else if refused && status != 429 && named(&KEY) {
        ErrorClass::Key
    } else if refused && status != 429 && named(&NOT_FOUND) {
        ErrorClass::NotFound
    } else {
        of_status(status, status >= 500 && named(&OVERLOADED))
    }
}

/// A quota that is not used up but zero: the account has none for this model, and waiting does not
/// change that (Gemini's free tier).
fn no_quota(facts: &ErrorFacts, text: &str) -> bool {
    let exhausted = facts.codes.iter().any(|code| code == "resource_exhausted");
    exhausted
        && text.split("limit: 0").skip(1).any(|after| {
            !after.starts_with(|c: char| c.is_ascii_digit())
                && !after
                    .strip_prefix('.')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
}

const fn of_status(status: u16, overloaded: bool) -> ErrorClass {
    match status {
        401 | 403 => ErrorClass::Key,
        // Redirects are not followed, so that a key never goes to another host.
        300..=399 | 404 | 405 | 410 => ErrorClass::NotFound,
        413 => ErrorClass::ContextTooLong,
        429 => ErrorClass::RateLimit,
        503 | 529 => ErrorClass::Overloaded,
        // 424: Text Embeddings Inference, the model behind it failed.
        408 | 409 | 424 | 425 => ErrorClass::Server,
        501 => ErrorClass::BadRequest,
        _ if status >= 500 && overloaded => ErrorClass::Overloaded,
        _ if status >= 500 => ErrorClass::Server,
        _ => ErrorClass::BadRequest,
    }
}

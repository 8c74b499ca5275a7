//! One error for everything that can go wrong with a provider, and what to do about it.

use std::time::Duration;

use thiserror::Error;

/// What kind of trouble it is; decides about retrying and about the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The key is missing, wrong, or not allowed (401, 403).
    Key,
    /// Credit, quota or a spending limit is used up; never retried.
    Money,
    /// Too many requests or tokens; retried after the wait that was asked for.
    RateLimit,
    /// The provider is overloaded (503, 529); retried.
    Overloaded,
    /// Another fault of the provider (5xx, 408, 409); retried.
    Server,
    /// No connection, a broken one, or a TLS error; retried.
    Network,
    /// A time limit passed; retried.
    Timeout,
    /// The request is wrong; retrying changes nothing.
    BadRequest,
    /// Prompt and answer do not fit the model.
    ContextTooLong,
    /// No such model or path.
    NotFound,
    /// The provider's filter refused the prompt.
    Filtered,
    /// A reply that is not what the interface promises (HTML of a gateway, cut JSON).
    Malformed,
    /// The endpoint failed so often that it is left alone for a while.
    Unavailable,
    /// The budget does not hold the request; nothing was sent.
    Budget,
    /// The model's declaration cannot be used (no key variable, a bad base URL).
    Declaration,
    /// The embedded engine failed.
    Engine,
    /// The caller asked to stop.
    Interrupted,
}

impl ErrorClass {
    /// True if another attempt may succeed.
    pub const fn is_retried(self) -> bool {
        matches!(
            self,
            Self::RateLimit
                | Self::Overloaded
                | Self::Server
                | Self::Network
                | Self::Timeout
                | Self::Malformed
        )
    }

    /// True if no other request to the same model can succeed either, so that going on would only
    /// repeat the error.
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::Key
                | Self::Money
                | Self::NotFound
                | Self::Budget
                | Self::Declaration
                | Self::Engine
                | Self::Interrupted
        )
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Key => {
                "set the environment variable named by `key_env` to a valid key, or give `key_command`"
            }
            Self::Money => {
                "add credit or raise the spending limit with the provider; the same command goes on"
            }
            Self::RateLimit => {
                "lower `limits.concurrency` or set `limits.requests_per_minute` and `limits.tokens_per_minute`"
            }
            Self::Overloaded | Self::Server | Self::Unavailable => {
                "the provider is in trouble; the same command goes on later"
            }
            Self::Network => "check the connection and `base_url`",
            Self::Timeout => "raise the times in `limits`, or lower `max_tokens`",
            Self::BadRequest => "check the model's name and its `capabilities`",
            Self::ContextTooLong => "shorten the question or lower `max_tokens`",
            Self::NotFound => "check `model` and `base_url`",
            Self::Filtered => "the provider will not answer this question",
            Self::Malformed => {
                "check that `provider` and `base_url` name the interface that is served there"
            }
            Self::Budget => "raise `budget_usd`",
            Self::Declaration => "mend the model's entry in the file",
            Self::Engine => "check the model's file",
            Self::Interrupted => "the same command goes on",
        }
    }
}

/// Whether a failed attempt may have to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billed {
    /// Certainly not: it never arrived, or was refused with an error status.
    No,
    /// It may have been answered after the connection broke: the reservation stays spent.
    Unknown,
}

/// A request that failed for good.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{model}: {message}{}{}; {}", status_text(*status), attempts_text(*attempts), class.advice())]
pub struct ProviderError {
    /// The model's name in the file.
    pub model: String,
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What the provider said, shortened, without anything that looks like a key.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// Whether the last attempt may have to be paid.
    pub billed: Billed,
    /// Attempts made.
    pub attempts: u32,
}

fn status_text(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (HTTP {status})"))
}

fn attempts_text(attempts: u32) -> String {
    if attempts > 1 {
        format!(" after {attempts} attempts")
    } else {
        String::new()
    }
}

impl ProviderError {
    /// An error without an HTTP status.
    pub fn new(model: &str, class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            model: model.to_owned(),
            class,
            status: None,
            message: message.into(),
            retry_after: None,
            billed: Billed::No,
            attempts: 1,
        }
    }
}

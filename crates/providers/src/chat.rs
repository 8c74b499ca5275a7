//! The words between the product and every provider: what is asked, and what comes back.

use autodidact_core::{ModelSpec, Price, Prompt, Usd};
use futures::future::BoxFuture;

use crate::{BatchClient, Capabilities, ErrorClass, ProviderError, Purse};

/// A question to a model. An adapter leaves out every field whose capability the model lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// A conversation, or text to continue (plain completions only).
    pub prompt: Prompt,
    /// One seed for each answer wanted; never more than [`Capabilities::n`] of them. A request with
    /// several answers sends the first.
    pub seeds: Vec<u64>,
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the smallest set of tokens with this much probability; 1: all.
    pub top_p: f32,
    /// Longest answer in tokens, reasoning included.
    pub max_tokens: u32,
    /// Tokens of reasoning before the answer, for models that think on request.
    pub thinking_tokens: Option<u32>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Ask for the log-probabilities of the answer's tokens.
    pub logprobs: bool,
    /// The start of the answer, which the model continues; ask only a model with
    /// [`Capabilities::prefill`].
    pub prefill: Option<String>,
    /// The same for every attempt at this request, also after the program was killed; a provider
    /// that knows it answers again without charging again.
    pub idempotency_key: String,
}

impl ChatRequest {
    /// One answer to a prompt, everything else at a moderate default.
    pub fn new(prompt: Prompt, seed: u64, max_tokens: u32) -> Self {
        Self {
            prompt,
            seeds: vec![seed],
            temperature: 0.7,
            top_p: 1.0,
            max_tokens,
            thinking_tokens: None,
            stop: Vec::new(),
            logprobs: false,
            prefill: None,
            idempotency_key: String::new(),
        }
    }
}

/// Why a model stopped. The first three come with an answer; of the others whatever text there is
/// must not be taken for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer.
    EndOfText,
    /// It wrote one of the stop texts.
    Stop,
    /// It reached the token limit with some text written.
    Length,
    /// The model refused, in its own words or a code.
    Refused(String),
    /// The provider's filter blocked prompt or answer.
    Filtered(String),
    /// No text at all, for instance because reasoning used up every token.
    Empty(String),
    /// The stream broke or ended before its end mark; the text is a part of an answer.
    Incomplete(String),
    /// Anything else, such as a call of a tool that was not offered.
    Other(String),
}

impl Finish {
    /// True if the text is an answer.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::EndOfText | Self::Stop | Self::Length)
    }

    /// The one-word name used in the store and in tables.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EndOfText => "endoftext",
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Refused(_) => "refused",
            Self::Filtered(_) => "filtered",
            Self::Empty(_) => "empty",
            Self::Incomplete(_) => "incomplete",
            Self::Other(_) => "other",
        }
    }

    /// What was said about it; empty for answers.
    pub fn detail(&self) -> &str {
        match self {
            Self::EndOfText | Self::Stop | Self::Length => "",
            Self::Refused(text)
            | Self::Filtered(text)
            | Self::Empty(text)
            | Self::Incomplete(text)
            | Self::Other(text) => text,
        }
    }
}

/// One of the answers to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The answer, without reasoning; with the prefill in front of it, if there was one.
    pub text: String,
    /// What the provider shows of the reasoning.
    pub reasoning: Option<String>,
    /// Why it ends where it ends.
    pub finish: Finish,
    /// Tokens of this reply, where it can be told (one reply, or counted from log-probabilities).
    pub tokens: Option<u32>,
    /// Sum of the natural logarithms of the probabilities of its tokens, if they were given.
    pub logprob: Option<f64>,
    /// The tokens and their log-probabilities as they were sent, for judges that need them.
    pub token_logprobs: Vec<(String, f64)>,
}

/// Tokens as the provider counts and charges them, over all replies of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt, cached ones included.
    pub input: u64,
    /// Of these, read from the provider's cache.
    pub cached_input: u64,
    /// Of these, written to the provider's cache.
    pub cache_write: u64,
    /// Tokens generated, reasoning included.
    pub output: u64,
    /// Of these, reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// What it costs.
    pub fn cost(&self, price: &Price) -> Usd {
        let cached = self.cached_input.min(self.input);
        let written = self.cache_write.min(self.input - cached);
        let plain = self.input - cached - written;
        price.input.per_million(plain)
            + price
                .cached_input
                .unwrap_or(price.input)
                .per_million(cached)
            + price
                .cache_write
                .unwrap_or(price.input)
                .per_million(written)
            + price.output.per_million(self.output)
    }
}

/// What came back for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// At least one; fewer than asked for if the provider ignores `n`.
    pub replies: Vec<Reply>,
    /// As the provider counted, if it did and the numbers make sense.
    pub usage: Option<Usage>,
    /// What it cost: from the usage and the price, or the whole reservation where the provider did
    /// not say; `None` where the price is unknown.
    pub cost: Option<Usd>,
    /// The model's name as the provider gives it.
    pub model: String,
    /// The provider's name for this request, to show to its support.
    pub request_id: Option<String>,
}

/// A model that answers: the seam between the product and every provider.
pub trait ChatModel: Send + Sync {
    /// As it was declared.
    fn spec(&self) -> &ModelSpec;

    /// What its interface can do.
    fn capabilities(&self) -> &Capabilities;

    /// What it costs, if known. Servers of one's own and the embedded engine cost nothing.
    fn price(&self) -> Option<Price>;

    /// What one request costs at most, if the price is known: what a budget must hold for it.
    fn most(&self, request: &ChatRequest) -> Option<Usd>;

    /// Its batch interface, where it has one: half the price, answers within a day.
    fn batch(&self) -> Result<BatchClient<'_>, ProviderError> {
        let message = "it has no batch interface: leave out `batch`";
        Err(ProviderError::new(
            &self.spec().name,
            ErrorClass::Declaration,
            message,
        ))
    }

    /// Sends one request and waits for its answer, through retries, pacing and the budget.
    fn ask<'a>(
        &'a self,
        request: &'a ChatRequest,
        purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Answered, ProviderError>>;
}

//! What goes into and comes out of a session.

use autodidact_core::Completion;

use crate::{LikelyToken, SamplingOptions};

/// How much a session takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// Sequences decoded at once in each lane.
    pub batch: usize,
    /// Longest prompt and completion together, in tokens; never more than the model's context.
    pub context: usize,
    /// Bytes of keys and values for requests under way. What would need more waits.
    pub active_bytes: usize,
    /// Bytes of keys and values kept of prompts that were computed.
    pub cache_bytes: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            batch: 32,
            context: usize::MAX,
            active_bytes: 2 << 30,
            cache_bytes: 512 << 20,
        }
    }
}

/// A prompt and what is wanted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRequest {
    /// The prompt's tokens; at least one.
    pub prompt: Vec<u32>,
    /// One seed for each sample; none where only the prompt is scored.
    pub seeds: Vec<u64>,
    /// How tokens are chosen. `batch` is the session's and not looked at.
    pub options: SamplingOptions,
    /// How many of the most likely tokens are told beside each token.
    pub alternatives: usize,
    /// Tell the log probabilities of the prompt's tokens too. Such a prompt is computed whole.
    pub score_prompt: bool,
}

/// A token with its log probability at temperature 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredToken {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// The most likely tokens at its place, most likely first.
    pub alternatives: Vec<LikelyToken>,
}

/// What a session tells about a request. The events of a sample come in order.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// The prompt is computed; comes once, first.
    Prompt {
        /// How many of its tokens were in the cache.
        cached: usize,
        /// Its tokens but the first, if they were to be scored.
        scores: Vec<ScoredToken>,
    },
    /// A token was generated, the end-of-text token included.
    Token {
        /// The sample's position among the seeds.
        index: usize,
        /// The token.
        token: ScoredToken,
    },
    /// A sample ended. After the last one nothing more comes.
    Finished {
        /// The sample's position among the seeds.
        index: usize,
        /// Its text and why it ended.
        completion: Completion,
    },
    /// The request cannot be computed, and nothing more comes.
    Failed(String),
}

//! How much a request may ask for.

use std::time::Duration;

/// Limits of a server. What is over them is refused before anything is computed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Choices to a prompt (`n`).
    pub choices: u32,
    /// Prompts in one request.
    pub prompts: usize,
    /// Choices of all prompts of a request.
    pub samples: usize,
    /// Tokens of a completion, at most; the context is a limit too.
    pub max_tokens: usize,
    /// Tokens of a chat completion that says nothing about it.
    pub default_tokens: usize,
    /// Requests that wait for the engine; one more is refused with 429.
    pub queue: usize,
    /// Questions that an ensemble works on at once; one more is refused with 429.
    pub questions: usize,
    /// Connections that are open at once; one more waits to be accepted.
    pub connections: usize,
    /// Time for sending a request's head, and then its body.
    pub reading: Duration,
    /// Time that requests under way have after the signal to stop.
    pub draining: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            choices: 128,
            prompts: 256,
            samples: 512,
            max_tokens: 32_768,
            default_tokens: 1024,
            queue: 256,
            questions: 16,
            connections: 512,
            reading: Duration::from_secs(20),
            draining: Duration::from_secs(10),
        }
    }
}

//! What a model's interface can do, as data: `capabilities.toml` holds what is known of each
//! provider and model.

/// What may be sent to a model. A field whose capability is absent is never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Largest number of answers for one request.
    pub n: u32,
    /// Takes a seed, as a 64-bit number or cut to fewer bits.
    pub seed: bool,
    /// Gives log-probabilities.
    pub logprobs: bool,
    /// Continues the start of an answer.
    pub prefill: bool,
    /// Takes a temperature and `top_p`.
    pub temperature: bool,
    /// Stop strings it takes; 0: none.
    pub stop: u32,
    /// The field for the token limit.
    pub max_tokens_field: String,
    /// The role of instructions: `system`, `developer`; empty: none, and they go before the first
    /// question.
    pub system_role: String,
    /// Sends its answer in pieces.
    pub stream: bool,
    /// Knows `Idempotency-Key`.
    pub idempotency: bool,
    /// Has a batch interface.
    pub batch: bool,
    /// Takes fields that mark a prompt for its cache.
    pub cache_control: bool,
    /// Whether answers may train other models, in the words of a flag: `allowed`, `restricted`,
    /// `unknown`.
    pub terms: String,
}

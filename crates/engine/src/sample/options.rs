//! What goes into and comes out of sampling.

use autodidact_core::Completion;

/// How tokens are chosen.
///
/// The order is that of Hugging Face's generation: temperature, top-k, top-p on what is left,
/// min-p on what is left then.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// 0 is greedy: the most likely token, the lowest id among equals.
    pub temperature: f32,
    /// Keep only the k most likely tokens; 0: all.
    pub top_k: usize,
    /// Keep the smallest set of most likely tokens with this much probability; 1: all.
    pub top_p: f32,
    /// Drop tokens less likely than this fraction of the most likely one; 0: none.
    pub min_p: f32,
    /// Longest completion in tokens.
    pub max_tokens: usize,
    /// Texts that end a completion and are not part of it.
    pub stop: Vec<String>,
    /// Sequences decoded at once in each lane.
    pub batch: usize,
    /// Go on after an end-of-text token as after any other, so that every completion has
    /// `max_tokens` tokens: for measurements.
    pub ignore_end_of_text: bool,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_tokens: 128,
            stop: Vec::new(),
            batch: 48,
            ignore_end_of_text: false,
        }
    }
}

/// How a sampler or a trainer holds the weights. Both forms compute the same; in a sampler that
/// multiplies floats, results with an adapter differ a little, as one merges it and the other adds it as
/// a low-rank product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightStorage {
    /// Packed if that takes at most 4 GiB, in training 3 GiB, else streamed.
    #[default]
    Automatic,
    /// In memory, ready to multiply with: four bytes a weight, or with [`Arithmetic::EightBit`]
    /// a byte and a quarter.
    Packed,
    /// In the mapped file; every step unpacks them once for all its sequences, in training every
    /// thread for its shard.
    Streamed,
}

/// How activations are multiplied with quantized weights. Weights stored as floats are always
/// multiplied in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// Activations are rounded to eight bits over groups of 32 neighbours and multiplied with the
    /// stored codes in integers, as llama.cpp does. An adapter that a sampler merges is rounded to
    /// 128 steps over 32 weights; in training it stays beside them as f32.
    #[default]
    EightBit,
    /// Weights are turned into f32 and activations stay f32.
    Full,
}

/// One prompt and how many samples to draw from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The prompt's tokens; at least one.
    pub prompt: Vec<u32>,
    /// One seed for each sample.
    pub seeds: Vec<u64>,
}

/// A sample that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Position of the request in the list that was given.
    pub request: usize,
    /// Position of the seed in the request.
    pub index: usize,
    /// What was generated, token by token, without the end-of-text token.
    pub tokens: Vec<u32>,
    /// The text and how it ended.
    pub completion: Completion,
}

/// How much work a call of [`crate::Sampler::generate`] was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GenerationStats {
    /// Prompt tokens computed; shared ones count once.
    pub prompt_tokens: u64,
    /// Tokens generated, end-of-text tokens included.
    pub generated_tokens: u64,
    /// Samples finished.
    pub samples: u64,
}

impl std::ops::AddAssign for GenerationStats {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.generated_tokens += other.generated_tokens;
        self.samples += other.samples;
    }
}

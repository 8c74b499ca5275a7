//! What asking will take, before anything is asked.

use autodidact_core::{JudgeKind, JudgeSpec, ModelSpec, Price, Prompt, Usd};
use serde::Serialize;

/// English prose has about four bytes a token with the tokenizers of today's models.
const BYTES_PER_TOKEN: u64 = 4;
/// Hardly any text has fewer; figures and rare scripts come near.
const FEWEST_BYTES: u64 = 2;
/// Tokens of a chat model's opinion at most.
const CHAT_JUDGE_TOKENS: u32 = 2048;
/// Tokens of a reward model's reply at most.
const REWARD_TOKENS: u32 = 64;
/// What a chat template adds to a prompt, about.
const TEMPLATE: u64 = 16;

/// What one model or judge will be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Its name in the file.
    pub name: String,
    /// Answers wanted; as many requests, unless the provider gives several at once.
    pub requests: u64,
    /// Tokens of the prompts, about.
    pub input_tokens: u64,
    /// Tokens of the answers at most.
    pub output_tokens_at_most: u64,
    /// Money at most; null where the price is unknown.
    pub cost_at_most_usd: Option<Usd>,
    /// When the price was read, where it is from the table.
    pub price_read: Option<String>,
}

/// Adds up what one model will be asked.
#[derive(Debug, Clone)]
pub struct Estimator {
    price: Option<Price>,
    samples: u64,
    max_tokens: u64,
    bytes: u64,
    estimate: Estimate,
}

impl Estimator {
    /// Nothing asked yet. `max_tokens` counts where the declaration has none of its own.
    pub fn new(
        spec: &ModelSpec,
        samples: u32,
        max_tokens: u32,
        price: Option<Price>,
        price_read: Option<String>,
    ) -> Self {
        Self {
            price,
            samples: u64::from(samples),
            max_tokens: u64::from(spec.max_tokens.unwrap_or(max_tokens)),
            bytes: 0,
            estimate: Estimate {
                name: spec.name.clone(),
                requests: 0,
                input_tokens: 0,
                output_tokens_at_most: 0,
                cost_at_most_usd: None,
                price_read,
            },
        }
    }

    /// What one judge will be asked about each question with so many answers.
    pub fn for_judge(
        judge: &JudgeSpec,
        answers: u32,
        price: Option<Price>,
        price_read: Option<String>,
    ) -> Self {
        // A chat model may be asked a second time if its reply cannot be read; pairs meet in both
        // orders.
        let (requests, max_tokens) = match judge.kind() {
            JudgeKind::Rubric => (answers * judge.repeats * 2, CHAT_JUDGE_TOKENS),
            JudgeKind::Pairwise => {
                let pairs = answers * answers.saturating_sub(1) / 2;
                (pairs * judge.repeats * 4, CHAT_JUDGE_TOKENS)
            }
            _ => (answers, REWARD_TOKENS),
        };
        Self::new(&judge.as_model(), requests, max_tokens, price, price_read)
    }

    /// Counts one prompt.
    pub fn add(&mut self, prompt: &Prompt) {
        let bytes = match prompt {
            Prompt::Text(text) => text.len(),
            Prompt::Chat(messages) => messages.iter().map(|m| m.content.len()).sum(),
        } as u64;
        let estimate = &mut self.estimate;
        estimate.requests += self.samples;
        estimate.input_tokens += self.samples * (bytes / BYTES_PER_TOKEN + TEMPLATE);
        estimate.output_tokens_at_most += self.samples * self.max_tokens;
        self.bytes += self.samples * (bytes + FEWEST_BYTES * TEMPLATE);
    }

    /// What it comes to.
    pub fn finish(self) -> Estimate {
        let most = |price: Price| {
            price.input.per_million(self.bytes / FEWEST_BYTES)
                + price
                    .output
                    .per_million(self.estimate.output_tokens_at_most)
        };
        Estimate {
            cost_at_most_usd: self.price.map(most),
            ..self.estimate
        }
    }
}

#[cfg(test)]
mod tests {
    use autodidact_core::ProviderKind;

    use super::*;

    #[test]
    fn tokens_and_money_add_up() {
        let spec = ModelSpec::new("m", ProviderKind::Openai, "gpt");
        let price = Price {
            input: Usd::from_dollars(1.0).unwrap(),
            output: Usd::from_dollars(10.0).unwrap(),
            cached_input: None,
            cache_write: None,
        };
        let mut estimator = Estimator::new(&spec, 2, 100, Some(price), None);
        estimator.add(&Prompt::Text("x".repeat(400)));
        let estimate = estimator.finish();
        assert_eq!((estimate.requests, estimate.input_tokens), (2, 232));
        assert_eq!(estimate.output_tokens_at_most, 200);
        // 2 * (400 + 32) / 2 prompt tokens at $1 and 200 at $10 a million.
        assert_eq!(
            estimate.cost_at_most_usd,
            Some(Usd::from_nano(432_000 + 2_000_000))
        );
    }
}

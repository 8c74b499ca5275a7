//! A chat model that is asked for a judgement: what rubric and pairwise have in common.

use std::sync::Arc;

use autodidact_core::{JudgeSpec, Message, Prompt, Usd};
use autodidact_providers::{ChatModel, ChatRequest, Purse};

use crate::fence::{fingerprint, seed};
use crate::judge::{Unscored, excerpt};

/// Enough for a judgement and for the reasoning of models that cannot do without.
const MAX_TOKENS: u32 = 2048;

/// A reply that cannot be read is asked for once more.
pub(crate) const ATTEMPTS: u32 = 2;

/// Opinions that are averaged have to differ.
const TEMPERATURE: f32 = 0.7;

/// A judge's chat model and how it is asked.
pub(crate) struct Voice {
    pub(crate) spec: JudgeSpec,
    pub(crate) model: Arc<dyn ChatModel>,
}

impl Voice {
    /// A request that is the same whenever prompt, repeat and attempt are the same. The first opinion
    /// of a judge that is asked once is greedy.
    pub(crate) fn request(&self, prompt: &str, repeat: u32, attempt: u32) -> ChatRequest {
        let repeat_text = repeat.to_string();
        let attempt_text = attempt.to_string();
        let parts = [
            self.spec.name.as_str(),
            prompt,
            repeat_text.as_str(),
            attempt_text.as_str(),
        ];
        let messages = vec![Message::user(prompt)];
        let greedy = self.spec.repeats <= 1 && attempt == 0;
        let mut request = ChatRequest::new(Prompt::Chat(messages), seed(&parts), MAX_TOKENS);
        request.temperature = if greedy { 0.0 } else { TEMPERATURE };
        request.idempotency_key = fingerprint(&parts).to_hex().to_string();
        request
    }

    /// What one prompt costs at most, asked again included.
    pub(crate) fn most(&self, prompt: &str) -> Option<Usd> {
        let attempts = 0..ATTEMPTS;
        attempts
            .map(|attempt| self.model.most(&self.request(prompt, 0, attempt)))
            .sum()
    }

    /// Asks until `read` understands the reply, [`ATTEMPTS`] times at most. The cost is that of all
    /// attempts; `None` where one is unknown.
    pub(crate) async fn ask<T>(
        &self,
        prompt: &str,
        repeat: u32,
        read: impl Fn(&str) -> Result<T, Unscored>,
        purse: &dyn Purse,
    ) -> (Result<T, Unscored>, Option<Usd>) {
        let mut cost = Some(Usd::ZERO);
        let mut attempt = 0;
        loop {
            let request = self.request(prompt, repeat, attempt);
            let answered = match self.model.ask(&request, purse).await {
                Ok(answered) => answered,
                Err(error) => return (Err(error.into()), None),
            };
            cost = cost.zip(answered.cost).map(|(a, b)| a + b);
            let result = match answered.replies.first() {
                Some(reply) if reply.finish.is_answer() => read(&reply.text),
                Some(reply) => Err(Unscored::Malformed(format!(
                    "it ends as {} {}",
                    reply.finish.as_str(),
                    excerpt(reply.finish.detail())
                ))),
                None => Err(Unscored::Malformed("there is none".into())),
            };
            attempt += 1;
            match result {
                Err(reason) if attempt < ATTEMPTS => {
                    tracing::debug!(judge = %self.spec.name, %reason, "asked again");
                }
                result => return (result, cost),
            }
        }
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voice")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

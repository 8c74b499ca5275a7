//! A request on its way to one model: what every adapter reads.

use autodidact_core::{Message, ModelSpec, Prompt};
use serde_json::{Map, Value};

use crate::{Capabilities, ChatRequest, ErrorClass, ProviderError};

/// Shortest common start of prompts that is worth a place in a provider's cache, in bytes: caches
/// take prefixes of 1,024 tokens and more.
pub(super) const CACHED_PREFIX: usize = 4096;

/// A request together with the model it goes to.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The model's declaration.
    pub spec: &'a ModelSpec,
    /// What it can do.
    pub capabilities: &'a Capabilities,
    /// What is asked.
    pub request: &'a ChatRequest,
}

impl Call<'_> {
    /// How many answers are asked for.
    pub fn n(&self) -> u32 {
        let wanted = u32::try_from(self.request.seeds.len()).unwrap_or(u32::MAX);
        wanted.clamp(1, self.capabilities.n.max(1))
    }

    /// The start of the answer; empty if there is none.
    pub(super) fn prefill(&self) -> &str {
        self.request.prefill.as_deref().unwrap_or_default()
    }

    /// The seed to send, cut to what the interface keeps.
    pub(super) fn seed(&self) -> Option<u64> {
        let seed = *self.request.seeds.first()?;
        let bits = self.capabilities.seed_bits.clamp(1, 63);
        self.capabilities.seed.then_some(seed & ((1 << bits) - 1))
    }

    /// The temperature to send.
    pub(super) fn temperature(&self) -> Option<Value> {
        let most = self.capabilities.temperature_most as f32;
        let sent = self.request.temperature.clamp(0.0, most);
        self.capabilities.temperature.then(|| number(sent))?
    }

    /// `top_p` to send. A model that takes only one of the two gets the temperature, which always
    /// means something, unless that is 1.
    pub(super) fn top_p(&self) -> Option<Value> {
        let alone = self.request.top_p < 1.0 && (self.request.temperature - 1.0).abs() < 1e-6;
        let sent =
            self.capabilities.temperature && (self.capabilities.temperature_with_top_p || alone);
        sent.then(|| number(self.request.top_p))?
    }

    /// The stop strings to send. Those that cannot be sent still end the text when it is read.
    pub(super) fn stop(&self) -> Vec<&str> {
        let taken = |stop: &&str| {
            !stop.is_empty() && (self.capabilities.stop_blank || !stop.trim().is_empty())
        };
        let all = self.request.stop.iter().map(String::as_str);
        all.filter(taken)
            .take(self.capabilities.stop as usize)
            .collect()
    }

    /// True if log-probabilities are asked for and given.
    pub(super) fn logprobs(&self) -> bool {
        self.request.logprobs && self.capabilities.logprobs
    }

    /// Fields that go out with every request of this provider.
    pub(super) fn fixed(&self) -> Map<String, Value> {
        if self.capabilities.temperature {
            self.capabilities.fixed.clone()
        } else {
            Map::new()
        }
    }

    /// An error in what was asked; nothing is sent.
    pub(super) fn refuse(&self, message: impl Into<String>) -> ProviderError {
        ProviderError::new(&self.spec.name, ErrorClass::BadRequest, message)
    }

    /// The conversation as instruction and turns.
    pub(super) fn conversation(&self) -> Conversation {
        Conversation::of(
            &self.request.prompt,
            !self.capabilities.system_role.is_empty(),
        )
    }

    /// Bytes of the prompt, and how many messages it has.
    pub fn prompt_size(&self) -> (u64, u64) {
        let prefill = self.prefill().len() as u64;
        match &self.request.prompt {
            Prompt::Text(text) => (text.len() as u64 + prefill, 1),
            Prompt::Chat(messages) => {
                let bytes: usize = messages.iter().map(|turn| turn.content.len()).sum();
                (bytes as u64 + prefill, messages.len() as u64 + 1)
            }
        }
    }
}

/// A conversation in the form every provider has: an instruction, then turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Empty if there is none, or no role for it.
    pub system: String,
    /// `user` and `assistant` by turns, none empty.
    pub turns: Vec<Message>,
}

impl Conversation {
    fn of(prompt: &Prompt, has_system: bool) -> Self {
        let messages = match prompt {
            Prompt::Text(text) => vec![Message::user(text.clone())],
            Prompt::Chat(messages) => messages.clone(),
        };
        let mut system = String::new();
        let mut turns: Vec<Message> = Vec::with_capacity(messages.len());
        for message in messages {
            let role = match message.role.as_str() {
                "system" | "developer" => {
                    join(&mut system, &message.content);
                    continue;
                }
                "assistant" | "model" => "assistant",
                _ => "user",
            };
            match turns.last_mut() {
                Some(last) if last.role == role => join(&mut last.content, &message.content),
                _ => turns.push(Message {
                    role: role.to_owned(),
                    content: message.content,
                }),
            }
        }
        turns.retain(|turn| !turn.content.is_empty());
        if !has_system && !system.is_empty() {
            before_first_question(&mut turns, std::mem::take(&mut system));
        }
        Self { system, turns }
    }

    /// How many turns all questions of a task have in common: the examples before the last one.
    pub(super) fn shared_turns(&self) -> usize {
        self.turns.len().saturating_sub(1)
    }

    /// Bytes that all questions of a task have in common.
    pub(super) fn shared_bytes(&self) -> usize {
        let turns = &self.turns[..self.shared_turns()];
        let examples: usize = turns.iter().map(|turn| turn.content.len()).sum();
        self.system.len() + examples
    }

    /// A name for what the questions have in common, if it is worth caching.
    pub(super) fn cache_key(&self) -> Option<String> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        if self.shared_bytes() < CACHED_PREFIX {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        self.system.hash(&mut hasher);
        for turn in &self.turns[..self.shared_turns()] {
            turn.content.hash(&mut hasher);
        }
        Some(format!("autodidact-{:016x}", hasher.finish()))
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

fn before_first_question(turns: &mut Vec<Message>, mut instruction: String) {
    if let Some(first) = turns.iter_mut().find(|turn| turn.role == "user") {
        join(&mut instruction, &first.content);
        first.content = instruction;
    } else {
        turns.insert(0, Message::user(instruction));
    }
}

/// A number as people write it: 0.7, not 0.699999988079071.
pub(super) fn number(value: f32) -> Option<Value> {
    let short: f64 = value.to_string().parse().ok()?;
    serde_json::Number::from_f64(short).map(Value::Number)
}

/// An effort word for a number of reasoning tokens.
pub(super) const fn effort(tokens: u32) -> &'static str {
    match tokens {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn turns_alternate_and_the_instruction_stands_apart() {
        let prompt = Prompt::Chat(vec![
            message("system", "be brief"),
            message("user", "a"),
            message("user", "b"),
            message("assistant", ""),
            message("assistant", "c"),
            message("user", "d"),
        ]);
        let apart = Conversation::of(&prompt, true);
        assert_eq!(apart.system, "be brief");
        let turns: Vec<&str> = apart
            .turns
            .iter()
            .map(|turn| turn.content.as_str())
            .collect();
        assert_eq!(turns, ["a\n\nb", "c", "d"]);
        let together = Conversation::of(&prompt, false);
        assert_eq!(together.system, "");
        assert_eq!(together.turns[0].content, "be brief\n\na\n\nb");
    }

    #[test]
    fn numbers_are_short_and_finite() {
        assert_eq!(number(0.7).unwrap().to_string(), "0.7");
        assert_eq!(number(0.0).unwrap().to_string(), "0.0");
        assert!(number(f32::NAN).is_none());
    }
}

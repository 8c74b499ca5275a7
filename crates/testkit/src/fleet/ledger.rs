//! What was asked and what was paid for, to prove that nothing is paid twice.

use std::collections::BTreeMap;

use serde::Serialize;

/// Requests for one and the same thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The path, without its query.
    pub path: String,
    /// The model asked.
    pub model: String,
    /// The idempotency key, or else a hash of the body.
    pub key: String,
    /// Requests that arrived, refused ones included.
    pub requests: u64,
    /// Answers made, each of which a provider would charge.
    pub answers: u64,
    /// Of these, sent only in part because of a fault.
    pub broken: u64,
    /// Answers sent again for the same idempotency key, which are not charged.
    pub replays: u64,
    /// Tokens of the prompts of all answers.
    pub input_tokens: u64,
    /// Tokens generated for all answers.
    pub output_tokens: u64,
}

/// Everything the fleet was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// All requests for answers and scores.
    pub requests: u64,
    /// All answers.
    pub answers: u64,
    /// All replays.
    pub replays: u64,
    /// Tokens of all prompts that were answered.
    pub input_tokens: u64,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// One entry for each path, model and key.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Entries that were answered more than once: paid twice.
    pub fn paid_twice(&self) -> Vec<&Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.answers > 1)
            .collect()
    }
}

/// What a request was for.
pub(crate) type Purpose = (String, String, String);

#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<Purpose, Entry>);

impl Book {
    pub(crate) fn entry(&mut self, purpose: &Purpose) -> &mut Entry {
        self.0.entry(purpose.clone()).or_insert_with(|| Entry {
            path: purpose.0.clone(),
            model: purpose.1.clone(),
            key: purpose.2.clone(),
            ..Entry::default()
        })
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let entries: Vec<Entry> = self.0.values().cloned().collect();
        let sum = |field: fn(&Entry) -> u64| entries.iter().map(field).sum();
        Ledger {
            requests: sum(|entry| entry.requests),
            answers: sum(|entry| entry.answers),
            replays: sum(|entry| entry.replays),
            input_tokens: sum(|entry| entry.input_tokens),
            output_tokens: sum(|entry| entry.output_tokens),
            entries,
        }
    }
}

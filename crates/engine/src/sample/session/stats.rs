//! What a session counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a session has done and is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Requests that wait.
    pub waiting: usize,
    /// Samples under way, those whose prompt is being computed included.
    pub active: usize,
    /// Samples that can be under way at once.
    pub capacity: usize,
    /// Requests taken so far.
    pub requests: u64,
    /// Prompt tokens computed.
    pub prompt_tokens: u64,
    /// Prompt tokens found in the cache.
    pub cached_tokens: u64,
    /// Tokens generated, end-of-text tokens included.
    pub generated_tokens: u64,
    /// Forward passes.
    pub steps: u64,
    /// Sequences over all forward passes: divided by `steps` it is the mean batch.
    pub sequences: u64,
    /// Bytes of keys and values kept of prompts.
    pub cache_bytes: usize,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) active: AtomicUsize,
    pub(super) requests: AtomicU64,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) cached_tokens: AtomicU64,
    pub(super) generated_tokens: AtomicU64,
    pub(super) steps: AtomicU64,
    pub(super) sequences: AtomicU64,
}

impl Counters {
    /// Adds to a counter.
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn snapshot(
        &self,
        waiting: usize,
        capacity: usize,
        cache_bytes: usize,
    ) -> SessionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SessionStats {
            waiting,
            active: self.active.load(Ordering::Relaxed),
            capacity,
            requests: read(&self.requests),
            prompt_tokens: read(&self.prompt_tokens),
            cached_tokens: read(&self.cached_tokens),
            generated_tokens: read(&self.generated_tokens),
            steps: read(&self.steps),
            sequences: read(&self.sequences),
            cache_bytes,
        }
    }
}

//! How a fleet is set up.

use std::sync::Arc;
use std::time::Duration;

use super::faults::Fault;
use super::mocks::{Fleet, Inner};
use super::wits::KnownProblem;

/// What does not change while the fleet runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) keys: Vec<String>,
    pub(crate) faults: Vec<(Fault, f64)>,
    pub(crate) retry_after: Duration,
    pub(crate) slow: Duration,
    pub(crate) latency: Duration,
    pub(crate) batch: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            faults: Vec::new(),
            retry_after: Duration::from_secs(1),
            slow: Duration::from_secs(3),
            latency: Duration::ZERO,
            batch: Duration::from_secs(1),
        }
    }
}

impl Fleet {
    /// Changes a fleet that is still being set up; one that has clones is left as it is.
    fn set(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            change(inner);
        }
        self
    }

    /// Adds questions that the models know.
    #[must_use]
    pub fn with_problems(self, problems: Vec<KnownProblem>) -> Self {
        self.set(|inner| inner.wits.problems.extend(problems))
    }

    /// Sets how often a model is right, from 0 to 1, by its name or a part of it.
    #[must_use]
    pub fn with_accuracy(self, model: &str, accuracy: f64) -> Self {
        self.set(|inner| inner.wits.accuracies.push((model.to_owned(), accuracy)))
    }

    /// Accepts only these keys, where the provider wants a key at all.
    #[must_use]
    pub fn with_keys<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        self.set(|inner| inner.settings.keys = keys.into_iter().map(Into::into).collect())
    }

    /// Lets each of these faults happen to a request for an answer with this probability.
    #[must_use]
    pub fn with_faults(self, probability: f64, kinds: &[Fault]) -> Self {
        self.set(|inner| {
            let faults = kinds.iter().map(|kind| (*kind, probability));
            inner.settings.faults.extend(faults);
        })
    }

    /// How long a 429 asks to wait, in whole seconds; 1 s unless set.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.set(|inner| inner.settings.retry_after = wait)
    }

    /// How long a slow answer takes; 3 s unless set.
    #[must_use]
    pub fn with_slow(self, delay: Duration) -> Self {
        self.set(|inner| inner.settings.slow = delay)
    }

    /// How long every answer takes.
    #[must_use]
    pub fn with_latency(self, latency: Duration) -> Self {
        self.set(|inner| inner.settings.latency = latency)
    }

    /// How long a batch takes; 1 s unless set.
    #[must_use]
    pub fn with_batch_time(self, time: Duration) -> Self {
        self.set(|inner| inner.settings.batch = time)
    }
}

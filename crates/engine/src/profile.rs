//! Where the time of sampling and training goes, by kind of layer.
//!
//! A worker thread runs under [`recorded`]; inside, [`time`] and [`timed`] say what it is busy
//! with. Times are exclusive: what is timed inside something else is taken off it, so the kinds of
//! a thread add up to the time between the beginning and the end of its record. A change of kind
//! costs two readings of the clock (some fifty nanoseconds), and outside of [`recorded`] one look
//! at a thread-local variable; records are therefore always kept, and nothing switches them on.

use std::cell::RefCell;
use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// What a thread can be busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// Rows of the token embedding.
    Embedding,
    /// Norms before, after and inside the halves of a block.
    Norm,
    /// The linear layers of queries, keys and values, and the rotation of the first two.
    QueryKeyValue,
    /// Scores, softmax and the weighted sum of values.
    Attention,
    /// The linear layer after attention.
    AttentionOutput,
    /// The linear layers and the activation of the feed-forward half.
    FeedForward,
    /// The output head, and in training the cross-entropy.
    Head,
    /// Rounding activations to eight bits.
    Rounding,
    /// Choosing tokens from logits.
    Choice,
    /// Dequantizing weights and merging the adapter into them.
    Merge,
    /// Gradients of the adapter's parameters.
    AdapterGradient,
    /// Clipping and the optimizer's step.
    Optimizer,
    /// Waiting for other threads.
    Waiting,
    /// Everything else.
    Other,
}

impl LayerKind {
    /// All kinds, in the order a token meets them.
    pub const ALL: [Self; 14] = [
        Self::Embedding,
        Self::Norm,
        Self::QueryKeyValue,
        Self::Attention,
        Self::AttentionOutput,
        Self::FeedForward,
        Self::Head,
        Self::Rounding,
        Self::Choice,
        Self::Merge,
        Self::AdapterGradient,
        Self::Optimizer,
        Self::Waiting,
        Self::Other,
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Norm => "norm",
            Self::QueryKeyValue => "query, key, value",
            Self::Attention => "attention",
            Self::AttentionOutput => "attention output",
            Self::FeedForward => "feed-forward",
            Self::Head => "head",
            Self::Rounding => "rounding",
            Self::Choice => "choice of tokens",
            Self::Merge => "weights and merging",
            Self::AdapterGradient => "adapter gradient",
            Self::Optimizer => "optimizer",
            Self::Waiting => "waiting",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Time and counted floating-point operations of each kind, summed over threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    times: [Duration; LayerKind::ALL.len()],
    operations: [u64; LayerKind::ALL.len()],
}

/// A line of a profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileEntry {
    /// What was done.
    pub kind: LayerKind,
    /// Time of all threads together.
    pub time: Duration,
    /// Share of the time of all kinds, from 0 to 1.
    pub share: f64,
    /// Floating-point operations that were counted, a fused multiply-add being two; zero where
    /// none are.
    pub operations: u64,
}

impl Profile {
    /// The time of all threads together.
    pub fn total(&self) -> Duration {
        self.times.iter().sum()
    }

    /// The time of one kind, of all threads together.
    pub fn time(&self, kind: LayerKind) -> Duration {
        self.times[kind as usize]
    }

    /// Counted floating-point operations of one kind.
    pub fn operations(&self, kind: LayerKind) -> u64 {
        self.operations[kind as usize]
    }

    /// What came after `earlier`, a profile of the same record.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = *self;
        for (time, before) in later.times.iter_mut().zip(earlier.times) {
            *time = time.saturating_sub(before);
        }
        for (operations, before) in later.operations.iter_mut().zip(earlier.operations) {
            *operations = operations.saturating_sub(before);
        }
        later
    }

    /// The kinds that took time, longest first.
    pub fn entries(&self) -> Vec<ProfileEntry> {
        let total = self.total().as_secs_f64();
        let entry = |kind: LayerKind| ProfileEntry {
            kind,
            time: self.time(kind),
            share: self.time(kind).as_secs_f64() / total,
            operations: self.operations(kind),
        };
        let mut entries: Vec<_> = LayerKind::ALL
            .into_iter()
            .filter(|kind| !self.time(*kind).is_zero())
            .map(entry)
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.time));
        entries
    }
}

impl AddAssign for Profile {
    fn add_assign(&mut self, other: Self) {
        for (time, more) in self.times.iter_mut().zip(other.times) {
            *time += more;
        }
        for (operations, more) in self.operations.iter_mut().zip(other.operations) {
            *operations = operations.saturating_add(more);
        }
    }
}

/// A record under way: what the thread is busy with, and since when.
struct Clock {
    kind: LayerKind,
    since: Instant,
    profile: Profile,
}

impl Clock {
    /// Files the time so far under the current kind and goes on with another.
    fn switch(&mut self, kind: LayerKind) -> LayerKind {
        let now = Instant::now();
        self.profile.times[self.kind as usize] += now - self.since;
        self.since = now;
        std::mem::replace(&mut self.kind, kind)
    }
}

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

fn switch(kind: LayerKind) -> Option<LayerKind> {
    CLOCK.with_borrow_mut(|clock| clock.as_mut().map(|clock| clock.switch(kind)))
}

/// Runs the work of a thread and returns, beside its result, where the time went; what is not
/// timed inside counts as [`LayerKind::Other`]. A record inside another one of the same thread
/// replaces it for as long as it lasts.
pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Profile) {
    let clock = Clock {
        kind: LayerKind::Other,
        since: Instant::now(),
        profile: Profile::default(),
    };
    let before = CLOCK.replace(Some(clock));
    let result = work();
    switch(LayerKind::Other);
    let clock = CLOCK.replace(before);
    (result, clock.map(|c| c.profile).unwrap_or_default())
}

/// Files the time until it is dropped; made by [`timed`].
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub(crate) struct Timing {
    before: Option<LayerKind>,
}

impl Drop for Timing {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            switch(before);
        }
    }
}

/// Files the time from here until the returned guard is dropped under `kind`.
pub(crate) fn timed(kind: LayerKind) -> Timing {
    Timing {
        before: switch(kind),
    }
}

/// Files the time of `work` under `kind`.
pub(crate) fn time<T>(kind: LayerKind, work: impl FnOnce() -> T) -> T {
    let _timing = timed(kind);
    work()
}

/// Counts floating-point operations for what the thread is busy with.
pub(crate) fn count(operations: u64) {
    CLOCK.with_borrow_mut(|clock| {
        if let Some(clock) = clock {
            let counted = &mut clock.profile.operations[clock.kind as usize];
            *counted = counted.saturating_add(operations);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep(milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    #[test]
    fn times_are_exclusive_and_add_up_to_the_whole() {
        let started = Instant::now();
        let (result, profile) = recorded(|| {
            time(LayerKind::FeedForward, || {
                sleep(20);
                count(7);
                time(LayerKind::Norm, || {
                    sleep(40);
                    count(2);
                });
                count(1);
            });
            sleep(10);
            5
        });
        let whole = started.elapsed();
        assert_eq!(result, 5);
        let at_least = |kind, milliseconds| {
            assert!(profile.time(kind) >= Duration::from_millis(milliseconds));
        };
        at_least(LayerKind::FeedForward, 20);
        at_least(LayerKind::Norm, 40);
        at_least(LayerKind::Other, 10);
        assert!(profile.total() <= whole, "nothing is counted twice");
        assert_eq!(profile.operations(LayerKind::FeedForward), 8);
        assert_eq!(profile.operations(LayerKind::Norm), 2);
    }

    #[test]
    fn without_a_record_nothing_is_kept_and_the_work_is_done() {
        assert_eq!(time(LayerKind::Head, || 3), 3);
        count(9);
        let ((), profile) = recorded(|| ());
        assert_eq!(profile.operations(LayerKind::Head), 0);
        assert_eq!(profile.time(LayerKind::Head), Duration::ZERO);
    }

    #[test]
    fn an_inner_record_leaves_the_outer_one_as_it_was() {
        let (inner, outer) = recorded(|| {
            let _timing = timed(LayerKind::Merge);
            recorded(|| time(LayerKind::Choice, || count(4))).1
        });
        assert_eq!(inner.operations(LayerKind::Choice), 4);
        assert_eq!(outer.operations(LayerKind::Choice), 0);
        assert!(outer.time(LayerKind::Merge) > Duration::ZERO);
    }

    #[test]
    fn entries_are_sorted_and_sums_are_sums() {
        let of = |kind: LayerKind, seconds| {
            let mut profile = Profile::default();
            profile.times[kind as usize] = Duration::from_secs(seconds);
            profile.operations[kind as usize] = 10 * seconds;
            profile
        };
        let mut sum = of(LayerKind::Norm, 1);
        sum += of(LayerKind::Head, 2);
        sum += of(LayerKind::Head, 1);
        let entries = sum.entries();
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.kind, e.share, e.operations))
            .collect();
        assert_eq!(
            seen,
            [(LayerKind::Head, 0.75, 30), (LayerKind::Norm, 0.25, 10)]
        );
        assert!(Profile::default().entries().is_empty());
    }

    #[test]
    fn every_kind_has_its_place() {
        for (i, kind) in LayerKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
        }
    }
}

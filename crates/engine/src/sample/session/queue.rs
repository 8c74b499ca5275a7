//! Where requests wait until a lane has room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::prefix_cache::PrefixCache;
use super::stats::Counters;
use super::{SessionEvent, SessionRequest};

/// Who is told about a request. Called from the lane's thread, which it must not hold up.
pub(super) type Listener = Box<dyn FnMut(SessionEvent) + Send>;

/// A request with whoever is told about it.
pub(super) struct Job {
    pub(super) id: usize,
    pub(super) request: SessionRequest,
    pub(super) listener: Listener,
    pub(super) cancelled: Arc<AtomicBool>,
    /// Blocks of keys and values that it may come to need.
    pub(super) blocks: usize,
}

impl Job {
    /// Samples that it takes part in the batch with.
    pub(super) fn samples(&self) -> usize {
        self.request.seeds.len().max(1)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What lanes and callers share.
struct State {
    waiting: VecDeque<Job>,
    /// Samples in each lane.
    busy: Vec<usize>,
    /// Blocks promised to requests under way.
    blocks: usize,
    closed: bool,
}

/// The queue in front of all lanes, and the cache behind them.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    cache: Mutex<PrefixCache>,
    pub(super) counters: Counters,
    pub(super) batch: usize,
    /// Blocks for requests under way.
    pub(super) capacity: usize,
}

impl Queue {
    pub(super) fn new(lanes: usize, batch: usize, capacity: usize, cached: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                busy: vec![0; lanes],
                blocks: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            cache: Mutex::new(PrefixCache::new(cached)),
            counters: Counters::default(),
            batch: batch.max(1),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, PrefixCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Puts a request in line; false if no lane works any more.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        Counters::add(&self.counters.requests, 1);
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Takes a request out of the line, if it is still there, and wakes whoever waits.
    pub(super) fn cancel(&self, id: usize) {
        let mut state = self.lock();
        let found = state.waiting.iter().position(|job| job.id == id);
        let removed = found.and_then(|at| state.waiting.remove(at));
        drop(state);
        drop(removed);
        self.changed.notify_all();
    }

    /// The next request for a lane, if it has room and no other lane has more. A lane that has nothing
    /// to do waits for one; `None` then means that the session is over.
    pub(super) fn take(&self, lane: usize) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let busy = state.busy.get(lane).copied().unwrap_or(0);
            if state.closed {
                return None;
            }
            if let Some(job) = self.next(&mut state, lane, busy) {
                return Some(job);
            }
            if busy > 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn next(&self, state: &mut State, lane: usize, busy: usize) -> Option<Job> {
        let fits = |job: &Job| {
            state.blocks == 0 || state.blocks.saturating_add(job.blocks) <= self.capacity
        };
        let idlest = state.busy.iter().min().is_none_or(|least| busy <= *least);
        if busy >= self.batch || !idlest || !state.waiting.front().is_some_and(fits) {
            return None;
        }
        let job = state.waiting.pop_front()?;
        state.blocks += job.blocks;
        if let Some(count) = state.busy.get_mut(lane) {
            *count += job.samples();
        }
        self.counters
            .active
            .fetch_add(job.samples(), Ordering::Relaxed);
        Some(job)
    }

    /// Samples of a lane have ended.
    pub(super) fn ended(&self, lane: usize, samples: usize) {
        let mut state = self.lock();
        if let Some(count) = state.busy.get_mut(lane) {
            *count = count.saturating_sub(samples);
        }
        drop(state);
        self.counters.active.fetch_sub(samples, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// A request has ended and needs its blocks no more.
    pub(super) fn freed(&self, blocks: usize) {
        let mut state = self.lock();
        state.blocks = state.blocks.saturating_sub(blocks);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the session: lanes stop after their step, and whoever waits is told.
    pub(super) fn close(&self, why: &str) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        for mut job in waiting {
            (job.listener)(SessionEvent::Failed(why.to_owned()));
        }
    }
}

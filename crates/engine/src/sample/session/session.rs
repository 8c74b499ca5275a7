//! The session: lanes that run as long as it lives, and the call that hands them a request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::super::cache::{BLOCK, BlockLayout};
use super::super::forward::{Network, Ropes, Scratch};
use super::super::sampler::check_options;
use super::lane;
use super::queue::{Job, Queue};
use super::{SessionEvent, SessionOptions, SessionRequest, SessionStats};
use crate::{EngineError, Model, Sampler};

/// Why requests fail that were under way when a session ended.
const OVER: &str = "the engine has stopped";

/// A model that answers requests as they come. They join the running batch at its next token and
/// leave it when they end, and prompts with a known beginning go on from its keys and values. A
/// sample is a function of model, adapter, prompt, seed and options alone, as with
/// [`Sampler::generate`], of which it is the same bytes.
pub struct Session {
    sampler: Arc<Sampler>,
    queue: Arc<Queue>,
    context: usize,
    block_bytes: usize,
    next: AtomicUsize,
    lanes: Vec<JoinHandle<()>>,
}

/// A request that was handed in. Dropping it cancels what is not done.
pub struct Ticket {
    id: usize,
    cancelled: Arc<AtomicBool>,
    queue: Arc<Queue>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.queue.cancel(self.id);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Starts the lanes: threads of their own for packed weights, which help the only one at work, or
    /// one that uses all threads for streamed ones.
    pub fn start(sampler: Arc<Sampler>, options: &SessionOptions) -> Result<Self, EngineError> {
        let config = sampler.model().config();
        let context = config.context.min(options.context);
        let block_bytes = BlockLayout::new(config).bytes().max(1);
        let (lanes, threads) = sampler.lanes();
        let queue = Arc::new(Queue::new(
            lanes,
            options.batch,
            options.active_bytes / block_bytes,
            options.cache_bytes / block_bytes,
        ));
        let ropes = Arc::new(Ropes::new(config, context));
        let helpers = sampler.helpers();
        let mut session = Self {
            queue,
            context,
            block_bytes,
            next: AtomicUsize::new(0),
            lanes: Vec::with_capacity(lanes),
            sampler,
        };
        for lane in 0..lanes {
            let (sampler, ropes) = (session.sampler.clone(), ropes.clone());
            let (queue, helpers) = (session.queue.clone(), helpers.clone());
            let work = move || {
                // Where a lane dies, nobody may go on waiting for it.
                let _closing = Closing(&queue);
                let network = Network {
                    model: sampler.model(),
                    weights: &sampler.weights,
                    ropes: &ropes,
                };
                let scratch = Scratch::new(threads).helped_by(helpers.clone());
                lane::run(&network, &queue, lane, scratch, helpers.as_deref());
            };
            let thread = std::thread::Builder::new().name(format!("autodidact-lane-{lane}"));
            session
                .lanes
                .push(thread.spawn(work).map_err(|_| EngineError::Worker)?);
        }
        Ok(session)
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        self.sampler.model()
    }

    /// Longest prompt and completion together, in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Requests that wait for room.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// What it has done and is doing.
    pub fn stats(&self) -> SessionStats {
        let cached = self.queue.cache().blocks() * self.block_bytes;
        let capacity = self.queue.batch * self.lanes.len();
        self.queue
            .counters
            .snapshot(self.queue.waiting(), capacity, cached)
    }

    /// Hands in a request. `listener` is called from a lane's thread with all that happens to it, and
    /// must return at once. Fails with [`EngineError::Input`] if the request can never be computed.
    pub fn submit(
        &self,
        request: SessionRequest,
        listener: impl FnMut(SessionEvent) + Send + 'static,
    ) -> Result<Ticket, EngineError> {
        let samples = request.seeds.len();
        let generated = if samples == 0 {
            0
        } else {
            request.options.max_tokens
        };
        self.sampler
            .check_prompt("the prompt", &request.prompt, generated, self.context)?;
        if samples > 0 {
            check_options(&request.options)?;
        } else if !request.score_prompt {
            return Err(EngineError::Input(
                "neither samples nor scores are wanted of the prompt".into(),
            ));
        }
        let own = generated.div_ceil(BLOCK).saturating_mul(samples);
        let blocks = request.prompt.len().div_ceil(BLOCK).saturating_add(own);
        if blocks > self.queue.capacity {
            return Err(EngineError::Input(format!(
                "{samples} samples of up to {generated} tokens after a prompt of {} need {} MB of keys and values, and there are {}; ask for fewer or shorter samples",
                request.prompt.len(),
                blocks.saturating_mul(self.block_bytes) >> 20,
                self.queue.capacity.saturating_mul(self.block_bytes) >> 20,
            )));
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            id,
            request,
            listener: Box::new(listener),
            cancelled: cancelled.clone(),
            blocks,
        };
        if !self.queue.push(job) {
            return Err(EngineError::Worker);
        }
        Ok(Ticket {
            id,
            cancelled,
            queue: self.queue.clone(),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.queue.close(OVER);
        for lane in self.lanes.drain(..) {
            // A lane that died has told everyone.
            let _ = lane.join();
        }
    }
}

/// Closes the queue when a lane ends, however it ends.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(OVER);
    }
}

//! How far the process is, written into the journal about once a second, and what people ask of it,
//! read from there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use autodidact_store::{Progress, ProgressState, Request, RunStore};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::StarError;
use crate::gate::Gate;
use crate::progress::{Event, Observer};

/// How often the journal is asked for requests.
const LOOK: Duration = Duration::from_millis(200);
/// How often progress is written while there is some.
const WRITE: Duration = Duration::from_secs(1);
/// How often something is written in any case, so that a process that is gone is known to be.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Follows the events of a run on their way to whoever watches it.
pub(crate) struct Pulse {
    watching: Arc<dyn Observer>,
    gate: Arc<Gate>,
    stage: Mutex<Stage>,
}

/// The stage under way.
#[derive(Debug, Clone)]
struct Stage {
    iteration: u32,
    title: String,
    done: u64,
    total: u64,
    made: u64,
    tokens: u64,
    loss: Option<f64>,
    began: Instant,
    paused_before: Duration,
}

impl Pulse {
    pub(crate) fn new(watching: Arc<dyn Observer>, gate: Arc<Gate>) -> Self {
        let stage = Stage {
            iteration: 0,
            title: "starting".to_owned(),
            done: 0,
            total: 0,
            made: 0,
            tokens: 0,
            loss: None,
            began: Instant::now(),
            paused_before: Duration::ZERO,
        };
        Self {
            watching,
            gate,
            stage: Mutex::new(stage),
        }
    }

    fn progress(&self, state: ProgressState) -> Progress {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = self.gate.closed_for().saturating_sub(stage.paused_before);
        let seconds = stage.began.elapsed().saturating_sub(paused).as_secs_f64();
        Progress {
            state,
            iteration: stage.iteration,
            title: stage.title.clone(),
            done: stage.done,
            total: stage.total,
            made: stage.made,
            tokens: stage.tokens,
            seconds,
            loss: stage.loss.filter(|loss| loss.is_finite()),
            heard: 0.0,
        }
    }

    fn follow(&self, event: &Event<'_>) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StageStarted {
                iteration,
                title,
                done,
                total,
            } => {
                *stage = Stage {
                    iteration: *iteration,
                    title: (*title).to_owned(),
                    done: *done,
                    total: *total,
                    made: 0,
                    tokens: 0,
                    loss: None,
                    began: Instant::now(),
                    paused_before: self.gate.closed_for(),
                };
            }
            Event::Sampled { sample, .. } => {
                stage.done += 1;
                stage.made += 1;
                stage.tokens += u64::from(sample.completion.tokens);
            }
            Event::Judged => {
                stage.done += 1;
                stage.made += 1;
            }
            Event::Step { report, .. } => {
                stage.done = u64::from(report.step);
                stage.made += 1;
                stage.tokens += report.tokens;
                stage.loss = Some(report.loss);
            }
            Event::StageFinished
            | Event::Baseline { .. }
            | Event::IterationFinished { .. }
            | Event::Note(_) => {}
        }
    }
}

impl Observer for Pulse {
    fn on(&self, event: &Event<'_>) {
        self.follow(event);
        self.watching.on(event);
    }
}

/// The task that writes progress and obeys requests while a run goes on.
pub(crate) struct Attention {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Attention {
    /// Begins to listen. Requests that were made before are not meant for this process.
    pub(crate) async fn begin(
        store: Arc<RunStore>,
        pulse: Arc<Pulse>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, StarError> {
        let answered = store.last_request().await?;
        let (end, ended) = oneshot::channel();
        let listener = Listener {
            store,
            pulse,
            stop,
            answered,
        };
        let task = tokio::spawn(listener.listen(ended));
        Ok(Self { end, task })
    }

    /// Stops listening and writes down how it ended.
    pub(crate) async fn end(self, store: &RunStore, pulse: &Pulse, state: ProgressState) {
        // Both fail only if the task is gone, and then there is nothing to end.
        let _ = self.end.send(());
        let _ = self.task.await;
        write(store, &pulse.progress(state)).await;
    }
}

/// Whoever watches from outside sees less if this fails; the run itself needs none of it.
async fn write(store: &RunStore, progress: &Progress) {
    if let Err(error) = store.record_progress(progress).await {
        tracing::warn!(%error, "progress was not written down");
    }
}

struct Listener {
    store: Arc<RunStore>,
    pulse: Arc<Pulse>,
    stop: Arc<AtomicBool>,
    answered: i64,
}

impl Listener {
    async fn listen(mut self, mut ended: oneshot::Receiver<()>) {
        let mut written: Option<(Instant, Progress)> = None;
        loop {
            self.obey().await;
            let state = if self.pulse.gate.is_closed() {
                ProgressState::Paused
            } else {
                ProgressState::Running
            };
            let now = self.pulse.progress(state);
            let due = written.as_ref().is_none_or(|(at, before)| {
                let moved = (&before.title, before.iteration, before.done)
                    != (&now.title, now.iteration, now.done);
                before.state != state
                    || at.elapsed() >= SIGN_OF_LIFE
                    || (moved && at.elapsed() >= WRITE)
            });
            if due {
                write(&self.store, &now).await;
                written = Some((Instant::now(), now));
            }
            tokio::select! {
                _ = &mut ended => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn obey(&mut self) {
        let request = match self.store.request_after(self.answered).await {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, "requests cannot be read");
                None
            }
        };
        let Some((number, request)) = request else {
            return;
        };
        self.answered = number;
        let note = match request {
            Request::Pause if self.pulse.gate.close() => {
                "paused on request; it goes on when it is asked to, and Ctrl-C parks it"
            }
            Request::Resume if self.pulse.gate.open() => "goes on, on request",
            Request::Stop if !self.stop.swap(true, Ordering::Relaxed) => {
                "parking on request: what is under way is finished and written down"
            }
            Request::Pause | Request::Resume | Request::Stop => return,
        };
        self.pulse.watching.on(&Event::Note(note));
    }
}

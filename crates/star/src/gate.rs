//! The gate that a paused run waits at, between two samples or steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often whoever waits looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Open, or closed while the run is paused. Nobody waits once the run is to end.
#[derive(Debug)]
pub(crate) struct Gate {
    pauses: Mutex<Pauses>,
    opened: Condvar,
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Pauses {
    since: Option<Instant>,
    before: Duration,
}

impl Gate {
    /// An open gate; `stop` becomes true when the run is to end.
    pub(crate) fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            pauses: Mutex::default(),
            opened: Condvar::new(),
            stop,
        }
    }

    /// Closes the gate. False if it was closed.
    pub(crate) fn close(&self) -> bool {
        let mut pauses = self.lock();
        if pauses.since.is_some() {
            return false;
        }
        pauses.since = Some(Instant::now());
        true
    }

    /// Opens the gate. False if it was open.
    pub(crate) fn open(&self) -> bool {
        let mut pauses = self.lock();
        let Some(since) = pauses.since.take() else {
            return false;
        };
        pauses.before += since.elapsed();
        self.opened.notify_all();
        true
    }

    /// True while whoever comes has to wait.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().since.is_some() && !self.stop.load(Ordering::Relaxed)
    }

    /// Blocks this thread while the gate is closed.
    pub(crate) fn pass(&self) {
        let mut pauses = self.lock();
        while pauses.since.is_some() && !self.stop.load(Ordering::Relaxed) {
            let waited = self.opened.wait_timeout(pauses, LOOK);
            (pauses, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits while the gate is closed.
    pub(crate) async fn passed(&self) {
        while self.is_closed() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How long the gate was closed so far, in all.
    pub(crate) fn closed_for(&self) -> Duration {
        let pauses = self.lock();
        let now = pauses.since.map(|since| since.elapsed());
        pauses.before + now.unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Pauses> {
        // Nothing panics while it holds the lock, and a pause is still a pause if something did.
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_until_it_opens_or_the_run_ends() {
        for by_stopping in [false, true] {
            let stop = Arc::new(AtomicBool::new(false));
            let gate = Arc::new(Gate::new(stop.clone()));
            gate.pass();
            assert!(gate.close() && !gate.close());
            let waiting = {
                let gate = gate.clone();
                std::thread::spawn(move || gate.pass())
            };
            std::thread::sleep(Duration::from_millis(120));
            assert!(!waiting.is_finished());
            if by_stopping {
                stop.store(true, Ordering::Relaxed);
            } else {
                assert!(gate.open() && !gate.open());
            }
            waiting.join().unwrap();
            assert!(gate.closed_for() >= Duration::from_millis(120));
        }
    }
}

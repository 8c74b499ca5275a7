//! Group commit: many requests end at once, and one transaction serves them all.

use std::sync::{Arc, Weak};

use autodidact_store::{Entry, RunStore, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::StarError;

/// Groups of entries in one transaction at most.
const GROUPS: usize = 512;

/// Entries, and whoever waits until they are on the disk.
struct Group {
    entries: Vec<Entry>,
    done: Option<oneshot::Sender<Result<(), Arc<StoreError>>>>,
}

/// Writes entries down. Clones write to the same journal, in the order of their calls.
#[derive(Debug, Clone)]
pub struct Writer {
    sender: mpsc::UnboundedSender<Group>,
}

impl Writer {
    /// Starts the task that writes; it ends when the last clone is dropped. It does not keep the store
    /// open: whoever drops the store calls [`Writer::flush`] before.
    pub fn start(store: &Arc<RunStore>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write(Arc::downgrade(store), receiver));
        Self { sender }
    }

    /// Writes entries down and waits until they are on the disk.
    pub async fn record(&self, entries: Vec<Entry>) -> Result<(), StarError> {
        let (done, written) = oneshot::channel();
        let group = Group {
            entries,
            done: Some(done),
        };
        self.sender.send(group).map_err(|_| StarError::Worker)?;
        let outcome = written.await.map_err(|_| StarError::Worker)?;
        outcome.map_err(StarError::Journal)
    }

    /// Waits until everything recorded or noted so far is on the disk.
    pub async fn flush(&self) -> Result<(), StarError> {
        self.record(Vec::new()).await
    }

    /// Writes entries down after everything recorded before, without waiting. If that fails, the
    /// next [`Writer::record`] fails too.
    pub fn note(&self, entries: Vec<Entry>) {
        let group = Group {
            entries,
            done: None,
        };
        // The writer is gone only while the program ends.
        let _ = self.sender.send(group);
    }
}

async fn write(store: Weak<RunStore>, mut receiver: mpsc::UnboundedReceiver<Group>) {
    let mut groups = Vec::with_capacity(GROUPS);
    let mut broken: Option<Arc<StoreError>> = None;
    while receiver.recv_many(&mut groups, GROUPS).await > 0 {
        let entries: Vec<Entry> = groups
            .iter_mut()
            .flat_map(|group| std::mem::take(&mut group.entries))
            .collect();
        let Some(store) = store.upgrade() else {
            return;
        };
        if broken.is_none() && !entries.is_empty() {
            broken = store.record_entries(&entries).await.err().map(Arc::new);
        }
        // Whoever is told may drop the store next, and means to close it with that.
        drop(store);
        for done in groups.drain(..).filter_map(|group| group.done) {
            let outcome = broken.clone().map_or(Ok(()), Err);
            // Whoever asked may have given up.
            let _ = done.send(outcome);
        }
    }
}

//! Ctrl-C, or SIGTERM from whoever runs the machine: once to write down what is done and park, twice
//! to stop at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::printer::Printer;

/// The exit code of a process stopped by SIGINT.
const STOPPED: i32 = 130;

/// Watches for signals and returns the flag that the first one raises.
pub(crate) fn watch(printer: &Printer) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let (raised, printer) = (flag.clone(), printer.clone());
    tokio::spawn(async move {
        let mut signals = Signals::new();
        while signals.next().await {
            if raised.swap(true, Ordering::Relaxed) {
                // Everything that matters is on the disk already, so stopping here loses nothing.
                #[expect(clippy::disallowed_methods, clippy::exit, reason = "the user insists")]
                std::process::exit(STOPPED);
            }
            printer.note("parking: what is under way is finished and written down; press Ctrl-C again to stop at once");
        }
    });
    flag
}

/// Waits until somebody asks this process to end.
pub(crate) async fn asked() {
    // Where no signal can come, only killing ends it.
    if !Signals::new().next().await {
        std::future::pending::<()>().await;
    }
}

/// The signals that ask a process to end.
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .ok(),
        }
    }

    /// Waits for one of them; false if none can come any more.
    #[cfg(unix)]
    async fn next(&mut self) -> bool {
        let Some(terminate) = &mut self.terminate else {
            return tokio::signal::ctrl_c().await.is_ok();
        };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
            terminated = terminate.recv() => terminated.is_some(),
        }
    }

    /// Waits for one; false if none can come any more.
    #[cfg(not(unix))]
    async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

//! Ctrl-C: once to write down what is done and park, twice to stop at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::printer::Printer;

/// The exit code of a process stopped by SIGINT.
const STOPPED: i32 = 130;

/// Watches for Ctrl-C and returns the flag that the first one raises.
pub(crate) fn watch(printer: &Printer) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let (raised, printer) = (flag.clone(), printer.clone());
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if raised.swap(true, Ordering::Relaxed) {
                // Everything that matters is on the disk already, so stopping here loses nothing.
                #[expect(clippy::disallowed_methods, clippy::exit, reason = "the user insists")]
                std::process::exit(STOPPED);
            }
            printer.note("parking the run; press Ctrl-C again to stop at once");
        }
    });
    flag
}

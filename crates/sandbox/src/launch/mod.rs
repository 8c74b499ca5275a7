//! The launcher: this program started again, which applies the layers to itself and then becomes the
//! sandboxed process. It has one thread, so that every layer holds for all of it.
//!
//! The outer half makes namespaces and a root directory, starts the inner half in them, and outlives
//! it to end whatever it leaves behind. The inner half takes limits, gives up privileges, applies
//! Landlock and seccomp, and executes Python or runs queries.

#[cfg(target_os = "linux")]
mod inner;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod namespaces;
mod order;
#[cfg(target_os = "linux")]
mod outer;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod seccomp;

use std::io::Write;
use std::process::ExitCode;

pub(crate) use order::{Job, Order, REFUSED, Side};

/// Carries out an order given as JSON. To be called by `main` before anything starts a thread.
pub fn launch(order: &str) -> ExitCode {
    let outcome = serde_json::from_str(order)
        .map_err(|e| format!("the launcher's order cannot be read: {e}"))
        .and_then(carry_out);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            // Nothing can be done if standard error is closed; the exit code says enough.
            drop(std::io::stderr().write_all(reason.as_bytes()));
            ExitCode::from(REFUSED)
        }
    }
}

#[cfg(target_os = "linux")]
fn carry_out(order: Order) -> Result<u8, String> {
    match order.applied.clone() {
        None => outer::run(order),
        Some(applied) => inner::run(&order, applied),
    }
}

#[cfg(not(target_os = "linux"))]
fn carry_out(_: Order) -> Result<u8, String> {
    Err("the sandbox is built of parts of Linux, and this is another system".to_owned())
}

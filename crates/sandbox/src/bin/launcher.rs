//! The launcher alone, for the tests of this crate: its only argument is the order.

use std::process::ExitCode;

fn main() -> ExitCode {
    let order = std::env::args().nth(1).unwrap_or_default();
    autodidact_sandbox::launch(&order)
}

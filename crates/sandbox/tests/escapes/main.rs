//! Attempts to get out of the sandbox, or to harm the machine from inside. Each says which layers
//! stop it; where a machine has none of them, the test prints so and checks what does hold.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

#[path = "../common/mod.rs"]
mod common;

mod attempt;
mod files;
mod kernel;
mod network;
mod processes;

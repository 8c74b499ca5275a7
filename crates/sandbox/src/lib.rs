//! Verification that runs things: programs of a model in a sandbox, queries on SQLite, and programs
//! of the user.
//!
//! What a model wrote is run in processes of their own behind several [`Layer`]s. The tests of a
//! program run in one process and the program in another; only plain data crosses between them, so
//! that an answer cannot see what is expected of it and cannot say that it passed. Start reading at
//! [`Sandbox`], then `launch/` (what happens inside), then `code/`.

mod code;
mod command;
mod fence;
mod json;
mod launch;
mod layers;
mod process;
mod python;
mod sandbox;
mod slots;
mod sql;

pub use command::CommandInput;
pub(crate) use json::write_json;
pub use launch::launch;
pub use layers::{Layer, LayerFinding, Layers};
pub use sandbox::{Launcher, Policy, Sandbox, Surroundings};

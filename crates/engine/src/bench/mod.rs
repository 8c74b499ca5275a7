//! What this machine can do against what it could do at most.
//!
//! Start reading at [`bench_sampling`] and [`bench_training`]; `work.rs` defines what counts as the
//! work of a task.

mod work;
mod workloads;

pub use work::{sampling_operations, training_operations};
pub use workloads::{BenchTask, bench_sampling, bench_training};

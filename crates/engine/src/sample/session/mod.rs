//! A long-lived session: requests enter and leave a running batch at any token.
//!
//! Start reading at [`Session::submit`]. `queue.rs` is where requests wait, `lane.rs` the thread that
//! computes them, `prefix_cache.rs` keeps the keys and values of prompts that were computed.

mod batch;
mod lane;
mod prefix_cache;
mod queue;
mod request;
#[expect(
    clippy::module_inception,
    reason = "the session itself, beside its parts"
)]
mod session;
mod stats;

pub use request::{ScoredToken, SessionEvent, SessionOptions, SessionRequest};
pub use session::{Session, Ticket};
pub use stats::SessionStats;

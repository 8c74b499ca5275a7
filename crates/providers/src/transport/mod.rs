//! The one place that opens a socket to a provider.

mod attempt;
mod backoff;
mod call;
mod endpoint;
mod gate;
mod health;
mod pace;
mod retry_after;
mod server;
mod sse;
mod statistics;
mod times;

pub use endpoint::{Endpoint, Paid};
pub(crate) use retry_after::duration;
pub use statistics::Statistics;

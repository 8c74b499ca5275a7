//! The one place that opens a socket to a provider.

mod endpoint;

pub use endpoint::{Endpoint, Paid};

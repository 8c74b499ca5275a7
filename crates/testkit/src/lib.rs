//! A fleet of mock providers that speak every wire format, and scripted faults.
//!
//! [`Server`] is an HTTP/1.1 server under full control of a test: what it does with each request is
//! an [`Act`]. [`Fleet`] is such a script that imitates the providers.

mod fleet;
mod read;
mod script;
mod server;
mod write;

pub use fleet::{Entry, Fault, Fleet, KnownProblem, Ledger};
pub use script::{Act, End, Received, Reply, events, json_lines};
pub use server::{Server, refused_url};

//! Models behind a network: one shared transport, and one adapter for each wire format.
//!
//! An adapter only translates ([`ChatRequest`] to JSON, JSON to [`Answered`]); the transport alone
//! opens sockets, waits, retries, paces itself and counts money. Start reading at [`ChatModel`], the
//! seam, then `remote.rs`, which composes an adapter with an [`Endpoint`]; `transport/call.rs` is one
//! request from the first attempt to the last.

mod capabilities;
mod chat;
mod error;
mod key;
mod prices;
mod purse;
mod transport;
mod wire;

pub use capabilities::Capabilities;
pub use chat::{Answered, ChatModel, ChatRequest, Finish, Reply, Usage};
pub use error::{Billed, ErrorClass, ProviderError};
pub use key::ApiKey;
pub use purse::{Budget, OverBudget, Purse, Ticket};
pub use transport::{Endpoint, Paid};
pub use wire::{Auth, Framing, Parsed, StreamDecoder, WireRequest};

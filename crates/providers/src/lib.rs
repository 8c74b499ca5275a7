//! Models behind a network: one shared transport, and one adapter for each wire format.
//!
//! An adapter only translates ([`ChatRequest`] to JSON, JSON to [`Answered`]); the transport alone
//! opens sockets, waits, retries, paces itself and counts money. Start reading at [`ChatModel`], the
//! seam, then `remote.rs`, which composes an adapter with an [`Endpoint`]; `transport/call.rs` is one
//! request from the first attempt to the last.

mod adapters;
mod batch;
mod capabilities;
mod chat;
mod error;
mod error_body;
mod error_class;
mod error_facts;
mod key;
mod prices;
mod purse;
mod redact;
mod remote;
mod transport;
mod wire;

pub use adapters::{Adapter, Call};
pub use batch::{BatchClient, BatchId, BatchResult, BatchState, read_offline, write_offline};
pub use capabilities::{
    Capabilities, PrefillStyle, ThinkingStyle, default_base_url, default_key_env, key_required,
};
pub use chat::{Answered, ChatModel, ChatRequest, Finish, Reply, Usage};
pub use error::{Billed, ErrorClass, ProviderError};
pub use error_body::error_of_value;
pub use key::ApiKey;
pub use prices::{PriceError, PriceTable, batch_price};
pub use purse::{Budget, OverBudget, Purse, Ticket};
pub use remote::{RemoteModel, key_needed, key_variable};
pub use transport::{Endpoint, Paid, Statistics};
pub use wire::{Auth, Framing, Parsed, StreamDecoder, WireRequest};

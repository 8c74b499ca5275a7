//! Sampling: many sequences at once, with everything they share computed once.
//!
//! Start reading at [`Sampler::generate`], or at [`Session`] for requests that come and go. A *lane* is
//! one thread with its own batch; lanes pull requests from one queue and share nothing but the weights
//! and the common prefix. Threads without a request help the only lane at work (`helpers.rs`). No result
//! depends on which lane, batch or thread count drew it.

mod attention;
mod cache;
mod choose;
mod forward;
mod helpers;
mod lane;
mod matrix;
mod options;
mod sampler;
mod sequence;
mod session;
mod weights;

pub use choose::LikelyToken;
pub use options::{Arithmetic, Finished, GenerationStats, Request, SamplingOptions, WeightStorage};
pub use sampler::Sampler;
pub use session::{
    ScoredToken, Session, SessionEvent, SessionOptions, SessionRequest, SessionStats, Ticket,
};
